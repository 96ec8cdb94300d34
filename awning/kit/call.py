"""Call: all that an operation may see and do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from awning.auth.principal import Principal
from awning.contracts import Deliver

if TYPE_CHECKING:
    from awning.auth.decision import Decision
    from awning.kit.room import Room
    from awning.store.blobs import Blobs
    from awning.store.vault import Seal

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class StillWaiting(Exception):
    """Raised by Call.wait; the room catches it."""

    def __init__(self, key: Hashable, deadline: float, retry_at: float | None) -> None:
        super().__init__(key)
        self.key = key
        self.deadline = deadline
        self.retry_at = retry_at


class Body(Protocol):
    """An operation's streaming body, as it was before any transfer coding or chunk signatures.

    `length` is the number of payload bytes that the client announced, None where it didn't. `whole` is the payload where it
    is already here and verified (small bodies), else None. `blocks()` yields it in pieces; reaching its end without an
    exception means that length, payload hash, and every chunk's signature were right. After that `trailers` has the
    trailing headers (lower-case names). Raises ServiceError.
    """

    length: int | None
    whole: bytes | None
    trailers: dict[str, str]

    def blocks(self) -> Any: ...


@dataclass(slots=True)
class Facts:
    """What the gateway knows about a request. `base_url` is the scheme and host that the client used, without a slash at
    the end; `host` what it sent as Host."""

    request_id: str
    principal: Principal
    account: str
    region: str
    base_url: str = "http://localhost:4566"
    host: str = "localhost:4566"
    source_ip: str = "127.0.0.1"
    secure: bool = False
    protocol: str = ""
    virtual_host: bool = False
    """The bucket's name came from the Host header."""
    signed: str | None = None
    """How the request was signed ("v4-header", "v4-query", "v2-query"…), None where it wasn't."""
    signed_at: float | None = None
    """The date that a signature of version 4 gives, in seconds since the epoch by its signer's clock."""
    method: str = "POST"
    operation: str = ""
    """The model's name of what was called ("PutObject"), "" where no client asks."""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    """The request's own headers, for what no model knows. Lower-case names."""
    authorise: Callable[..., Decision] | None = field(default=None, repr=False)
    """Decides a permission of the client, whichever room asks for it; None where no client asks."""


