"""JSON 1.0 and 1.1: `X-Amz-Target` names the operation, the body is one JSON object.

A null member is an absent one. Errors carry their shape's full name in `__type`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from awning.protocols import times
from awning.protocols.errorbody import json_members, message_name
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.facts import Facts
from awning.protocols.honours import Coverage
from awning.protocols.reading import Reader, leftover
from awning.protocols.results import finish, unknown_member
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.wire import ErrorContext, Match, Reply, Wire

if TYPE_CHECKING:
    from awning.protocols.events import Wanted
    from awning.protocols.model import BoundOperation, KnownError, Model, ModelOperation

MAX_DEPTH: Final = 64
_CORAL: Final = "com.amazon.coral.service#"
_COMMON: Final[Mapping[str, str]] = {
    "AccessDenied": "AccessDeniedException",
    "InvalidAction": "UnknownOperationException",
}
_VALIDATION: Final[Mapping[str, str]] = {"ValidationException": "com.amazon.coral.validate#"}


def serialization(message: str) -> ServiceError:
    """The error for a body that is no JSON, or has a value of the wrong type."""
    return NamedError("SerializationException", message)


def _found(value: Any) -> str:
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    return {str: "STRING_VALUE", bool: "TRUE_VALUE" if value else "FALSE_VALUE", type(None): "NULL_VALUE"}.get(
        type(value), "NUMBER_VALUE"
    )


def wrong_type(value: Any, wanted: str) -> ServiceError:
    """The error for a value that is not of the wanted kind (`String`, `Integer`…)."""
    found = _found(value)
    return serialization(found if " " in found else f"{found} can not be converted to {wanted}")


def to_string(value: Any) -> str:
    if type(value) is not str:
        raise wrong_type(value, "String")
    return value


def to_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise wrong_type(value, "Boolean")
    return value


def whole_number(limit: int, wanted: str) -> Callable[[Any], int]:
    """Return what reads a number of -limit to limit - 1 of a type."""

    def to_whole(value: Any) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not -limit <= value < limit:
            raise wrong_type(value, wanted)
        return value

    return to_whole


def to_number(value: Any) -> float:
    if type(value) is str and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if type(value) not in (int, float):
        raise wrong_type(value, "Double")
    return float(value)


def to_blob(value: Any) -> bytes:
    try:
        return b64decode(to_string(value), validate=True)
    except (Base64Error, ValueError) as error:
        raise serialization("STRING_VALUE can not be converted to a Blob: it is not Base64") from error


def to_timestamp(value: Any) -> float:
    try:
        if type(value) is str:
            return times.from_text(value)
        if type(value) in (int, float):
            return times.from_number(value)
    except (ValueError, OverflowError) as error:
        raise serialization("Invalid timestamp") from error
    raise wrong_type(value, "Timestamp")


def to_structure(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise wrong_type(value, "a structure") if isinstance(value, list) else serialization("Unexpected field type")
    return value


def to_items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise wrong_type(value, "a list") if isinstance(value, dict) else serialization("Unexpected field type")
    if None in value:
        raise serialization("NULL_VALUE can not be an item of a list")
    return value


def to_document(value: Any) -> Any:
    """A document is whatever JSON it is."""
    return value


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


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for node in level
            for item in (node.values() if type(node) is dict else node)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return False
    return True


def load(body: bytes, whole: bool = True) -> Any:
    """Return the object that a body is; any value where it need not be one (`whole`). Raises SerializationException."""
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise serialization("The request body is not well-formed JSON.") from error
    if type(value) is not dict and whole:
        raise serialization(
            "Start of list found where not expected" if type(value) is list else "Unexpected field type"
        )
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth_exceeds(value, MAX_DEPTH):
        raise too_deep()
    return value


def too_deep() -> ServiceError:
    """The error for a body that no model could be so deep as."""
    return serialization(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def bounded(body: bytes) -> Any:
    """Return the object that a body is, whatever its depth: for shapes that end by themselves. Raises SerializationException."""
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise serialization("The request body is not well-formed JSON.") from error
    return value if type(value) is dict else load(body)


def ends(shape: Shape, above: frozenset[str] = frozenset()) -> bool:
    """Whether values of a shape are only as deep as the model is: it neither contains itself nor is a document."""
    if shape.kind == "structure":
        inner = list(shape.members.values())
    elif shape.kind == "list":
        inner = [shape.item]
    elif shape.kind == "map":
        inner = [shape.value]
    else:
        return shape.kind != "document"
    return shape.name not in above and all(ends(one, above | {shape.name}) for one in inner)


def json_leftover(
    operation: str, path: str, fields: Mapping[str, Any], taken: AbstractSet[str], names: Mapping[str, str]
) -> None:
    """Refuse what a structure has besides the members taken; the name of the input's own shape may stand among them."""
    if _depth_exceeds(fields, MAX_DEPTH):
        raise too_deep()
    if not path and "__type" in fields:
        taken = taken | {"__type"}
    leftover(operation, path, fields, taken, names)


