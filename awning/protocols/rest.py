"""What REST formats share: path, query and headers of a request and a reply. The body is each format's own.

Names come from the model, are looked up in tables made once per operation, and never from a request.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import orjson

from awning.protocols import times
from awning.protocols.checking import constraints, lower_first, show
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.facts import CASELESS, IGNORED_WHEN_INVALID, OPAQUE, Facts
from awning.protocols.honours import ALL, Coverage, Honours
from awning.protocols.query import decode_form
from awning.protocols.reading import MISSING, unsupported
from awning.protocols.results import finish, unknown_member
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.text import converter
from awning.protocols.wire import Match, Reply, Wire

if TYPE_CHECKING:
    from awning.protocols.model import BoundOperation, Model, ModelOperation

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
# What a bucket has and an object hasn't: S3 does not answer it with the object.
_BUCKETS_ALONE: Final = {
    "versions": "There is no such thing as the ?versions sub-resource for a key",
    "uploads": "Key is not expected for the GET method ?uploads subresource",
}
_QUOTED: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"\s*|([^,]*))(?:,|$)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def header_text(raw: bytes) -> str:
    """A header's value: UTF-8 where it is that, else Latin-1, as HTTP once said."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def label_text(raw: bytes) -> str:
    """A path label, decoded. Raises InvalidURI."""
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise NamedError(*BAD_URI) from error


def s3_label_text(raw: bytes) -> str:
    """The same in S3, which takes a plus sign for a space in paths too."""
    return label_text(raw.replace(b"+", b" ") if b"+" in raw else raw)


