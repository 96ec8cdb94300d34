"""Whether a lifecycle configuration is right, and what is kept of it. Pure.

Source: S3 API reference, PutBucketLifecycleConfiguration; S3 user guide, "Lifecycle configuration elements", "Transitioning
objects using Amazon S3 Lifecycle" (constraints); the codes and messages are S3's own answers.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from awning.services.s3 import conditions, errors
from awning.services.s3.lifecycle_rules import ALL_128K, VARIES
from awning.services.s3.storage_classes import DAY, LADDER

MOST_RULES: Final = 1000
LONGEST_ID: Final = 255
LARGEST: Final = 1099511627776000
_FEWEST_DAYS: Final = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
"""Days that an object must have been stored, or not current, before it may go there."""
_ACTIONS: Final = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionTransitions",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
)
_PREDICATES: Final = ("Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And")
_ORDER: Final = {name: at for at, name in enumerate(LADDER)}

Rule = Mapping[str, Any]


def minimum_size(given: str | None) -> str:
    """Return the default minimum object size for transitions. Raises InvalidRequest."""
    if given is None:
        return ALL_128K
    if given not in (ALL_128K, VARIES):
        raise errors.InvalidRequest(f"Invalid TransitionDefaultMinimumObjectSize found: {given}")
    return given


def checked(given: Mapping[str, Any] | None, new_id: Callable[[], str]) -> list[dict[str, Any]]:
    """Return a configuration's rules as they are kept: with an id each, dates in seconds since the epoch.

    Raises MalformedXML, InvalidArgument, InvalidRequest.
    """
    rules = (given or {}).get("Rules") or []
    if not rules:
        raise errors.MalformedXML
    if len(rules) > MOST_RULES:
        raise errors.InvalidRequest(
            f"The number of lifecycle rules must not exceed the allowed limit of {MOST_RULES} rules."
        )
    kept = [_rule(rule, new_id) for rule in rules]
    seen: set[str] = set()
    for rule in kept:
        if rule["ID"] in seen:
            raise errors.InvalidArgument(
                "Rule ID must be unique. Found same ID for more than one rule", "ID", rule["ID"]
            )
        seen.add(rule["ID"])
    _check_forms(kept)
    _check_prefixes(kept)
    return kept


def _rule(rule: Rule, new_id: Callable[[], str]) -> dict[str, Any]:
    if rule.get("Status") not in ("Enabled", "Disabled"):
        raise errors.MalformedXML
    id_ = rule.get("ID") or b64encode(new_id().encode()).decode()
    if len(id_) > LONGEST_ID:
        raise errors.InvalidArgument(f"ID length should not exceed allowed limit of {LONGEST_ID}", "ID", id_)
    if ("Prefix" in rule) == ("Filter" in rule):
        raise errors.MalformedXML
    kept = {**rule, "ID": id_}
    _check_filter(rule.get("Filter") or {})
    if "Transitions" in rule:
        kept["Transitions"] = [_dated(move) for move in rule["Transitions"]]
    if "Expiration" in rule:
        kept["Expiration"] = _dated(rule["Expiration"])
    _check_expiration(kept.get("Expiration"))
    _check_moves(kept, "Transition", "Transitions", "Days")
    _check_moves(kept, "NoncurrentVersionTransition", "NoncurrentVersionTransitions", "NoncurrentDays")
    _check_stale(kept)
    _check_abort(kept)
    _check_filtered(kept)
    _check_together(kept)
    if not any(kept.get(action) for action in _ACTIONS):
        raise errors.InvalidRequest("At least one action needs to be specified in a rule")
    return kept


# Filters -------------------------------------------------------------------------------------------------------------


def _check_filter(given: Mapping[str, Any]) -> None:
    """A filter has at most one predicate, or an And of two at least."""
    if sum(name in given for name in _PREDICATES) > 1:
        raise errors.MalformedXML
    both: Mapping[str, Any] = given.get("And") or given
    tags = list(both.get("Tags") or ([given["Tag"]] if "Tag" in given else []))
    if "And" in given:
        if sum(name in both for name in _PREDICATES) + len(tags) < 2:
            raise errors.MalformedXML
        if len({tag.get("Key") for tag in tags}) < len(tags):
            raise errors.InvalidRequest("Duplicate Tag Keys are not allowed.")
    for tag in tags:
        if "Key" not in tag or "Value" not in tag:
            raise errors.MalformedXML
        if not 1 <= len(tag["Key"]) <= 128:
            raise errors.InvalidTag("The TagKey you have provided is invalid", TagKey=tag["Key"])
        if len(tag["Value"]) > 256:
            raise errors.InvalidTag("The TagValue you have provided is invalid", TagValue=tag["Value"])
    over, under = both.get("ObjectSizeGreaterThan"), both.get("ObjectSizeLessThan")
    if over is not None and not 0 <= over <= LARGEST:
        raise errors.InvalidRequest(f"'ObjectSizeGreaterThan' should be between 0 and {LARGEST}.")
    if under is not None and not 1 <= under <= LARGEST:
        raise errors.InvalidRequest(f"'ObjectSizeLessThan' should be between 1 and {LARGEST}.")
    if over is not None and under is not None and under <= over:
        raise errors.InvalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")


def _check_filtered(rule: Rule) -> None:
    """Neither the removal of delete markers nor that of uploads may ask for tags or sizes."""
    given = rule.get("Filter") or {}
    both: Mapping[str, Any] = given.get("And") or given
    if both.get("Tags") or "Tag" in both:
        what = "Tags"
    elif "ObjectSizeGreaterThan" in both or "ObjectSizeLessThan" in both:
        what = "Object Size"
    else:
        return
    if "ExpiredObjectDeleteMarker" in (rule.get("Expiration") or {}):
        raise errors.InvalidRequest(f"ExpiredObjectDeleteMarker cannot be specified with {what}.")
    if "AbortIncompleteMultipartUpload" in rule:
        raise errors.InvalidRequest(f"AbortIncompleteMultipartUpload cannot be specified with {what}.")


def _said(rule: Rule) -> str:
    """How messages call a rule's filter."""
    given = rule.get("Filter") or {}
    both: Mapping[str, Any] = given.get("And") or given
    prefix = both.get("Prefix", rule.get("Prefix", ""))
    parts = [f"prefix={prefix or ''}"]
    tags = both.get("Tags") or ([both["Tag"]] if "Tag" in both else [])
    parts += [f"tag: key={tag['Key']}, value={tag['Value']}" for tag in tags]
    for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if name in both:
            parts.append(f"{name.lower()}={both[name]}")
    return f"filter '({' and '.join(parts)})'"


