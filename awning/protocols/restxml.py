"""The rest-xml format, which is S3's: path and query name the resource, headers carry most members, XML the rest."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from awning.protocols import times
from awning.protocols.awsjson import finish, unknown_member
from awning.protocols.checking import lower_first, show
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.facts import IGNORED_WHEN_INVALID, S3_ROOTS, TEXT_ROOTS, Facts
from awning.protocols.honours import ALL, Coverage, Honours
from awning.protocols.query import decode_form
from awning.protocols.reading import MISSING, Reader, unsupported
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.text import converter
from awning.protocols.wire import ErrorContext, Match, Reply, Wire
from awning.protocols.xmlread import XSI, children, local, parse, text_of
from awning.protocols.xmlwrite import XmlWriter, error_members, escape

if TYPE_CHECKING:
    from awning.protocols.model import BoundOperation, KnownError, Model, ModelOperation

BAD_URI: Final = ("InvalidURI", "Couldn't parse the specified URI.")
_NOT_HOISTED: Final = ("x-amz-checksum-", "x-amz-sdk-checksum-")
_SIGNING: Final = frozenset(
    f"x-amz-{name}"
    for name in (
        "algorithm",
        "content-sha256",
        "credential",
        "date",
        "expires",
        "security-token",
        "signature",
        "signedheaders",
    )
)


def header_text(raw: bytes) -> str:
    """A header's value: UTF-8 where it is that, else Latin-1, as HTTP once said."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def label_text(raw: bytes) -> str:
    """A path label, decoded; S3 takes a plus sign for a space in paths too. Raises InvalidURI."""
    try:
        if b"%" in raw or b"+" in raw:
            raw = unquote_to_bytes(raw.replace(b"+", b" "))
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NamedError(*BAD_URI) from error


