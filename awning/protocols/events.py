"""Streams of events: a service's own events to frames and back, by its model. What a frame is stands in eventframes.py.

An event is a mapping with one key, its kind, as boto3 shows it: `{"SubscribeToShardEvent": {"Records": [], …}}`.
Source: Smithy, "Event streams" and "Amazon Event Stream".
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from awning.protocols import times
from awning.protocols.awsjson import JsonBodies, serialization
from awning.protocols.checking import Checker, problems, refuse
from awning.protocols.errorbody import message_name
from awning.protocols.errors import ServiceError
from awning.protocols.eventframes import CONTENT_TYPE, Decoder, FrameError, Message, Sized, encode
from awning.protocols.honours import ALL, Coverage, Honours
from awning.protocols.reading import unsupported
from awning.protocols.restxml import XmlBodies
from awning.protocols.rpccbor import CborBodies
from awning.protocols.shapes import Shape
from awning.protocols.source import Source
from awning.protocols.wire import Reply

if TYPE_CHECKING:
    from awning.protocols.model import BoundOperation, ModelOperation

Event = Mapping[str, Mapping[str, Any]]
Unwrap = Callable[[Mapping[str, Any], bytes], bytes]
"""Takes a signed frame's headers and payload, proves its signature, and returns the frame within, or b"" for the last."""

INITIAL_RESPONSE: Final = "initial-response"
INITIAL_REQUEST: Final = "initial-request"
_RPC: Final = frozenset({"json", "smithy-rpc-v2-cbor"})
_LONGEST_MESSAGE: Final = 4096


class Bodies(Protocol):
    """How a wire format says the structures that events carry."""

    @property
    def content_type(self) -> str: ...

    def writers(self, source: Source, operation: ModelOperation, shapes: Mapping[str, Shape]) -> dict[str, str]:
        """Write, per kind of event, the function from a structure to bytes; return their names."""

    def readers(
        self, source: Source, bound: BoundOperation, coverage: Coverage, wanted: Mapping[str, Wanted]
    ) -> dict[str, str]:
        """Write, per kind of event, the function from bytes to a structure; return their names."""


Wanted = tuple[Shape, Honours, tuple[str, ...]]
"""A structure to read: its shape, what of it is honoured, its path."""

BODIES: Final[Mapping[str, Bodies]] = {
    "json": JsonBodies(),
    "rest-json": JsonBodies(),
    "rest-xml": XmlBodies(),
    "smithy-rpc-v2-cbor": CborBodies(),
}
"""The wire formats that have streams of events."""


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of event: which members are headers, which one is the payload, and what is the body where none is.

    `structure` is what the format itself writes: the payload where that is a structure, or the event's other members.
    """

    shape: Shape
    headers: Mapping[str, Shape]
    payload: str | None
    structure: Shape | None

    @property
    def is_exception(self) -> bool:
        return bool(self.shape.traits.get("exception"))

    @property
    def known(self) -> Mapping[str, Shape]:
        return self.shape.members


def forms_of(stream: Shape) -> dict[str, Form]:
    """Return the kinds of a stream's events by their names."""
    return {name: _form(shape) for name, shape in stream.members.items()}


def _form(shape: Shape) -> Form:
    headers = {name: member for name, member in shape.members.items() if member.traits.get("eventheader")}
    payload = next((name for name, member in shape.members.items() if member.traits.get("eventpayload")), None)
    if payload is not None:
        member = shape.members[payload]
        return Form(shape, headers, payload, None if member.kind in ("blob", "string") else member)
    if headers:
        rest = shape.without(headers)
        return Form(shape, headers, None, rest if rest.members else None)
    return Form(shape, headers, None, shape)