def _check_forms(rules: list[dict[str, Any]]) -> None:
    """Either all rules have a filter, or all the older form, a prefix of their own."""
    older = ["Prefix" in rule for rule in rules]
    if any(older) and not all(older):
        raise errors.InvalidRequest(
            "Filter element can only be used in Lifecycle V2."
            if older[0]
            else "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter."
        )
    if not older[0]:
        return
    for rule in rules:
        stale = [rule.get("NoncurrentVersionExpiration") or {}, *(rule.get("NoncurrentVersionTransitions") or [])]
        if any("NewerNoncurrentVersions" in action for action in stale):
            raise errors.InvalidRequest("NewerNoncurrentVersions element can only be used in Lifecycle V2.")


def _check_prefixes(rules: list[dict[str, Any]]) -> None:
    """In the older form, no two rules do the same to one object."""
    seen: dict[str, list[str]] = {}
    for rule in rules:
        if "Prefix" not in rule:
            return
        prefix = rule["Prefix"] or ""
        for action in _ACTIONS:
            if not rule.get(action):
                continue
            for other in seen.setdefault(action, []):
                if other.startswith(prefix) or prefix.startswith(other):
                    first, second = sorted((other, prefix), key=len)
                    name = action.removesuffix("s")
                    raise errors.InvalidRequest(
                        f"Found overlapping prefixes '{first}' and '{second}' for same action type '{name}'"
                    )
            seen[action].append(prefix)


# Actions -------------------------------------------------------------------------------------------------------------


def _dated(action: Mapping[str, Any]) -> dict[str, Any]:
    """Return an action with its date in seconds. Raises InvalidArgument for one that is not at midnight UTC."""
    if action.get("Date") is None:
        return dict(action)
    when = conditions.seconds(action["Date"])
    if when % DAY:
        raise errors.InvalidArgument("'Date' must be at midnight GMT", "Date", action["Date"])
    return {**action, "Date": int(when)}


def _check_positive(name: str, value: int, action: str) -> None:
    if value < 1:
        raise errors.InvalidArgument(f"'{name}' for {action} action must be a positive integer", name, value)