def body_text(raw: bytes) -> str:
    """A payload that is a string (a bucket policy)."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NamedError("InvalidRequest", "The request body is not UTF-8.") from error


def split_header(text: str) -> list[str]:
    """Return the items of a list in a header; one with a comma stands in quotes."""
    if '"' not in text:
        return [part.strip() for part in text.split(",")]
    found, at = [], 0
    while at < len(text):
        item = _QUOTED.match(text, at)
        if item is None:
            raise ValueError(text)
        found.append(item[2].strip() if item[1] is None else _ESCAPED.sub(r"\1", item[1]))
        at = item.end()
    return found


def _json_value(text: str) -> Any:
    """A header that carries JSON, in Base64."""
    return orjson.loads(b64decode(text, validate=True))


class Tables:
    """Builds the tables by which headers and query parameters become keyword arguments: wire name to (parameter, function).

    A function of None means that the text is the value; a parameter of None, that the function only refuses.
    """

    def __init__(self, bound: BoundOperation, protocol: str, coverage: Coverage) -> None:
        self.headers: dict[bytes, tuple[str | None, Any, frozenset[str] | None]] = {}
        """The third is the set of values that a header may have, where it has one."""
        self.checked: set[str] = set()
        """The parameters that are held against such a set when they are read."""
        self.query: dict[str, tuple[str | None, Any]] = {}
        self.prefixes: list[tuple[bytes, str | None, str]] = []
        self.labels: dict[str, tuple[str, Callable[[str], Any] | None]] = {}
        self.query_map: tuple[str | None, str, bool] | None = None
        """The map (parameter, name, are its values lists?) that takes all query parameters with no member of their own."""
        self._coverage = coverage
        self._facts = bound.operation.model.facts
        taken = bound.taken(protocol)
        shape = bound.operation.form(protocol).input
        for name, member in shape.members.items() if shape else ():
            wire = member.wire_name or name
            _, parameter, honours = taken.get(name, (None, None, ALL))
            if member.location == "header":
                convert = self._convert(name, member, wire, parameter, honours)
                if convert is None and self._facts.is_s3 and member.name in CASELESS:
                    convert = str.upper
                if parameter is not None or wire.lower() != "content-length":
                    values = frozenset(member.enum) if member.kind == "string" and member.enum else None
                    if parameter is not None and values is not None and set(constraints(member)) == {"enum"}:
                        self.checked.add(parameter)
                    else:
                        values = None
                    self.headers[wire.lower().encode()] = (parameter, self._decoded(member, parameter, convert), values)
            elif member.location == "querystring" and member.kind == "map":
                self.query_map = (parameter, name, member.value.kind == "list")
            elif member.location == "querystring":
                convert = self._convert(name, member, wire, parameter, honours)
                self.query[wire] = (parameter, self._once(name, member, convert))
            elif member.location == "headers":
                self.prefixes.append((wire.lower().encode(), parameter, name))
            elif member.location == "uri" and parameter is not None:
                self.labels[wire] = (parameter, self._convert(name, member, wire, parameter, honours))

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

    def _once(self, name: str, member: Shape, convert: Callable[[str], Any] | None) -> Callable[[Any], Any] | None:
        """A query parameter that is no list may be there only once. S3 refuses that for all, when it matches."""
        if member.kind == "list" or self._facts.is_s3:
            return convert
        malformed = self._facts.malformed

        def single(text: Any) -> Any:
            if type(text) is not str:
                raise malformed.error(reason=f"The parameter {name} is given more than once.")
            return text if convert is None else convert(text)

        return single

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
            return self._list(member, refuse)
        if member.traits.get("jsonvalue") and member.location == "header":

            def from_json(text: str) -> Any:
                try:
                    return _json_value(text)
                except (ValueError, Base64Error) as error:
                    raise refuse(text, "JSON in Base64") from error

            return from_json
        if member.kind == "timestamp" and wire.lower() in OPAQUE:
            return None
        convert = converter(member, refuse)
        if convert is None or member.kind != "timestamp" or wire.lower() not in IGNORED_WHEN_INVALID:
            return convert

        def lenient(text: str) -> float | None:
            try:
                return times.from_text(text)
            except (ValueError, OverflowError):
                return None  # as if it had not been sent, which RFC 9110 demands

        return lenient

    @staticmethod
    def _list(member: Shape, refuse: Callable[[str, str], ServiceError]) -> Callable[[Any], Any]:
        inner = converter(member.item, refuse) or str

        def split(text: str) -> list[Any]:
            try:
                return [inner(part) for part in split_header(text)]
            except ValueError as error:
                raise refuse(text, "a list") from error

        def several(given: str | list[str]) -> list[Any]:
            return [inner(one) for one in ([given] if type(given) is str else given)]

        return several if member.location == "querystring" else split

    def _refusing(self, name: str, convert: Callable[[str], Any] | None) -> Callable[[str], Any]:
        default = self._coverage.defaults.get((name,), MISSING)
        operation = self._coverage.operation

        def refuse(text: str) -> None:
            if default is MISSING or (text if convert is None else convert(text)) != default:
                raise unsupported(operation, name)

        return refuse


class RestFormat:
    """Base of the REST formats. A subclass reads and writes bodies and errors."""

    name: str

    def payload(self, block: Block, bound: BoundOperation, source: Source, coverage: Coverage) -> None:
        """Write what reads `wire.body` into `out`."""
        raise NotImplementedError

    def body(self, block: Block, operation: ModelOperation, source: Source) -> None:
        """Write what binds `body` to the reply's body, and adds its content type to `headers`."""
        raise NotImplementedError

    def match(self, model: Model, wire: Wire) -> Match:
        query: Mapping[str, Any] = {}
        headers = wire.headers
        facts = model.facts
        if wire.query:
            query = decode_form(
                wire.query, lambda reason: NamedError(BAD_URI[0], f"{BAD_URI[1]} {reason}"), repeat=not facts.is_s3
            )
            if "X-Amz-Signature" in query and facts.is_s3:
                headers = {**self._hoisted(query), **headers}
        found = model.routes.find(wire.method, wire.path, query, headers)
        if query and facts.is_s3 and found is not None and found[0].operation.name == "GetObject":
            for word, text in _BUCKETS_ALONE.items():
                if word in query:
                    raise NamedError("InvalidRequest", text)
        if found is None:
            error = facts.unknown_operation.error(operation=wire.method, version="")
            if facts.is_s3:
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
        checked: set[str] = set()
        if shape is not None:
            tables = Tables(bound, self.name, coverage)
            checked = tables.checked
            self._labels(block, operation, source, tables)
            self._headers(block, source, tables, coverage)
            self._query(block, source, tables, coverage)
            if not operation.has_streaming_input:
                self.payload(block, bound, source, coverage)
        bound.check(block, source, self.name, checked)
        block.line("return out")
        return source.compile("parse")

    def _labels(self, block: Block, operation: ModelOperation, source: Source, tables: Tables) -> None:
        parts = [part.strip("{}+") for part in operation.uri.partition("?")[0].split("/") if part.startswith("{")]
        s3 = operation.model.facts.is_s3
        text = source.helper(s3_label_text if s3 else label_text)
        plain = "raw.isascii() and b'%' not in raw" + (" and b'+' not in raw" if s3 else "")
        for number, wire in enumerate(parts):
            parameter, convert = tables.labels[wire]
            block.line(f"raw = match.labels[{number}]")
            value = f"(raw.decode() if {plain} else {text}(raw))"
            if convert is not None:
                value = f"{source.constant(f'{parameter}_of', convert)}({value})"
            block.line(f"out[{parameter!r}] = {value}")

    def _headers(self, block: Block, source: Source, tables: Tables, coverage: Coverage) -> None:
        if not tables.headers and not tables.prefixes:
            return
        table = source.constant("headers", tables.headers)
        if tables.checked:
            block.line("wrong = False")
        for _, parameter, _ in tables.prefixes:
            if parameter is not None:
                block.line(f"{parameter} = {{}}")
        with block.indent("for name, raw in match.headers.items():"):
            block.line(f"found = {table}.get(name)")
            with block.indent("if found is not None:"):
                block.line("parameter, convert, values = found")
                with block.indent("if convert is None:"):
                    block.line("try: value = raw.decode()")
                    block.line("except UnicodeDecodeError: value = raw.decode('latin-1')")
                    block.line("out[parameter] = value")
                with block.indent("else:"):
                    block.line("value = convert(raw)")
                    block.line("if parameter is not None and value is not None: out[parameter] = value")
                if tables.checked:
                    block.line("if values is not None and value not in values: wrong = True")
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

    def _query(self, block: Block, source: Source, tables: Tables, coverage: Coverage) -> None:
        rest = tables.query_map
        if not tables.query and rest is None:
            return
        table = source.constant("query", tables.query)
        if rest is not None:
            block.line("further = {}")
        with block.indent("for name, value in match.query.items():"):
            block.line(f"found = {table}.get(name)")
            with block.indent("if found is not None:"):
                block.line("if found[1] is not None: value = found[1](value)")
                block.line("if found[0] is not None: out[found[0]] = value")
            if rest is not None:
                parameter, name, lists = rest
                with block.indent("else:"):
                    if parameter is None:
                        block.line(f"raise {source.helper(unsupported)}({coverage.operation!r}, {name!r})")
                    elif lists:
                        block.line("further[name] = [value] if type(value) is str else value")
                    else:
                        block.line("further[name] = value if type(value) is str else value[0]")
        if rest is not None and rest[0] is not None:
            block.line(f"if further: out[{rest[0]!r}] = further")

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        facts = operation.model.facts
        source.helper(Reply, "Reply")
        source.helper(finish)
        source.helper(identity(facts), "identity")
        block = source.function("write", "result, request_id")
        block.line("headers = identity(request_id)")
        _reply_headers(block, operation, source, self.name)
        self.body(block, operation, source)
        status = str(operation.status)
        shape = operation.form(self.name).output
        for name, member in shape.members.items() if shape is not None else ():
            if member.location == "statusCode":
                status = f"result.get({name!r}) or {status}"
        block.line(f"return finish(result, Reply({status}, headers, body))")
        return source.compile("write")


