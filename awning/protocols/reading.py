"""Writes the source that reads a request: the part that all formats share.

A format's reader says how its raw values look (open_structure, items, entries, scalar); what is honoured, refused and kept
is decided here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.honours import ALL, Coverage, Honours
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source

Path = tuple[str, ...]
MISSING: Final = object()


def unsupported(operation: str, what: str) -> ServiceError:
    """The error for what is modelled, or merely sent, and not honoured."""
    return NamedError("NotImplemented", f"{operation}: {what} is not supported by awning yet.", 501)


def leftover(
    operation: str, path: str, fields: Mapping[str, Any], taken: AbstractSet[str], names: Mapping[str, str]
) -> None:
    """Refuse what a structure has besides the members taken: by its modelled name, or the name it came with."""
    for name, value in fields.items():
        if name not in taken and value is not None:
            shown = names.get(name, name)
            raise unsupported(operation, f"{path}.{shown}" if path else shown[:200])


class Reader:
    """Writes one operation's reader for one format.

    Subclasses set `fields_of` (a helper that turns a raw structure into a mapping of wire name to raw value),
    and implement `scalar`, `items` and `entries`.
    """

    def __init__(self, source: Source, coverage: Coverage) -> None:
        self.source = source
        self.coverage = coverage
        self._functions: dict[tuple[Any, ...], str] = {}

    # What a format says of its own raw values.

    def wire_name(self, name: str, shape: Shape) -> str:
        """The name of a structure's member on the wire."""
        raise NotImplementedError

    def open_structure(self, block: Block, raw: str) -> None:
        """Write what binds `fields` to a mapping of wire names to raw values."""
        raise NotImplementedError

    def scalar(self, shape: Shape, name: str) -> Callable[[Any], Any]:
        """Return the function that turns a raw scalar into a value; `name` is its member's, for messages."""
        raise NotImplementedError

    def items(self, shape: Shape, raw: str, name: str) -> str:
        """Return an expression for a list's raw items."""
        raise NotImplementedError

    def entries(self, shape: Shape, raw: str, name: str) -> str:
        """Return an expression for a map's (raw key, raw value) pairs."""
        raise NotImplementedError

    def key(self, block: Block, shape: Shape, path: Path) -> None:
        """Write what binds `key` to a map's key, out of `raw_key`; or passes over an entry."""
        block.line(f"key = {self._scalar_function(shape.key, ALL, path)}(raw_key)")

    def inline(self, block: Block, shape: Shape, raw: str, name: str) -> str | None:
        """Write a scalar's conversion in place, where the format can; return its expression."""
        return None

    def attribute(self, shape: Shape, name: str) -> str | None:
        """Return an expression for a member that is not among the fields (an XML attribute)."""
        return None

    # What all formats share.

    def refusal(self, what: str) -> str:
        """Return an expression that is the error for `what` (a Python expression)."""
        return f"{self.source.helper(unsupported)}({self.coverage.operation!r}, {what})"

    def value(self, block: Block, shape: Shape, raw: str, honours: Honours, path: Path) -> str:
        """Write what turns the raw expression into a value; return the value's expression."""
        if shape.kind not in ("structure", "list", "map") and honours == ALL:
            inline = self.inline(block, shape, raw, path[-1])
            if inline is not None:
                return inline
        return f"{self.function(shape, honours, path)}({raw})"

    def function(self, shape: Shape, honours: Honours, path: Path) -> str:
        """Return the name of a function that reads a value of this shape, writing it when it is new."""
        if shape.kind not in ("structure", "list", "map"):
            return self._scalar_function(shape, honours, path)
        refusing = honours != ALL or any(default[: len(path)] == path for default in self.coverage.defaults)
        key = (shape.name, shape.flattened, path if refusing else path[-1:])
        if key not in self._functions:
            name = self._functions[key] = self.source.unique(f"read_{path[-1]}")
            block = self.source.function(name, "raw")
            if shape.kind == "structure":
                self.structure(block, shape, honours, path)
            elif shape.kind == "list":
                item = self.function(shape.item, honours, path)
                block.line(f"return [{item}(item) for item in {self.items(shape, 'raw', path[-1])}]")
            else:
                self._map(block, shape, honours, path)
        return self._functions[key]

    def _scalar_function(self, shape: Shape, honours: Honours, path: Path) -> str:
        key = (shape.kind, shape.name if honours != ALL else "", shape.traits.get("timestampFormat"), path)
        if key not in self._functions:
            convert = self.source.unique(f"{shape.kind}_{path[-1]}")
            self.source.names[convert] = self.scalar(shape, path[-1])
            self._functions[key] = convert
            if honours != ALL:
                name = self._functions[key] = self.source.unique(f"read_{path[-1]}")
                block = self.source.function(name, "raw")
                block.line(f"value = {convert}(raw)")
                refused = self.source.constant(f"{path[-1]}_refused", frozenset(shape.enum) - frozenset(honours))
                block.line(f"if value in {refused}: raise {self.refusal(repr('.'.join(path) + '=') + ' + value')}")
                block.line("return value")
        return self._functions[key]

    def structure(self, block: Block, shape: Shape, honours: Honours, path: Path) -> None:
        """Write the body of a function that reads `raw`, a structure below the top level."""
        members = {
            name: (member, name, honours if honours == ALL else honours[name])  # type: ignore[index]
            for name, member in shape.members.items()
            if honours == ALL or name in honours
        }
        self.open_structure(block, "raw")
        block.line("out = {}")
        self.members(block, shape, members, path)
        block.line("return out")

    def members(
        self,
        block: Block,
        shape: Shape,
        taken: Mapping[str, tuple[Shape, str, Honours]],
        path: Path,
        *,
        fresh: bool = True,
    ) -> None:
        """Write what reads members out of `fields` into `out`, and refuses what is left.

        `taken` maps a member's modelled name to its shape, its name in `out`, and what of it is honoured. fresh: `out` is empty
        before; then what came of `fields` is counted by what is in it, unless something else goes there or does not.
        """
        known = set()
        counted = (
            not fresh
            or any(default[:-1] == path for default in self.coverage.defaults)
            or any(self.attribute(member, name) is not None for name, member in shape.members.items())
        )
        if counted:
            block.line("seen = 0")
        for name, member in shape.members.items():
            if (member.location is not None and not path) or member.streams:
                continue
            here = (*path, name)
            default = self.coverage.defaults.get(here, MISSING)
            if name not in taken and default is MISSING:
                continue
            special = self.attribute(member, name)
            wire = self.wire_name(name, member)
            block.line(f"value = {special or f'fields.get({wire!r})'}")
            with block.indent("if value is not None:"):
                if special is None:
                    known.add(wire)
                    if counted:
                        block.line("seen += 1")
                if name in taken:
                    _, out_name, honours = taken[name]
                    block.line(f"out[{out_name!r}] = {self.value(block, member, 'value', honours, here)}")
                else:
                    expression = self.value(block, member, "value", ALL, here)
                    constant = self.source.constant(f"{name}_default", default)
                    block.line(f"if {expression} != {constant}: raise {self.refusal(repr('.'.join(here)))}")
        names = {self.wire_name(name, member): name for name, member in shape.members.items()}
        arguments = (
            f"{self.coverage.operation!r}, {'.'.join(path)!r}, fields, "
            f"{self.source.constant('taken', frozenset(known))}, {self.source.constant('names', names)}"
        )
        block.line(f"if {'seen' if counted else 'len(out)'} != len(fields): {self.leftover()}({arguments})")

    def leftover(self) -> str:
        """Return the name of the helper that refuses a structure's other fields."""
        return self.source.helper(leftover)

    def _map(self, block: Block, shape: Shape, honours: Honours, path: Path) -> None:
        free = not shape.key.enum
        by_key = not isinstance(honours, (str, Mapping)) or (isinstance(honours, Mapping) and not free)
        block.line("out = {}")
        with block.indent(f"for raw_key, raw_value in {self.entries(shape, 'raw', path[-1])}:"):
            self.key(block, shape, path)
            if not by_key:
                block.line(f"out[key] = {self.function(shape.value, honours, path)}(raw_value)")
            elif isinstance(honours, Mapping):
                readers = {name: self.function(shape.value, below, (*path, name)) for name, below in honours.items()}
                table = ", ".join(f"{name!r}: {reader}" for name, reader in readers.items())
                self._refuse_key(block, shape, frozenset(honours), path)
                block.line(f"out[key] = {{{table}}}.get(key, {self.function(shape.value, ALL, path)})(raw_value)")
            else:
                self._refuse_key(block, shape, frozenset(honours), path)
                block.line(f"out[key] = {self.function(shape.value, ALL, path)}(raw_value)")
        block.line("return out")

    def _refuse_key(self, block: Block, shape: Shape, honoured: frozenset[str], path: Path) -> None:
        """Refuse keys that are modelled (or free) and not honoured; a key that no model knows is the check's to refuse."""
        defaults = {d[-1]: value for d, value in self.coverage.defaults.items() if d[:-1] == path}
        if shape.key.enum:
            condition = f"key in {self.source.constant(path[-1] + '_refused', frozenset(shape.key.enum) - honoured)}"
        else:
            condition = f"key not in {self.source.constant(path[-1] + '_honoured', honoured)}"
        with block.indent(f"if {condition}:"):
            if defaults:
                table = self.source.constant(f"{path[-1]}_defaults", defaults)
                reader = self.function(shape.value, ALL, path)
                block.line(f"if key in {table} and {reader}(raw_value) == {table}[key]: continue")
            block.line(f"raise {self.refusal(repr('.'.join(path) + '.') + ' + key[:200]')}")