def body_text(raw: bytes) -> str:
    """A payload that is a string (a bucket policy)."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NamedError("InvalidRequest", "The request body is not UTF-8.") from error


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
        for name in ("fail", "fields_of", "items_of", "repeated", "root_of", "xml_leftover"):
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


class _Tables:
    """Builds the tables by which headers and query parameters become keyword arguments: wire name to (parameter, function).

    A function of None means that the text is the value; a parameter of None, that the function only refuses.
    """

    def __init__(self, bound: BoundOperation, protocol: str, coverage: Coverage) -> None:
        self.headers: dict[bytes, tuple[str | None, Any]] = {}
        self.query: dict[str, tuple[str | None, Any]] = {}
        self.prefixes: list[tuple[bytes, str | None, str]] = []
        self._coverage = coverage
        self._facts = bound.operation.model.facts
        taken = bound.taken(protocol)
        shape = bound.operation.form(protocol).input
        for name, member in shape.members.items() if shape else ():
            wire = member.wire_name or name
            _, parameter, honours = taken.get(name, (None, None, ALL))
            if member.location == "header":
                convert = self._convert(name, member, wire, parameter, honours)
                if parameter is not None or wire.lower() != "content-length":
                    self.headers[wire.lower().encode()] = (parameter, self._decoded(member, parameter, convert))
            elif member.location == "querystring":
                self.query[wire] = (parameter, self._convert(name, member, wire, parameter, honours))
            elif member.location == "headers":
                self.prefixes.append((wire.lower().encode(), parameter, name))

    @staticmethod
    def _decoded(
        member: Shape, parameter: str | None, convert: Callable[[str], Any] | None
    ) -> Callable[[bytes], Any] | None:
        if convert is None:
            return None

        def from_bytes(raw: bytes) -> Any:
            return convert(header_text(raw).strip())

        def from_digits(raw: bytes) -> Any:
            return int(raw) if raw.isdigit() and len(raw) < 10 else from_bytes(raw)

        return from_digits if parameter is not None and member.kind in ("integer", "long") else from_bytes

    def _convert(
        self, name: str, member: Shape, wire: str, parameter: str | None, honours: Honours
    ) -> Callable[[str], Any] | None:
        convert = self._plain(name, member, wire)
        if parameter is None:
            return self._refusing(name, convert)
        if honours == ALL:
            return convert
        scalar = member.item if member.kind == "list" else member
        refused = frozenset(scalar.enum) - frozenset(honours)
        operation = self._coverage.operation

        def guarded(text: str) -> Any:
            value = text if convert is None else convert(text)
            for one in value if type(value) is list else (value,):
                if one in refused:
                    raise unsupported(operation, f"{name}={one}")
            return value

        return guarded

    def _plain(self, name: str, member: Shape, wire: str) -> Callable[[str], Any] | None:
        answers = self._facts.answers
        answer = answers.get(("type", name)) or answers[("type", None)]

        def refuse(text: str, wanted: str) -> ServiceError:
            return answer.error(name=name, member=lower_first(name), wire=wire, value=show(text), wanted=wanted)

        if member.kind == "list":
            inner = converter(member.item, refuse) or str

            def split(text: str) -> list[Any]:
                return [inner(part.strip()) for part in text.split(",")]

            return split
        convert = converter(member, refuse)
        if convert is None or member.kind != "timestamp" or wire.lower() not in IGNORED_WHEN_INVALID:
            return convert

        def lenient(text: str) -> float | None:
            try:
                return times.from_text(text)
            except (ValueError, OverflowError):
                return None  # as if it had not been sent, which RFC 9110 demands

        return lenient

    def _refusing(self, name: str, convert: Callable[[str], Any] | None) -> Callable[[str], Any]:
        default = self._coverage.defaults.get((name,), MISSING)
        operation = self._coverage.operation

        def refuse(text: str) -> None:
            if default is MISSING or (text if convert is None else convert(text)) != default:
                raise unsupported(operation, name)

        return refuse


class RestXmlFormat:
    """The format as a whole, for Model."""

    name: Final = "rest-xml"

    def match(self, model: Model, wire: Wire) -> Match:
        query: Mapping[str, str] = {}
        headers = wire.headers
        if wire.query:
            query = decode_form(wire.query, lambda reason: NamedError(BAD_URI[0], f"{BAD_URI[1]} {reason}"))
            if "X-Amz-Signature" in query:
                headers = {**self._hoisted(query), **headers}
        found = model.routes.find(wire.method, wire.path, query, headers)
        if found is None:
            error = model.facts.unknown_operation.error(operation=wire.method, version="")
            place = wire.path.strip(b"/").partition(b"/")
            error.members.update(Method=wire.method, ResourceType=_resource(place[0], place[2]))
            raise error
        route, labels = found
        return Match(route.operation, self.name, labels, query, headers)

    @staticmethod
    def _hoisted(query: Mapping[str, str]) -> dict[bytes, bytes]:
        """The headers that a pre-signed URL carries in its query. S3 does not check checksums given there."""
        found = {}
        for name, value in query.items():
            lower = name.lower()
            if lower.startswith("x-amz-") and lower not in _SIGNING and not lower.startswith(_NOT_HOISTED):
                found[lower.encode()] = value.encode()
        return found

    def compile_reader(
        self, bound: BoundOperation, source: Source, coverage: Coverage
    ) -> Callable[[Match, Wire], dict[str, Any]]:
        operation = bound.operation
        shape = operation.form(self.name).input
        block = source.function("parse", "match, wire")
        block.line("out = {}")
        if shape is not None:
            tables = _Tables(bound, self.name, coverage)
            self._labels(block, bound, source, shape)
            self._headers(block, source, tables, coverage)
            self._query(block, source, tables)
            self._payload(block, bound, source, coverage)
        bound.check(block, source, self.name)
        block.line("return out")
        return source.compile("parse")

    def _labels(self, block: Block, bound: BoundOperation, source: Source, shape: Shape) -> None:
        parts = [part.strip("{}+") for part in bound.operation.uri.partition("?")[0].split("/") if part.startswith("{")]
        by_wire = {member.wire_name or name: name for name, member in shape.members.items() if member.location == "uri"}
        taken = bound.taken(self.name)
        for number, wire in enumerate(parts):
            parameter = taken[by_wire[wire]][1]
            block.line(f"out[{parameter!r}] = {source.helper(label_text)}(match.labels[{number}])")

    def _headers(self, block: Block, source: Source, tables: _Tables, coverage: Coverage) -> None:
        if not tables.headers and not tables.prefixes:
            return
        table = source.constant("headers", tables.headers)
        for _, parameter, _ in tables.prefixes:
            if parameter is not None:
                block.line(f"{parameter} = {{}}")
        with block.indent("for name, raw in match.headers.items():"):
            block.line(f"found = {table}.get(name)")
            with block.indent("if found is not None:"):
                block.line("parameter, convert = found")
                with block.indent("if convert is None:"):
                    block.line("try: out[parameter] = raw.decode()")
                    block.line("except UnicodeDecodeError: out[parameter] = raw.decode('latin-1')")
                with block.indent("else:"):
                    block.line("value = convert(raw)")
                    block.line("if parameter is not None and value is not None: out[parameter] = value")
            for prefix, parameter, name in tables.prefixes:
                with block.indent(f"elif name.startswith({prefix!r}):"):
                    if parameter is None:
                        block.line(f"raise {source.helper(unsupported)}({coverage.operation!r}, {name!r})")
                    else:
                        text = source.helper(header_text)
                        block.line(f"{parameter}[{text}(name[{len(prefix)}:])] = {text}(raw)")
        for _, parameter, _ in tables.prefixes:
            if parameter is not None:
                block.line(f"if {parameter}: out[{parameter!r}] = {parameter}")

    def _query(self, block: Block, source: Source, tables: _Tables) -> None:
        if not tables.query:
            return
        table = source.constant("query", tables.query)
        with block.indent("for name, value in match.query.items():"):
            block.line(f"found = {table}.get(name)")
            with block.indent("if found is not None:"):
                block.line("if found[1] is not None: value = found[1](value)")
                block.line("if found[0] is not None: out[found[0]] = value")

    def _payload(self, block: Block, bound: BoundOperation, source: Source, coverage: Coverage) -> None:
        operation = bound.operation
        shape = operation.form(self.name).input
        assert shape is not None
        taken, name = bound.taken(self.name), operation.payload
        if operation.has_streaming_input:
            return
        reader = XmlReader(source, coverage, operation.model.facts)
        if name is None:
            if any(member.location is None for member in shape.members.values()):
                root = shape.wire_name or f"{operation.name}Request"
                with block.indent("if wire.body:"):
                    block.line(f"raw = root_of(wire.body, {root!r})")
                    reader.open_structure(block, "raw")
                    reader.members(block, shape, taken, ())
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

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        return _RestWriter(operation, source, self.name).compile()

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        headers = identity(request_id)
        if context.head or known.status == 304:
            return Reply(known.status, headers)
        resource = context.resource
        shown = "" if resource is None or "Resource" in error.members else f"<Resource>{escape(resource)}</Resource>"
        body = (
            f"<Error><Code>{escape(known.code)}</Code><Message>{escape(error.message)}</Message>"
            f"{error_members(error.members)}{shown}<RequestId>{escape(request_id)}</RequestId>"
            f"<HostId>{headers[1][1].decode()}</HostId></Error>"
        )
        return Reply(
            known.status, [*headers, (b"content-type", b"application/xml")], context.facts.prolog + body.encode()
        )


def _resource(bucket: bytes, key: bytes) -> str:
    return "OBJECT" if key else "BUCKET" if bucket else "SERVICE"


def identity(request_id: str) -> list[tuple[bytes, bytes]]:
    """The two headers by which S3 names a request."""
    raw = request_id.encode()
    return [(b"x-amz-request-id", raw), (b"x-amz-id-2", b64encode(raw))]


def header_bytes(value: str) -> bytes:
    """A header's value as bytes. Raises InvalidArgument for control characters, which no header may have (RFC 9110, 5.5)."""
    if not value.isprintable() and any((char < " " and char != "\t") or char == "\x7f" for char in value):
        raise NamedError("InvalidArgument", "Header value cannot be represented using ISO-8859-1.")
    return value.encode("utf-8")


