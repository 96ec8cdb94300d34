"""Users and their access keys, against what the IAM API reference documents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from awning.auth.principal import root_of
from awning.contracts import FindCredential, FindUser
from awning.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)

ACCOUNT = "123456789012"
IAM_FULL = "arn:aws:iam::aws:policy/IAMFullAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def test_a_user_is_described_as_it_was_created(house):
    made = house.iam.create_user(user_name="Alice", path="/team/", tags=[{"Key": "Stage", "Value": "test"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/Alice"
    assert made["UserId"].startswith("AIDA")
    assert len(made["UserId"]) == 21
    assert made["CreateDate"] == house.now
    assert made["Tags"] == [{"Key": "Stage", "Value": "test"}]
    assert house.iam.get_user(user_name="Alice")["User"] == made


def test_names_are_not_distinguished_by_case(house):
    house.iam.create_user(user_name="Alice")
    with pytest.raises(EntityAlreadyExists, match="User with name ALICE already exists"):
        house.iam.create_user(user_name="ALICE")
    assert house.iam.get_user(user_name="alice")["User"]["UserName"] == "Alice"


def test_accounts_have_their_own_users(house):
    house.iam.create_user(user_name="alice")
    other = root_of("210987654321")
    with pytest.raises(NoSuchEntity, match="The user with name alice cannot be found"):
        house.iam.get_user(user_name="alice", by=other)
    house.iam.create_user(user_name="alice", by=other)
    assert len(house.iam.list_users(by=other)["Users"]) == 1


@pytest.mark.parametrize("name", ["", "with space", "a/b", "ä", "x" * 65, "line\n"])
def test_a_wrong_name_is_refused(house, name):
    with pytest.raises(ValidationError):
        house.iam.create_user(user_name=name)


@pytest.mark.parametrize("path", ["", "team", "/team", "team/", "//ä/", "/" + "x" * 511 + "/"])
def test_a_wrong_path_is_refused(house, path):
    with pytest.raises(ValidationError):
        house.iam.create_user(user_name="alice", path=path)


def test_without_a_name_get_user_describes_the_caller(house):
    house.iam.create_user(user_name="alice")
    house.iam.attach_user_policy(user_name="alice", policy_arn=IAM_FULL)
    alice = house.as_key(house.iam.create_access_key(user_name="alice")["AccessKey"])
    assert house.iam.get_user(by=alice)["User"]["UserName"] == "alice"
    assert house.iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    session = replace(alice, kind="role")
    with pytest.raises(ValidationError, match="Must specify userName when calling with non-User credentials"):
        house.iam.get_user(by=session)


def test_a_renamed_user_keeps_id_keys_policies_and_groups(house):
    made = house.iam.create_user(user_name="alice")["User"]
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]
    house.iam.attach_user_policy(user_name="alice", policy_arn=READ_ONLY)
    house.iam.create_group(group_name="staff")
    house.iam.add_user_to_group(user_name="alice", group_name="staff")
    house.iam.update_user(user_name="alice", new_user_name="bob", new_path="/x/")
    found = house.iam.get_user(user_name="bob")["User"]
    assert found["UserId"] == made["UserId"]
    assert found["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/x/bob"
    assert house.as_key(key).arn == found["Arn"]
    assert house.iam.list_attached_user_policies(user_name="bob")["AttachedPolicies"][0]["PolicyArn"] == READ_ONLY
    assert [group["GroupName"] for group in house.iam.list_groups_for_user(user_name="bob")["Groups"]] == ["staff"]
    with pytest.raises(NoSuchEntity):
        house.iam.get_user(user_name="alice")


def test_a_rename_onto_another_name_is_refused_even_its_own_in_other_case(house):
    house.iam.create_user(user_name="alice")
    with pytest.raises(EntityAlreadyExists):
        house.iam.update_user(user_name="alice", new_user_name="ALICE")


def test_a_user_can_be_deleted_only_when_nothing_hangs_on_it(house):
    house.iam.create_user(user_name="alice")
    house.iam.create_group(group_name="staff")
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]["AccessKeyId"]
    house.iam.put_user_policy(user_name="alice", policy_name="p", policy_document=ALLOW)
    house.iam.attach_user_policy(user_name="alice", policy_arn=READ_ONLY)
    house.iam.add_user_to_group(user_name="alice", group_name="staff")

    def refused(words):
        with pytest.raises(DeleteConflict, match=words):
            house.iam.delete_user(user_name="alice")

    refused("must delete access keys first")
    house.iam.delete_access_key(user_name="alice", access_key_id=key)
    refused("must delete policies first")
    house.iam.delete_user_policy(user_name="alice", policy_name="p")
    refused("must detach all policies first")
    house.iam.detach_user_policy(user_name="alice", policy_arn=READ_ONLY)
    refused("must remove users from group first")
    house.iam.remove_user_from_group(user_name="alice", group_name="staff")
    house.iam.delete_user(user_name="alice")
    with pytest.raises(NoSuchEntity):
        house.iam.delete_user(user_name="alice")


def test_pages_follow_names_and_survive_changes_between_them(house):
    for number in range(7):
        house.iam.create_user(user_name=f"u{number}", path="/odd/" if number % 2 else "/even/")
    first = house.iam.list_users(max_items=3)
    assert [user["UserName"] for user in first["Users"]] == ["u0", "u1", "u2"]
    assert first["IsTruncated"] is True
    house.iam.delete_user(user_name="u2")
    house.iam.create_user(user_name="u10")
    rest = house.iam.list_users(marker=first["Marker"])
    assert [user["UserName"] for user in rest["Users"]] == ["u3", "u4", "u5", "u6"]
    assert rest == {"Users": rest["Users"], "IsTruncated": False}
    odd = house.iam.list_users(path_prefix="/odd/")["Users"]
    assert [user["UserName"] for user in odd] == ["u1", "u3", "u5"]
    with pytest.raises(ValidationError, match="Marker"):
        house.iam.list_users(marker="nonsense!")


def test_a_page_may_hold_fewer_than_were_asked_for(house):
    for number in range(305):
        house.iam.create_user(user_name=f"u{number:03}")
    first = house.iam.list_users(max_items=1000)
    rest = house.iam.list_users(max_items=1000, marker=first["Marker"])
    assert [user["UserName"] for user in first["Users"] + rest["Users"]] == [f"u{number:03}" for number in range(305)]
    assert (len(first["Users"]), first["IsTruncated"], rest["IsTruncated"]) == (300, True, False)


def test_a_page_that_ends_with_the_list_is_not_truncated(house):
    for name in ("a", "b"):
        house.iam.create_user(user_name=name)
    assert house.iam.list_users(max_items=2)["IsTruncated"] is False


def test_lists_leave_out_boundary_and_tags(house):
    house.iam.create_user(user_name="a", permissions_boundary=READ_ONLY, tags=[{"Key": "k", "Value": "v"}])
    assert set(house.iam.list_users()["Users"][0]) == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert house.iam.get_user(user_name="a")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY


def test_a_key_has_the_documented_form_and_finds_its_user(house):
    user = house.iam.create_user(user_name="alice")["User"]
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA")
    assert len(key["AccessKeyId"]) == 20
    assert len(key["SecretAccessKey"]) == 40
    assert key["Status"] == "Active"
    found = house.ask(FindCredential(key["AccessKeyId"]))
    assert (found.secret, found.active, found.token) == (key["SecretAccessKey"], True, None)
    assert found.principal.arn == found.principal.caller_arn == user["Arn"]
    assert found.principal.user_id == user["UserId"]
    assert house.ask(FindCredential("AKIAAAAAAAAAAAAAAAAA")) is None


def test_secrets_are_shown_once(house):
    house.iam.create_user(user_name="alice")
    house.iam.create_access_key(user_name="alice")
    (listed,) = house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"]
    assert set(listed) == {"UserName", "AccessKeyId", "Status", "CreateDate"}


def test_a_user_has_two_keys_at_most(house):
    house.iam.create_user(user_name="alice")
    keys = [house.iam.create_access_key(user_name="alice")["AccessKey"]["AccessKeyId"] for _ in range(2)]
    with pytest.raises(LimitExceeded, match="Cannot exceed quota for AccessKeysPerUser: 2"):
        house.iam.create_access_key(user_name="alice")
    listed = house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"]
    assert {key["AccessKeyId"] for key in listed} == set(keys)
    first = house.iam.list_access_keys(user_name="alice", max_items=1)
    second = house.iam.list_access_keys(user_name="alice", marker=first["Marker"])
    assert first["AccessKeyMetadata"] + second["AccessKeyMetadata"] == listed


def test_an_inactive_key_is_said_to_be_inactive(house):
    house.iam.create_user(user_name="alice")
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]["AccessKeyId"]
    house.iam.update_access_key(user_name="alice", access_key_id=key, status="Inactive")
    assert house.ask(FindCredential(key)).active is False
    house.iam.update_access_key(user_name="alice", access_key_id=key, status="Active")
    assert house.ask(FindCredential(key)).active is True
    house.iam.delete_access_key(user_name="alice", access_key_id=key)
    assert house.ask(FindCredential(key)) is None


def test_a_key_belongs_to_one_user_only(house):
    for name in ("alice", "bob"):
        house.iam.create_user(user_name=name)
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]["AccessKeyId"]
    with pytest.raises(NoSuchEntity, match=f"The Access Key with id {key} cannot be found"):
        house.iam.delete_access_key(user_name="bob", access_key_id=key)
    with pytest.raises(NoSuchEntity):
        house.iam.update_access_key(access_key_id=key, status="Inactive")


def test_without_a_name_keys_are_the_callers_own(house):
    house.iam.create_user(user_name="alice")
    house.iam.attach_user_policy(user_name="alice", policy_arn=IAM_FULL)
    alice = house.as_key(house.iam.create_access_key(user_name="alice")["AccessKey"])
    second = house.iam.create_access_key(by=alice)["AccessKey"]
    assert second["UserName"] == "alice"
    assert len(house.iam.list_access_keys(by=alice)["AccessKeyMetadata"]) == 2
    root_key = house.iam.create_access_key()["AccessKey"]
    assert house.as_key(root_key) == root_of(ACCOUNT)
    assert [key["AccessKeyId"] for key in house.iam.list_access_keys()["AccessKeyMetadata"]] == [
        root_key["AccessKeyId"]
    ]
    assert len(house.iam.list_access_keys(by=root_of("210987654321"))["AccessKeyMetadata"]) == 0


def test_a_user_is_found_by_id_and_a_successor_is_another(house):
    first = house.iam.create_user(user_name="alice")["User"]["UserId"]
    house.iam.delete_user(user_name="alice")
    second = house.iam.create_user(user_name="alice")["User"]["UserId"]
    assert house.ask(FindUser(first)) is None
    assert house.ask(FindUser(second)).name == "alice"


def test_user_tags_are_overwritten_whatever_their_case(house):
    house.iam.create_user(user_name="alice", tags=[{"Key": "Team", "Value": "red"}, {"Key": "a", "Value": "1"}])
    house.iam.tag_user(user_name="alice", tags=[{"Key": "team", "Value": "blue"}])
    tags = house.iam.list_user_tags(user_name="alice")["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "team", "Value": "blue"}]
    house.iam.untag_user(user_name="alice", tag_keys=["TEAM", "unknown"])
    assert house.iam.list_user_tags(user_name="alice")["Tags"] == [{"Key": "a", "Value": "1"}]


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}], InvalidInput),
        ([{"Key": "aws:x", "Value": "1"}], InvalidInput),
        ([{"Key": "a<", "Value": "1"}], ValidationError),
        ([{"Key": str(number), "Value": ""} for number in range(51)], LimitExceeded),
    ],
)
def test_wrong_tags_are_refused(house, tags, error):
    with pytest.raises(error):
        house.iam.create_user(user_name="alice", tags=tags)


def test_a_user_never_has_more_than_fifty_tags(house):
    house.iam.create_user(user_name="alice", tags=[{"Key": str(number), "Value": ""} for number in range(50)])
    house.iam.tag_user(user_name="alice", tags=[{"Key": "0", "Value": "new"}])
    with pytest.raises(LimitExceeded):
        house.iam.tag_user(user_name="alice", tags=[{"Key": "x", "Value": ""}])


def test_the_boundary_must_be_a_policy(house):
    with pytest.raises(NoSuchEntity, match="does not exist or is not attachable"):
        house.iam.create_user(user_name="alice", permissions_boundary=f"arn:aws:iam::{ACCOUNT}:policy/none")
    house.iam.create_user(user_name="alice")
    house.iam.put_user_permissions_boundary(user_name="alice", permissions_boundary=READ_ONLY)
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]
    assert house.as_key(key).boundary is not None
    house.iam.delete_user_permissions_boundary(user_name="alice")
    assert house.as_key(key).boundary is None
    with pytest.raises(NoSuchEntity):
        house.iam.delete_user_permissions_boundary(user_name="alice")


def test_the_principal_has_own_group_and_boundary_policies(house):
    house.iam.create_user(user_name="alice", tags=[{"Key": "team", "Value": "red"}])
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]
    assert house.as_key(key).policies == ()
    house.iam.create_group(group_name="staff")
    house.iam.add_user_to_group(user_name="alice", group_name="staff")
    house.iam.put_group_policy(group_name="staff", policy_name="g", policy_document=ALLOW)
    house.iam.attach_group_policy(group_name="staff", policy_arn=READ_ONLY)
    house.iam.put_user_policy(user_name="alice", policy_name="u", policy_document=ALLOW)
    principal = house.as_key(key)
    assert len(principal.policies) == 3
    assert principal.tags == {"team": "red"}
    assert replace(principal, policies=()) == replace(house.as_key(key), policies=())
    assert principal.policies == house.as_key(key).policies, "the same document is compiled once"
    house.iam.remove_user_from_group(group_name="staff", user_name="alice")
    assert len(house.as_key(key).policies) == 1


ALLOW = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
