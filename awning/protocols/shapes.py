"""Shapes: the types of a service model, with a reference's traits laid over those of what it refers to.

Built from a stripped model (registry.py); members are resolved when they are asked for, so that shapes may be recursive.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import cached_property
from typing import Any, Final


class Shape:
    """One use of a shape. `traits` has both the shape's and the reference's own: location, locationName, flattened…"""

    def __init__(self, name: str, traits: Mapping[str, Any], shapes: Mapping[str, Mapping[str, Any]]) -> None:
        self.name = name
        self.traits = traits
        self.kind: str = "document" if traits.get("document") else traits["type"]
        self._shapes = shapes

    def _resolve(self, reference: Mapping[str, Any]) -> Shape:
        name = reference["shape"]
        return Shape(name, {**self._shapes[name], **reference}, self._shapes)

    @cached_property
    def members(self) -> dict[str, Shape]:
        """A structure's members by the model's names."""
        return {name: self._resolve(reference) for name, reference in self.traits.get("members", {}).items()}

    @cached_property
    def item(self) -> Shape:
        """What a list is a list of."""
        return self._resolve(self.traits["member"])

    @cached_property
    def key(self) -> Shape:
        return self._resolve(self.traits["key"])

    @cached_property
    def value(self) -> Shape:
        return self._resolve(self.traits["value"])

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.traits.get("required", ()))

    @property
    def enum(self) -> tuple[str, ...]:
        return tuple(self.traits.get("enum", ()))

    @property
    def values(self) -> tuple[str, ...]:
        """The only values that a request may have: the enum, unless the service judges that itself."""
        return () if self.traits.get("judged") else self.enum

    @property
    def wire_name(self) -> str | None:
        """The name that the model gives to it on the wire, if that is not the member's own."""
        name: str | None = self.traits.get("locationName")
        return name

    @property
    def location(self) -> str | None:
        """Where a REST format puts it: uri, querystring, header, headers, statusCode; None is the body."""
        place: str | None = self.traits.get("location")
        return place

    @property
    def flattened(self) -> bool:
        return bool(self.traits.get("flattened"))

    @property
    def streams(self) -> bool:
        """Its bytes (or events) flow past parser and writer."""
        return bool(self.traits.get("streaming") or self.traits.get("eventstream"))

    @cached_property
    def matches(self) -> re.Pattern[str] | None:
        """The model's pattern, compiled; use `fullmatch`, as the services do."""
        pattern = self.traits.get("pattern")
        return None if pattern is None else compile_pattern(pattern)

    @property
    def event_stream(self) -> bool:
        """It is a stream of events, of which each has a shape of its own among the members."""
        return bool(self.traits.get("eventstream"))

    def without(self, names: Container[str]) -> Shape:
        """Return this structure without some of its members, under a name of its own."""
        members = {name: about for name, about in self.traits.get("members", {}).items() if name not in names}
        required = [name for name in self.required if name not in names]
        return Shape(f"{self.name}Rest", {**self.traits, "members": members, "required": required}, self._shapes)

    def item_name(self, name: str) -> str:
        """The wire name of a member of this shape called `name` in XML and query: a flattened list goes by its items'."""
        if self.kind == "list" and self.flattened and self.item.wire_name:
            return self.item.wire_name
        return self.wire_name or name


_MARKS: Final = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u065f\u0900-\u0903"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe2f"
)
_SIGNS: Final = (
    r"!-/:-@\[-`{-~\u00a1-\u00bf\u00d7\u00f7\u02c2-\u02df\u2010-\u2bff"
    r"\u3001-\u303f\ufe30-\ufe6f\uff01-\uff65\U0001f000-\U0001faff"
)
_SPACES: Final = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_CATEGORIES: Final[Mapping[str, str]] = {
    "L": r"\w",
    "N": r"\d\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2089\u2150-\u218b\u2460-\u249b",
    "M": _MARKS,
    "P": _SIGNS,
    "S": _SIGNS,
    "Z": _SPACES + r"\u2028\u2029",
    "Zs": _SPACES,
}
_POSIX: Final[Mapping[str, str]] = {
    "Alnum": "0-9A-Za-z",
    "Alpha": "A-Za-z",
    "ASCII": r"\x00-\x7f",
    "Digit": "0-9",
    "Graph": "!-~",
    "Lower": "a-z",
    "Print": " -~",
    "Punct": r"!-/:-@\[-`{-~",
    "Upper": "A-Z",
    "XDigit": "0-9A-Fa-f",
}
_TOKEN: Final = re.compile(r"\\[pP]\{(\w+)\}|\\.|[\[\]]", re.DOTALL)
_ASTRAL: Final = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a model's pattern: Java's syntax, where \w and \d are ASCII and \p{L} are Unicode's letters.

    Python has no \p: its sets of marks, signs and numbers are the ranges that hold them, a little more than Java's; \p{L}
    becomes Unicode's \w, which adds digits and the underscore. Java's pairs of surrogates are single characters.
    """
    flags = re.ASCII
    out: list[str] = []
    in_class = False
    pattern = pattern.replace(*_ASTRAL)
    at = 0
    for token in _TOKEN.finditer(pattern):
        out.append(pattern[at : token.start()])
        at = token.end()
        text, name = token[0], token[1]
        if name is not None:
            if name in _CATEGORIES:
                flags = re.NOFLAG
            inner = _POSIX.get(name) or _CATEGORIES[name]
            text = inner if in_class else f"[{inner}]"
        elif text == "[":
            text = r"\[" if in_class else text
            in_class = True
        elif text == "]":
            in_class = False
        out.append(text)
        if (
            in_class
            and text in (r"\w", r"\d", r"\s")
            and pattern[at : at + 1] == "-"
            and pattern[at + 1 : at + 2] != "]"
        ):
            out.append("\\-")  # after a whole class a hyphen is itself
            at += 1
    out.append(pattern[at:])
    return re.compile("".join(out), flags)
