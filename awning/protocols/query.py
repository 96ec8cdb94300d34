"""The query format: a form with `Action`, nested members as dotted names, replies in XML.

Form names are split at their dots into a tree once, in time linear in the form; list numbers order items and allocate nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from awning.protocols.checking import lower_first, show
from awning.protocols.errorbody import xml_members
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.facts import Facts
from awning.protocols.honours import Coverage
from awning.protocols.reading import Reader, leftover
from awning.protocols.results import finish
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.text import converter, decode_part
from awning.protocols.wire import ErrorContext, Match, Reply, Wire
from awning.protocols.xmlwrite import XmlWriter, escape

if TYPE_CHECKING:
    from awning.protocols.model import BoundOperation, KnownError, Model, ModelOperation

MAX_PARAMETERS: Final = 20_000
MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 9
_SIGNATURE: Final = frozenset(
    {"AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Expires", "SecurityToken"}
)


def decode_form(text: bytes, malformed: Callable[[str], ServiceError], *, repeat: bool = False) -> dict[str, Any]:
    """Return a form's or a query string's parameters, decoded. Raises what `malformed(reason)` returns.

    repeat: a parameter may be there several times; its value is then a list.
    """
    found: dict[str, Any] = {}
    if not text:
        return found
    if text.count(b"&") >= MAX_PARAMETERS:
        raise malformed(f"The request has more than {MAX_PARAMETERS} parameters.")
    try:
        form = text.decode("utf-8")
        for pair in form.split("&"):
            if not pair:
                continue
            name, _, value = pair.partition("=")
            if "%" in name or "+" in name:
                name = decode_part(name)
            if "%" in value or "+" in value:
                value = decode_part(value)
            if name not in found:
                found[name] = value
            elif not repeat:
                raise malformed(f"The parameter {name[:200]} is given more than once.")
            elif type(found[name]) is list:
                found[name].append(value)
            else:
                found[name] = [found[name], value]
    except UnicodeDecodeError as error:
        raise malformed("The request's parameters are not UTF-8.") from error
    return found


def tree(form: Mapping[str, str], malformed: Callable[[str], ServiceError]) -> dict[str, Any]:
    """Split dotted names: {"Tag.1.Key": "a"} becomes {"Tag": {"1": {"Key": "a"}}}. Signature parameters are left out."""
    root: dict[str, Any] = {}
    for name, value in form.items():
        if "." not in name:
            if name in _SIGNATURE or name.startswith("X-Amz-"):
                continue
            if name in root:
                raise malformed(f"The parameter {name[:200]} is both a value and a structure.")
            root[name] = value
            continue
        parts = name.split(".", MAX_DEPTH)
        if len(parts) > MAX_DEPTH:
            raise malformed("A parameter's name has too many parts.")
        node = root
        for part in parts[:-1]:
            node = node.setdefault(part, {})
            if type(node) is not dict:
                raise malformed(f"The parameter {name[:200]} is both a value and a structure.")
        if parts[-1] in node:
            raise malformed(f"The parameter {name[:200]} is both a value and a structure.")
        node[parts[-1]] = value
    return root


class QueryReader(Reader):
    """Reads out of the tree of dotted names."""

    def __init__(self, source: Source, coverage: Coverage, facts: Facts) -> None:
        super().__init__(source, coverage)
        self._facts = facts

    def wire_name(self, name: str, shape: Shape) -> str:
        return shape.item_name(name)

    def _refuse(self, name: str) -> Callable[[str, str], Exception]:
        answer = self._facts.answers.get(("type", name)) or self._facts.answers[("type", None)]

        def refuse(text: str, wanted: str) -> Exception:
            return answer.error(name=name, member=lower_first(name), value=show(text), wanted=wanted, wire=name)

        return refuse

    def _malformed(self, reason: str) -> ServiceError:
        return self._facts.malformed.error(reason=reason)

    def open_structure(self, block: Block, raw: str) -> None:
        block.line(f"fields = {self.source.helper(self.structure_of, 'structure_of')}({raw})")

    def structure_of(self, raw: Any) -> dict[str, Any]:
        if type(raw) is not dict:
            raise self._malformed(f"A structure was expected where the value {raw[:200]!r} is.")
        return raw

    def scalar(self, shape: Shape, name: str) -> Callable[[Any], Any]:
        convert = converter(shape, self._refuse(name))
        malformed = self._malformed

        def read(raw: Any) -> Any:
            if type(raw) is not str:
                raise malformed(f"{name} is a single value.")
            return raw if convert is None else convert(raw)

        return read

    def inline(self, block: Block, shape: Shape, raw: str, name: str) -> str | None:
        if shape.kind != "string":
            return None
        block.line(f"if type({raw}) is not str: {self.source.helper(self.single, 'single')}({name!r})")
        return raw

    def single(self, name: str) -> None:
        raise self._malformed(f"{name} is a single value.")

    def items(self, shape: Shape, raw: str, name: str) -> str:
        unwrapped = raw if shape.flattened else f"{self._unwrap()}({raw}, {shape.item.wire_name or 'member'!r})"
        return f"{self.source.helper(self.numbered, 'numbered')}({unwrapped}, {name!r})"

    def _unwrap(self) -> str:
        return self.source.helper(self.unwrap, "unwrap")

    def unwrap(self, raw: Any, inner: str) -> Any:
        """Step from `Tags` to what `Tags.member` has; an empty list is sent as an empty value."""
        if raw == "":
            return raw
        if type(raw) is not dict or len(raw) != 1 or inner not in raw:
            raise self._malformed(f"A list's parameters are named {inner}.1, {inner}.2 and so on.")
        return raw[inner]

    def numbered(self, raw: Any, name: str) -> list[Any]:
        """Return a list's raw items in the order of their numbers; a bare value is a list of one (`AttributeName=All`)."""
        if type(raw) is str:
            return [raw] if raw else []
        for number in raw:
            if not number.isascii() or not number.isdigit() or len(number) > _MAX_DIGITS:
                raise self._malformed(f"{number[:200]!r} is not a number of an item of {name}.")
        ordered = sorted(raw, key=int)
        if len({int(number) for number in ordered}) != len(ordered):
            raise self._malformed(f"Two items of {name} have the same number.")
        return [raw[number] for number in ordered]

    def entries(self, shape: Shape, raw: str, name: str) -> str:
        unwrapped = raw if shape.flattened else f"{self._unwrap()}({raw}, 'entry')"
        key, value = shape.key.wire_name or "key", shape.value.wire_name or "value"
        return f"{self.source.helper(self.pairs, 'pairs')}({unwrapped}, {name!r}, {key!r}, {value!r})"

    def pairs(self, raw: Any, name: str, key: str, value: str) -> list[tuple[Any, Any]]:
        """Return a map's raw keys and values. A structure's members may stand beside its key: `Value.StringValue`."""
        found: list[tuple[Any, Any]] = []
        seen = set()
        for entry in self.numbered(raw, name):
            if type(entry) is not dict or set(entry) != {key, value} or type(entry[key]) is not str:
                raise self._malformed(f"Each entry of {name} needs a {key} and a {value}.")
            if entry[key] in seen:
                raise self._malformed(f"{name} has the {key} {entry[key][:200]!r} more than once.")
            seen.add(entry[key])
            found.append((entry[key], entry[value]))
        return found


