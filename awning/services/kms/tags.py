"""Tags of keys.

Source: the developer guide's "Tags in AWS KMS" and the API reference of TagResource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.kms import tables
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import LimitExceededException, TagException
from awning.services.kms.lookup import arn_of_key, check_not_deleted, find_own, find_to_change
from awning.services.kms.pages import page, read_marker

_MOST: Final = 50
_PAGE: Final = 50


def read_tags(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Return a request's tags by their keys. Raises TagException, LimitExceededException."""
    found: dict[str, str] = {}
    for tag in tags or ():
        key = tag["TagKey"]
        if key.lower().startswith("aws:"):
            raise TagException("Tags beginning with aws: are reserved")
        if key in found:
            raise TagException("Duplicate tag keys")
        found[key] = tag["TagValue"]
    check_count(found)
    return found


def check_count(tags: Mapping[str, str]) -> None:
    """Raises TagException for too many tags."""
    if len(tags) > _MOST:
        raise TagException("Too many tags")


@operation(Needs("kms:TagResource", arn_of_key()), honours={"tags": ALL}, tags="tags", context=conditions)
def tag_resource(call: Call, key_id: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a key, or give them other values."""
    key = find_to_change(call, key_id)
    check_not_deleted(key)
    after = {**key.tags, **read_tags(tags)}
    if len(after) > _MOST:
        raise LimitExceededException(f"A key has at most {_MOST} tags.")
    tables.update_key(call.db, key.id, tags=after)


@operation(Needs("kms:UntagResource", arn_of_key()), tag_keys="tag_keys", context=conditions)
def untag_resource(call: Call, key_id: str, tag_keys: list[str]) -> None:
    """Remove the tags of these keys from a key."""
    key = find_to_change(call, key_id)
    check_not_deleted(key)
    gone = set(tag_keys)
    tables.update_key(call.db, key.id, tags={name: value for name, value in key.tags.items() if name not in gone})


@operation(Needs("kms:ListResourceTags", arn_of_key()), reads=True, context=conditions)
def list_resource_tags(call: Call, key_id: str, limit: int | None = None, marker: str | None = None) -> dict[str, Any]:
    """Return a key's tags, by default all that there may be."""
    key = find_own(call, key_id)
    after, size = read_marker(marker), limit or _PAGE
    rows = list(enumerate(sorted(key.tags.items()), 1))[after : after + size + 1]
    return page("Tags", rows, size, lambda row: {"TagKey": row[1][0], "TagValue": row[1][1]}, lambda row: row[0])
