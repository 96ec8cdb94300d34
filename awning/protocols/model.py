"""A service's model as the gateway and the rooms use it: match a request, bind a function, parse, write, write an error.

Source for an operation is generated and compiled when its first request or reply comes, per wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

from botocore import xform_name

from awning.protocols import facts as service_facts
from awning.protocols.awsjson import JsonFormat
from awning.protocols.checking import Checker, limited, problems, refuse
from awning.protocols.ec2 import Ec2Format
from awning.protocols.errors import ServiceError
from awning.protocols.events import BODIES, EventForms, EventReader, Unwrap, compile_writer
from awning.protocols.facts import Facts
from awning.protocols.honours import ALL, Coverage, CoverageError, Honours, at, check, needs_entry
from awning.protocols.query import QueryFormat
from awning.protocols.reading import unsupported
from awning.protocols.restjson import RestJsonFormat
from awning.protocols.restxml import RestXmlFormat
from awning.protocols.routes import Routes
from awning.protocols.rpccbor import RpcCborFormat
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source
from awning.protocols.wire import ErrorContext, Match, Reply, Wire

__all__ = ["BoundOperation", "Format", "KnownError", "Match", "Model", "ModelOperation", "Reply", "Wire"]


class Format(Protocol):
    """What a wire format does. One more format is one more file with one of these, and one more entry in FORMATS."""

    @property
    def name(self) -> str: ...

    def match(self, model: Model, wire: Wire) -> Match:
        """Find the operation. Raises ServiceError by the format's own rules."""

    def compile_reader(
        self, bound: BoundOperation, source: Source, coverage: Coverage
    ) -> Callable[[Match, Wire], dict[str, Any]]:
        """Generate the function that turns a request into keyword arguments."""

    def compile_writer(self, operation: ModelOperation, source: Source) -> Callable[[Mapping[str, Any], str], Reply]:
        """Generate the function `(result, request_id) -> Reply`."""

    def error(self, known: KnownError, error: ServiceError, request_id: str, context: ErrorContext) -> Reply:
        """Write an error."""


FORMATS: Final[Mapping[str, Format]] = {
    format_.name: format_
    for format_ in (JsonFormat(), QueryFormat(), Ec2Format(), RestXmlFormat(), RestJsonFormat(), RpcCborFormat())
}


@dataclass(frozen=True, slots=True)
class KnownError:
    """An error's names and status: `name` the shape's, `code` on the wire in XML, `query_code` in query replies."""

    name: str
    code: str
    query_code: str
    status: int
    modelled: bool
    shape: Shape | None


@dataclass(frozen=True, slots=True)
class Form:
    """An operation as one wire format has it."""

    input: Shape | None
    output: Shape | None


def choose(protocols: Sequence[str], headers: Mapping[bytes, bytes]) -> str:
    """Which of a service's formats a request is in, by what it looks like; the first that the service has when in doubt."""
    if len(protocols) == 1:
        return protocols[0]
    kind = headers.get(b"content-type", b"")
    if "smithy-rpc-v2-cbor" in protocols and (headers.get(b"smithy-protocol") == b"rpc-v2-cbor" or b"cbor" in kind):
        return "smithy-rpc-v2-cbor"
    if "json" in protocols and (b"x-amz-target" in headers or b"json" in kind):
        return "json"
    return "query" if "query" in protocols else protocols[0]