class QueryFormat:
    """The format as a whole, for Model."""

    name: str = "query"
    reader: type[QueryReader] = QueryReader

    def match(self, model: Model, wire: Wire) -> Match:
        facts = model.facts

        def malformed(reason: str) -> ServiceError:
            return facts.malformed.error(reason=reason)

        if wire.method not in ("GET", "POST"):
            raise NamedError("MethodNotAllowed", "The method is not allowed here: use GET or POST.", 405)
        form = decode_form(wire.query, malformed)
        if wire.method == "POST" and wire.body:
            body = decode_form(wire.body, malformed)
            twice = form.keys() & body.keys()
            if twice:
                raise malformed(f"The parameter {min(twice)[:200]} is given more than once.")
            form.update(body)
        action, version = form.pop("Action", None), form.pop("Version", None)
        if not action:
            raise facts.no_operation.error()
        operation = model.operations.get(action)
        right = version == model.metadata(self.name)["apiVersion"] or (version is None and facts.any_version)
        if operation is None or not right or (action in facts.not_below and b"/" in wire.path.strip(b"/")):
            raise facts.unknown_operation.error(
                operation=action[:200], version=(version or "NO_VERSION_SPECIFIED")[:50]
            )
        fields = tree(form, malformed)
        if self.name == "query" and "" in fields.values():
            self._name_empty_lists(operation, fields)
        if facts.url_parameter and facts.url_parameter not in fields and len(wire.path) > 1:
            self._fill(operation, facts.url_parameter, fields, wire)
        return Match(operation, self.name, fields=fields)

    def _name_empty_lists(self, operation: ModelOperation, fields: dict[str, Any]) -> None:
        """Let an empty list, which is sent as an empty value of the list's own name, have the name that its items have."""
        shape = operation.form(self.name).input
        for name in [name for name, value in fields.items() if value == ""]:
            member = shape.members.get(name) if shape is not None else None
            if member is not None and member.kind == "list" and member.item_name(name) != name:
                fields.setdefault(member.item_name(name), fields.pop(name))

    def _fill(self, operation: ModelOperation, name: str, fields: dict[str, Any], wire: Wire) -> None:
        shape = operation.form(self.name).input
        if shape is not None and name in shape.members:
            host = wire.headers.get(b"host", b"localhost")
            fields[name] = "http://" + (host + wire.path).decode("ascii", "replace")

    def compile_reader(
        self, bound: BoundOperation, source: Source, coverage: Coverage
    ) -> Callable[[Match, Wire], dict[str, Any]]:
        block = source.function("parse", "match, wire")
        block.line("fields = match.fields")
        block.line("out = {}")
        shape = bound.operation.form(self.name).input
        if shape is not None:
            reader = self.reader(source, coverage, bound.operation.model.facts)
            reader.members(block, shape, bound.taken(self.name), ())
        else:
            block.line(f"if fields: {source.helper(leftover)}({coverage.operation!r}, '', fields, (), {{}})")
        bound.check(block, source, self.name)
        block.line("return out")
        return source.compile("parse")

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        form, model = operation.form(self.name), operation.model
        writer = XmlWriter(source, operation.name, milliseconds=model.facts.milliseconds)
        namespace = model.metadata(self.name).get("xmlNamespace", "")
        block = source.function("write", "result, request_id")
        source.helper(Reply, "Reply")
        source.helper(finish)
        head = f'{model.facts.prolog.decode()}<{operation.name}Response xmlns="{namespace}">'
        block.line("parts = []")
        block.line("add = parts.append")
        wrapper = None if form.output is None else form.output.traits.get("resultWrapper", f"{operation.name}Result")
        opened = head + (f"<{wrapper}>" if wrapper else "")
        block.line(f"add({opened!r})")
        if form.output is not None:
            block.line(f"{writer.structure(form.output)}(result, add)")
        else:
            writer.nothing(block)
        tail = "<ResponseMetadata><RequestId>"
        if wrapper:
            # As AWS writes a result that has nothing.
            block.line(f"if len(parts) == 1: parts[0] = {head + f'<{wrapper}/>'!r}")
            block.line(f"else: add({f'</{wrapper}>'!r})")
        end = f"</RequestId></ResponseMetadata></{operation.name}Response>"
        block.line(f"add(f{tail + '{request_id}' + end!r})")
        headers = "[(b'content-type', b'text/xml'), (b'x-amzn-requestid', request_id.encode())]"
        block.line(f"return finish(result, Reply(200, {headers}, ''.join(parts).encode()))")
        return source.compile("write")

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        facts = context.facts
        fault = "Sender" if known.status < 500 else "Receiver"
        detail = "<Detail/>" if facts.error_detail else ""
        members = xml_members(known.shape, error.members, facts.milliseconds)
        body = (
            f'<ErrorResponse xmlns="{context.metadata.get("xmlNamespace", "")}"><Error><Type>{fault}</Type>'
            f"<Code>{escape(known.query_code)}</Code><Message>{escape(error.message)}</Message>"
            f"{members}{detail}</Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>"
        )
        headers = [(b"content-type", b"text/xml"), (b"x-amzn-requestid", request_id.encode())]
        return Reply(known.status, headers, facts.prolog + body.encode())
