"""What a request and a reply look like to a wire format: Wire, Match, Reply. Plain data; nothing here knows a format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from awning.protocols.facts import Facts

if TYPE_CHECKING:
    from awning.protocols.model import ModelOperation


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as its wire format sees it.

    `path` is still encoded and, for S3, in path style (`/bucket/key`) whatever the Host header said. `query` is the raw query
    string. `headers` has lower-case names. `body` is the whole body, or b"" where the operation streams its body.
    """

    method: str
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Match:
    """Which operation a request asks for, in which format, and what was found out on the way.

    `labels` are the path's labels, still encoded, in the order of the model's URI. `query` is the decoded query string and
    `headers` the headers with what a pre-signed URL carries in their place (REST). `fields` is the decoded form (query).
    """

    __slots__ = ("fields", "headers", "labels", "operation", "protocol", "query")

    def __init__(
        self,
        operation: ModelOperation,
        protocol: str,
        labels: tuple[bytes, ...] = (),
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[bytes, bytes] = _NOTHING,
        fields: Mapping[str, Any] = _NOTHING,
    ) -> None:
        self.operation = operation
        self.protocol = protocol
        self.labels = labels
        self.query = query
        self.headers = headers
        self.fields = fields


@dataclass(slots=True)
class Reply:
    """A reply: `body` is bytes, or whatever the operation returned as its streaming member."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: Any = b""


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What an error's form depends on: how the service speaks, its metadata, and what was asked for."""

    facts: Facts
    metadata: Mapping[str, Any]
    resource: str | None = None
    head: bool = False
