"""Roles and their trust policies."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from awning.contracts import FindRole
from awning.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)

ACCOUNT = "123456789012"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOW = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


def trust(principal) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})


def test_a_role_is_described_as_it_was_created(house):
    made = house.iam.create_role(
        role_name="App", path="/service/", assume_role_policy_document=TRUST, description="d", max_session_duration=7200
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service/App"
    assert made["RoleId"].startswith("AROA")
    assert made["MaxSessionDuration"] == 7200
    assert house.iam.get_role(role_name="app")["Role"] == made | {"RoleLastUsed": {}, "Description": "d"}
    (listed,) = house.iam.list_roles(path_prefix="/service/")["Roles"]
    assert listed["AssumeRolePolicyDocument"] == made["AssumeRolePolicyDocument"]


def test_the_trust_policy_comes_back_percent_encoded(house):
    document = trust({"Service": "ec2.amazonaws.com"}).replace("sts:AssumeRole", "sts:Assume*") + "\t\r\n "
    document = document.replace('"Action"', '"Sid": "~é", "Action"')
    house.iam.create_role(role_name="r", assume_role_policy_document=document)
    encoded = house.iam.get_role(role_name="r")["Role"]["AssumeRolePolicyDocument"]
    assert encoded.startswith("%7B%22Version%22%3A%20%222012-10-17%22")
    assert "%2A" in encoded
    assert "~%C3%A9" in encoded
    assert encoded.endswith("%09%0D%0A%20")
    assert unquote(encoded) == document


def test_a_role_has_one_hour_to_twelve(house):
    for seconds in (3599, 43201):
        with pytest.raises(ValidationError, match="maxSessionDuration"):
            house.iam.create_role(role_name="r", assume_role_policy_document=TRUST, max_session_duration=seconds)
    house.iam.create_role(role_name="r", assume_role_policy_document=TRUST)
    with pytest.raises(ValidationError):
        house.iam.update_role(role_name="r", max_session_duration=1)
    assert house.iam.update_role(role_name="r", max_session_duration=43200, description="long") == {}
    house.iam.update_role(role_name="r", description="")
    found = house.iam.get_role(role_name="r")["Role"]
    assert (found["MaxSessionDuration"], found["Description"]) == (43200, "")
    assert house.iam.update_role_description(role_name="r", description="x")["Role"]["Description"] == "x"


def test_a_taken_name_is_refused(house):
    house.iam.create_role(role_name="r", assume_role_policy_document=TRUST)
    with pytest.raises(EntityAlreadyExists, match="Role with name R already exists"):
        house.iam.create_role(role_name="R", assume_role_policy_document=TRUST)


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": ACCOUNT},
        {"AWS": [f"arn:aws:iam::{ACCOUNT}:root", "210987654321"]},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/x/alice"},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/session"},
        {"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]},
    ],
)
def test_these_principals_may_be_trusted(house, principal):
    house.iam.create_user(user_name="alice", path="/x/")
    house.iam.create_role(role_name="r", assume_role_policy_document=trust(principal))


@pytest.mark.parametrize(
    "principal",
    [
        f"arn:aws:iam::{ACCOUNT}:user/alice",
        f"arn:aws:iam::{ACCOUNT}:user/none",
        f"arn:aws:iam::{ACCOUNT}:role/none",
        f"arn:aws:iam::{ACCOUNT}:group/staff",
        "arn:aws:iam::12:root",
    ],
)
def test_a_principal_that_does_not_exist_is_not_trusted_in_advance(house, principal):
    house.iam.create_user(user_name="alice", path="/x/")
    house.iam.create_group(group_name="staff")
    with pytest.raises(MalformedPolicyDocument, match=r"[Ii]nvalid principal"):
        house.iam.create_role(role_name="r", assume_role_policy_document=trust({"AWS": principal}))


@pytest.mark.parametrize("document", ["{", "[]", ALLOW, '{"Version": "2012-10-17"}'])
def test_a_malformed_trust_policy_is_refused(house, document):
    with pytest.raises(MalformedPolicyDocument):
        house.iam.create_role(role_name="r", assume_role_policy_document=document)
    with pytest.raises(NoSuchEntity):
        house.iam.get_role(role_name="r")


def test_the_trust_policy_has_a_quota_that_white_space_does_not_use_up(house):
    padding = ["ec2.amazonaws.com"] * 110
    with pytest.raises(LimitExceeded, match="ACLSizePerRole: 2048"):
        house.iam.create_role(role_name="r", assume_role_policy_document=trust({"Service": padding}))
    spaced = TRUST.replace(" ", " " * 300)
    house.iam.create_role(role_name="r", assume_role_policy_document=spaced)


def test_the_trust_policy_can_be_replaced(house):
    house.iam.create_role(role_name="r", assume_role_policy_document=TRUST)
    other = trust({"Service": "ec2.amazonaws.com"})
    house.iam.update_assume_role_policy(role_name="r", policy_document=other)
    assert house.ask(FindRole(f"arn:aws:iam::{ACCOUNT}:role/r")).trust == other
    with pytest.raises(MalformedPolicyDocument):
        house.iam.update_assume_role_policy(role_name="r", policy_document="nonsense")


def test_a_role_can_be_deleted_only_without_policies(house):
    house.iam.create_role(role_name="r", assume_role_policy_document=TRUST)
    house.iam.put_role_policy(role_name="r", policy_name="p", policy_document=ALLOW)
    house.iam.attach_role_policy(role_name="r", policy_arn=ADMIN)
    with pytest.raises(DeleteConflict, match="must delete policies first"):
        house.iam.delete_role(role_name="r")
    house.iam.delete_role_policy(role_name="r", policy_name="p")
    with pytest.raises(DeleteConflict, match="must detach all policies first"):
        house.iam.delete_role(role_name="r")
    house.iam.detach_role_policy(role_name="r", policy_arn=ADMIN)
    house.iam.delete_role(role_name="r")
    assert house.ask(FindRole(f"arn:aws:iam::{ACCOUNT}:role/r")) is None


def test_a_role_is_found_by_its_exact_arn(house):
    house.iam.create_role(
        role_name="App", path="/p/", assume_role_policy_document=TRUST, tags=[{"Key": "k", "Value": "v"}]
    )
    house.iam.attach_role_policy(role_name="App", policy_arn=ADMIN)
    house.iam.put_role_permissions_boundary(role_name="App", permissions_boundary=ADMIN)
    found = house.ask(FindRole(f"arn:aws:iam::{ACCOUNT}:role/p/App"))
    assert (found.account, found.name, found.max_session_seconds, found.tags) == (ACCOUNT, "App", 3600, {"k": "v"})
    assert found.principal.kind == "role"
    assert found.principal.user_id == found.role_id
    assert len(found.principal.policies) == 1
    assert found.principal.boundary is not None
    for wrong in ("role/App", "role/p/app", "user/p/App", "role/p/App/", "group", "role"):
        assert house.ask(FindRole(f"arn:aws:iam::{ACCOUNT}:{wrong}")) is None
    assert house.ask(FindRole("arn:aws:iam::210987654321:role/p/App")) is None
    assert house.ask(FindRole("nonsense")) is None


def test_role_tags(house):
    house.iam.create_role(role_name="r", assume_role_policy_document=TRUST, tags=[{"Key": "a", "Value": "1"}])
    house.iam.tag_role(role_name="r", tags=[{"Key": "b", "Value": "2"}])
    first = house.iam.list_role_tags(role_name="r", max_items=1)
    assert first["Tags"] == [{"Key": "a", "Value": "1"}]
    assert house.iam.list_role_tags(role_name="r", marker=first["Marker"])["Tags"] == [{"Key": "b", "Value": "2"}]
    house.iam.untag_role(role_name="r", tag_keys=["A"])
    assert house.iam.get_role(role_name="r")["Role"]["Tags"] == [{"Key": "b", "Value": "2"}]
