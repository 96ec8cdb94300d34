"""Object lock: what protects a version, who may change that, and what a new version is protected by.

A version's lock stands in its content's extras. S3 user guide, "Locking objects with Object Lock"; errors in S3's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from awning.protocols.times import to_iso8601_millis
from awning.services.s3 import errors, names, owners, settings, tables
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import seconds

if TYPE_CHECKING:
    from awning.kit.call import Call

SETTING: Final = "lock"
GOVERNANCE: Final = "GOVERNANCE"
COMPLIANCE: Final = "COMPLIANCE"
ON: Final = "ON"
DAY: Final = 86_400
DATE_HEADER: Final = "x-amz-object-lock-retain-until-date"
MODE_HEADER: Final = "x-amz-object-lock-mode"
BYPASS_HEADER: Final = "x-amz-bypass-governance-retention"
_TOO_EARLY: Final = "The retain until date must be in the future!"


class Retention(NamedTuple):
    """Until when (seconds since the epoch) a version is kept, and how strictly."""

    mode: str
    until: float


class Lock(NamedTuple):
    """What protects a version, or what a write asks for. `hold`: ON or OFF; None where it never had a legal hold."""

    retention: Retention | None = None
    hold: str | None = None

    def holds(self, now: float, bypass: bool) -> bool:
        """Say whether the version may not be deleted now. bypass: governance does not count."""
        if self.hold == ON:
            return True
        kept = self.retention
        return kept is not None and kept.until > now and not (bypass and kept.mode == GOVERNANCE)

    def allows(self, new: Retention | None, now: float, bypass: bool) -> bool:
        """Say whether another retention may take this one's place. A legal hold has no say in that."""
        kept = self.retention
        if kept is None or kept.until <= now or (bypass and kept.mode == GOVERNANCE):
            return True
        return new is not None and new.mode == kept.mode and new.until >= kept.until


class Default(NamedTuple):
    """A bucket's object lock. `mode` is None, and `period` (seconds) 0, where new versions are not retained by default."""

    mode: str | None
    period: int

    def retention(self, now: float) -> Retention | None:
        return None if self.mode is None else Retention(self.mode, now + self.period)


def of_bucket(call: Call, bucket: Bucket) -> Default | None:
    """Return a bucket's object lock; None where it has none."""
    return None if bucket.settings is None else settings.compiled(call, bucket, SETTING, _default)


def _default(rule: Mapping[str, Any]) -> Default:
    years, days = rule.get("Years", 0), rule.get("Days", 0)
    return Default(rule.get("Mode"), (years * 365 + days) * DAY)


def of_extras(extras: bytes | None) -> Lock:
    """Return a version's lock."""
    if extras is None:
        return Lock()
    kept = orjson.loads(extras)
    retention = kept.get("retention")
    return Lock(Retention(*retention) if retention else None, kept.get("hold"))


def with_lock(extras: bytes | None, lock: Lock) -> bytes | None:
    """Return extras with this lock in place of the one that they have."""
    retention = None if lock.retention is None else [*lock.retention]
    return owners.merged(extras, {"retention": retention, "hold": lock.hold})


# Writes --------------------------------------------------------------------------------------------------------------


def asked(call: Call, mode: str | None, date: datetime | float | None, hold: str | None) -> Lock | None:
    """Return the lock that a write's headers ask for. Raises InvalidArgument."""
    if mode is None and date is None and hold is None:
        return None
    until = None if date is None else seconds(date)
    if (mode is None) != (until is None):
        raise errors.InvalidArgument(
            f"{DATE_HEADER} and {MODE_HEADER} must both be supplied", DATE_HEADER if until is None else MODE_HEADER
        )
    if mode is None or until is None:
        return Lock(None, hold)
    if until <= call.now:
        raise errors.InvalidArgument(_TOO_EARLY, DATE_HEADER, _sent(call, DATE_HEADER) or to_iso8601_millis(until))
    return Lock(Retention(mode, until), hold)


