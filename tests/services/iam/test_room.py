"""iam and sts on the real runtime and a real disk: what was acknowledged is there after a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from awning.auth.principal import root_of
from awning.contracts import FindCredential, FindLastUse, FindSession
from awning.kit.call import Facts
from awning.kit.clock import Clock
from awning.kit.room import Room
from awning.services import iam, sts
from awning.services.iam.errors import LimitExceeded
from awning.store.folder import DataFolder
from tests.services.iam.support import ACCOUNT

FACTS = Facts(request_id="r", principal=root_of(ACCOUNT), account=ACCOUNT, region="us-east-1")
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
    }
)


class Region:
    """The two rooms on a data folder."""

    def __init__(self, path: Path) -> None:
        self.folder = DataFolder.open(path)
        self.rooms = {service.name: Room(service, self.folder, Clock(), self) for service in (iam.SERVICE, sts.SERVICE)}

    async def run(self, name: str, operation: str, **params: Any) -> Any:
        room = self.rooms[name]
        return await room.run(room.service.operations()[operation], room.call(FACTS), params)

    def ask(self, question: Any, facts: Facts = FACTS) -> Any:
        if isinstance(question, FindLastUse):
            return None
        for room in self.rooms.values():
            if type(question) in room.service.answers:
                return room.answer(question, facts)
        raise LookupError(type(question).__name__)

    def sent(self, room: Room) -> None:
        raise AssertionError("neither room sends anything")

    def broken(self, room: Room, error: BaseException) -> None:
        raise error

    async def close(self) -> None:
        for room in self.rooms.values():
            await room.close()
        self.folder.close()


def test_keys_and_sessions_survive_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        region = Region(tmp_path / "data")
        await region.run("iam", "create_user", user_name="alice")
        key = (await region.run("iam", "create_access_key", user_name="alice"))["AccessKey"]
        role = (await region.run("iam", "create_role", role_name="r", assume_role_policy_document=TRUST))["Role"]
        reply = await region.run("sts", "assume_role", role_arn=role["Arn"], role_session_name="work")
        await region.close()
        again = Region(tmp_path / "data")
        assert again.ask(FindCredential(key["AccessKeyId"])).secret == key["SecretAccessKey"]
        found = again.ask(FindSession(reply["Credentials"]["AccessKeyId"]))
        assert (found.token, found.expires) == (
            reply["Credentials"]["SessionToken"],
            reply["Credentials"]["Expiration"],
        )
        assert found.principal.caller_arn == reply["AssumedRoleUser"]["Arn"]
        await again.close()

    asyncio.run(scenario())


def test_of_calls_in_one_batch_each_is_decided_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        region = Region(tmp_path / "data")
        await region.run("iam", "create_user", user_name="alice")
        made = await asyncio.gather(
            *(region.run("iam", "create_access_key", user_name="alice") for _ in range(4)), return_exceptions=True
        )
        assert sum(isinstance(one, LimitExceeded) for one in made) == 2
        listed = await region.run("iam", "list_access_keys", user_name="alice")
        assert {key["AccessKeyId"] for key in listed["AccessKeyMetadata"]} == {
            one["AccessKey"]["AccessKeyId"] for one in made if isinstance(one, dict)
        }
        await region.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["iam", "sts"])
def test_the_databases_are_readable_by_their_owner_alone(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        region = Region(tmp_path / "data")
        await region.run("iam", "create_user", user_name="alice")
        path = region.folder.database(name)
        assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
        await region.close()

    asyncio.run(scenario())