class EventWriter:
    """Turns an operation's events into frames, in one wire format."""

    def __init__(self, operation: ModelOperation, protocol: str, stream: Shape) -> None:
        self._operation = operation
        self._content_type = BODIES[protocol].content_type
        self._forms = forms_of(stream)
        self._exceptions = {form.shape.name: name for name, form in self._forms.items() if form.is_exception}
        source = operation.source(protocol, "writes events")
        shapes = {name: form.structure for name, form in self._forms.items() if form.structure is not None}
        self._bodies = _compile(source, BODIES[protocol].writers(source, operation, shapes))

    def frame(self, event: Event) -> bytes:
        """Return an event's frame. Raises TypeError for what the model does not have."""
        if len(event) != 1:
            raise TypeError(f"{self._operation.name}: an event has one kind, not {sorted(event)}")
        ((name, value),) = event.items()
        form = self._forms.get(name)
        if form is None:
            raise TypeError(f"{self._operation.name}: there is no event {name}")
        kind = "exception" if form.is_exception else "event"
        headers: dict[str, Any] = {":message-type": kind, f":{kind}-type": name}
        payload = self._payload(name, form, value, headers)
        return encode(Message(headers, payload))

    def _payload(self, name: str, form: Form, value: Mapping[str, Any], headers: dict[str, Any]) -> bytes:
        """Return a frame's payload; its type, and the members that are headers, go into `headers`."""
        rest = value
        if form.headers or form.payload is not None:
            unknown = [member for member in value if member not in form.known]
            if unknown:
                raise TypeError(f"{self._operation.name}: the event {name} has no member {', '.join(unknown)}")
            rest = {member: item for member, item in value.items() if member not in form.headers}
            for member, shape in form.headers.items():
                if value.get(member) is not None:
                    headers[member] = _to_header(shape, value[member])
        if form.structure is not None:
            body: bytes = self._bodies[name](rest if form.payload is None else value.get(form.payload) or {})
            if body:
                headers[":content-type"] = self._content_type
            return body
        found = None if form.payload is None else value.get(form.payload)
        if found is None:
            return b""
        if isinstance(found, str):
            headers[":content-type"] = "text/plain"
            return found.encode()
        headers[":content-type"] = "application/octet-stream"
        return bytes(found)

    def initial(self, body: bytes) -> bytes:
        """Return the frame that brings the reply's other members."""
        headers = {":message-type": "event", ":event-type": INITIAL_RESPONSE, ":content-type": self._content_type}
        return encode(Message(headers, body))

    def error(self, error: ServiceError) -> bytes:
        """Return the frame that ends a stream by an error: an exception where the stream's model has it."""
        known = self._operation.model.known_error(error)
        name = self._exceptions.get(known.name)
        message = error.message[:_LONGEST_MESSAGE]
        if name is None:
            headers = {":message-type": "error", ":error-code": known.code, ":error-message": message}
            return encode(Message(headers))
        members = self._forms[name].known
        value = {member: item for member, item in error.members.items() if member in members}
        spelled = message_name(self._forms[name].shape)
        if spelled in members:
            value.setdefault(spelled, message)
        return self.frame({name: value})


def _compile(source: Source, names: Mapping[str, str]) -> dict[str, Callable[[Any], Any]]:
    block = source.function("table", "")
    block.line(f"return {{{', '.join(f'{name!r}: {function}' for name, function in names.items())}}}")
    found: dict[str, Callable[[Any], Any]] = source.compile("table")()
    return found


def _to_header(shape: Shape, value: Any) -> Any:
    if shape.kind == "timestamp":
        return datetime.fromtimestamp(times.seconds(value), UTC)
    return Sized(value, 8) if shape.kind == "long" else value


class EventBody:
    """A reply's body: the frames of an operation's events, as these come. `aclose()` closes the operation's iterator.

    A ServiceError that the iterator raises becomes the last frame. What else it raises does so too where `explain`, which
    makes a ServiceError of it, has been set; else it is raised.
    """

    def __init__(self, writer: EventWriter, opening: bytes, events: AsyncIterable[Event]) -> None:
        self._writer = writer
        self._opening: bytes | None = opening
        self._events = aiter(events)
        self._ended = False
        self.explain: Callable[[Exception], ServiceError] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            return opening
        if self._ended:
            raise StopAsyncIteration
        try:
            return self._writer.frame(await anext(self._events))
        except StopAsyncIteration:
            self._ended = True
            raise
        except ServiceError as error:
            self._ended = True
            return self._writer.error(error)
        except Exception as error:
            self._ended = True
            if self.explain is None:
                raise
            return self._writer.error(self.explain(error))

    async def aclose(self) -> None:
        """Close the operation's iterator, where it can be closed."""
        self._ended = True
        close = getattr(self._events, "aclose", None)
        if close is not None:
            await close()