def _resource(bucket: bytes, key: bytes) -> str:
    return "OBJECT" if key else "BUCKET" if bucket else "SERVICE"


def s3_identity(request_id: str) -> list[tuple[bytes, bytes]]:
    """The two headers by which S3 names a request."""
    raw = request_id.encode()
    return [(b"x-amz-request-id", raw), (b"x-amz-id-2", b64encode(raw))]


def amzn_identity(request_id: str) -> list[tuple[bytes, bytes]]:
    """The header by which every other service names it."""
    return [(b"x-amzn-requestid", request_id.encode())]


def identity(facts: Facts) -> Callable[[str], list[tuple[bytes, bytes]]]:
    """Return the function from a request's id to the headers that tell it."""
    return s3_identity if facts.two_ids else amzn_identity


def header_bytes(value: str) -> bytes:
    """A header's value as bytes. Raises InvalidArgument for control characters, which no header may have (RFC 9110, 5.5)."""
    if not value.isprintable() and any((char < " " and char != "\t") or char == "\x7f" for char in value):
        raise NamedError("InvalidArgument", "Header value cannot be represented using ISO-8859-1.")
    return value.encode("utf-8")


def _quoted(value: str) -> bytes:
    """An item of a list in a header."""
    if "," in value or '"' in value:
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return header_bytes(value)


