"""Storage classes: which there are, which are archives, and how a copy out of an archive comes and goes. Pure: times are given.

Source: S3 user guide, "Understanding and managing Amazon S3 storage classes", "Restoring an archived object", "Archive retrieval
options"; S3 API reference, RestoreObject.
"""

from __future__ import annotations

from email.utils import formatdate
from typing import Any, Final, NamedTuple

import orjson

from awning.services.s3 import errors

STANDARD: Final = "STANDARD"
LADDER: Final = (
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
"""A lifecycle moves objects down this ladder only."""
REDUCED: Final = "REDUCED_REDUNDANCY"
ALL: Final = frozenset({*LADDER, REDUCED})
"""What an object may have. The others of the model are of directory buckets, Outposts, file systems and Snow devices."""
ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Objects of these are read only from a restored copy."""

DAY: Final = 86400
_HOUR: Final = 3600
TIERS: Final = ("Bulk", "Standard", "Expedited")
"""Retrieval options, the slowest first."""
_DELAYS: Final = {
    ("GLACIER", "Expedited"): 60,
    ("GLACIER", "Standard"): 3 * _HOUR,
    ("GLACIER", "Bulk"): 5 * _HOUR,
    ("DEEP_ARCHIVE", "Standard"): 12 * _HOUR,
    ("DEEP_ARCHIVE", "Bulk"): 48 * _HOUR,
}
"""Seconds after which a copy is there: the shortest of the times that AWS documents as usual."""


class Restore(NamedTuple):
    """A copy out of an archive. `ready`: from when it is there; `until`: to when; in seconds since the epoch. `days`: for how
    long it was asked for. `told`: that it is there has been told."""

    tier: str
    days: int
    ready: int
    until: int
    told: bool = False

    def going_on(self, now: float) -> bool:
        """Say whether the copy is still on its way."""
        return now < self.ready

    def there(self, now: float) -> bool:
        """Say whether the copy can be read."""
        return self.ready <= now < self.until

    def due(self) -> int:
        """Return when something is to be done about it next."""
        return self.until if self.told else self.ready


def check(storage_class: str | None) -> None:
    """Raises InvalidStorageClass for what no object of a general purpose bucket can have."""
    if storage_class is not None and storage_class not in ALL:
        raise errors.InvalidStorageClass(storage_class)


def next_midnight(when: float) -> int:
    """Return the first midnight UTC after a time."""
    return (int(when) // DAY + 1) * DAY


def begin(storage_class: str, tier: str, days: int, now: float) -> Restore:
    """Return a restore that is asked for now. The copy stays for `days` from when it is there, up to the next midnight UTC."""
    delay = _DELAYS.get((storage_class, tier))
    if delay is None:
        raise errors.InvalidArgument("Retrieval option is not supported by this storage class", "Tier", tier)
    ready = int(now) + delay
    return Restore(tier, days, ready, next_midnight(ready + days * DAY))


def restore_of(extras: bytes | None) -> Restore | None:
    """Return the restore that an object's extras tell of."""
    if extras is None:
        return None
    kept = orjson.loads(extras).get("restore")
    return None if kept is None else Restore(*kept)


def with_restore(extras: bytes | None, restore: Restore | None) -> bytes | None:
    """Return an object's extras with another restore."""
    values: dict[str, Any] = orjson.loads(extras) if extras is not None else {}
    if restore is None:
        values.pop("restore", None)
    else:
        values["restore"] = list(restore)
    return orjson.dumps(values) if values else None


def check_readable(storage_class: str, extras: bytes | None, now: float, copied: bool = False) -> None:
    """Raises InvalidObjectState where an object lies in an archive and has no copy outside. copied: it is a copy's source."""
    if storage_class not in ARCHIVES:
        return
    restore = restore_of(extras)
    if restore is None or not restore.there(now):
        raise errors.InvalidObjectState(
            "Operation is not valid for the source object's storage class"
            if copied
            else "The operation is not valid for the object's storage class",
            storage_class,
        )


def header(restore: Restore | None, now: float) -> str | None:
    """Return x-amz-restore; None where no copy is there or on its way."""
    if restore is None or now >= restore.until:
        return None
    if restore.going_on(now):
        return 'ongoing-request="true"'
    return f'ongoing-request="false", expiry-date="{formatdate(restore.until, usegmt=True)}"'


def status(restore: Restore | None, now: float) -> dict[str, Any] | None:
    """Return what listings say of a restore, where they are asked to."""
    if restore is None or now >= restore.until:
        return None
    if restore.going_on(now):
        return {"IsRestoreInProgress": True}
    return {"IsRestoreInProgress": False, "RestoreExpiryDate": restore.until}
