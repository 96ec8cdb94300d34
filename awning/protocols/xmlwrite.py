"""Writes the source that turns a result into XML: elements in the model's order, text escaped, nothing walked at run time."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Final

from awning.protocols import times
from awning.protocols.results import interleaved, unknown_member
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source

find_special: Final = re.compile('[&<>"\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]').search
TRUTH: Final = ("false", "true")
# What a service writes in one order though its model has two flattened lists (S3 API reference, ListObjectVersions).
INTERLEAVED: Final = {"ListObjectVersionsOutput": ("Versions", "DeleteMarkers")}
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")


def escape_special(text: str) -> str:
    """Escape text that has something to escape; control characters become references, as S3 writes them (`&#xD;`)."""
    if text[0] == text[-1] == '"' and len(text) > 1:  # an entity tag, of which a listing has a thousand
        inner = text[1:-1]
        if inner.isalnum() or find_special(inner) is None:
            return f"&quot;{inner}&quot;"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    if _CONTROL.search(text):
        text = _CONTROL.sub(lambda found: f"&#x{ord(found[0]):X};", text)
    return text


def escape(text: str) -> str:
    """Escape text for XML."""
    return text if find_special(text) is None else escape_special(text)


def number_text(value: float) -> str:
    """A floating-point number, with XML Schema's words for what is none."""
    if value - value == 0:
        return str(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def base64_text(value: bytes) -> str:
    return b64encode(value).decode("ascii")


class XmlWriter:
    """Writes one operation's XML writer: functions `(value, add)` that add text to a list."""

    def __init__(self, source: Source, operation: str, *, milliseconds: bool) -> None:
        self._source = source
        self._operation = operation
        self._milliseconds = milliseconds
        self._functions: dict[tuple[str, bool], str] = {}
        source.helper(find_special, "find_special")
        source.helper(escape_special)
        source.helper(TRUTH, "TRUTH")

    def structure(self, shape: Shape, *, top: bool = False) -> str:
        """Return the name of the function that writes this structure's members (not its own element).

        top: it is a reply as a whole, of which headers have their part.
        """
        key = (shape.name, top)
        if key not in self._functions:
            name = self._functions[key] = self._source.unique(f"write_{shape.name}")
            block = self._source.function(name, "value, add")
            block.line("seen = 0")
            pair = INTERLEAVED.get(shape.name, ())
            if pair:
                self._interleaved(block, shape, pair)
            for member_name, member in shape.members.items():
                if member_name in pair or (top and member.location is not None) or member.traits.get("xmlAttribute"):
                    continue
                block.line(f"member = value.get({member_name!r})")
                with block.indent("if member is not None:"):
                    block.line("seen += 1")
                    self.element(block, member, member.item_name(member_name), "member", 0)
            known = self._source.constant("known", frozenset(shape.members))
            helper = self._source.helper(unknown_member)
            block.line(f"if seen != len(value): {helper}({self._operation!r}, {shape.name + '.'!r}, value, {known})")
        return self._functions[key]

    def _interleaved(self, block: Block, shape: Shape, pair: tuple[str, str]) -> None:
        """Write two flattened lists of structures as the second, an Among, has its items stand among the first's."""
        first, second = (shape.members[name] for name in pair)
        block.line(f"one, other = value.get({pair[0]!r}), value.get({pair[1]!r})")
        block.line("seen += (one is not None) + (other is not None)")
        with block.indent(f"for is_other, member in {self._source.helper(interleaved)}(one or (), other or ()):"):
            with block.indent("if is_other:"):
                self.element(block, second.item, second.item_name(pair[1]), "member", 0)
            with block.indent("else:"):
                self.element(block, first.item, first.item_name(pair[0]), "member", 0)

    def nothing(self, block: Block) -> None:
        """Write the check that an operation without output returned nothing."""
        block.line(f"if result: {self._source.helper(unknown_member)}({self._operation!r}, '', result, ())")

    def element(self, block: Block, shape: Shape, name: str, value: str, depth: int) -> None:
        """Write one element called `name` for the value; flattened lists and maps write one per item."""
        if shape.kind == "structure":
            self._open(block, shape, name, value)
            block.line(f"{self.structure(shape)}({value}, add)")
            block.line(f"add('</{name}>')")
        elif shape.kind == "list":
            item = f"item{depth}"
            if not shape.flattened:
                block.line(f"add('<{name}>')")
            with block.indent(f"for {item} in {value}:"):
                inner = name if shape.flattened else shape.item.wire_name or "member"
                self.element(block, shape.item, inner, item, depth + 1)
            if not shape.flattened:
                block.line(f"add('</{name}>')")
        elif shape.kind == "map":
            self._map(block, shape, name, value, depth)
        elif shape.enum:
            table = {one: f"<{name}>{escape(one)}</{name}>" for one in shape.enum}
            known = self._source.constant(f"{name}_elements", table)
            block.line(f"add({known}.get({value}) or f'<{name}>{{{self.text(shape, value)}}}</{name}>')")
        else:
            block.line(f"add(f'<{name}>{{{self.text(shape, value)}}}</{name}>')")

    def _map(self, block: Block, shape: Shape, name: str, value: str, depth: int) -> None:
        key, item = f"key{depth}", f"item{depth}"
        entry = name if shape.flattened else "entry"
        if not shape.flattened:
            block.line(f"add('<{name}>')")
        with block.indent(f"for {key}, {item} in {value}.items():"):
            key_name = shape.key.wire_name or "key"
            block.line(f"add(f'<{entry}><{key_name}>{{{self.text(shape.key, key)}}}</{key_name}>')")
            self.element(block, shape.value, shape.value.wire_name or "value", item, depth + 1)
            block.line(f"add('</{entry}>')")
        if not shape.flattened:
            block.line(f"add('</{name}>')")

    def _open(self, block: Block, shape: Shape, name: str, value: str) -> None:
        """Write a structure's opening tag with its attributes."""
        namespace = shape.traits.get("xmlNamespace")
        head = f"<{name}"
        if isinstance(namespace, dict) and namespace.get("prefix"):
            head += f' xmlns:{namespace["prefix"]}="{namespace["uri"]}"'
        attributes = {key: member for key, member in shape.members.items() if member.traits.get("xmlAttribute")}
        if not attributes:
            block.line(f"add('{head}>')")
            return
        block.line(f"add('{head}')")
        for key, member in attributes.items():
            block.line(f"attribute = {value}.get({key!r})")
            with block.indent("if attribute is not None:"):
                block.line(f"add(f' {member.wire_name or key}=\"{{{self.text(member, 'attribute')}}}\"')")
        block.line("add('>')")

    def text(self, shape: Shape, value: str) -> str:
        """Return the expression of a scalar's text, escaped."""
        if shape.kind in ("string", "character"):
            return f"{value} if find_special({value}) is None else escape_special({value})"
        if shape.kind == "boolean":
            return f"TRUTH[{value}]"
        if shape.kind == "blob":
            return f"{self._source.helper(base64_text)}({value})"
        if shape.kind == "timestamp":
            return f"{self._source.helper(self._time(shape))}({value})"
        if shape.kind in ("float", "double"):
            return f"{self._source.helper(number_text)}({value})"
        return value

    def _time(self, shape: Shape) -> Any:
        kind = shape.traits.get("timestampFormat")
        if kind == "rfc822":
            return times.to_rfc822
        if kind == "unixTimestamp":
            return times.to_epoch
        return times.to_iso8601_millis if self._milliseconds else times.to_iso8601