def compile_writer(
    operation: ModelOperation, protocol: str, plain: Callable[[Mapping[str, Any], str], Reply]
) -> Callable[[Mapping[str, Any], str], Reply]:
    """Return the writer of an operation that replies with events; `plain` writes the reply's other members.

    The head leaves with the opening block: in RPC formats the frame of the other members, in REST formats an empty one.
    """
    name = operation.events[1]
    shape = operation.form(protocol).output
    assert name is not None
    assert shape is not None
    writer = EventWriter(operation, protocol, shape.members[name])

    def write(result: Mapping[str, Any], request_id: str) -> Reply:
        events = result.get(name)
        if events is None:
            raise TypeError(f"{operation.name}: the reply needs its events as {name}")
        reply = plain({member: value for member, value in result.items() if member != name}, request_id)
        opening = b""
        if protocol in _RPC:
            opening = writer.initial(reply.body)
            reply.headers = [field for field in reply.headers if field[0] != b"content-type"]
        if all(field[0] != b"content-type" for field in reply.headers):
            reply.headers.append((b"content-type", CONTENT_TYPE))
        reply.body = EventBody(writer, opening, events)
        return reply

    return write


class EventForms:
    """Reads frames into an operation's events, in one wire format: compiled once, used by each request's EventReader."""

    def __init__(self, bound: BoundOperation, protocol: str, name: str, stream: Shape) -> None:
        self.operation = bound.operation
        self.member = name
        self.opens = protocol in _RPC
        """The first frame brings the request's other members."""
        self.forms = forms_of(stream)
        self._honours = {kind: _below(bound.coverage.honours[name], kind) for kind in self.forms}
        source = bound.operation.source(protocol, "reads events")
        wanted: dict[str, Wanted] = {}
        for kind, form in self.forms.items():
            honours, path = self._honours[kind], (name, kind)
            if form.structure is None or honours is None:
                continue
            if form.payload is None:
                wanted[kind] = (form.structure, honours, path)
            elif (below := _below(honours, form.payload)) is not None:
                wanted[kind] = (form.structure, below, (*path, form.payload))
        names = BODIES[protocol].readers(source, bound, bound.coverage, wanted)
        checks = {kind: self._checker(source, form) for kind, form in self.forms.items()}
        table = {**names, **{f"{kind} valid": check for kind, check in checks.items() if check is not None}}
        self._functions = _compile(source, table)

    @staticmethod
    def _checker(source: Source, form: Form) -> str | None:
        return Checker(source).top(form.known, list(form.shape.required), f"valid_{form.shape.name}")

    def event(self, message: Message) -> dict[str, dict[str, Any]]:
        """Return a frame's event. Raises ServiceError."""
        kind = message.headers.get(":event-type")
        if message.headers.get(":message-type") != "event" or not isinstance(kind, str):
            raise serialization("A frame of the request is no event.")
        form = self.forms.get(kind)
        honours = self._honours.get(kind)
        if form is None or honours is None:
            raise unsupported(self.operation.name, f"{self.member}.{kind[:200]}")
        value: dict[str, Any] = {}
        if form.structure is not None and form.payload is None:
            value.update(self._functions[kind](message.payload))
        elif form.payload is not None and (message.payload or form.structure is None):
            value[form.payload] = self._payload(kind, form, honours, message.payload)
        elif message.payload:
            raise serialization(f"The event {kind} has no payload.")
        for name, shape in form.headers.items():
            if name in message.headers:
                if _below(honours, name) is None:
                    raise self._refused(kind, name)
                value[name] = _from_header(shape, name, message.headers[name])
        self._check(kind, form, value)
        return {kind: value}

    def _payload(self, kind: str, form: Form, honours: Honours, payload: bytes) -> Any:
        assert form.payload is not None
        if _below(honours, form.payload) is None:
            raise self._refused(kind, form.payload)
        if form.structure is not None:
            return self._functions[kind](payload)
        if form.known[form.payload].kind == "blob":
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError as error:
            raise serialization(f"The payload of the event {kind} is not UTF-8.") from error

    def _refused(self, kind: str, name: str) -> ServiceError:
        return unsupported(self.operation.name, f"{self.member}.{kind}.{name}")

    def _check(self, kind: str, form: Form, value: dict[str, Any]) -> None:
        valid = self._functions.get(f"{kind} valid")
        if valid is not None and not valid(value):
            named = {name: (name, shape) for name, shape in form.known.items()}
            raise refuse(self.operation.model.facts, problems(named, list(form.shape.required), value))