class Call:
    """One run of an operation, a contract's function or a background pass.

    account, region: where it acts (12 digits; "us-east-1"). principal: who asks. now: seconds since the epoch; the same
    throughout the call. db: a SQLite connection: the write connection inside a batch, else one that sees committed state.
    memory: the room's derived state. facts: what is known of the request. attempts: how often the delivery that this call
    brings or carries has failed before. through: the way by which a request came, as Service.readdress left it (its `arn` names
    it), None for most. shown: what the operation's `identify` found. adds: members that the reply has besides
    what the operation returns, where its model has them.
    """

    __slots__ = (
        "account",
        "adds",
        "afterwards",
        "attempts",
        "authorise",
        "body",
        "db",
        "epoch",
        "facts",
        "now",
        "outgoing",
        "pending",
        "principal",
        "region",
        "room",
        "shown",
        "started",
        "through",
        "undo",
        "wakes",
    )

    def __init__(self, room: Room, facts: Facts, now: float, db: sqlite3.Connection) -> None:
        self.room = room
        self.facts = facts
        self.principal = facts.principal
        self.account = facts.account
        self.region = facts.region
        self.now = now
        self.started = now
        self.db = db
        self.body: Body | None = None
        self.authorise = facts.authorise
        self.undo: list[Callable[[], None]] = []
        self.wakes: list[tuple[Hashable, int]] = []
        self.afterwards: list[Callable[[], None]] = []
        self.outgoing = 0
        self.pending: StillWaiting | None = None
        self.attempts = 0
        self.shown: Any = None
        self.through: Any = None
        self.adds: dict[str, Any] | None = None
        self.epoch = room.epoch

    @property
    def memory(self) -> Any:
        """The room's derived state, as Service.memory built it. Change it through apply() only."""
        return self.room.memory

    @property
    def blobs(self) -> Blobs:
        """The room's blobs."""
        return self.room.blobs

    @property
    def seal(self) -> Seal:
        """The room's own key, for what its rows must not reveal to who copies them."""
        return self.room.seal

    @property
    def sees_committed(self) -> bool:
        """Whether `db` shows committed state only: the call is not inside a batch."""
        return self.db is self.room.database.reader

    def new_id(self) -> str:
        """Return a random UUID (version 4) as text."""
        return self.room.new_id()

    def new_token(self, length: int) -> str:
        """Return `length` random characters of A-Z and 2-7 (5 bits each), as in access keys' ids."""
        return "".join(_ALPHABET[byte & 31] for byte in self.random(length))

    def random(self, length: int) -> bytes:
        """Return random bytes, fit for secrets."""
        return self.room.random(length)

    def apply(self, do: Callable[[], Any], undo: Callable[[], None]) -> Any:
        """Change derived memory now, and say how to take it back should this call or its batch not be committed."""
        result = do()
        self.undo.append(undo)
        return result

    def send(self, delivery: Deliver) -> None:
        """Put a delivery into the outbox, in this call's transaction."""
        self.room.outbox.put(self.db, delivery, self.now)
        self.outgoing += 1

    def ask(self, question: Any) -> Any:
        """Ask another room; it answers from committed state. Raises LookupError where no room answers such a question."""
        return self.room.ask(question, self.facts)

    def wait(self, key: Hashable, seconds: float, retry_at: float | None = None) -> None:
        """Run this call again once `key` is woken, or at `retry_at`; return when `seconds` have passed since it came.

        A call that waits must have changed nothing. `key` is anything hashable within the room.
        """
        deadline = self.started + seconds
        if self.now < deadline:
            raise StillWaiting(key, deadline, retry_at)

    def wait_changed(self, key: Hashable, seconds: float, retry_at: float | None = None) -> None:
        """Like wait(), for a call that has changed something: that is committed, and then the call waits instead of being
        answered. To be the last that the function does."""
        deadline = self.started + seconds
        if self.now < deadline:
            self.pending = StillWaiting(key, deadline, retry_at)

    def after(self, do: Callable[[], None]) -> None:
        """Once this call's commit is on disk, and before anyone hears of it, do this to what memory keeps of committed
        state: forget what was kept of a row that changed."""
        self.afterwards.append(do)

    def wake(self, key: Hashable, count: int = 1) -> None:
        """After this call's commit, run the `count` oldest waiters on `key` again."""
        self.wakes.append((key, count))

    def allowed(
        self, action: str, resource: str, context: dict[str, Any] | None = None, via: str | None = None
    ) -> Decision:
        """Decide a permission that is only known inside the operation (each key of DeleteObjects).

        via: the service ("cloudformation.amazonaws.com") that asks for it on the caller's behalf: aws:CalledVia.
        """
        if self.authorise is None:
            raise RuntimeError("This call does not come from a client.")
        return self.authorise(action, resource, context, **({} if via is None else {"via": via}))

    async def commit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `function(call, *args, **kwargs)` in the room's next batch; return its result once it is on disk.

        For operations that are `async def`. What it raises is raised here, after its savepoint was rolled back.
        """
        return await self.room.write(self, function, args, kwargs)

    def guarded_by(self, arn: str) -> Any:
        """What a resource of this room says about its users (a Guard), or None."""
        guard = self.room.service.guard
        return guard(self, arn) if guard else None


def service_facts(room: str) -> Facts:
    """The facts of a call that a room makes by itself."""
    arn = f"{room}.amazonaws.com"
    return Facts(request_id="", principal=Principal("service", "", arn, arn, arn, room), account="", region="")
