"""What the room keeps in memory: compiled policies and notifications, and who is reading which parts. All are lost
without harm."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakSet

import orjson

from awning.auth.policy import Policy, compile_policy
from awning.kit.attempts import Attempts
from awning.kit.compiled import Compiled
from awning.kit.service import Guard
from awning.services.s3 import bucket_tables
from awning.services.s3.counting import Gathered, Meter
from awning.services.s3.data_keys import DataKeys
from awning.services.s3.event_records import Listeners, compile_listeners

if TYPE_CHECKING:
    from awning.services.s3.reading import Pieces

POLICY_ID: Final = "the bucket policy"
"""What a denial's explanation calls it."""

MOST_KEPT: Final = 1000


class Settings(NamedTuple):
    """One document of settings, and what was made of each by name."""

    values: dict[str, Any]
    compiled: dict[str, Any]


class Memory:
    """Compiled policies, notifications and settings by their ids: an id stands for one text for ever, so none goes out of date.

    `known` are buckets, and what they say about their users, by name, from committed state; whoever changes one clears them after
    the commit. `data_keys` follow from their names, or are good for a time. `readers` are the bodies under way that take one part
    after another; `making` are contents whose parts are being written down. `trusts` are the trust policies of roles that
    replicate. `gathered` are the records of access logs that wait; `meters` what was counted of requests since the start, by
    bucket's name and configuration's id.
    `attempts` are the wrong MFA codes that were shown.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.compiled: dict[str, Policy] = {}
        self.notified: dict[str, Listeners] = {}
        self.known: dict[str, tuple[bucket_tables.Bucket, Guard]] = {}
        self.readers: WeakSet[Pieces] = WeakSet()
        self.making: set[int] = set()
        self.settings: dict[str, Settings] = {}
        self.data_keys = DataKeys()
        self.gathered = Gathered()
        self.trusts = Compiled()
        self.attempts = Attempts()
        self.meters: dict[tuple[str, str], Meter] = {}

    def forget_bucket(self, name: str) -> None:
        """A bucket is gone: another of its name begins without what this one had."""
        self.known.clear()
        self.gathered.drop(name)
        for place in [place for place in self.meters if place[0] == name]:
            del self.meters[place]

    def keep_settings(self, id_: str, settings: Settings) -> None:
        """Keep what stands under an id."""
        if len(self.settings) >= MOST_KEPT:
            self.settings.clear()
        self.settings[id_] = settings

    def policy(self, db: sqlite3.Connection, policy: str, called: str = POLICY_ID) -> Policy | None:
        """Return a compiled policy of a bucket, or of what is `called` so in explanations; None where it is gone."""
        found = self.compiled.get(policy)
        if found is None:
            stored = bucket_tables.policy_of(db, policy)
            if stored is None:
                return None
            found = compile_policy(stored[0], id=called, kind="resource", ids=stored[1])
            if len(self.compiled) >= MOST_KEPT:
                self.compiled.clear()
            self.compiled[policy] = found
        return found

    def listeners(self, db: sqlite3.Connection, bucket: bucket_tables.Bucket, notification: str) -> Listeners:
        """Return who hears of a bucket by its configuration, which is there."""
        found = self.notified.get(notification)
        if found is None:
            found = compile_listeners(
                orjson.loads(bucket_tables.notification_of(db, notification) or b"{}"), bucket.account
            )
            if len(self.notified) >= MOST_KEPT:
                self.notified.clear()
            self.notified[notification] = found
        return found

    def reading(self) -> frozenset[int]:
        """Return the contents whose parts are being read, or written down."""
        return frozenset(self.making).union(reader.content for reader in self.readers)
