"""Lifecycle rules: what is due to an object, a version, a delete marker or an upload, and when. Pure: no clock, no database.

Source: S3 user guide, "Lifecycle configuration elements", "Expiring objects", "Transitioning objects using Amazon S3 Lifecycle",
"Conflicts in lifecycle configurations", "Examples of S3 Lifecycle configurations".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from awning.services.s3.storage_classes import DAY, LADDER, REDUCED, next_midnight

VARIES: Final = "varies_by_storage_class"
ALL_128K: Final = "all_storage_classes_128K"
SMALL: Final = 128 * 1024
"""Objects below this stay where they are, unless a rule speaks of sizes."""
_TAKE_SMALL: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_RANK: Final = {**{name: at for at, name in enumerate(LADDER)}, REDUCED: 0}
_CARRIED: Final = "".join(chr(code) for code in range(32, 127) if chr(code) != '"')

Tags = frozenset[tuple[str, str]]
NO_TAGS: Final[Tags] = frozenset()


class Move(NamedTuple):
    """A transition: `days` after the object's writing (or since it is not current), or at `date`. `keep`: so many newer versions
    that are not current stay out of it."""

    storage_class: str
    days: int | None
    date: int | None
    keep: int


class Rule(NamedTuple):
    """An enabled rule. `over`, `under`: sizes that an object must be beyond and below. `days`, `date`: its expiration. `markers`:
    it removes delete markers that hide nothing. `stale`: of versions that are not current, their days, and how many newer ones
    are kept. `abort`: days that an upload may take."""

    id: str
    prefix: bytes
    tags: Tags
    over: int | None
    under: int | None
    days: int | None
    date: int | None
    markers: bool
    moves: tuple[Move, ...]
    stale_moves: tuple[Move, ...]
    stale: tuple[int, int] | None
    abort: int | None

    def fits(self, key: bytes, size: int, tags: Tags) -> bool:
        return (
            key.startswith(self.prefix)
            and (self.over is None or size > self.over)
            and (self.under is None or size < self.under)
            and self.tags <= tags
        )


class Lifecycle(NamedTuple):
    """A configuration as it is used. `small`: small objects go to archives too. `tagged`: some rule asks for tags.
    `prefixes`: of the rules, in order."""

    rules: tuple[Rule, ...]
    small: bool
    tagged: bool
    prefixes: tuple[bytes, ...]


class Thing(NamedTuple):
    """An object or a version. `since`: when it was written, or when it ceased to be current, in seconds since the epoch."""

    key: bytes
    size: int
    since: int
    storage_class: str
    tags: Tags


# Reading a configuration ---------------------------------------------------------------------------------------------


def compile_lifecycle(stored: Mapping[str, Any]) -> Lifecycle:
    """Return the enabled rules of a configuration that was found right."""
    rules = tuple(_rule(rule) for rule in stored["Rules"] if rule["Status"] == "Enabled")
    return Lifecycle(
        rules,
        stored["TransitionDefaultMinimumObjectSize"] == VARIES,
        any(rule.tags for rule in rules),
        tuple(sorted({rule.prefix for rule in rules})),
    )


def _rule(rule: Mapping[str, Any]) -> Rule:
    given = rule.get("Filter") or {}
    both: Mapping[str, Any] = given.get("And") or given
    tags = both.get("Tags") or ([both["Tag"]] if "Tag" in both else [])
    prefix = both.get("Prefix") or rule.get("Prefix") or ""
    expiration = rule.get("Expiration") or {}
    stale = rule.get("NoncurrentVersionExpiration")
    abort = rule.get("AbortIncompleteMultipartUpload")
    return Rule(
        id=rule["ID"],
        prefix=prefix.encode("utf-8", "surrogateescape"),
        tags=frozenset((tag["Key"], tag["Value"]) for tag in tags),
        over=both.get("ObjectSizeGreaterThan"),
        under=both.get("ObjectSizeLessThan"),
        days=expiration.get("Days"),
        date=expiration.get("Date"),
        markers=bool(expiration.get("ExpiredObjectDeleteMarker")),
        moves=tuple(_moves(rule.get("Transitions") or (), "Days")),
        stale_moves=tuple(_moves(rule.get("NoncurrentVersionTransitions") or (), "NoncurrentDays")),
        stale=None if stale is None else (stale["NoncurrentDays"], stale.get("NewerNoncurrentVersions") or 0),
        abort=None if abort is None else abort["DaysAfterInitiation"],
    )


def _moves(given: Iterable[Mapping[str, Any]], days: str) -> Iterable[Move]:
    for move in given:
        yield Move(move["StorageClass"], move.get(days), move.get("Date"), move.get("NewerNoncurrentVersions") or 0)


# When ----------------------------------------------------------------------------------------------------------------


def due(since: int, days: int) -> int:
    """Return when something is due that many days after a time: at the next midnight UTC."""
    return next_midnight(since + days * DAY)


def expiration(lifecycle: Lifecycle, key: bytes, size: int, written: int, tags: Tags) -> tuple[int, str] | None:
    """Return when a current version expires first, and by which rule's id; None where it never does."""
    found: tuple[int, str] | None = None
    for rule in lifecycle.rules:
        if rule.days is not None:
            when = due(written, rule.days)
        elif rule.date is not None:
            when = rule.date
        else:
            continue
        if (found is None or when < found[0]) and rule.fits(key, size, tags):
            found = when, rule.id
    return found