class Model:
    """One service's model in the wire formats that it is served in.

    `operations` is by the model's names, `by_function` by boto3's. `facts` says how the service answers what breaks its model.
    """

    def __init__(self, name: str, protocols: tuple[str, ...], descriptions: Mapping[str, dict[str, Any]]) -> None:
        unknown = set(protocols) - set(FORMATS)
        if unknown:
            raise LookupError(f"{name}: awning does not speak {', '.join(sorted(unknown))}")
        self.name = name
        self.protocols = protocols
        self._descriptions = descriptions
        first = descriptions[protocols[0]]
        self.facts: Facts = service_facts.of(name, protocols[0])
        self.operations = {key: ModelOperation(self, key, about) for key, about in first["operations"].items()}
        self.by_function = {operation.function_name: operation for operation in self.operations.values()}
        self.rest = protocols[0].startswith("rest-")
        """Method, path and query name the operation; its body need not be there to match it."""
        self.targets = {
            f"{first['metadata'].get('targetPrefix', '')}.{key}".encode(): operation
            for key, operation in self.operations.items()
        }

    def metadata(self, protocol: str) -> Mapping[str, Any]:
        """The model's metadata in this format: jsonVersion, xmlNamespace, apiVersion…"""
        found: Mapping[str, Any] = self._descriptions[protocol]["metadata"]
        return found

    def shape(self, protocol: str, reference: Mapping[str, Any] | None) -> Shape | None:
        """The shape that an operation's input or output refers to."""
        if reference is None:
            return None
        shapes = self._descriptions[protocol]["shapes"]
        return Shape(reference["shape"], {**shapes[reference["shape"]], **reference}, shapes)

    @cached_property
    def routes(self) -> Routes:
        """The table that REST requests are matched by."""
        return Routes(self.operations, service_facts.UNROUTED.get(self.name, frozenset()))

    def protocol(self, wire: Wire) -> str:
        """Which of the service's formats a request is in; the one to write an error in when nothing else is known."""
        return choose(self.protocols, wire.headers)

    def match(self, wire: Wire) -> Match:
        """Find the operation that a request asks for. Raises ServiceError."""
        return FORMATS[self.protocol(wire)].match(self, wire)

    @cached_property
    def _errors(self) -> dict[str, KnownError]:
        first = self._descriptions[self.protocols[0]]
        found: dict[str, KnownError] = {}
        for name, about in first["shapes"].items():
            if not about.get("exception"):
                continue
            declared = about.get("error", {})
            code = declared.get("code", name)
            status = declared.get("httpStatusCode") or self.facts.statuses.get(name, 500 if about.get("fault") else 400)
            shape = Shape(name, about, first["shapes"])
            known = KnownError(name, code, self.facts.query_codes.get(name, code), status, True, shape)
            found[name] = known
            found.setdefault(code, known)
            found.setdefault(known.query_code, known)
            if "code" not in declared and not self.facts.whole_names:
                found.setdefault(name.removesuffix("Exception"), known)
        return found

    def known_error(self, error: ServiceError) -> KnownError:
        """Return an error's names and status: the model's, where it has a shape of the error's name or code.

        A shape's name without "Exception" will do where the shape has no code of its own: the ExpiredToken of any request
        to STS is not the ExpiredTokenException that an expired web identity gets.
        """
        code = self.facts.renames.get(error.code, error.code)
        known = self._errors.get(code)
        if known is not None:
            return known
        return KnownError(code, code, self.facts.query_codes.get(code, code), error.status, False, None)


