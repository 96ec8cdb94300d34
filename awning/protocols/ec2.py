"""The ec2 format: a query form whose names begin with capitals and whose lists are all flat; replies without a result's wrapper.

What it shares with query (forms, their tree, their limits) stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from awning.protocols.errorbody import xml_members
from awning.protocols.errors import ServiceError
from awning.protocols.query import QueryFormat, QueryReader
from awning.protocols.results import finish
from awning.protocols.shapes import Shape
from awning.protocols.source import Source
from awning.protocols.wire import ErrorContext, Reply
from awning.protocols.xmlwrite import XmlWriter, escape

if TYPE_CHECKING:
    from awning.protocols.model import KnownError, ModelOperation

_HEADERS: Final = "[(b'content-type', b'text/xml;charset=UTF-8'), (b'x-amzn-requestid', request_id.encode())]"


class Ec2Reader(QueryReader):
    """Reads out of the tree of dotted names, by ec2's names."""

    def wire_name(self, name: str, shape: Shape) -> str:
        """Source: Smithy, "AWS EC2 query protocol": ec2QueryName, else the XML name with a capital, else the member's."""
        query_name: str | None = shape.traits.get("queryName")
        if query_name is not None:
            return query_name
        wire = shape.wire_name or name
        return wire[:1].upper() + wire[1:]

    def items(self, shape: Shape, raw: str, name: str) -> str:
        return f"{self.source.helper(self.numbered, 'numbered')}({raw}, {name!r})"


class Ec2Format(QueryFormat):
    """The format as a whole, for Model."""

    name = "ec2"
    reader = Ec2Reader

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        form, model = operation.form(self.name), operation.model
        writer = XmlWriter(source, operation.name, milliseconds=model.facts.milliseconds)
        block = source.function("write", "result, request_id")
        source.helper(Reply, "Reply")
        source.helper(finish)
        namespace = model.metadata(self.name).get("xmlNamespace", "").rstrip("/") + "/"
        head = f'{model.facts.prolog.decode()}<{operation.name}Response xmlns="{namespace}"><requestId>'
        block.line(f"parts = [f{head + '{request_id}</requestId>'!r}]")
        if form.output is not None:
            block.line(f"{writer.structure(form.output)}(result, parts.append)")
        else:
            writer.nothing(block)
        block.line(f"parts.append('</{operation.name}Response>')")
        block.line(f"return finish(result, Reply(200, {_HEADERS}, ''.join(parts).encode()))")
        return source.compile("write")

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        facts = context.facts
        members = xml_members(known.shape, error.members, facts.milliseconds)
        body = (
            f"<Response><Errors><Error><Code>{escape(known.query_code)}</Code><Message>{escape(error.message)}</Message>"
            f"{members}</Error></Errors><RequestID>{escape(request_id)}</RequestID></Response>"
        )
        headers = [(b"content-type", b"text/xml;charset=UTF-8"), (b"x-amzn-requestid", request_id.encode())]
        return Reply(known.status, headers, facts.prolog + body.encode())
