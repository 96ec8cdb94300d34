"""An error's further members, written by its shape: walked, not compiled, as errors are small and there are hundreds.

Members that no shape has are written as they are, under the names that they were raised with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from awning.protocols import times
from awning.protocols.shapes import Shape
from awning.protocols.xmlwrite import base64_text, escape


def message_name(shape: Shape | None) -> str:
    """How an error's shape spells its message."""
    return (
        "Message" if shape is not None and "Message" in shape.members and "message" not in shape.members else "message"
    )


def json_members(shape: Shape | None, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that a JSON body has (or CBOR: then `shape`'s timestamps are the caller's). Headers are left out."""
    known = {} if shape is None else shape.members
    found = {}
    for name, value in members.items():
        member = known.get(name)
        if member is None:
            found[name] = value
        elif member.location is None and value is not None:
            found[member.wire_name or name] = _json(member, value)
    return found


def _json(shape: Shape, value: Any) -> Any:
    if shape.kind == "structure":
        return {
            shape.members[name].wire_name or name: _json(shape.members[name], item)
            for name, item in value.items()
            if item is not None
        }
    if shape.kind == "list":
        return [_json(shape.item, item) for item in value]
    if shape.kind == "map":
        return {key: _json(shape.value, item) for key, item in value.items()}
    if shape.kind == "timestamp":
        kinds: dict[str, Callable[[Any], Any]] = {"iso8601": times.to_iso8601, "rfc822": times.to_rfc822}
        return kinds.get(shape.traits.get("timestampFormat", ""), times.to_epoch)(value)
    return value


def header_members(shape: Shape | None, members: Mapping[str, Any]) -> list[tuple[bytes, Shape, Any]]:
    """Return the members that go into headers: (the header's name, the shape, the value)."""
    if shape is None:
        return []
    return [
        ((member.wire_name or name).lower().encode(), member, members[name])
        for name, member in shape.members.items()
        if member.location == "header" and members.get(name) is not None
    ]


def xml_members(shape: Shape | None, members: Mapping[str, Any], milliseconds: bool) -> str:
    """Return an error's further members as elements."""
    found: list[str] = []
    known = {} if shape is None else shape.members
    for name, value in members.items():
        if value is None:
            continue
        if name in known:
            _element(found, known[name], known[name].item_name(name), value, milliseconds)
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found.append(f"<{name}>{escape(text)}</{name}>")
    return "".join(found)


def _element(found: list[str], shape: Shape, name: str, value: Any, milliseconds: bool) -> None:
    if shape.kind == "list" and shape.flattened:
        for item in value:
            _element(found, shape.item, name, item, milliseconds)
        return
    found.append(f"<{name}>")
    if shape.kind == "structure":
        for key, item in value.items():
            if item is not None:
                _element(found, shape.members[key], shape.members[key].item_name(key), item, milliseconds)
    elif shape.kind == "list":
        for item in value:
            _element(found, shape.item, shape.item.wire_name or "member", item, milliseconds)
    elif shape.kind == "map":
        for key, item in value.items():
            found.append("<entry>")
            _element(found, shape.key, shape.key.wire_name or "key", key, milliseconds)
            _element(found, shape.value, shape.value.wire_name or "value", item, milliseconds)
            found.append("</entry>")
    else:
        found.append(escape(_text(shape, value, milliseconds)))
    found.append(f"</{name}>")


def _text(shape: Shape, value: Any, milliseconds: bool) -> str:
    if shape.kind == "boolean":
        return "true" if value else "false"
    if shape.kind == "blob":
        return base64_text(value)
    if shape.kind == "timestamp":
        kinds = {"rfc822": times.to_rfc822, "unixTimestamp": times.to_epoch}
        usual = times.to_iso8601_millis if milliseconds else times.to_iso8601
        return str(kinds.get(shape.traits.get("timestampFormat", ""), usual)(value))
    return str(value)