def check_write(call: Call, bucket: Bucket, lock: Lock | None, verified: bool = True, part: bool = False) -> None:
    """Refuse a write that a bucket's object lock does not let in. Raises InvalidRequest, InvalidArgument.

    verified: the request has a digest of its body, or has none (a copy). part: it is one of an upload with a lock.
    """
    default = of_bucket(call, bucket)
    if default is None:
        if lock is not None:
            raise errors.InvalidRequest("Bucket is missing ObjectLockConfiguration")
        return
    if lock is None and default.mode is None:
        return
    if not verified:
        noun = "Part" if part else "Object"
        raise errors.InvalidRequest(
            f"Content-MD5 OR x-amz-checksum- HTTP header is required for Put {noun} requests with Object Lock parameters"
        )
    if not part and not (call.facts.signed or "").startswith("v4"):
        raise errors.InvalidArgument(
            "Put Object requests with Object Lock parameters require AWS Signature Version 4", "Authorization"
        )


def on_new(call: Call, bucket: Bucket, lock: Lock | None, extras: bytes | None) -> bytes | None:
    """Return a new version's extras with the lock that it asked for, or else its bucket's default retention."""
    default = of_bucket(call, bucket)
    if default is None:
        return extras
    wanted = lock or Lock()
    if wanted.retention is None:
        wanted = Lock(default.retention(int(call.now)), wanted.hold)
    return extras if wanted == Lock() else with_lock(extras, wanted)


# Deletions -----------------------------------------------------------------------------------------------------------


def check_bypass(call: Call, bucket: Bucket, bypass: bool | None) -> None:
    """Raises InvalidArgument where governance is to be bypassed, or not, in a bucket that knows no locks."""
    if bypass is not None and of_bucket(call, bucket) is None:
        raise errors.InvalidArgument(
            f"{BYPASS_HEADER} is only applicable to Object Lock enabled buckets.", BYPASS_HEADER
        )


def check_removal(call: Call, bucket: Bucket, content: int, bypass: bool) -> None:
    """Refuse to remove a version that is locked. Raises AccessDenied."""
    if of_bucket(call, bucket) is None:
        return
    if of_extras(tables.extras_of_content(call.db, content)).holds(call.now, bypass):
        raise locked()


def locked() -> errors.AccessDenied:
    return errors.AccessDenied("Access Denied because object protected by object lock.")


# What is shown -------------------------------------------------------------------------------------------------------


def shown(call: Call, bucket: str, key: str, extras: bytes) -> dict[str, Any]:
    """Return what GET and HEAD say of a version's lock, to whom that may be said."""
    lock = of_extras(extras)
    result: dict[str, Any] = {}
    if lock.retention is not None and _may(call, "s3:GetObjectRetention", bucket, key):
        result["ObjectLockMode"] = lock.retention.mode
        result["ObjectLockRetainUntilDate"] = to_iso8601_millis(lock.retention.until)
    if lock.hold is not None and _may(call, "s3:GetObjectLegalHold", bucket, key):
        result["ObjectLockLegalHoldStatus"] = lock.hold
    return result


def _may(call: Call, action: str, bucket: str, key: str) -> bool:
    return call.authorise is None or call.allowed(action, names.place(call, bucket, key)).allowed


def check_future(call: Call, until: float) -> None:
    """Raises InvalidArgument for a retention that would be over already."""
    if until <= call.now:
        raise errors.InvalidArgument(_TOO_EARLY, "RetainUntilDate", pacific(until))


def pacific(time: float) -> str:
    """Write a moment as S3's errors do, by the clock of Seattle: Tue Dec 31 16:00:00 PST 2019."""
    moment = datetime.fromtimestamp(time, UTC)
    first, last = (_sunday(moment.year, 3, 2) + timedelta(hours=10), _sunday(moment.year, 11, 1) + timedelta(hours=9))
    name, hours = ("PDT", 7) if first <= moment < last else ("PST", 8)
    return (moment - timedelta(hours=hours)).strftime(f"%a %b %d %H:%M:%S {name} %Y")


def _sunday(year: int, month: int, number: int) -> datetime:
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


def _sent(call: Call, header: str) -> str | None:
    value = call.facts.headers.get(header.encode())
    return None if value is None else value.decode("latin-1")
