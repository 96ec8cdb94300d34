"""The rest-xml formats: S3's, and what Route 53, CloudFront and S3 Control make of it. The body is an XML document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from awning.protocols.errorbody import xml_members
from awning.protocols.errors import ServiceError
from awning.protocols.facts import S3_ROOTS, TEXT_ROOTS, Facts
from awning.protocols.honours import Coverage
from awning.protocols.reading import Reader, unsupported
from awning.protocols.rest import RestFormat, body_text, identity, says_content_type
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.text import converter
from awning.protocols.wire import ErrorContext, Reply
from awning.protocols.xmlread import XSI, children, local, parse, text_of
from awning.protocols.xmlwrite import XmlWriter, escape

if TYPE_CHECKING:
    from awning.protocols.events import Wanted
    from awning.protocols.model import BoundOperation, KnownError, ModelOperation


def xml_leftover(
    fail: Callable[[str], Exception],
    operation: str,
    path: str,
    fields: Mapping[str, Any],
    taken: frozenset[str],
    names: Mapping[str, str],
) -> None:
    """Refuse an element's other children: by name where they are modelled, as malformed where they are not."""
    for name in fields:
        if name not in taken:
            if name in names:
                raise unsupported(operation, f"{path}.{names[name]}" if path else names[name])
            raise fail(f"{path} has no member {name[:200]}")


class XmlReader(Reader):
    """Reads out of elements."""

    def __init__(self, source: Source, coverage: Coverage, facts: Facts) -> None:
        super().__init__(source, coverage)
        self.facts = facts
        for name in ("fail", "fields_of", "items_of", "pairs", "repeated", "root_of", "xml_leftover"):
            source.helper(getattr(self, name), name)

    def fail(self, reason: str) -> ServiceError:
        return self.facts.malformed.error(reason=reason)

    def fields_of(self, node: Any) -> dict[str, Any]:
        return children(node, self.fail)

    def items_of(self, node: Any, inner: str) -> list[Any]:
        """The items of a list that has an element of its own around it."""
        if type(node) is list or any(local(child.tag) != inner for child in node):
            raise self.fail(f"a list of {inner} was expected")
        return list(node)

    def repeated(self, node: Any) -> list[Any]:
        return node if type(node) is list else [node]

    def root_of(self, body: bytes, name: str) -> Any:
        root = parse(body, self.fail)
        if local(root.tag) != name:
            raise self.fail(f"the root element is not {name}")
        return root

    def xml_leftover(self, *arguments: Any) -> None:
        xml_leftover(self.fail, *arguments)

    def leftover(self) -> str:
        return "xml_leftover"

    def wire_name(self, name: str, shape: Shape) -> str:
        return shape.item_name(name)

    def open_structure(self, block: Block, raw: str) -> None:
        block.line(f"fields = fields_of({raw})")

    def attribute(self, shape: Shape, name: str) -> str | None:
        if not shape.traits.get("xmlAttribute"):
            return None
        return f"raw.get({XSI + (shape.wire_name or name).partition(':')[2]!r})"

    def scalar(self, shape: Shape, name: str) -> Callable[[Any], Any]:
        convert = converter(shape, lambda text, wanted: self.fail(f"{name} is not {wanted}"))
        fail = self.fail

        def read(node: Any) -> Any:
            if type(node) is str:  # an attribute
                return node if convert is None else convert(node)
            text = text_of(node, fail)
            return text if convert is None else convert(text.strip())

        return read

    def items(self, shape: Shape, raw: str, name: str) -> str:
        return f"repeated({raw})" if shape.flattened else f"items_of({raw}, {shape.item.wire_name or 'member'!r})"

    def entries(self, shape: Shape, raw: str, name: str) -> str:
        nodes = f"repeated({raw})" if shape.flattened else f"items_of({raw}, 'entry')"
        return f"pairs({nodes}, {shape.key.wire_name or 'key'!r}, {shape.value.wire_name or 'value'!r})"

    def pairs(self, nodes: list[Any], key: str, value: str) -> list[tuple[Any, Any]]:
        """A map's raw keys and values."""
        found = []
        for node in nodes:
            fields = self.fields_of(node)
            if set(fields) != {key, value}:
                raise self.fail(f"an entry needs a {key} and a {value}")
            found.append((fields[key], fields[value]))
        return found


class XmlBodies:
    """Events' bodies in XML; a structure without members has none, as S3 writes it."""

    content_type: Final = "text/xml"

    def writers(self, source: Source, operation: ModelOperation, shapes: Mapping[str, Shape]) -> dict[str, str]:
        facts, names = operation.model.facts, {}
        writer = XmlWriter(source, operation.name, milliseconds=facts.milliseconds)
        for kind, shape in shapes.items():
            names[kind] = source.unique(f"body_of_{kind}")
            block = source.function(names[kind], "value")
            root = shape.wire_name or shape.name
            block.line(f"parts = [{f'{facts.prolog.decode()}<{root}>'!r}]")
            block.line(f"{writer.structure(shape)}(value, parts.append)")
            block.line(f"parts.append('</{root}>')")
            block.line("return ''.join(parts).encode()" if shape.members else "return b''")
        return names

    def readers(
        self, source: Source, bound: BoundOperation, coverage: Coverage, wanted: Mapping[str, Wanted]
    ) -> dict[str, str]:
        reader, names = XmlReader(source, coverage, bound.operation.model.facts), {}
        for kind, (shape, honours, path) in wanted.items():
            names[kind] = source.unique(f"event_{kind}")
            block = source.function(names[kind], "raw")
            function = reader.function(shape, honours, path)
            block.line("if not raw: return {}")
            block.line(f"return {function}(root_of(raw, {shape.wire_name or shape.name!r}))")
        return names


