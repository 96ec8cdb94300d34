"""The smithy-rpc-v2-cbor format: the path names the operation, the body is one CBOR map, and so is the reply.

A null member is an absent one. Members go by their own names, timestamps by tag 1. Source: Smithy, "Smithy RPC v2 CBOR".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from awning.protocols import cbor, times
from awning.protocols.awsjson import (
    JsonReader,
    json_code,
    query_error,
    serialization,
    structure_readers,
    to_boolean,
    to_string,
    whole_number,
    wrong_type,
)
from awning.protocols.errorbody import message_name
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.honours import Coverage
from awning.protocols.results import finish, unknown_member
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.wire import ErrorContext, Match, Reply, Wire

if TYPE_CHECKING:
    from awning.protocols.events import Wanted
    from awning.protocols.model import BoundOperation, KnownError, Model, ModelOperation

_HEADERS: Final = (
    "[(b'content-type', b'application/cbor'), (b'smithy-protocol', b'rpc-v2-cbor'), "
    "(b'x-amzn-requestid', request_id.encode())]"
)


def load(body: bytes) -> dict[str, Any]:
    """Return the map that a body is. Raises SerializationException."""
    if not body:
        return {}
    try:
        value = cbor.loads(body)
    except cbor.Malformed as error:
        raise serialization(f"The request body is not well-formed CBOR: {error}.") from error
    if type(value) is not dict:
        raise serialization("The request body is not a map.")
    return value


def to_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise wrong_type(value, "Double")
    return float(value)


def to_blob(value: Any) -> bytes:
    if type(value) is not bytes:
        raise wrong_type(value, "Blob")
    return value


def to_timestamp(value: Any) -> float:
    if type(value) is not cbor.Epoch:
        raise wrong_type(value, "Timestamp")
    try:
        return times.from_number(value)
    except (ValueError, OverflowError) as error:
        raise serialization("Invalid timestamp") from error


def to_document(value: Any) -> Any:
    raise serialization("A document cannot be said in this format.")


_SCALARS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "string": to_string,
    "character": to_string,
    "boolean": to_boolean,
    "integer": whole_number(1 << 31, "Integer"),
    "long": whole_number(1 << 63, "Long"),
    "float": to_number,
    "double": to_number,
    "blob": to_blob,
    "timestamp": to_timestamp,
    "document": to_document,
}


class CborReader(JsonReader):
    """Reads out of what the decoder returns, which is what JSON gives but for bytes and times."""

    def wire_name(self, name: str, shape: Shape) -> str:
        return name

    def scalar(self, shape: Shape, name: str) -> Callable[[Any], Any]:
        return _SCALARS[shape.kind]


_WRITERS: Final[Mapping[str, Callable[[Any], bytes]]] = {
    "string": cbor.text,
    "character": cbor.text,
    "boolean": cbor.boolean,
    "integer": cbor.integer,
    "long": cbor.integer,
    "float": cbor.double,
    "double": cbor.double,
    "blob": cbor.blob,
    "timestamp": lambda value: cbor.time(times.to_epoch(value)),
}


class CborWriter:
    """Writes the source that turns a result into CBOR: functions `(value, add)` that add bytes to a list."""

    def __init__(self, source: Source, operation: str) -> None:
        self._source = source
        self._operation = operation
        self._functions: dict[str, str] = {}

    def structure(self, shape: Shape) -> str:
        """Return the name of the function that writes this structure."""
        if shape.name not in self._functions:
            name = self._functions[shape.name] = self._source.unique(f"write_{shape.name}")
            self._source.helper(cbor.head)
            known = self._source.constant("known", frozenset(shape.members))
            unknown = self._source.helper(unknown_member)
            block = self._source.function(name, "value, add")
            block.line("count = 0")
            with block.indent("for name, item in value.items():"):
                block.line(f"if name in {known}: count += item is not None")
                block.line(f"else: {unknown}({self._operation!r}, {shape.name + '.'!r}, (name,), ())")
            block.line("add(head(5, count))")
            for member_name, member in shape.members.items():
                if member.event_stream:
                    continue
                block.line(f"member = value.get({member_name!r})")
                with block.indent("if member is not None:"):
                    block.line(f"add({cbor.text(member_name)!r})")
                    self.value(block, member, "member", 0)
        return self._functions[shape.name]

    def value(self, block: Block, shape: Shape, value: str, depth: int) -> None:
        """Write what adds a value's bytes."""
        if shape.kind == "structure":
            block.line(f"{self.structure(shape)}({value}, add)")
        elif shape.kind == "list":
            block.line(f"add(head(4, len({value})))")
            with block.indent(f"for item{depth} in {value}:"):
                self.value(block, shape.item, f"item{depth}", depth + 1)
        elif shape.kind == "map":
            block.line(f"add(head(5, len({value})))")
            with block.indent(f"for key{depth}, item{depth} in {value}.items():"):
                block.line(f"add({self._source.helper(cbor.text)}(key{depth}))")
                self.value(block, shape.value, f"item{depth}", depth + 1)
        else:
            helper = self._source.helper(_WRITERS[shape.kind], f"{shape.kind}_bytes")
            block.line(f"add({helper}({value}))")


