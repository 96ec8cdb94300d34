"""Users, keys, groups and policies against an obvious model, in whatever order they come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from awning.contracts import FindCredential
from awning.kit.errors import ServiceError
from tests.services.iam.support import ACCOUNT, House

USERS = st.sampled_from(["alice", "bob", "BOB"])
GROUPS = st.sampled_from(["staff", "admins"])
POLICIES = st.sampled_from(["p", "q"])
ACTIONS = st.sampled_from(["s3:GetObject", "sqs:SendMessage", "iam:ListUsers"])


def document(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})


def arn(policy: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{policy}"


class Administrator(RuleBasedStateMachine):
    """The model: dictionaries by lower-case name. A user has keys, groups, inline policies and attached ones."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[int, str]] = {}
        self.default: dict[str, int] = {}
        self.last: dict[str, int] = {}

    def expect(self, allowed: bool, operation: str, **params: Any) -> Any:
        """Run an operation that must succeed or be refused as the model says."""
        run = getattr(self.house.iam, operation)
        if allowed:
            return run(**params)
        with pytest.raises(ServiceError):
            run(**params)
        return None

    def attached(self, policy: str) -> bool:
        return any(policy in one["attached"] for one in [*self.users.values(), *self.groups.values()])

    @rule(name=USERS)
    def create_user(self, name: str) -> None:
        key = name.lower()
        if self.expect(key not in self.users, "create_user", user_name=name):
            self.users[key] = {"name": name, "keys": {}, "inline": {}, "attached": set(), "groups": set()}

    @rule(name=USERS)
    def delete_user(self, name: str) -> None:
        user = self.users.get(name.lower())
        empty = user is not None and not (user["keys"] or user["inline"] or user["attached"] or user["groups"])
        self.expect(empty, "delete_user", user_name=name)
        if empty:
            del self.users[name.lower()]

    @rule(old=USERS, new=USERS)
    def rename_user(self, old: str, new: str) -> None:
        allowed = old.lower() in self.users and new.lower() not in self.users
        self.expect(allowed, "update_user", user_name=old, new_user_name=new)
        if allowed:
            self.users[new.lower()] = self.users.pop(old.lower()) | {"name": new}

    @rule(name=USERS)
    def create_key(self, name: str) -> None:
        user = self.users.get(name.lower())
        made = self.expect(user is not None and len(user["keys"]) < 2, "create_access_key", user_name=name)
        if made and user:
            user["keys"][made["AccessKey"]["AccessKeyId"]] = "Active"

    @rule(name=USERS, status=st.sampled_from(["Active", "Inactive"]), data=st.data())
    def update_key(self, name: str, status: str, data: st.DataObject) -> None:
        every = [key for user in self.users.values() for key in user["keys"]]
        if every:
            key = data.draw(st.sampled_from(every))
            user = self.users.get(name.lower())
            own = user is not None and key in user["keys"]
            self.expect(own, "update_access_key", user_name=name, access_key_id=key, status=status)
            if own and user:
                user["keys"][key] = status

    @rule(name=USERS, data=st.data())
    def delete_key(self, name: str, data: st.DataObject) -> None:
        user = self.users.get(name.lower())
        if user and user["keys"]:
            key = data.draw(st.sampled_from(sorted(user["keys"])))
            self.expect(True, "delete_access_key", user_name=name, access_key_id=key)
            del user["keys"][key]

    @rule(name=GROUPS)
    def create_group(self, name: str) -> None:
        if self.expect(name not in self.groups, "create_group", group_name=name):
            self.groups[name] = {"attached": set()}

    @rule(name=GROUPS)
    def delete_group(self, name: str) -> None:
        used = any(name in user["groups"] for user in self.users.values())
        allowed = name in self.groups and not used and not self.groups[name]["attached"]
        self.expect(allowed, "delete_group", group_name=name)
        if allowed:
            del self.groups[name]

    @rule(name=USERS, group=GROUPS)
    def join(self, name: str, group: str) -> None:
        allowed = name.lower() in self.users and group in self.groups
        self.expect(allowed, "add_user_to_group", user_name=name, group_name=group)
        if allowed:
            self.users[name.lower()]["groups"].add(group)

    @rule(name=USERS, group=GROUPS)
    def leave(self, name: str, group: str) -> None:
        allowed = name.lower() in self.users and group in self.groups
        self.expect(allowed, "remove_user_from_group", user_name=name, group_name=group)
        if allowed:
            self.users[name.lower()]["groups"].discard(group)

    @rule(name=USERS, policy=POLICIES, action=ACTIONS)
    def put_inline(self, name: str, policy: str, action: str) -> None:
        allowed = name.lower() in self.users
        self.expect(allowed, "put_user_policy", user_name=name, policy_name=policy, policy_document=document(action))
        if allowed:
            self.users[name.lower()]["inline"][policy] = action

    @rule(name=USERS, policy=POLICIES)
    def delete_inline(self, name: str, policy: str) -> None:
        allowed = name.lower() in self.users and policy in self.users[name.lower()]["inline"]
        self.expect(allowed, "delete_user_policy", user_name=name, policy_name=policy)
        if allowed:
            del self.users[name.lower()]["inline"][policy]

    @rule(policy=POLICIES, action=ACTIONS)
    def create_policy(self, policy: str, action: str) -> None:
        allowed = policy not in self.policies
        self.expect(allowed, "create_policy", policy_name=policy, policy_document=document(action))
        if allowed:
            self.policies[policy], self.default[policy], self.last[policy] = {1: action}, 1, 1

    @rule(policy=POLICIES, action=ACTIONS, default=st.booleans())
    def create_version(self, policy: str, action: str, default: bool) -> None:
        versions = self.policies.get(policy)
        allowed = versions is not None and len(versions) < 5
        params = {"policy_arn": arn(policy), "policy_document": document(action), "set_as_default": default}
        made = self.expect(allowed, "create_policy_version", **params)
        if made and versions is not None:
            self.last[policy] += 1
            assert made["PolicyVersion"]["VersionId"] == f"v{self.last[policy]}"
            versions[self.last[policy]] = action
            if default:
                self.default[policy] = self.last[policy]

    @rule(policy=POLICIES, number=st.integers(1, 7), delete=st.booleans())
    def change_version(self, policy: str, number: int, delete: bool) -> None:
        there = number in self.policies.get(policy, ())
        operation = "delete_policy_version" if delete else "set_default_policy_version"
        allowed = there and not (delete and self.default[policy] == number)
        self.expect(allowed, operation, policy_arn=arn(policy), version_id=f"v{number}")
        if allowed and delete:
            del self.policies[policy][number]
        elif allowed:
            self.default[policy] = number

    @rule(policy=POLICIES)
    def delete_policy(self, policy: str) -> None:
        allowed = len(self.policies.get(policy, ())) == 1 and not self.attached(policy)
        self.expect(allowed, "delete_policy", policy_arn=arn(policy))
        if allowed:
            del self.policies[policy]

    @rule(name=st.one_of(USERS, GROUPS), policy=POLICIES, attach=st.booleans())
    def attach(self, name: str, policy: str, attach: bool) -> None:
        kind, holders = ("group", self.groups) if name in ("staff", "admins") else ("user", self.users)
        holder = holders.get(name.lower())
        known = holder is not None and policy in self.policies
        allowed = known and (attach or policy in holder["attached"])  # type: ignore[index]
        verb = "attach" if attach else "detach"
        self.expect(allowed, f"{verb}_{kind}_policy", **{f"{kind}_name": name, "policy_arn": arn(policy)})
        if allowed and holder is not None:
            (holder["attached"].add if attach else holder["attached"].discard)(policy)

    @invariant()
    def every_key_finds_its_users_permissions(self) -> None:
        listed = {user["UserName"] for user in self.house.iam.list_users()["Users"]}
        assert listed == {user["name"] for user in self.users.values()}
        for user in self.users.values():
            attached = set(user["attached"]).union(*(self.groups[group]["attached"] for group in user["groups"]))
            wanted = sorted([*user["inline"].values(), *(self.policies[one][self.default[one]] for one in attached)])
            for key, status in user["keys"].items():
                found = self.house.ask(FindCredential(key))
                assert found.active is (status == "Active")
                assert found.principal.name == user["name"]
                actions = [policy.document["Statement"]["Action"] for policy in found.principal.policies]
                assert sorted(actions) == wanted


TestAdministrator = Administrator.TestCase
TestAdministrator.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