def abortion(lifecycle: Lifecycle, key: bytes, initiated: int) -> tuple[int, str] | None:
    """Return when an upload is given up first, and by which rule's id; None where it never is."""
    found: tuple[int, str] | None = None
    for rule in lifecycle.rules:
        if rule.abort is not None and key.startswith(rule.prefix):
            when = due(initiated, rule.abort)
            if found is None or when < found[0]:
                found = when, rule.id
    return found


def header(found: tuple[int, str]) -> str:
    """Write x-amz-expiration."""
    return f'expiry-date="{formatdate(found[0], usegmt=True)}", rule-id="{id_in_header(found[1])}"'


def id_in_header(id_: str) -> str:
    """Write a rule's id as headers have it: as it is, but for what a header cannot carry, which is URL-encoded."""
    return quote(id_, safe=_CARRIED, errors="surrogateescape")


# What is due ---------------------------------------------------------------------------------------------------------


def move_due(lifecycle: Lifecycle, thing: Thing, now: float) -> str | None:
    """Return the storage class that a current version is to have now, the lowest of those that are due; None: the one it has."""
    moves = ((rule, move) for rule in lifecycle.rules for move in rule.moves if _falls(move, thing.since) <= now)
    return _lowest(lifecycle, thing, moves)


def _falls(move: Move, since: int) -> int:
    return due(since, move.days) if move.days is not None else move.date or 0


def stale_move_due(lifecycle: Lifecycle, thing: Thing, newer: int, now: float) -> str | None:
    """As move_due(), of a version that is not current. newer: how many such versions are newer than it."""
    moves = (
        (rule, move)
        for rule in lifecycle.rules
        for move in rule.stale_moves
        if newer >= move.keep and _falls(move, thing.since) <= now
    )
    return _lowest(lifecycle, thing, moves)


def _lowest(lifecycle: Lifecycle, thing: Thing, moves: Iterable[tuple[Rule, Move]]) -> str | None:
    rank, found = _RANK[thing.storage_class], None
    for rule, move in moves:
        sized = rule.over is not None or rule.under is not None
        if not sized and thing.size < SMALL and not (lifecycle.small and move.storage_class in _TAKE_SMALL):
            continue
        lower = _RANK[move.storage_class] > rank and _may_follow(thing.storage_class, move.storage_class)
        if lower and rule.fits(thing.key, thing.size, thing.tags):
            rank, found = _RANK[move.storage_class], move.storage_class
    return found


def _may_follow(before: str, after: str) -> bool:
    """The one step down the ladder that there is not: from one zone to instant retrieval."""
    return (before, after) != ("ONEZONE_IA", "GLACIER_IR")


def stale_gone(lifecycle: Lifecycle, thing: Thing, newer: int, now: float) -> bool:
    """Say whether a version that is not current, or a delete marker, is to be deleted for good now."""
    return any(
        rule.stale is not None
        and newer >= rule.stale[1]
        and due(thing.since, rule.stale[0]) <= now
        and rule.fits(thing.key, thing.size, thing.tags)
        for rule in lifecycle.rules
    )


def marker_gone(lifecycle: Lifecycle, key: bytes, made: int, now: float) -> bool:
    """Say whether a delete marker that hides nothing any more is to be removed now."""
    return any(
        (rule.markers or (rule.days is not None and due(made, rule.days) <= now)) and rule.fits(key, 0, NO_TAGS)
        for rule in lifecycle.rules
    )


# What need not be looked at ------------------------------------------------------------------------------------------


def oldest_needed(lifecycle: Lifecycle, now: float) -> int | None:
    """Return the time before which a current version must have been written for anything to be due to it; None: nothing is due
    to any."""
    days: list[int] = []
    for rule in lifecycle.rules:
        for at_days, at_date in ((rule.days, rule.date), *((move.days, move.date) for move in rule.moves)):
            if at_days is not None:
                days.append(at_days)
            elif at_date is not None and at_date <= now:
                return 1 << 62
    return (int(now) // DAY - min(days)) * DAY if days else None


def concerns_versions(lifecycle: Lifecycle) -> bool:
    """Say whether anything is due to versions that are not current, or to delete markers, ever."""
    return any(rule.markers or rule.days is not None or rule.stale or rule.stale_moves for rule in lifecycle.rules)


def concerns_uploads(lifecycle: Lifecycle) -> bool:
    return any(rule.abort is not None for rule in lifecycle.rules)


def start_from(lifecycle: Lifecycle, key: bytes) -> bytes | None:
    """Return the first key from this one on that some rule may be about; None where there is none."""
    for prefix in lifecycle.prefixes:
        if key.startswith(prefix) or prefix > key:
            return max(key, prefix)
    return None
