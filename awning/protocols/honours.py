"""What an operation honours of its parameters, checked against the model when a region starts.

The function's signature says which top-level members it takes; `honours` says, below these, which nested members, map keys
and enum values. Whatever is modelled and not honoured is refused with 501 by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from awning.protocols.shapes import Shape

ALL: Final = "ALL"
"""In `honours`: this member and all below it."""

Honours: TypeAlias = "str | AbstractSet[str] | Mapping[str, Honours]"
"""ALL; a set of an enum's values or of a map's keys; or for a structure, per member, what is honoured below it.

Lists are transparent: what stands for a list of structures is what each structure honours. A scalar member's entry is ALL.
A map whose keys are free is transparent in the same way when its entry is a mapping (what each value honours); for a map
whose keys are an enum a mapping says, per key, what is honoured of that key's value.
"""


class CoverageError(Exception):
    """An operation's declaration does not fit the model; the region does not start."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """An operation's declaration in the model's own terms.

    `honours` has an entry for every top-level member that is taken. `defaults` maps the path of a member that is not
    taken, in model names, to the value with which it may be sent all the same.
    """

    operation: str
    honours: Mapping[str, Honours]
    defaults: Mapping[tuple[str, ...], Any]


def element(shape: Shape) -> Shape:
    """Return what a list, or a list of lists, is made of; any other shape itself."""
    while shape.kind == "list":
        shape = shape.item
    return shape


def needs_entry(shape: Shape) -> bool:
    """Return whether a parameter of this shape must say what of it is honoured."""
    inner = element(shape)
    return inner.kind in ("structure", "map") or bool(inner.enum)


def check(shape: Shape, honours: Honours, where: str) -> None:
    """Raise CoverageError where an entry names what the model does not have, or is of the wrong form."""
    inner = element(shape)
    if isinstance(honours, str):
        if honours != ALL:
            raise CoverageError(f"{where}: {honours!r} is not ALL, a set or a mapping")
    elif inner.kind == "structure":
        _check_structure(inner, honours, where)
    elif inner.kind == "map":
        _check_map(inner, honours, where)
    elif inner.enum and isinstance(honours, AbstractSet):
        _known(honours, inner.enum, where, "value")
    else:
        raise CoverageError(
            f"{where}: a {inner.kind} is honoured by ALL" + (" or a set of values" if inner.enum else "")
        )


def _check_structure(shape: Shape, honours: Honours, where: str) -> None:
    if not isinstance(honours, Mapping):
        raise CoverageError(f"{where}: a structure needs ALL or a mapping of its members")
    _known(honours, shape.members, where, "member")
    for name, below in honours.items():
        check(shape.members[name], below, f"{where}.{name}")


def _check_map(shape: Shape, honours: Honours, where: str) -> None:
    if isinstance(honours, Mapping) and not shape.key.enum:
        check(shape.value, honours, where)
        return
    assert not isinstance(honours, str)
    if shape.key.enum:
        _known(honours, shape.key.enum, where, "key")
    if isinstance(honours, Mapping):
        for name, below in honours.items():
            check(shape.value, below, f"{where}.{name}")


def _known(names: AbstractSet[str] | Mapping[str, Any], possible: Any, where: str, what: str) -> None:
    unknown = sorted(set(names) - set(possible))
    if unknown:
        raise CoverageError(f"{where}: the model has no {what} {', '.join(unknown)}")


def at(shape: Shape, path: tuple[str, ...]) -> Shape | None:
    """Return the shape of the member at `path` (lists transparent, a map's keys as members), None where there is none."""
    for name in path:
        inner = element(shape)
        if inner.kind == "structure" and name in inner.members:
            shape = inner.members[name]
        elif inner.kind == "map" and (not inner.key.enum or name in inner.key.enum):
            shape = inner.value
        else:
            return None
    return shape


def leaves(shape: Shape, honours: Honours, path: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """Yield (dotted path, honoured?) for what lies below a member, as deep as honours tell things apart.

    For the coverage page. A path ends in `=VALUE` for an enum's value and in `[KEY]` for a map's key.
    """
    inner = element(shape)
    if honours == ALL or inner.name in seen:
        yield path, True
    elif inner.kind == "structure" and isinstance(honours, Mapping):
        for name, member in inner.members.items():
            if name in honours:
                yield from leaves(member, honours[name], f"{path}.{name}", (*seen, inner.name))
            else:
                yield f"{path}.{name}", False
    elif inner.kind == "map" and isinstance(honours, Mapping) and not inner.key.enum:
        yield from leaves(inner.value, honours, path, (*seen, inner.name))
    elif inner.kind == "map":
        for name in inner.key.enum or sorted(honours):
            yield f"{path}[{name}]", name in honours
    else:
        for name in inner.enum:
            yield f"{path}={name}", name in honours