class JsonReader(Reader):
    """Reads out of what orjson returns."""

    def wire_name(self, name: str, shape: Shape) -> str:
        return shape.wire_name or name

    def open_structure(self, block: Block, raw: str) -> None:
        block.line(f"if type({raw}) is not dict: {self.source.helper(to_structure)}({raw})")
        block.line(f"fields = {raw}")

    def scalar(self, shape: Shape, name: str) -> Callable[[Any], Any]:
        return _SCALARS[shape.kind]

    def inline(self, block: Block, shape: Shape, raw: str, name: str) -> str | None:
        if shape.kind in ("string", "boolean"):
            kind, wanted = ("str", "String") if shape.kind == "string" else ("bool", "Boolean")
            block.line(f"if type({raw}) is not {kind}: raise {self.source.helper(wrong_type)}({raw}, {wanted!r})")
            return raw
        if shape.kind in ("integer", "long"):
            limit = 1 << (31 if shape.kind == "integer" else 63)
            whole = self.source.helper(self.scalar(shape, name), f"to_{shape.kind}")
            block.line(f"if type({raw}) is not int or not -{limit} <= {raw} < {limit}: {raw} = {whole}({raw})")
            return raw
        return None

    def items(self, shape: Shape, raw: str, name: str) -> str:
        return f"{self.source.helper(to_items)}({raw})"

    def entries(self, shape: Shape, raw: str, name: str) -> str:
        return f"({raw} if type({raw}) is dict else {self.source.helper(to_structure)}({raw})).items()"

    def key(self, block: Block, shape: Shape, path: tuple[str, ...]) -> None:
        block.line("if raw_value is None: continue")
        if shape.key.kind == "string":  # as all keys are that a body can have
            block.line("key = raw_key")
        else:
            super().key(block, shape, path)

    def leftover(self) -> str:
        return self.source.helper(json_leftover)


def _encode(value: Any) -> Any:
    """orjson's hook for what JSON has no type for."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return times.to_epoch(value)
    raise TypeError(f"a reply cannot carry a {type(value).__name__}")


def special_number(value: float) -> Any:
    """A floating-point number; what is none goes by its name, as JSON has no other way."""
    if value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def dump(value: Any) -> bytes:
    """Return JSON; bytes become Base64, datetimes epoch seconds."""
    return orjson.dumps(value, default=_encode, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS)


class JsonWriter:
    """Writes the source that turns a result into JSON."""

    def __init__(self, source: Source, operation: str) -> None:
        self._source = source
        self._operation = operation
        self._functions: dict[tuple[str, bool], str] = {}

    def convert(self, shape: Shape, value: str) -> str:
        """Return the expression of what JSON carries for `value`."""
        if shape.kind == "structure":
            return f"{self.function(shape)}({value})"
        if shape.kind == "list" and self.nested(shape.item):
            return f"[{self.convert(shape.item, 'item')} for item in {value}]"
        if shape.kind == "map" and self.nested(shape.value):
            return f"{{key: {self.convert(shape.value, 'item')} for key, item in {value}.items()}}"
        if shape.kind == "timestamp":
            return self._timestamp(shape, value)
        if shape.kind in ("float", "double"):
            return f"{self._source.helper(special_number)}({value})"
        return value

    def nested(self, shape: Shape) -> bool:
        return shape.kind in ("structure", "timestamp", "list", "map", "float", "double")

    def _timestamp(self, shape: Shape, value: str) -> str:
        kind = shape.traits.get("timestampFormat")
        function = {"iso8601": times.to_iso8601, "rfc822": times.to_rfc822}.get(kind or "", times.to_epoch)
        return f"{self._source.helper(function)}({value})"

    def function(self, shape: Shape, *, top: bool = False) -> str:
        """Return the name of the function that writes this structure; `top`: headers have their part of it."""
        key = (shape.name, top)
        if key not in self._functions:
            name = self._functions[key] = self._source.unique(f"write_{shape.name}")
            block = self._source.function(name, "value")
            block.line("out = {}")
            for member_name, member in shape.members.items():
                if (top and member.location is not None) or member.event_stream:
                    continue
                block.line(f"member = value.get({member_name!r})")
                wire = member.wire_name or member_name
                block.line(f"if member is not None: out[{wire!r}] = {self.convert(member, 'member')}")
            known = self._source.constant("known", frozenset(shape.members))
            helper = self._source.helper(unknown_member)
            block.line(
                f"if len(out) != len(value): {helper}({self._operation!r}, {shape.name + '.'!r}, value, {known})"
            )
            block.line("return out")
        return self._functions[key]


class JsonBodies:
    """Events' bodies in JSON."""

    content_type: Final = "application/json"

    def writers(self, source: Source, operation: ModelOperation, shapes: Mapping[str, Shape]) -> dict[str, str]:
        writer, names = JsonWriter(source, operation.name), {}
        for kind, shape in shapes.items():
            names[kind] = source.unique(f"body_of_{kind}")
            block = source.function(names[kind], "value")
            block.line(f"return {source.helper(dump)}({writer.function(shape)}(value))")
        return names

    def readers(
        self, source: Source, bound: BoundOperation, coverage: Coverage, wanted: Mapping[str, Wanted]
    ) -> dict[str, str]:
        return structure_readers(source, JsonReader(source, coverage), source.helper(load), wanted)


