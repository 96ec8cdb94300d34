"""A region of two rooms, iam and sts, without net, gateway or disk: operations run as the gateway would run them."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from awning.auth.evaluate import decide
from awning.auth.principal import Principal, root_of
from awning.contracts import FindCredential, FindLastUse, FindSession, LastDeletionStep, LastUse
from awning.gateway.context import Context
from awning.kit.call import Call, Facts
from awning.kit.errors import AccessDenied
from awning.kit.operation import Operation
from awning.kit.tags import request_tags
from awning.services import iam, sts
from awning.store.vault import Seal
from tests.auth.support import request

ACCOUNT = "123456789012"
OTHER = "210987654321"


class House:
    """Rooms on databases in memory; `now` is the region's clock. A call that fails is rolled back.

    deleted_at: the step of the last MFA code that s3 took.
    """

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.deleted_at = -1
        self.used: dict[str, LastUse] = {}
        self.caller: Principal = replace(root_of(ACCOUNT), well_known=True)
        self.rooms = {service.name: self._room(service) for service in (iam.SERVICE, sts.SERVICE)}
        self.iam = Client(self, "iam")
        self.sts = Client(self, "sts")

    def _room(self, service: Any) -> Any:
        db = sqlite3.connect(":memory:", isolation_level=None)
        for script in service.schema.migrations:
            db.executescript(script)
        counter = itertools.count()
        seed = len(service.name) * 7

        def random(length: int) -> bytes:
            state = (next(counter) * 2_654_435_761 + seed) & 0xFFFFFFFF
            out = bytearray()
            while len(out) < length:
                state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
                out.append((state >> 16) & 0xFF)
            return bytes(out)

        async def write(call: Call, function: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
            return function(call, *args, **(kwargs or {}))

        return SimpleNamespace(
            service=service,
            db=db,
            memory=service.memory(db),
            seal=Seal(bytes(32)),
            epoch=0,
            random=random,
            new_id=lambda: f"00000000-0000-4000-8000-{next(counter):012}",
            ask=self.ask,
            write=write,
        )

    def call(self, name: str, principal: Principal | None = None) -> Call:
        room = self.rooms[name]
        caller = principal or self.caller
        facts = Facts(request_id="r", principal=caller, account=caller.account, region="us-east-1")
        return Call(room, facts, self.now, room.db)

    def ask(self, question: Any, facts: Facts | None = None) -> Any:
        if isinstance(question, FindLastUse):
            return self.used.get(question.id)
        if isinstance(question, LastDeletionStep):
            return self.deleted_at
        for name, room in self.rooms.items():
            answer = room.service.answers.get(type(question))
            if answer is not None:
                return answer(self.call(name), question)
        raise LookupError(type(question).__name__)

    def authorise(self, operation: Operation, call: Call, params: dict[str, Any]) -> None:
        """Decide an operation's permissions as the gateway does. Raises AccessDenied."""
        caller = call.principal
        find_own, tags_of = operation.context, call.room.service.tags
        context = Context(
            request("POST"),
            caller,
            call.region,
            self.now,
            (lambda: find_own(call, params)) if find_own is not None else None,
            lambda: request_tags(operation, call, params),
            (lambda arn: tags_of(call, arn)) if tags_of is not None else None,
        )
        for need in operation.needs:
            resource = need.resource if isinstance(need.resource, str) else need.resource(call, params)
            if resource is None:
                continue
            guard = call.guarded_by(resource)
            context.resource = resource
            account = resource.split(":", 5)[4] if resource.startswith("arn:") else ""
            decision = decide(
                caller,
                need.action,
                resource,
                context,
                guard_policy=guard.policy if guard else None,
                resource_account=guard.account if guard else account or call.account,
            )
            if not decision.allowed:
                raise AccessDenied(decision.message(caller, need.action, resource))

    def as_key(self, key: dict[str, Any] | str) -> Principal:
        """The principal whose access key this is (an AccessKey, Credentials, or an id)."""
        identifier = key if isinstance(key, str) else key["AccessKeyId"]
        question = FindSession(identifier) if identifier.startswith("ASIA") else FindCredential(identifier)
        found = self.ask(question)
        assert found is not None
        principal: Principal = found.principal
        return principal


class Client:
    """boto3's names: `client.create_user(user_name="alice")`; `by` sets the caller for one call."""

    def __init__(self, house: House, name: str) -> None:
        self._house = house
        self._name = name
        self._operations = house.rooms[name].service.operations()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        declared = self._operations[operation]

        def run(by: Principal | None = None, **params: Any) -> Any:
            house = self._house
            call = house.call(self._name, by)
            house.authorise(declared, call, params)
            call.db.execute("SAVEPOINT call")
            try:
                result = declared.function(call, **params)
                if inspect.isawaitable(result):
                    result = asyncio.run(result)  # type: ignore[arg-type]
            except BaseException:
                call.db.execute("ROLLBACK TO call")
                raise
            finally:
                call.db.execute("RELEASE call")
            return result

        return run