class ModelOperation:
    """One operation of a model.

    `function_name` is boto3's. `members` maps boto3-like parameter names to (the model's name, shape), the streaming payload
    included. `checksum` is the model's httpChecksum trait, `payload` the model's name of the input member that is the body.
    """

    def __init__(self, model: Model, name: str, about: Mapping[str, Any]) -> None:
        self.model = model
        self.name = name
        self.about = about
        self.function_name: str = xform_name(name)
        self.deprecated = bool(about.get("deprecated"))
        self.method: str = about["http"]["method"]
        self.uri: str = about["http"]["requestUri"]
        self.status: int = about["http"].get("responseCode", 200)
        self.checksum: Mapping[str, Any] = about.get("httpChecksum", {})
        self._forms: dict[str, Form] = {}
        self._writers: dict[str, Callable[[Mapping[str, Any], str], Reply]] = {}

    def form(self, protocol: str) -> Form:
        """The operation's input and output as this format has them."""
        if protocol not in self._forms:
            model = self.model
            about = model._descriptions[protocol]["operations"][self.name]
            self._forms[protocol] = Form(
                model.shape(protocol, about.get("input")), model.shape(protocol, about.get("output"))
            )
        return self._forms[protocol]

    @cached_property
    def input(self) -> Shape | None:
        return self.form(self.model.protocols[0]).input

    @cached_property
    def output(self) -> Shape | None:
        return self.form(self.model.protocols[0]).output

    @cached_property
    def members(self) -> dict[str, tuple[str, Shape]]:
        shape = self.input
        return {} if shape is None else {xform_name(name): (name, member) for name, member in shape.members.items()}

    @property
    def payload(self) -> str | None:
        return None if self.input is None else self.input.traits.get("payload")

    @property
    def output_payload(self) -> str | None:
        return None if self.output is None else self.output.traits.get("payload")

    @cached_property
    def has_streaming_input(self) -> bool:
        return bool(self.input and self.payload and self.input.members[self.payload].streams)

    @cached_property
    def has_streaming_output(self) -> bool:
        return bool(self.output and self.output_payload and self.output.members[self.output_payload].streams)

    def bind(
        self, parameters: tuple[str, ...], honours: Mapping[str, Honours], defaults: Mapping[str, Any]
    ) -> BoundOperation:
        """Match a function's declaration with the model. Raises CoverageError, naming what is unknown or missing."""
        return BoundOperation(self, parameters, coverage(self, parameters, honours, defaults))

    def write(self, result: Mapping[str, Any], request_id: str, protocol: str) -> Reply:
        """Write a reply. `result` has the output's own names, and may have `@status` (int) and `@headers` (pairs of bytes).

        A stream of events is an asynchronous iterator of mappings with one key; the reply's body is then an EventBody.
        Raises TypeError for a member that the output does not have.
        """
        writer = self._writers.get(protocol)
        if writer is None:
            writer = FORMATS[protocol].compile_writer(self, self.source(protocol, "writes"))
            if self.events[1] is not None:
                if protocol not in BODIES:
                    raise unsupported(self.name, f"the event stream {self.events[1]} in the format {protocol}")
                writer = compile_writer(self, protocol, writer)
            self._writers[protocol] = writer
        return writer(result, request_id)

    @cached_property
    def events(self) -> tuple[str | None, str | None]:
        """The members of input and output that are streams of events, by the model's names."""
        found = [
            next((name for name, member in shape.members.items() if member.event_stream), None) if shape else None
            for shape in (self.input, self.output)
        ]
        return found[0], found[1]

    def refuse_events(self) -> None:
        """Refuse a request that is a stream of events by name: they can be read, but no operation takes one yet."""
        if self.events[0] is not None:
            raise unsupported(self.name, f"the event stream {self.events[0]}")

    def source(self, protocol: str, verb: str) -> Source:
        """Return the empty module that this operation's code is written into."""
        return Source(f"{self.model.name} {self.name} {verb} {protocol}")

    def __repr__(self) -> str:
        return f"<ModelOperation {self.model.name} {self.name}>"


def coverage(
    operation: ModelOperation, parameters: tuple[str, ...], honours: Mapping[str, Honours], defaults: Mapping[str, Any]
) -> Coverage:
    """Check a declaration and put it into the model's terms. Raises CoverageError."""
    members, where = operation.members, f"{operation.model.name}.{operation.name}"
    unknown = [name for name in parameters if name not in members]
    if unknown:
        raise CoverageError(f"{where}: the model has no parameter {', '.join(unknown)}")
    stray = sorted(set(honours) - set(parameters))
    if stray:
        raise CoverageError(f"{where}: honours has {', '.join(stray)}, which the function does not take")
    required = () if operation.input is None else operation.input.required
    taken: dict[str, Honours] = {}
    for name, (modelled, shape) in members.items():
        if name not in parameters:
            if modelled in required and not shape.streams:
                raise CoverageError(f"{where}: the function does not take {name}, which the model requires")
            continue
        if name not in honours and needs_entry(shape):
            raise CoverageError(f"{where}: honours must say what of {name} is honoured")
        taken[modelled] = honours.get(name, ALL)
        check(shape, taken[modelled], f"{where}: {name}")
    return Coverage(operation.name, taken, _default_paths(operation, defaults, taken, where))


