"""What every writer does with a result besides its format: refuse what is not modelled, lay its own status over the reply.

Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from awning.protocols.wire import Reply


class Among(list[Any]):
    """A flattened list whose items stand among another's: `places` counts, for each, the other's items before it."""

    places: Sequence[int]

    @classmethod
    def of(cls, items: Sequence[Any], belongs: Callable[[Any], bool]) -> Self:
        """Return those of items that belong here, placed among those that don't."""
        result, places = cls(), []
        for index, item in enumerate(items):
            if belongs(item):
                places.append(index - len(result))
                result.append(item)
        result.places = places
        return result


def interleaved(first: Sequence[Any], second: Sequence[Any]) -> Iterator[tuple[bool, Any]]:
    """Yield (is of the second, item) of two lists: as the second says where it is an Among, else one behind the other."""
    done = 0
    for index, item in enumerate(second):
        place = second.places[index] if isinstance(second, Among) else len(first)
        for other in first[done:place]:
            yield False, other
        done = place
        yield True, item
    for other in first[done:]:
        yield False, other


def unknown_member(operation: str, path: str, names: Any, known: Any) -> None:
    """Our own fault: an operation returned a member that its output does not have. Raises TypeError."""
    for name in names:
        if name not in known and not (isinstance(name, str) and name.startswith("@")):
            raise TypeError(f"{operation}: the reply has no member {path}{name}")


def finish(result: Mapping[str, Any], reply: Reply) -> Reply:
    """Lay an operation's own status and headers over its reply."""
    if "@status" in result:
        reply.status = result["@status"]
    if "@headers" in result:
        reply.headers.extend(result["@headers"])
    return reply
