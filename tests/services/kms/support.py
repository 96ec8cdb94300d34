"""The room on plain SQLite (lone_room.py), with permissions decided as the gateway does."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from awning.auth.evaluate import decide
from awning.auth.principal import Principal
from awning.contracts import FindPrincipalIds, PrincipalExists
from awning.kit.call import Call, Facts
from awning.services.kms import SERVICE
from tests.services.lone_room import ACCOUNT, DAY, OTHER, START, LoneBench, LoneClient, LoneRoom

__all__ = ["ACCOUNT", "DAY", "OTHER", "START", "Bench", "Client", "FakeRoom"]


class FakeRoom(LoneRoom):
    """Beside whom there are `people`, by ARN."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench, SERVICE)
        self.people = {f"arn:aws:iam::{ACCOUNT}:user/ann": "AIDAANN0000000000000"}

    def ask(self, question: Any, facts: Facts) -> Any:
        if isinstance(question, PrincipalExists):
            return question.arn in self.people
        assert isinstance(question, FindPrincipalIds)
        return {arn: self.people[arn] for arn in question.arns if arn in self.people}


class Bench(LoneBench):
    def __init__(self, path: Path) -> None:
        super().__init__(path, SERVICE)

    def make_room(self) -> FakeRoom:
        return FakeRoom(self)

    def make_call(self, account: str = ACCOUNT, region: str = "us-east-1", principal: Principal | None = None) -> Call:
        call = super().make_call(account, region, principal)
        call.authorise = partial(self._decide, call)
        return call

    def _decide(self, call: Call, action: str, resource: str, context: Any = None, via: str | None = None) -> Any:
        guard = call.guarded_by(resource)
        policy = guard.policy if guard else None
        if guard and guard.narrowed:
            policy = guard.narrowed(call, call.principal, action, context or {})
        return decide(
            call.principal,
            action,
            resource,
            context or {},
            guard_policy=policy,
            resource_account=guard.account if guard else resource.split(":")[4],
        )


class Client(LoneClient):
    def new(self, **params: Any) -> str:
        """Create a key and return its id."""
        return str(self.create_key(**params)["KeyMetadata"]["KeyId"])

    def describe(self, key_id: str) -> Any:
        return self.describe_key(key_id=key_id)["KeyMetadata"]

    def state(self, key_id: str) -> str:
        return str(self.describe(key_id)["KeyState"])