def structure_readers(source: Source, reader: Reader, loader: str, wanted: Mapping[str, Wanted]) -> dict[str, str]:
    """Write, per kind of event, the function from bytes to a structure."""
    names = {}
    for kind, (shape, honours, path) in wanted.items():
        names[kind] = source.unique(f"event_{kind}")
        block = source.function(names[kind], "raw")
        block.line(f"return {reader.function(shape, honours, path)}({loader}(raw))")
    return names


class JsonFormat:
    """The format as a whole, for Model."""

    name: Final = "json"

    def match(self, model: Model, wire: Wire) -> Match:
        if wire.method != "POST":
            raise NamedError("UnknownOperationException", "The method is not allowed here: use POST.", 404)
        target = wire.headers.get(b"x-amz-target", b"")
        operation = model.targets.get(target)
        if operation is None:
            shown = target.decode("ascii", "replace")[:200]
            raise NamedError("UnknownOperationException", f"The operation {shown} is not known." if shown else "")
        return Match(operation, self.name)

    def compile_reader(
        self, bound: BoundOperation, source: Source, coverage: Coverage
    ) -> Callable[[Match, Wire], dict[str, Any]]:
        block = source.function("parse", "match, wire")
        operation = bound.operation.form(self.name)
        loader = bounded if operation.input is not None and ends(operation.input) else load
        block.line(f"fields = {source.helper(loader)}(wire.body)")
        block.line("out = {}")
        if operation.input is not None:
            JsonReader(source, coverage).members(block, operation.input, bound.taken(self.name), ())
        bound.check(block, source, self.name)
        block.line("return out")
        return source.compile("parse")

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        form = operation.form(self.name)
        content_type = (
            f"application/x-amz-json-{operation.model.metadata(self.name).get('jsonVersion', '1.0')}".encode()
        )
        block = source.function("write", "result, request_id")
        names = {"Reply": Reply, "dump": dump, "finish": finish}
        for name, helper in names.items():
            source.helper(helper, name)
        if form.output is None:
            unknown = source.helper(unknown_member)
            block.line(f"if result: {unknown}({operation.name!r}, '', result, ())")
            body = "b''"
        else:
            body = f"dump({JsonWriter(source, operation.name).function(form.output)}(result))"
        headers = f"[(b'content-type', {content_type!r}), (b'x-amzn-requestid', request_id.encode())]"
        block.line(f"return finish(result, Reply(200, {headers}, {body}))")
        return source.compile("write")

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        facts = context.facts
        code = json_code(known, facts)
        prefix = facts.modelled_prefix if known.modelled else _VALIDATION.get(code, _CORAL)
        body: dict[str, Any] = {"__type": prefix + code}
        if error.message:
            body[message_name(known.shape)] = error.message
        body.update(json_members(known.shape, error.members))
        headers = [
            (b"content-type", f"application/x-amz-json-{context.metadata.get('jsonVersion', '1.0')}".encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        headers.extend(query_error(known, context))
        return Reply(known.status, headers, dump(body))


def json_code(known: KnownError, facts: Facts) -> str:
    """An error's name where errors go by their shapes' names."""
    code = facts.json_types.get(known.name, known.name)
    return _COMMON.get(code, code)


def query_error(known: KnownError, context: ErrorContext) -> list[tuple[bytes, bytes]]:
    """The header by which clients of a service that once spoke query know its errors."""
    if "awsQueryCompatible" not in context.metadata:
        return []
    fault = "Sender" if known.status < 500 else "Receiver"
    return [(b"x-amzn-query-error", f"{known.query_code};{fault}".encode())]
