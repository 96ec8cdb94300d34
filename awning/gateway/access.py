"""Whose credential a request shows: the well-known keys, the region's own root key, and those that iam and sts know.

What rooms answer is kept only while neither of them has committed anything since.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from awning.auth.claims import Claims
from awning.auth.principal import root_of
from awning.auth.refused import Reason, Refused
from awning.contracts import Credential, FindCredential, FindSession
from awning.gateway.address import read_host
from awning.net.client import OUTGOING
from awning.net.messages import Request

WELL_KNOWN_SECRET = "test"
DEFAULT_ACCOUNT = "000000000000"
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The keys that need no user: the region's own root key, and where the well-known ones are taken.

    well_known_anywhere: not only on loopback addresses (a container image whose network is its own).
    """

    access_key_id: str | None = None
    secret: str | None = None
    well_known_anywhere: bool = False
    domain: str | None = None


class Access:
    """Finds the Credential behind a claim, and keeps it until iam or sts changes.

    `ask` puts a question to the rooms; `generation` tells whether they have changed since.
    """

    def __init__(self, keys: RootKeys, ask: Callable[[Any], Any], generation: Callable[[], int]) -> None:
        self.keys = keys
        self.shares: Callable[[str, Request], bool] = lambda room, request: False
        """Whether a room lets pages of other origins ask for this, by rules that its user made (buckets' CORS rules)."""
        self._ask = ask
        self._generation = generation
        self._kept: dict[str, Credential] = {}
        self._kept_at = -1

    def find(self, claims: Claims, request: Request, room: str) -> Credential:
        """Return the credential of a claim's access key, for a request to a room. Raises Refused: UNKNOWN_KEY, and for a
        well-known key that a web page or an unknown host name uses, FOREIGN."""
        key = claims.access_key_id
        generation = self._generation()
        if generation != self._kept_at:
            self._kept.clear()
            self._kept_at = generation
        found = self._kept.get(key)
        if found is None:
            found = self._look_up(key, request, room)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            if found.principal.kind != "root":
                self._kept[key] = found
        return found

    def _look_up(self, key: str, request: Request, room: str) -> Credential:
        keys = self.keys
        if keys.access_key_id is not None and hmac.compare_digest(key.encode(), keys.access_key_id.encode()):
            refuse_own(request)
            return Credential(key, keys.secret or "", root_of(DEFAULT_ACCOUNT))
        if is_well_known(key) and (request.endpoint.loopback or keys.well_known_anywhere):
            refuse_own(request)
            refuse_foreign(request, keys.domain, partial(self.shares, room))
            root = root_of(DEFAULT_ACCOUNT if key == "test" else key)
            return Credential(key, WELL_KNOWN_SECRET, replace(root, well_known=True))
        question = FindSession(key) if key.startswith("ASIA") else FindCredential(key)
        found: Credential | None = self._ask(question)
        if found is None:
            raise Refused(Reason.UNKNOWN_KEY, _unknown(key), {"access_key_id": key})
        return found


def is_well_known(key: str) -> bool:
    """Whether an access key is `test` or the 12 digits of an account."""
    return key == "test" or (len(key) == 12 and key.isascii() and key.isdigit())


def refuse_own(request: Request) -> None:
    """Keep connections that awning itself opens (web hooks, origins) from acting as root: whoever may name a URL could have
    one called that is signed with a well-known key."""
    if OUTGOING.lower() in request.headers:
        raise Refused(Reason.FOREIGN, "Root keys are not accepted from connections that the region itself opens.", {})


def refuse_foreign(
    request: Request, domain: str | None, shares: Callable[[Request], bool] = lambda request: False
) -> None:
    """Keep web pages from acting as root by the well-known keys: a page in the user's browser knows them too.

    Refused are an Origin, a Sec-Fetch-Site other than "none" (the user typed the address), and a Host that is not ours (a name
    rebound to this machine). Our own origin is no exception: a page that lies in a bucket is served from it. The user's own
    exceptions are what `shares` takes.
    """
    headers = request.headers
    site = headers.get(b"sec-fetch-site")
    origin = headers.get(b"origin")
    from_page = origin is not None or (site is not None and site != b"none")
    excepted = from_page and shares(request)
    if site is not None and site != b"none" and not excepted:
        raise Refused(Reason.FOREIGN, f"Well-known keys are not accepted from a web page ({_text(site)} request).", {})
    host = headers.get(b"host", b"")
    if origin is not None and not excepted:
        raise Refused(Reason.FOREIGN, f"Well-known keys are not accepted from a web page of {_text(origin)}.", {})
    if not request.endpoint.control and not read_host(_text(host), domain).known:
        raise Refused(
            Reason.FOREIGN,
            f"Well-known keys are not accepted for the host {_text(host)}; start with --domain to add it.",
            {},
        )


def _unknown(key: str) -> str:
    if is_well_known(key):
        return "The well-known keys are accepted on loopback addresses only."
    return "The AWS Access Key Id you provided does not exist in our records."


def _text(value: bytes) -> str:
    return value.decode("latin-1")