def header_value(shape: Shape) -> Callable[[Any], bytes]:
    """Return the function from a value to a header's bytes."""
    if shape.traits.get("jsonvalue"):
        return lambda value: b64encode(orjson.dumps(value))
    if shape.kind in ("string", "character"):
        return header_bytes
    if shape.kind == "boolean":
        return lambda value: b"true" if value else b"false"
    if shape.kind == "timestamp":
        known = {"iso8601": times.to_iso8601, "unixTimestamp": times.to_epoch}
        convert = known.get(shape.traits.get("timestampFormat", ""), times.to_rfc822)
        return lambda value: value.encode() if isinstance(value, str) else str(convert(value)).encode()
    if shape.kind == "list":
        inner = _quoted if shape.item.kind == "string" else header_value(shape.item)
        return lambda value: b",".join(inner(item) for item in value)
    if shape.kind == "blob":
        return lambda value: b64encode(value)
    return lambda value: str(value).encode()


def _reply_headers(block: Block, operation: ModelOperation, source: Source, protocol: str) -> None:
    """Write what turns the members that are headers into `headers`, and refuses members that the output does not have."""
    shape = operation.form(protocol).output
    members = {} if shape is None else shape.members
    table = {
        name: ((member.wire_name or name).lower().encode(), header_value(member))
        for name, member in members.items()
        if member.location == "header"
    }
    prefixed = {name: member for name, member in members.items() if member.location == "headers"}
    rest = frozenset(name for name in members if name not in table and name not in prefixed)
    known = source.constant("body_members", rest)
    unknown = source.helper(unknown_member)
    with block.indent("for name, value in result.items():"):
        block.line("if value is None: continue")
        block.line(f"found = {source.constant('headers', table)}.get(name)")
        block.line("if found is not None: headers.append((found[0], found[1](value)))")
        for name, member in prefixed.items():
            prefix = (member.wire_name or "").lower().encode()
            text = source.helper(header_bytes)
            with block.indent(f"elif name == {name!r}:"):
                block.line(f"for key, item in value.items(): headers.append(({prefix!r} + {text}(key), {text}(item)))")
        block.line(f"elif name not in {known}: {unknown}({operation.name!r}, '', (name,), ())")


def says_content_type(shape: Shape) -> bool:
    """Whether a reply's members say its content type."""
    return any(
        member.location == "header" and (member.wire_name or name).lower() == "content-type"
        for name, member in shape.members.items()
    )