class RestXmlFormat(RestFormat):
    """The format as a whole, for Model."""

    name: Final = "rest-xml"

    def payload(self, block: Block, bound: BoundOperation, source: Source, coverage: Coverage) -> None:
        operation = bound.operation
        shape = operation.form(self.name).input
        assert shape is not None
        taken, name = bound.taken(self.name), operation.payload
        reader = XmlReader(source, coverage, operation.model.facts)
        if name is None:
            if any(member.location is None for member in shape.members.values()):
                root = shape.wire_name or f"{operation.name}Request"
                with block.indent("if wire.body:"):
                    block.line(f"raw = root_of(wire.body, {root!r})")
                    reader.open_structure(block, "raw")
                    reader.members(block, shape, taken, (), fresh=False)
            return
        member = shape.members[name]
        with block.indent("if wire.body:"):
            if name not in taken:
                block.line(f"raise {source.helper(unsupported)}({operation.name!r}, {name!r})")
            elif member.kind == "structure":
                function = reader.function(member, taken[name][2], (name,))
                root = member.wire_name or member.name
                block.line(f"out[{taken[name][1]!r}] = {function}(root_of(wire.body, {root!r}))")
            else:
                value = "wire.body" if member.kind == "blob" else f"{source.helper(body_text)}(wire.body)"
                block.line(f"out[{taken[name][1]!r}] = {value}")

    def body(self, block: Block, operation: ModelOperation, source: Source) -> None:
        _Body(operation, source, self.name).write(block)

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        facts = context.facts
        headers = identity(facts)(request_id)
        if context.head or known.status == 304:
            return Reply(known.status, headers)
        resource = context.resource if facts.is_s3 else None
        shown = "" if resource is None or "Resource" in error.members else f"<Resource>{escape(resource)}</Resource>"
        fault = "" if facts.is_s3 else f"<Type>{'Sender' if known.status < 500 else 'Receiver'}</Type>"
        inner = (
            f"<Error>{fault}<Code>{escape(known.code)}</Code><Message>{escape(error.message)}</Message>"
            f"{xml_members(known.shape, error.members, facts.milliseconds)}{shown}"
        )
        ids = f"<RequestId>{escape(request_id)}</RequestId>"
        if facts.two_ids:
            ids += f"<HostId>{headers[1][1].decode()}</HostId>"
        if facts.is_s3:
            body = f"{inner}{ids}</Error>"
        else:
            body = f'<ErrorResponse xmlns="{facts.xml_namespace}">{inner}</Error>{ids}</ErrorResponse>'
        return Reply(known.status, [*headers, (b"content-type", b"application/xml")], facts.prolog + body.encode())


class _Body:
    """Writes the source of one reply's body."""

    def __init__(self, operation: ModelOperation, source: Source, protocol: str) -> None:
        self._operation = operation
        self._source = source
        self._shape = operation.form(protocol).output
        self._facts = operation.model.facts
        self._roots = S3_ROOTS if self._facts.is_s3 else {}
        self._texts = TEXT_ROOTS if self._facts.is_s3 else {}

    def write(self, block: Block) -> None:
        shape, payload = self._shape, self._operation.output_payload
        if shape is None:
            block.line("body = b''")
        elif payload is not None:
            self._payload(block, shape, payload)
        elif self._operation.name in self._texts:
            member = self._texts[self._operation.name]
            head, tail = self._root(member)
            self._source.helper(escape)
            block.line("headers.append((b'content-type', b'application/xml'))")
            block.line(f"body = ({head!r} + escape(result.get({member!r}) or '') + {tail!r}).encode()")
        elif any(member.location is None for member in shape.members.values()):
            name = self._roots.get(self._operation.name)
            if name is None:
                name = f"{self._operation.name}Result" if self._facts.is_s3 else shape.wire_name or shape.name
            self._xml(block, shape, name, "result", top=True)
        else:
            block.line("body = b''")

    def _payload(self, block: Block, shape: Shape, name: str) -> None:
        member = shape.members[name]
        if member.streams:
            block.line(f"body = result.get({name!r}, b'')")
            return
        block.line("body = b''")
        block.line(f"payload = result.get({name!r})")
        with block.indent("if payload is not None:"):
            if member.kind == "structure":
                self._xml(block, member, member.wire_name or member.name, "payload")
            else:
                if not says_content_type(shape):
                    # S3's only such replies are JSON documents (bucket policies).
                    kind = b"application/json" if self._facts.is_s3 else b"application/octet-stream"
                    block.line(f"headers.append((b'content-type', {kind!r}))")
                block.line("body = payload.encode() if isinstance(payload, str) else payload")

    def _root(self, name: str) -> tuple[str, str]:
        return f'{self._facts.prolog.decode()}<{name} xmlns="{self._facts.xml_namespace}">', f"</{name}>"

    def _xml(self, block: Block, shape: Shape, name: str, value: str, *, top: bool = False) -> None:
        writer = XmlWriter(self._source, self._operation.name, milliseconds=self._facts.milliseconds)
        head, tail = self._root(name)
        block.line(f"parts = [{head!r}]")
        block.line(f"{writer.structure(shape, top=top)}({value}, parts.append)")
        block.line(f"parts.append({tail!r})")
        block.line("headers.append((b'content-type', b'application/xml'))")
        block.line("body = ''.join(parts).encode()")
