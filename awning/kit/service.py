"""Service: the door of a room. It names what is inside, and does nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from awning.kit.operation import Operation
from awning.store.schema import Schema

if TYPE_CHECKING:
    from awning.auth.acl import Listed
    from awning.auth.policy import Policy
    from awning.auth.principal import Principal
    from awning.kit.call import Call
    from awning.kit.origins import CrossOrigin
    from awning.kit.room import Room
    from awning.kit.sites import Site
    from awning.kit.watching import Watch


@dataclass(frozen=True, slots=True)
class Beneath:
    """What has to allow a request as well, where a resource is but a way to another (an access point of S3's to a bucket).

    resource: the ARN of what the way leads to, and `guard` what that says. context: condition keys that tell of the way, for
    both decisions.
    """

    resource: str
    guard: Guard
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """What a resource itself says about who may use it.

    `account` owns the resource. `policy` is its compiled resource policy, if it has one. `block_public`: what a
    public policy grants to strangers does not count (S3's public access block). `acls` finds the access control list that a
    request comes under, `(call, principal, action, arn, context)`; None where the resource has no such lists. `terms` is what a
    request must agree to before anything is decided, `(call, principal)`; raises ServiceError. `narrowed` finds, where a policy
    would have thousands of statements, one with those that a request may come under, `(call, principal, action, context)`.
    `beneath`: what else has to allow, by its own guard.
    """

    account: str
    policy: Policy | None = None
    block_public: bool = False
    acls: Callable[[Call, Principal, str, str, Mapping[str, Any]], Listed] | None = None
    terms: Callable[[Call, Principal], None] | None = None
    narrowed: Callable[[Call, Principal, str, Mapping[str, Any]], Policy] | None = None
    beneath: Beneath | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A background pass: `run(call)` is one bounded step in the room's own batch; it returns True when more is left."""

    name: str
    run: Callable[[Call], bool]
    every: float
    """Seconds between passes that found nothing."""


@dataclass(frozen=True, slots=True)
class Service:
    """A room.

    name: the signing name and the folder's (`sqs`). model: botocore's service name. protocols: wire formats served, the
    model's own first; `query` for a JSON service means its old query form.
    modules: where its operations are. schema: its tables and their migrations.
    memory: builds the derived state from a database connection at start; `call.memory` is that object.
    guard: answers, from committed state, what a resource says about its users (None: there is no such resource).
    everywhere: parameters that every operation takes whose model has them, if they have exactly this value, and which the room
    finds in the request itself (Guard.terms).
    readdress: sees the parameters of each request before anything is decided, and may put others in their place and say in
    `call.through` by which way the request came, `(call, params)`; on the loop, and to be quick. Raises ServiceError.
    tags: of the resource of an ARN, from committed state, its tags, for aws:ResourceTag; asked only where a policy names one.
    condition_keys: the service's own condition keys, in lower case, as its operations' `context` gives them; one that ends in a
    slash stands for a family ("iam:resourcetag/").
    answers: contracts' questions to functions `(call, question) -> answer`; they read only.
    accepts: contracts' deliveries to functions `(call, delivery) -> None`; they run in a batch, exactly once each.
    carries: deliveries that the room itself takes out of the region (web hooks, mail), to coroutine functions
    `(call, delivery) -> None`; they run on their own, at least once each. Both may raise Undeliverable or TryAgain
    (kit/deliveries.py). given_up: `(call, delivery, reason)` runs in the transaction that drops a delivery for good.
    work: background passes. keeps: of some blob ids, those that the room's rows refer to; a room without it has no blobs.
    global_: one set of resources for all regions (iam, s3's bucket names).
    encodes_denials: its denials carry an encoded message, which sts:DecodeAuthorizationMessage reads (EC2).
    gauges: figures for /metrics, `(call) -> {(name, labels): value}`.
    within: the room that this is another model of, as made by speaking(); it has no state and no work of its own.
    controls: what the command line may ask on the data folder's socket, `(call, given) -> answer`, both JSON objects; the call
    `awning/control/NAME.WORD` runs in a batch, and what it raises as ValueError is shown to the user.
    cors: by rules of its own, the headers that let a page of another origin read a reply, or None; to a pre-flight it raises what
    refuses it. A room without it lets any page ask, as AWS's services do: what matters to them is signed.
    site: answers browsers under the host names of its sites (kit/sites.py).
    watch: of a room, what hears of each of its requests that was answered, or None while nobody wants to: then it costs nothing.
    It is asked at the start, and whenever the room says so (Room.watch_as_wanted).
    leave: stores, at a stop in good order and after all other calls, what memory alone knows and the next start may want.
    """

    name: str
    model: str
    protocols: tuple[str, ...]
    modules: Sequence[ModuleType]
    schema: Schema
    memory: Callable[[Any], Any] | None = None
    guard: Callable[[Call, str], Guard | None] | None = None
    readdress: Callable[[Call, dict[str, Any]], None] | None = None
    tags: Callable[[Call, str], Mapping[str, str]] | None = None
    condition_keys: Sequence[str] = ()
    everywhere: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[type, Callable[..., Any]] = field(default_factory=dict)
    accepts: Mapping[type, Callable[..., None]] = field(default_factory=dict)
    carries: Mapping[type, Callable[..., Awaitable[None]]] = field(default_factory=dict)
    given_up: Callable[..., None] | None = None
    work: Sequence[Work] = ()
    keeps: Callable[[Call, Sequence[str]], Iterable[str]] | None = None
    global_: bool = False
    encodes_denials: bool = False
    gauges: Callable[[Call], Mapping[tuple[str, tuple[tuple[str, str], ...]], float]] | None = None
    cors: Callable[[Call, CrossOrigin], list[tuple[bytes, bytes]] | None] | None = None
    site: Site | None = None
    watch: Callable[[Room], Watch | None] | None = None
    leave: Callable[[Call], None] | None = None
    controls: Mapping[str, Callable[[Call, dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)
    within: str | None = None

    @property
    def home(self) -> str:
        """The room in which its operations run."""
        return self.within or self.name

    def speaking(self, model: str, modules: Sequence[ModuleType]) -> Service:
        """Return this room as the clients of another of botocore's models see it: other operations on the same state."""
        return replace(
            self,
            name=model,
            model=model,
            modules=modules,
            within=self.name,
            readdress=None,
            answers={},
            accepts={},
            controls={},
        )

    def defaults(self, declared: Operation, members: Container[str]) -> Mapping[str, Any]:
        """Return the parameters that an operation, whose model has these members, takes with just one value."""
        common = {name: value for name, value in self.everywhere.items() if name in members}
        return {**common, **declared.defaults} if common else declared.defaults

    def operations(self) -> dict[str, Operation]:
        """Return the declared operations by function name, in the order of the modules."""
        found: dict[str, Operation] = {}
        for module in self.modules:
            for value in vars(module).values():
                declared = getattr(value, "__operation__", None)
                if isinstance(declared, Operation) and value.__module__ == module.__name__:
                    if value.__name__ in found:
                        raise TypeError(f"{self.name}: {value.__name__} is declared twice")
                    found[value.__name__] = declared
        return found
