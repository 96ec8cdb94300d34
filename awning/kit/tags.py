"""The tags of a request, wherever its operation says that they are: for the condition keys aws:RequestTag and aws:TagKeys.

Services write tags in several forms; all are read here, so that a room only names the parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awning.kit.call import Call
    from awning.kit.operation import Operation, Params

_LISTS = ("TagSet", "Tags", "TagList", "Items")
_KEYS = ("Key", "key", "TagKey")
_VALUES = ("Value", "value", "TagValue")


def read_tags(value: Any) -> dict[str, str]:
    """Tags as a map: from a map, from a list of {Key, Value} (or {TagKey, TagValue}), or from what has such a list within."""
    if not value:
        return {}
    if isinstance(value, Mapping):
        within = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
        return {str(key): str(one) for key, one in value.items()} if within is None else read_tags(within)
    return {_first(tag, _KEYS): _first(tag, _VALUES) for tag in value}


def request_tags(operation: Operation, call: Call, params: Params) -> tuple[dict[str, str], list[str]]:
    """What a call brings: its tags, and the keys of these and of those that it takes away."""
    where = operation.tags
    tags = {} if where is None else read_tags(where(call, params) if callable(where) else params.get(where))
    gone = (params.get(operation.tag_keys) or ()) if operation.tag_keys is not None else ()
    return tags, [*tags, *(key if isinstance(key, str) else _first(key, _KEYS) for key in gone)]


def _first(tag: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(tag[name]) for name in names if tag.get(name) is not None), "")
