"""Names, paths, ids and tags: their rules, and what goes wrong with them. Pure: nothing here knows the database.

Source: the patterns of the service model and "IAM identifiers" in the IAM user guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from awning.kit.call import Call
from awning.services.iam.errors import InvalidInput, LimitExceeded, ValidationError
from awning.services.iam.quotas import NAME_LENGTH, TAGS

_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]+")
_PATH: Final = re.compile(r"/|/[\x21-\x7e]+/")
_POLICY_PATH: Final = re.compile(r"((/[A-Za-z0-9.,+@=_-]+)*)/")
_TAG: Final = re.compile(r"[\w\s.:/=+\-@]*")
_PREFIXES: Final = {
    "user": "AIDA",
    "role": "AROA",
    "group": "AGPA",
    "policy": "ANPA",
    "instance-profile": "AIPA",
    "server-certificate": "ASCA",
}


def check_name(kind: str, name: str, field: str) -> None:
    """Raise ValidationError where `name` can't be the name of a user, role, group or policy."""
    longest = NAME_LENGTH[kind]
    if len(name) > longest:
        raise ValidationError(
            f"1 validation error detected: Value at '{field}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {longest}"
        )
    if not _NAME.fullmatch(name):
        raise ValidationError(
            f"The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the "
            "following: +=,.@_-"
        )


def check_path(kind: str, path: str) -> None:
    """Raise ValidationError where `path` does not begin and end with a slash, or has other characters than it may."""
    pattern = _POLICY_PATH if kind == "policy" else _PATH
    if len(path) > 512 or not pattern.fullmatch(path):
        raise ValidationError(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric "
            "characters and/or / characters."
        )


def new_id(call: Call, kind: str) -> str:
    """A unique id: four letters for the kind, and 17 characters."""
    return _PREFIXES[kind] + call.new_token(17)


def read_tags(tags: Sequence[Mapping[str, Any]] | None, folded: bool = True) -> dict[str, str]:
    """Key and value of each tag in a request, checked.

    folded: keys differ not by case alone (users and roles; a policy's do). Raises InvalidInput, LimitExceeded.
    """
    result: dict[str, str] = {}
    seen: set[str] = set()
    for tag in tags or ():
        key, value = tag["Key"], tag["Value"]
        same = key.lower() if folded else key
        if same in seen:
            note = " Please note that Tag keys are case insensitive." if folded else ""
            raise InvalidInput("Duplicate tag keys found." + note)
        if key.lower().startswith("aws:"):
            raise InvalidInput("Tag keys that begin with aws: are reserved for AWS.")
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise ValidationError(f"The tag {key!r} has a key or value that is too long, or has characters other than "
                                  "letters, digits, white space and _.:/=+-@")  # fmt: skip
        seen.add(same)
        result[key] = value
    if len(result) > TAGS:
        raise LimitExceeded("The number of tags has reached the maximum limit.")
    return result


def merge_tags(old: Mapping[str, str], new: Mapping[str, str], folded: bool = True) -> dict[str, str]:
    """What tagging `old` with `new` leaves. Raises LimitExceeded."""
    replaced = {_same(key, folded) for key in new}
    merged = {key: value for key, value in old.items() if _same(key, folded) not in replaced} | dict(new)
    if len(merged) > TAGS:
        raise LimitExceeded("The number of tags has reached the maximum limit.")
    return merged


def drop_tags(old: Mapping[str, str], keys: Sequence[str], folded: bool = True) -> dict[str, str]:
    """What is left of `old` without these keys; one that is not there is no error."""
    dropped = {_same(key, folded) for key in keys}
    return {key: value for key, value in old.items() if _same(key, folded) not in dropped}


def write_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _same(key: str, folded: bool) -> str:
    return key.lower() if folded else key