def _below(honours: Honours, name: str) -> Honours | None:
    """What of a member is honoured, None where it is not."""
    if honours == ALL:
        return ALL
    assert isinstance(honours, Mapping)
    return honours.get(name)


_HEADER_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "blob": bytes,
    "boolean": bool,
    "integer": int,
    "long": int,
    "timestamp": datetime,
}


def _from_header(shape: Shape, name: str, value: Any) -> Any:
    if type(value) is not _HEADER_TYPES[shape.kind]:
        raise serialization(f"The header {name} of an event is not of the type {shape.kind}.")
    return value.timestamp() if isinstance(value, datetime) else value


class EventReader:
    """Reads one request's stream of events: bytes in pieces of any size, events out.

    unwrap: what proves signed frames, where the stream is signed. initial: the body of the first frame in RPC formats, once it
    is there: the request's other members, for BoundOperation.parse.
    """

    def __init__(self, forms: EventForms, unwrap: Unwrap | None = None) -> None:
        self._forms = forms
        self._unwrap = unwrap
        self._frames = Decoder()
        self._ended = False
        self.initial: bytes | None = None

    def feed(self, data: bytes) -> list[dict[str, dict[str, Any]]]:
        """Return the events that are complete with `data`. Raises ServiceError, and what `unwrap` raises; nothing can be read
        after that."""
        found = []
        try:
            for message in self._frames.feed(data):
                inner = message if self._unwrap is None else self._unwrapped(self._unwrap, message)
                if inner is None or self._is_initial(inner):
                    continue
                found.append(self._forms.event(inner))
        except FrameError as error:
            raise serialization(f"The request's stream of events is malformed: {error}.") from error
        return found

    def finish(self) -> None:
        """The stream has ended. Raises ServiceError where it is cut off."""
        try:
            self._frames.finish()
        except FrameError as error:
            raise serialization(f"The request's stream of events is malformed: {error}.") from error
        if self._unwrap is not None and not self._ended:
            raise serialization("The request's stream of events ends without its last, empty frame.")

    def _unwrapped(self, unwrap: Unwrap, message: Message) -> Message | None:
        if self._ended:
            raise FrameError("a frame follows the last one")
        payload = unwrap(message.headers, message.payload)
        if not payload:
            self._ended = True
            return None
        inside = Decoder()
        found = inside.feed(payload)
        inside.finish()
        if len(found) != 1:
            raise FrameError("a signed frame holds more than one")
        return found[0]

    def _is_initial(self, message: Message) -> bool:
        if not self._forms.opens or self.initial is not None:
            return False
        if message.headers.get(":event-type") != INITIAL_REQUEST:
            raise FrameError(f"the first frame is no {INITIAL_REQUEST}")
        self.initial = message.payload
        return True


async def read_events(blocks: AsyncIterator[bytes], reader: EventReader) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Yield a request's events as its body comes; raises what EventReader raises."""
    async for block in blocks:
        for event in reader.feed(block):
            yield event
    reader.finish()