def _header_value(shape: Shape) -> Callable[[Any], bytes]:
    """Return the function from a value to a header's bytes."""
    if shape.kind in ("string", "character"):
        return header_bytes
    if shape.kind == "boolean":
        return lambda value: b"true" if value else b"false"
    if shape.kind == "timestamp":
        known = {"iso8601": times.to_iso8601, "unixTimestamp": times.to_epoch}
        convert = known.get(shape.traits.get("timestampFormat", ""), times.to_rfc822)
        return lambda value: value.encode() if isinstance(value, str) else str(convert(value)).encode()
    if shape.kind == "list":
        inner = _header_value(shape.item)
        return lambda value: b",".join(inner(item) for item in value)
    if shape.kind == "blob":
        return lambda value: b64encode(value)
    return lambda value: str(value).encode()


class _RestWriter:
    """Writes the source of one operation's writer."""

    def __init__(self, operation: ModelOperation, source: Source, protocol: str) -> None:
        self._operation = operation
        self._source = source
        self._shape = operation.form(protocol).output
        self._facts = operation.model.facts

    def compile(self) -> Callable[[Mapping[str, Any], str], Reply]:
        source = self._source
        for helper in (Reply, finish, identity):
            source.helper(helper, helper.__name__)
        block = source.function("write", "result, request_id")
        block.line("headers = identity(request_id)")
        self._headers(block)
        self._body(block)
        block.line(f"return finish(result, Reply({self._operation.status}, headers, body))")
        return source.compile("write")

    def _headers(self, block: Block) -> None:
        members = {} if self._shape is None else self._shape.members
        table = {
            name: ((member.wire_name or name).lower().encode(), _header_value(member))
            for name, member in members.items()
            if member.location == "header"
        }
        prefixed = {name: member for name, member in members.items() if member.location == "headers"}
        rest = frozenset(name for name in members if name not in table and name not in prefixed)
        known = self._source.constant("body_members", rest)
        unknown = self._source.helper(unknown_member)
        with block.indent("for name, value in result.items():"):
            block.line("if value is None: continue")
            block.line(f"found = {self._source.constant('headers', table)}.get(name)")
            block.line("if found is not None: headers.append((found[0], found[1](value)))")
            for name, member in prefixed.items():
                prefix = (member.wire_name or "").lower().encode()
                text = self._source.helper(header_bytes)
                with block.indent(f"elif name == {name!r}:"):
                    block.line(
                        f"for key, item in value.items(): headers.append(({prefix!r} + {text}(key), {text}(item)))"
                    )
            block.line(f"elif name not in {known}: {unknown}({self._operation.name!r}, '', (name,), ())")

    def _body(self, block: Block) -> None:
        shape, payload = self._shape, self._operation.output_payload
        if shape is None:
            block.line("body = b''")
        elif payload is not None:
            self._payload(block, shape.members[payload], payload)
        elif self._operation.name in TEXT_ROOTS:
            member = TEXT_ROOTS[self._operation.name]
            head, tail = self._root(member)
            self._source.helper(escape)
            block.line("headers.append((b'content-type', b'application/xml'))")
            block.line(f"body = ({head!r} + escape(result.get({member!r}) or '') + {tail!r}).encode()")
        elif any(member.location is None for member in shape.members.values()):
            name = S3_ROOTS.get(self._operation.name, f"{self._operation.name}Result")
            self._xml(block, shape, name, "result")
        else:
            block.line("body = b''")

    def _payload(self, block: Block, member: Shape, name: str) -> None:
        if member.streams:
            block.line(f"body = result.get({name!r}, b'')")
            return
        block.line("body = b''")
        block.line(f"payload = result.get({name!r})")
        with block.indent("if payload is not None:"):
            if member.kind == "structure":
                self._xml(block, member, member.wire_name or member.name, "payload")
            else:
                # The only such replies are JSON documents (bucket policies).
                block.line("headers.append((b'content-type', b'application/json'))")
                block.line("body = payload.encode() if isinstance(payload, str) else payload")

    def _root(self, name: str) -> tuple[str, str]:
        return f'{self._facts.prolog.decode()}<{name} xmlns="{self._facts.xml_namespace}">', f"</{name}>"

    def _xml(self, block: Block, shape: Shape, name: str, value: str) -> None:
        writer = XmlWriter(self._source, self._operation.name, milliseconds=self._facts.milliseconds)
        head, tail = self._root(name)
        block.line(f"parts = [{head!r}]")
        block.line(f"{writer.structure(shape)}({value}, parts.append)")
        block.line(f"parts.append({tail!r})")
        block.line("headers.append((b'content-type', b'application/xml'))")
        block.line("body = ''.join(parts).encode()")
