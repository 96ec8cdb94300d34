"""Shapes: the types of a service model, with a reference's traits laid over those of what it refers to.

Built from a stripped model (registry.py); members are resolved when they are asked for, so that shapes may be recursive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

SCALARS = frozenset({"string", "integer", "long", "boolean", "blob", "timestamp", "float", "double", "character"})


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

    def item_name(self, name: str) -> str:
        """The wire name of a member of this shape called `name` in XML and query: a flattened list goes by its items'."""
        if self.kind == "list" and self.flattened and self.item.wire_name:
            return self.item.wire_name
        return self.wire_name or name


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a model's pattern: Java's syntax, where \w and \d are ASCII and \p{L} are Unicode's letters.

    Python has no \p: inside a class, letters and numbers together become \w (Unicode), which adds only the underscore.
    """
    if r"\p{" not in pattern:
        return re.compile(pattern, re.ASCII)
    for java, python in (
        (r"\p{L}", r"\w"),
        (r"\p{N}", ""),
        (r"\p{Z}", "\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"),
    ):
        pattern = pattern.replace(java, python)
    return re.compile(pattern)