def _default_paths(
    operation: ModelOperation, defaults: Mapping[str, Any], taken: Mapping[str, Honours], where: str
) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for path, value in defaults.items():
        first, *rest = path.split(".")
        member = operation.members.get(first)
        if member is None or at(member[1], tuple(rest)) is None:
            raise CoverageError(f"{where}: defaults has {path}, which the model does not have")
        if not rest and member[0] in taken:
            raise CoverageError(f"{where}: {path} is a parameter of the function and needs no default")
        found[(member[0], *rest)] = value
    return found


class BoundOperation:
    """An operation together with what a function honours of it."""

    def __init__(self, operation: ModelOperation, parameters: tuple[str, ...], declared: Coverage) -> None:
        self.operation = operation
        self.parameters = parameters
        self.coverage = declared
        self._readers: dict[str, Callable[[Match, Wire], dict[str, Any]]] = {}
        self._events: dict[str, EventForms] = {}
        self.sources: dict[str, Source] = {}
        """What was generated to read requests, by format; `str()` shows it."""

    def parse(self, match: Match, wire: Wire) -> dict[str, Any]:
        """Turn a matched request into keyword arguments: top-level names in snake_case, nested ones as in the model.

        Timestamps are seconds since the epoch, blobs bytes. A streaming payload, or a stream of
        events, is not among them. Raises ServiceError.
        """
        reader = self._readers.get(match.protocol)
        if reader is None:
            source = self.sources[match.protocol] = self.operation.source(match.protocol, "reads")
            reader = FORMATS[match.protocol].compile_reader(self, source, self.coverage)
            self._readers[match.protocol] = reader
        return reader(match, wire)

    def read_events(self, protocol: str, unwrap: Unwrap | None = None) -> EventReader:
        """Return the reader of a request's events; `unwrap` proves their signatures. Raises TypeError where the function takes
        none."""
        name = self.operation.events[0]
        shape = self.operation.form(protocol).input
        if name is None or shape is None or name not in self.coverage.honours:
            raise TypeError(f"{self.operation.name} takes no events")
        if protocol not in self._events:
            self._events[protocol] = EventForms(self, protocol, name, shape.members[name])
        return EventReader(self._events[protocol], unwrap)

    def write(self, result: Mapping[str, Any], request_id: str, protocol: str) -> Reply:
        """Write a reply; see ModelOperation.write."""
        return self.operation.write(result, request_id, protocol)

    def taken(self, protocol: str) -> dict[str, tuple[Shape, str, Honours]]:
        """Per top-level member that the function takes: its shape, its parameter's name, what of it is honoured."""
        shape = self.operation.form(protocol).input
        if shape is None:
            return {}
        return {
            name: (shape.members[name], xform_name(name), honours) for name, honours in self.coverage.honours.items()
        }

    def check(self, block: Block, source: Source, protocol: str, checked: AbstractSet[str] = frozenset()) -> None:
        """Write what refuses keyword arguments (`out`) which break the model's constraints.

        checked: those that were held against them already; `wrong` is then whether one of these broke its own.
        """
        shape = self.operation.form(protocol).input
        if shape is None:
            return
        taken = self.taken(protocol)
        members = {name: member for member, name, _ in taken.values() if not member.streams}
        required = [taken[name][1] for name in shape.required if name in taken and not taken[name][0].streams]
        if limited(members, required):
            left = {name: member for name, member in members.items() if name not in checked or name in required}
            named = {name: (modelled, member) for modelled, (member, name, _) in taken.items() if not member.streams}
            facts = self.operation.model.facts

            def refusal(out: Mapping[str, Any]) -> ServiceError:
                return refuse(facts, problems(named, required, out))

            source.helper(refusal)
            if checked:
                block.line("if wrong: raise refusal(out)")
            Checker(source).inline(block, left, required, "raise refusal(out)")