def _plain(shape: Shape, value: Any) -> Any:
    """An error's member with its times marked, for the decoder's counterpart that knows no shapes."""
    if shape.kind == "structure":
        return {name: _plain(shape.members[name], item) for name, item in value.items() if item is not None}
    if shape.kind == "list":
        return [_plain(shape.item, item) for item in value]
    if shape.kind == "map":
        return {key: _plain(shape.value, item) for key, item in value.items()}
    return cbor.Epoch(times.seconds(value)) if shape.kind == "timestamp" else value


class CborBodies:
    """Events' bodies in CBOR."""

    content_type: Final = "application/cbor"

    def writers(self, source: Source, operation: ModelOperation, shapes: Mapping[str, Shape]) -> dict[str, str]:
        writer, names = CborWriter(source, operation.name), {}
        for kind, shape in shapes.items():
            names[kind] = source.unique(f"body_of_{kind}")
            block = source.function(names[kind], "value")
            block.line("parts = []")
            block.line(f"{writer.structure(shape)}(value, parts.append)")
            block.line("return b''.join(parts)")
        return names

    def readers(
        self, source: Source, bound: BoundOperation, coverage: Coverage, wanted: Mapping[str, Wanted]
    ) -> dict[str, str]:
        return structure_readers(source, CborReader(source, coverage), source.helper(load), wanted)


class RpcCborFormat:
    """The format as a whole, for Model."""

    name: Final = "smithy-rpc-v2-cbor"

    def match(self, model: Model, wire: Wire) -> Match:
        parts = wire.path.split(b"/")
        if wire.method != "POST" or len(parts) < 5 or parts[-4] != b"service" or parts[-2] != b"operation":
            raise NamedError("UnknownOperationException", "The path does not name an operation.", 404)
        operation = model.operations.get(parts[-1].decode("ascii", "replace"))
        prefix = model.metadata(self.name).get("targetPrefix", "").encode()
        if operation is None or parts[-3] != prefix:
            shown = wire.path.decode("ascii", "replace")[:200]
            raise NamedError("UnknownOperationException", f"The operation {shown} is not known.", 404)
        return Match(operation, self.name)

    def compile_reader(
        self, bound: BoundOperation, source: Source, coverage: Coverage
    ) -> Callable[[Match, Wire], dict[str, Any]]:
        block = source.function("parse", "match, wire")
        block.line(f"fields = {source.helper(load)}(wire.body)")
        block.line("out = {}")
        form = bound.operation.form(self.name)
        if form.input is not None:
            CborReader(source, coverage).members(block, form.input, bound.taken(self.name), ())
        bound.check(block, source, self.name)
        block.line("return out")
        return source.compile("parse")

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        form = operation.form(self.name)
        block = source.function("write", "result, request_id")
        source.helper(Reply, "Reply")
        source.helper(finish)
        if form.output is None:
            block.line(f"if result: {source.helper(unknown_member)}({operation.name!r}, '', result, ())")
            headers = "[(b'smithy-protocol', b'rpc-v2-cbor'), (b'x-amzn-requestid', request_id.encode())]"
            block.line(f"return finish(result, Reply(200, {headers}, b''))")
        else:
            block.line("parts = []")
            block.line(f"{CborWriter(source, operation.name).structure(form.output)}(result, parts.append)")
            block.line(f"return finish(result, Reply(200, {_HEADERS}, b''.join(parts)))")
        return source.compile("write")

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        body: dict[str, Any] = {
            "__type": context.facts.modelled_prefix + json_code(known, context.facts),
            message_name(known.shape): error.message,
        }
        shapes = {} if known.shape is None else known.shape.members
        for name, value in error.members.items():
            if value is not None:
                body[name] = _plain(shapes[name], value) if name in shapes else value
        headers = [
            (b"content-type", b"application/cbor"),
            (b"smithy-protocol", b"rpc-v2-cbor"),
            (b"x-amzn-requestid", request_id.encode()),
            *query_error(known, context),
        ]
        return Reply(known.status, headers, cbor.dumps(body))
