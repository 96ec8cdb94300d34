"""Keys: what they may be, their states, their deletion, names, tags and policies."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import partial
from typing import Any

import pytest

from awning.services.kms import work
from awning.services.kms.errors import (
    AlreadyExistsException,
    DisabledException,
    InvalidMarkerException,
    KMSInvalidStateException,
    MalformedPolicyDocumentException,
    NotAuthorizedException,
    NotFoundException,
    TagException,
    ValidationException,
)
from awning.services.kms.specs import SPECS
from tests.services.kms.support import ACCOUNT, DAY, START, Bench, Client

UNKNOWN = "134f2428-cec1-4b25-a1ae-9048164dba47"


@pytest.mark.parametrize(
    ("spec", "usage"), [(name, usage) for name, spec in SPECS.items() if spec.size != 4096 for usage in spec.usages]
)
def test_a_key_of_every_kind_can_be_created(client: Client, spec: str, usage: str) -> None:
    made = client.create_key(key_spec=spec, key_usage=usage)["KeyMetadata"]
    assert (made["KeySpec"], made["KeyUsage"], made["KeyState"]) == (spec, usage, "Enabled")
    assert made == client.describe(made["KeyId"])
    assert ("CurrentKeyMaterialId" in made) == (spec == "SYMMETRIC_DEFAULT")


def test_a_usage_that_a_spec_has_not_is_refused(client: Client) -> None:
    with pytest.raises(
        ValidationException, match="KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"
    ):
        client.create_key(key_usage="SIGN_VERIFY")
    with pytest.raises(ValidationException, match="You must specify a KeyUsage value"):
        client.create_key(key_spec="HMAC_256")


def test_keys_are_listed_page_by_page_in_their_account_and_region(client: Client, other: Client, west: Client) -> None:
    made = [client.new() for _ in range(3)]
    first = client.list_keys(limit=2)
    assert [key["KeyId"] for key in first["Keys"]] == made[:2]
    rest = client.list_keys(limit=2, marker=first["NextMarker"])
    assert [key["KeyId"] for key in rest["Keys"]] == made[2:]
    assert not rest["Truncated"]
    assert other.list_keys()["Keys"] == west.list_keys()["Keys"] == []


@pytest.mark.parametrize("number", ["9" * 40, "-1", "x", "9223372036854775808"])
def test_a_marker_that_no_reply_had_is_refused(client: Client, number: str) -> None:
    marker = urlsafe_b64encode(number.encode()).decode()
    for ask in (client.list_keys, client.list_aliases, partial(client.list_grants, key_id=client.new())):
        with pytest.raises(InvalidMarkerException):
            ask(marker=marker)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        ("mrk-fake", "Invalid keyId 'mrk-fake'"),
        (UNKNOWN, f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{UNKNOWN}' does not exist"),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{UNKNOWN}", "Invalid arn eu-west-1"),
        ("alias/none", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/none is not found."),
    ],
)  # fmt: skip
def test_a_key_that_is_not_there_is_told_so(client: Client, given: str, text: str) -> None:
    with pytest.raises(NotFoundException, match=text):
        client.describe_key(key_id=given)


def test_a_disabled_key_cannot_be_used(client: Client) -> None:
    key = client.new()
    client.disable_key(key_id=key)
    with pytest.raises(DisabledException, match=r"key/.* is disabled\."):
        client.encrypt(key_id=key, plaintext=b"x")
    client.enable_key(key_id=key)
    assert client.encrypt(key_id=key, plaintext=b"x")


def test_a_key_is_deleted_when_its_window_is_over(bench: Bench, client: Client) -> None:
    key = client.new()
    client.create_alias(alias_name="alias/a", target_key_id=key)
    said = client.schedule_key_deletion(key_id=key, pending_window_in_days=7)
    assert said["DeletionDate"] == START + 7 * DAY
    assert said["KeyId"].endswith(key)
    with pytest.raises(KMSInvalidStateException, match=r"is pending deletion\."):
        client.encrypt(key_id=key, plaintext=b"x")
    bench.later(days=6.9)
    assert client.state(key) == "PendingDeletion"
    bench.later(days=0.2)
    with pytest.raises(NotFoundException):
        client.describe(key)
    assert client.list_aliases()["Aliases"] == []
    assert bench.reader.execute("SELECT count(*) FROM materials").fetchone() == (0,)


def test_a_key_with_many_grants_is_deleted_step_by_step(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_GRANTS", 5)
    keys = [client.new() for _ in range(2)]
    for key in keys:
        for _ in range(7):
            client.create_grant(key_id=key, grantee_principal=ACCOUNT, operations=["Decrypt"])
        client.schedule_key_deletion(key_id=key, pending_window_in_days=7)
    bench.now += 8 * DAY
    left = []
    while bench.run(bench.make_call(), work.delete_due):
        left.append(bench.reader.execute("SELECT count(*) FROM grants").fetchone()[0])
    assert left == [9, 4]
    assert client.list_keys()["Keys"] == []


def test_a_deletion_can_be_taken_back(bench: Bench, client: Client) -> None:
    key = client.new()
    client.schedule_key_deletion(key_id=key)
    with pytest.raises(KMSInvalidStateException):
        client.schedule_key_deletion(key_id=key)
    client.cancel_key_deletion(key_id=key)
    assert client.state(key) == "Disabled"
    assert "DeletionDate" not in client.describe(key)
    bench.later(days=40)
    assert client.state(key) == "Disabled"
    with pytest.raises(KMSInvalidStateException, match="is not pending deletion"):
        client.cancel_key_deletion(key_id=key)


@pytest.mark.parametrize("days", [6, 31])
def test_a_window_has_seven_to_thirty_days(client: Client, days: int) -> None:
    with pytest.raises(ValidationException):
        client.schedule_key_deletion(key_id=client.new(), pending_window_in_days=days)


def test_an_alias_names_one_key_after_another(client: Client) -> None:
    first, second = client.new(), client.new()
    client.create_alias(alias_name="alias/a", target_key_id=first)
    assert client.describe("alias/a")["KeyId"] == first
    with pytest.raises(
        AlreadyExistsException, match=r"An alias with the name arn:aws:kms:us-east-1:.*:alias/a already exists"
    ):
        client.create_alias(alias_name="alias/a", target_key_id=second)
    client.update_alias(alias_name="alias/a", target_key_id=second)
    assert client.describe(f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a")["KeyId"] == second
    assert client.list_aliases(key_id=first)["Aliases"] == []
    client.delete_alias(alias_name="alias/a")
    with pytest.raises(NotFoundException):
        client.describe("alias/a")


def test_an_alias_keeps_the_kind_of_its_key(client: Client) -> None:
    client.create_alias(alias_name="alias/a", target_key_id=client.new())
    with pytest.raises(ValidationException):
        client.update_alias(
            alias_name="alias/a", target_key_id=client.new(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
        )


@pytest.mark.parametrize(
    ("name", "error"),
    [("a", ValidationException), ("alias/aws/a", NotAuthorizedException), ("alias/a:b", ValidationException)],
)
def test_some_names_are_no_aliases(client: Client, name: str, error: Any) -> None:
    with pytest.raises(error):
        client.create_alias(alias_name=name, target_key_id=client.new())


def test_an_alias_names_no_alias(client: Client) -> None:
    key = client.new()
    client.create_alias(alias_name="alias/a", target_key_id=key)
    for target in ("alias/a", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"):
        for change in (client.create_alias, client.update_alias):
            with pytest.raises(ValidationException, match=r"Aliases must refer to keys\. Not aliases"):
                change(alias_name="alias/a", target_key_id=target)


def test_management_takes_no_alias(client: Client) -> None:
    client.create_alias(alias_name="alias/a", target_key_id=client.new())
    with pytest.raises(NotFoundException, match="Invalid keyId alias/a"):
        client.disable_key(key_id="alias/a")


def test_tags_come_and_go(client: Client) -> None:
    key = client.new(tags=[{"TagKey": "a", "TagValue": "1"}])
    client.tag_resource(key_id=key, tags=[{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": ""}])
    client.untag_resource(key_id=key, tag_keys=["b", "c"])
    assert client.list_resource_tags(key_id=key)["Tags"] == [{"TagKey": "a", "TagValue": "2"}]
    with pytest.raises(TagException):
        client.tag_resource(key_id=key, tags=[{"TagKey": "AWS:a", "TagValue": "2"}])


def test_a_key_without_a_policy_has_the_default_one(client: Client) -> None:
    key = client.new()
    policy = json.loads(client.get_key_policy(key_id=key, policy_name="default")["Policy"])
    assert policy["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert client.list_key_policies(key_id=key)["PolicyNames"] == ["default"]
    with pytest.raises(NotFoundException):
        client.get_key_policy(key_id=key, policy_name="other")


def policy_for(principal: str, *actions: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_that_locks_its_author_out_is_refused_unless_asked_for(client: Client) -> None:
    key = client.new()
    ann = f"arn:aws:iam::{ACCOUNT}:user/ann"
    with pytest.raises(
        MalformedPolicyDocumentException, match="will not allow you to update the key policy in the future"
    ):
        client.put_key_policy(key_id=key, policy=policy_for(ann, "kms:*"))
    client.put_key_policy(key_id=key, policy=policy_for(ann, "kms:*"), bypass_policy_lockout_safety_check=True)
    assert ann in client.get_key_policy(key_id=key)["Policy"]


def test_a_policy_names_only_those_who_exist(client: Client) -> None:
    nobody = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    with pytest.raises(MalformedPolicyDocumentException, match="invalid principals"):
        client.create_key(policy=policy_for(nobody, "kms:*"), bypass_policy_lockout_safety_check=True)
    with pytest.raises(MalformedPolicyDocumentException):
        client.create_key(policy="my policy")


def test_a_services_own_key_is_made_by_its_first_use_and_stays_the_same(bench: Bench, client: Client) -> None:
    assert client.list_keys()["Keys"] == []
    made = client.describe("alias/aws/sqs")
    assert (made["KeyManager"], made["KeyState"]) == ("AWS", "Enabled")
    assert [key["KeyId"] for key in client.list_keys()["Keys"]] == [made["KeyId"]]
    assert client.list_aliases()["Aliases"][0]["AliasName"] == "alias/aws/sqs"
    bench.restart()
    assert client.describe(made["KeyId"]) == made


def test_material_is_in_no_row_in_the_clear(bench: Bench, client: Client) -> None:
    key = client.new(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    client.generate_mac(key_id=key, message=b"m", mac_algorithm="HMAC_SHA_256")
    (opened,) = [value for name, value in bench.room.memory.opened._values.items() if name[0].endswith(key)]
    assert len(opened.raw) == 32
    tables = [name for (name,) in bench.reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = [row for table in tables for row in bench.reader.execute(f"SELECT * FROM {table}")]
    assert rows
    assert not any(isinstance(cell, bytes) and opened.raw in cell for row in rows for cell in row)
    assert opened.raw.hex() not in repr(rows) + repr(opened) + repr(bench.room.memory.__dict__)