def _check_expiration(expiration: Mapping[str, Any] | None) -> None:
    if expiration is None:
        return
    if sum(name in expiration for name in ("Days", "Date", "ExpiredObjectDeleteMarker")) != 1:
        raise errors.MalformedXML
    if "Days" in expiration:
        _check_positive("Days", expiration["Days"], "Expiration")


def _check_moves(rule: Rule, action: str, member: str, days: str) -> None:
    """Each class once, the lower ones later, and each not before its time."""
    moves = rule.get(member) or []
    for move in moves:
        if ("Date" in move) == (days in move) or move.get("StorageClass") not in LADDER[1:]:
            raise errors.MalformedXML
        _check_kept(move, action)
        if days not in move:
            continue
        least = _FEWEST_DAYS.get(move["StorageClass"], 0)
        if move[days] < 0:
            raise errors.InvalidArgument(f"'{days}' in {action} action must be nonnegative", days, move[days])
        if move[days] < least:
            raise errors.InvalidArgument(
                f"'{days}' in {action} action must be greater than or equal to {least} for storageClass "
                f"'{move['StorageClass']}'",
                days,
                move[days],
            )
    if len({move["StorageClass"] for move in moves}) < len(moves):
        raise errors.InvalidRequest(
            f"'StorageClass' must be different for '{action}' actions in same 'Rule' with {_said(rule)}"
        )
    if len({"Date" in move for move in moves}) > 1:
        raise _mixed(rule)
    ordered = sorted(moves, key=lambda move: _ORDER[move["StorageClass"]])
    for before, after in pairwise(ordered):
        name = "Date" if "Date" in before else days
        apart = 30 * (DAY if name == "Date" else 1) if before["StorageClass"] in _FEWEST_DAYS else 0
        if after[name] <= before[name] or after[name] < before[name] + apart:
            said = _said(rule)
            more = "30 days more" if apart else "later" if name == "Date" else "greater"
            raise errors.InvalidArgument(
                f"'{name}' in the '{action}' action for StorageClass '{after['StorageClass']}' for {said} must be {more} "
                f"than '{name}' in the '{action}' action for StorageClass '{before['StorageClass']}' for {said}",
                name,
                after[name],
            )


def _mixed(rule: Rule) -> errors.InvalidRequest:
    return errors.InvalidRequest(
        f"Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {_said(rule)}"
    )


def _check_kept(action: Mapping[str, Any], name: str) -> None:
    if "NewerNoncurrentVersions" in action:
        _check_positive("NewerNoncurrentVersions", action["NewerNoncurrentVersions"], name)


def _check_stale(rule: Rule) -> None:
    stale = rule.get("NoncurrentVersionExpiration")
    if stale is None:
        return
    if "NoncurrentDays" not in stale:
        raise errors.MalformedXML
    _check_positive("NoncurrentDays", stale["NoncurrentDays"], "NoncurrentVersionExpiration")
    _check_kept(stale, "NoncurrentVersionExpiration")


def _check_abort(rule: Rule) -> None:
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort is None:
        return
    if "DaysAfterInitiation" not in abort:
        raise errors.MalformedXML
    _check_positive("DaysAfterInitiation", abort["DaysAfterInitiation"], "AbortIncompleteMultipartUpload")


def _check_together(rule: Rule) -> None:
    """What is deleted has gone through its transitions before."""
    pairs: Iterable[tuple[str, str, str, str]] = (
        ("Expiration", "Expiration", "Transitions", "Days"),
        (
            "NoncurrentVersionExpiration",
            "NoncurrentVersionExpiration",
            "NoncurrentVersionTransitions",
            "NoncurrentDays",
        ),
    )
    for member, action, moves_member, days in pairs:
        end, moves = rule.get(member) or {}, rule.get(moves_member) or []
        if not moves or not ("Date" in end or days in end):
            continue
        if ("Date" in end) != ("Date" in moves[0]):
            raise _mixed(rule)
        name = "Date" if "Date" in end else days
        if end[name] <= max(move[name] for move in moves):
            transition = action.replace("Expiration", "Transition")
            raise errors.InvalidArgument(
                f"'{name}' in the {action} action for {_said(rule)} must be {'later' if name == 'Date' else 'greater'} "
                f"than '{name}' in the {transition} action",
                name,
                end[name],
            )
