"""Which operation a REST request asks for: a table compiled from the model's URIs, looked up by what the request has.

The path picks a place in a tree, the method a table there. Where several operations share a place, each has conditions:
words that its URI has in the query (`?acl`, `list-type=2`), and the required parameters and headers that tell it from others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from awning.protocols.model import ModelOperation

_LABEL: Final = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation's conditions. All of `words` (a name, and its value unless that is empty) must hold, and, where there
    are any, one of `parameters` and all of `headers` must be there. The weightiest route that holds wins."""

    operation: ModelOperation
    words: tuple[tuple[str, str], ...]
    parameters: frozenset[str]
    headers: tuple[bytes, ...]
    labels: int

    def holds(self, query: Mapping[str, str], headers: Mapping[bytes, bytes]) -> bool:
        for name, value in self.words:
            if name not in query or (value and query[name] != value):
                return False
        if self.parameters and self.parameters.isdisjoint(query):
            return False
        for header in self.headers:  # noqa: SIM110 - all() costs a generator, on the way of every request
            if header not in headers:
                return False
        return True

    @property
    def weight(self) -> int:
        return 4 * len(self.words) + 2 * bool(self.parameters) + len(self.headers)


@dataclass(slots=True)
class _Table:
    """The routes of one method at one place, by a word or parameter that each needs; `rest` needs none."""

    by_name: dict[str, list[Route]] = field(default_factory=dict)
    rest: list[Route] = field(default_factory=list)

    def add(self, route: Route) -> None:
        names = [route.words[0][0]] if route.words else sorted(route.parameters)
        for name in names:
            self.by_name.setdefault(name, []).append(route)
        if not names:
            self.rest.append(route)
        for routes in (*self.by_name.values(), self.rest):
            routes.sort(key=lambda known: -known.weight)

    def find(self, query: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Route | None:
        best: Route | None = None
        if query and self.by_name:
            for name in query:
                for route in self.by_name.get(name, ()):
                    if (best is None or route.weight > best.weight) and route.holds(query, headers):
                        best = route
        if best is not None:
            return best
        for route in self.rest:
            if route.holds(query, headers):
                return route
        return None


@dataclass(slots=True)
class _Place:
    """A place in the tree of paths. `greedy` takes any number of segments; what its URIs have after it, is `tails`."""

    literal: dict[bytes, _Place] = field(default_factory=dict)
    label: _Place | None = None
    greedy: dict[tuple[bytes, ...], _Place] = field(default_factory=dict)
    methods: dict[str, _Table] = field(default_factory=dict)


class Routes:
    """The compiled table of a service."""

    def __init__(self, operations: Mapping[str, ModelOperation], unrouted: AbstractSet[str]) -> None:
        self._root = _Place()
        routed = [o for name, o in operations.items() if name not in unrouted and not o.deprecated]
        shared: dict[tuple[str, str], int] = {}
        for operation in routed:
            key = (operation.method, _unnamed(operation.uri))
            shared[key] = shared.get(key, 0) + 1
        for operation in routed:
            self._add(operation, shared[operation.method, _unnamed(operation.uri)] > 1)

    def _add(self, operation: ModelOperation, shared: bool) -> None:
        path, _, words = operation.uri.partition("?")
        parts = path.strip("/").split("/") if path != "/" else []
        place, labels = self._root, 0
        for number, part in enumerate(parts):
            if not part.startswith("{"):
                place = place.literal.setdefault(part.encode(), _Place())
                continue
            labels += 1
            if part.endswith("+}"):
                below = place.greedy.setdefault(tuple(tail.encode() for tail in parts[number + 1 :]), _Place())
                place.greedy = dict(sorted(place.greedy.items(), key=lambda known: -len(known[0])))
                place = below
                break
            place.label = place.label or _Place()
            place = place.label
        literal = [tuple(word.partition("=")[::2]) for word in words.split("&") if word]
        parameters, headers = set(), []
        members = {} if operation.input is None else operation.input.members
        for name in operation.input.required if operation.input else ():
            member = members[name]
            if member.location == "querystring" and (shared or not literal):
                parameters.add(member.wire_name or name)
            elif member.location == "header" and shared:
                headers.append((member.wire_name or name).lower().encode())
        if not shared and not operation.model.facts.is_s3:
            parameters.clear()  # what is required is the check's to ask for
        route = Route(operation, tuple((w[0], w[1]) for w in literal), frozenset(parameters), tuple(headers), labels)
        place.methods.setdefault(operation.method, _Table()).add(route)

    def find(
        self, method: str, path: bytes, query: Mapping[str, str], headers: Mapping[bytes, bytes]
    ) -> tuple[Route, tuple[bytes, ...]] | None:
        """Return the route and the path's labels, still encoded, or None."""
        return _find(self._root, path[1:] if path[:1] == b"/" else path, (), method, query, headers)


def _unnamed(uri: str) -> str:
    """A URI whose labels have no names: `/b/{Bucket}` and `/b/{Name}` are the same place."""
    return _LABEL.sub(lambda label: "{+}" if label[0].endswith("+}") else "{}", uri)


def _find(
    place: _Place,
    rest: bytes,
    labels: tuple[bytes, ...],
    method: str,
    query: Mapping[str, str],
    headers: Mapping[bytes, bytes],
) -> tuple[Route, tuple[bytes, ...]] | None:
    """Literal segments win over labels, labels over greedy ones. No place of the tree is looked at twice."""
    if not rest:
        table = place.methods.get(method)
        route = None if table is None else table.find(query, headers)
        return None if route is None else (route, labels)
    if place.literal or place.label is not None:
        part, _, after = rest.partition(b"/")
        fixed = place.literal.get(part)
        if fixed is not None:
            found = _find(fixed, after, labels, method, query, headers)
            if found is not None:
                return found
        if place.label is not None and part:
            found = _find(place.label, after, (*labels, part), method, query, headers)
            if found is not None:
                return found
    for tails, below in place.greedy.items():
        label = _before(rest, tails)
        if label:
            found = _find(below, b"", (*labels, label), method, query, headers)
            if found is not None:
                return found
    return None


def _before(rest: bytes, tails: tuple[bytes, ...]) -> bytes:
    """What a greedy label takes of the rest, where the rest ends with its URI's tails; else nothing."""
    if not tails:
        return rest
    end = b"/" + b"/".join(tails)
    rest = rest.removesuffix(b"/")
    return rest[: -len(end)] if rest.endswith(end) else b""
