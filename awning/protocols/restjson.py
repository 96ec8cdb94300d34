"""The rest-json format: path, query and headers as in every REST format, the rest of the members in one JSON object.

Errors go by the header `x-amzn-errortype`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from awning.protocols.awsjson import JsonReader, JsonWriter, dump, json_code, load, query_error
from awning.protocols.errorbody import header_members, json_members, message_name
from awning.protocols.errors import ServiceError
from awning.protocols.honours import Coverage
from awning.protocols.reading import unsupported
from awning.protocols.rest import RestFormat, amzn_identity, body_text, header_value, says_content_type
from awning.protocols.source import Block, Source
from awning.protocols.wire import ErrorContext, Reply

if TYPE_CHECKING:
    from awning.protocols.model import BoundOperation, KnownError, ModelOperation

_JSON: Final = b"application/json"


class RestJsonFormat(RestFormat):
    """The format as a whole, for Model."""

    name: Final = "rest-json"

    def payload(self, block: Block, bound: BoundOperation, source: Source, coverage: Coverage) -> None:
        operation = bound.operation
        shape = operation.form(self.name).input
        assert shape is not None
        taken, name = bound.taken(self.name), operation.payload
        reader = JsonReader(source, coverage)
        if name is None:
            if any(member.location is None for member in shape.members.values()):
                with block.indent("if wire.body:"):
                    block.line(f"fields = {source.helper(load)}(wire.body)")
                    reader.members(block, shape, taken, (), fresh=False)
            return
        member = shape.members[name]
        with block.indent("if wire.body:"):
            if name not in taken:
                block.line(f"raise {source.helper(unsupported)}({operation.name!r}, {name!r})")
            elif member.kind == "blob":
                block.line(f"out[{taken[name][1]!r}] = wire.body")
            elif member.kind == "string":
                block.line(f"out[{taken[name][1]!r}] = {source.helper(body_text)}(wire.body)")
            else:
                function = reader.function(member, taken[name][2], (name,))
                whole = "True" if member.kind == "structure" else "False"
                block.line(f"out[{taken[name][1]!r}] = {function}({source.helper(load)}(wire.body, {whole}))")

    def body(self, block: Block, operation: ModelOperation, source: Source) -> None:
        shape, payload = operation.form(self.name).output, operation.output_payload
        block.line("body = b''")
        if shape is None or operation.status == 204:
            return
        source.helper(dump)
        writer = JsonWriter(source, operation.name)
        if payload is None:
            # An object even where it has no members: some clients parse whatever a 200 carries.
            block.line(f"body = dump({writer.function(shape, top=True)}(result))")
            block.line(f"headers.append((b'content-type', {_JSON!r}))")
            return
        member = shape.members[payload]
        if member.streams:
            block.line(f"body = result.get({payload!r}, b'')")
            return
        block.line(f"payload = result.get({payload!r})")
        with block.indent("if payload is not None:"):
            if member.kind in ("blob", "string"):
                block.line("body = payload.encode() if isinstance(payload, str) else payload")
                kind = b"application/octet-stream" if member.kind == "blob" else b"text/plain"
                if not says_content_type(shape):
                    block.line(f"headers.append((b'content-type', {kind!r}))")
            else:
                block.line(f"body = dump({writer.convert(member, 'payload')})")
                block.line(f"headers.append((b'content-type', {_JSON!r}))")

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        code = json_code(known, context.facts)
        headers = [
            *amzn_identity(request_id),
            (b"content-type", _JSON),
            (b"x-amzn-errortype", code.encode("ascii", "replace")),
        ]
        for name, shape, value in header_members(known.shape, error.members):
            headers.append((name, header_value(shape)(value)))
        headers.extend(query_error(known, context))
        if context.head or known.status == 304:
            return Reply(known.status, headers)
        body: dict[str, Any] = {message_name(known.shape): error.message}
        body.update(json_members(known.shape, error.members))
        return Reply(known.status, headers, dump(body))
