"""Archives of FIFO topics and their replay: what the policies may be, and what a subscription's replay has come to. Pure.

Source: the developer guide's "Amazon SNS message archiving and replay for FIFO topics".
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from awning.services.sns import tables

DAY: Final = 86_400_000
"""Milliseconds."""

PENDING: Final = "Pending"
IN_PROGRESS: Final = "In progress"
COMPLETED: Final = "Completed"
FAILED: Final = "Failed"

_LONGEST_DAYS = 365
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True, slots=True)
class Replay:
    """A subscription's replay. `start` and `end` in milliseconds since the epoch, `end` None where it goes over into what is
    published; `after`: the sequence of the last message that was replayed or passed over; `begun`: when it was asked for."""

    start: int
    end: int | None
    begun: int
    status: str = PENDING
    after: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether something is still to be done for it."""
        return self.status in (PENDING, IN_PROGRESS)

    @property
    def pauses(self) -> bool:
        """Whether the subscription does not get what is published now: not before it has caught up, nor behind an end."""
        return self.end is not None or self.goes_on

    def text(self) -> str:
        """Return it as it is stored."""
        return orjson.dumps(asdict(self)).decode()


def replay_of(row: tables.SubscriptionRow) -> Replay | None:
    """Return a subscription's replay, None where there is none."""
    return Replay(**orjson.loads(row.replay)) if row.replay else None


def read_archive_policy(text: str) -> int:
    """Return the days that an ArchivePolicy keeps messages; 0 where it ends the archive. Raises ValueError."""
    policy = _object(text, "ArchivePolicy")
    if not policy:
        return 0
    if unknown := policy.keys() - {"MessageRetentionPeriod"}:
        raise ValueError(f"ArchivePolicy: unknown field {min(unknown)}")
    days = policy["MessageRetentionPeriod"]
    if isinstance(days, str) and days.isascii() and days.isdigit() and len(days) < 10:
        days = int(days)
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _LONGEST_DAYS:
        raise ValueError(f"ArchivePolicy: MessageRetentionPeriod must be between 1 and {_LONGEST_DAYS} days")
    return days


def read_replay_policy(text: str, now: int) -> Replay | None:
    """Return the replay that a ReplayPolicy asks for at a time in milliseconds; None where it ends one. Raises ValueError."""
    policy = _object(text, "ReplayPolicy")
    if not policy:
        return None
    if unknown := policy.keys() - {"PointType", "StartingPoint", "EndingPoint"}:
        raise ValueError(f"ReplayPolicy: unknown field {min(unknown)}")
    if policy.get("PointType") != "Timestamp":
        raise ValueError("ReplayPolicy: PointType must be Timestamp")
    start = _moment(policy.get("StartingPoint"), "StartingPoint")
    end = _moment(policy["EndingPoint"], "EndingPoint") if "EndingPoint" in policy else None
    if end is not None and end <= start:
        raise ValueError("ReplayPolicy: EndingPoint must be later than StartingPoint")
    return Replay(start, end, now)


def _moment(value: Any, name: str) -> int:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None:
            return round(moment.astimezone(UTC).timestamp() * 1000)
    raise ValueError(f"ReplayPolicy: {name} must be a timestamp such as 2023-10-01T10:00:00.000Z")


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{name}: failed to parse JSON")
    return found
