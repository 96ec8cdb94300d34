"""GetFederationToken: what a federated user may, and may not; and messages of denials, which only some may read."""

from __future__ import annotations

import base64
import json
from hashlib import sha512

import pytest

from awning.auth.evaluate import decide
from awning.auth.policy import compile_policy
from awning.auth.principal import root_of
from awning.contracts import FindSession
from awning.kit.authorization_messages import LIFETIME, Undecodable, decode, encode
from awning.kit.errors import AccessDenied
from awning.services.sts.errors import (
    InvalidParameterValue,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    ValidationError,
)
from awning.store.vault import Seal

ACCOUNT = "123456789012"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
BOB = f"arn:aws:sts::{ACCOUNT}:federated-user/bob"


def policy(*actions, effect="Allow", **further) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*", **further}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture
def alice(house):
    house.iam.create_user(user_name="alice", tags=[{"Key": "Team", "Value": "red"}, {"Key": "kept", "Value": "1"}])
    house.iam.put_user_policy(
        user_name="alice",
        policy_name="p",
        policy_document=policy("sts:GetFederationToken", "sts:TagSession", "s3:*", "iam:*"),
    )
    return house.as_key(house.iam.create_access_key(user_name="alice")["AccessKey"])


def may(principal, action, guard=None, resource="arn:aws:s3:::b/k"):
    return decide(principal, action, resource, {}, guard_policy=guard, resource_account=ACCOUNT).allowed


def federate(house, by, **params):
    return house.sts.get_federation_token(name="bob", by=by, **params)


def test_a_federated_user_is_somebody_of_its_own(house, alice):
    reply = federate(house, alice)
    assert reply["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:bob", "Arn": BOB}
    assert reply["PackedPolicySize"] == 0
    key = reply["Credentials"]
    assert key["Expiration"] == house.now + 43_200
    found = house.ask(FindSession(key["AccessKeyId"]))
    assert (found.token, found.expires) == (key["SessionToken"], key["Expiration"])
    assert house.sts.get_caller_identity(by=found.principal) == {
        "UserId": f"{ACCOUNT}:bob",
        "Account": ACCOUNT,
        "Arn": BOB,
    }
    assert (found.principal.owner_arn, found.principal.kind) == (alice.arn, "federated-user")


def test_it_may_what_both_the_user_and_the_session_allow(house, alice):
    narrow = policy("s3:GetObject", "sqs:*", "iam:*", "sts:*")
    bob = house.as_key(federate(house, alice, policy=narrow)["Credentials"])
    assert may(bob, "s3:GetObject")
    assert not may(bob, "s3:PutObject")
    assert not may(bob, "sqs:SendMessage", resource=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")
    managed = house.as_key(federate(house, alice, policy_arns=[{"arn": ADMIN}])["Credentials"])
    assert may(managed, "s3:PutObject")
    house.iam.put_user_policy(user_name="alice", policy_name="q", policy_document=policy("s3:GetObject", effect="Deny"))
    bob = house.as_key(federate(house, alice, policy=narrow)["Credentials"])
    assert not may(bob, "s3:GetObject")


def guard(principal):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:*", "Resource": "*"}
    return compile_policy({"Version": "2012-10-17", "Statement": statement}, id="bucket", kind="resource")


def test_without_a_session_policy_only_resources_that_name_it_let_it_in(house, alice):
    bob = house.as_key(federate(house, alice)["Credentials"])
    assert not may(bob, "s3:GetObject")
    assert may(bob, "s3:GetObject", guard(BOB))
    assert not may(bob, "s3:GetObject", guard(alice.arn))
    assert not may(bob, "s3:GetObject", guard(BOB + "x"))


def test_it_calls_neither_iam_nor_sts(house, alice):
    bob = house.as_key(federate(house, alice, policy_arns=[{"arn": ADMIN}])["Credentials"])
    trust = {"Effect": "Allow", "Principal": {"AWS": BOB}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = house.iam.create_role(role_name="r", assume_role_policy_document=document)["Role"]["Arn"]
    for refused in (
        lambda: house.iam.list_users(by=bob),
        lambda: house.sts.assume_role(role_arn=role, role_session_name="one", by=bob),
        lambda: federate(house, bob),
        lambda: house.sts.get_session_token(by=bob),
        lambda: house.sts.get_access_key_info(access_key_id="A" * 20, by=bob),
    ):
        with pytest.raises(AccessDenied):
            refused()


def test_who_may_ask(house, alice):
    house.iam.create_user(user_name="carol")
    carol = house.as_key(house.iam.create_access_key(user_name="carol")["AccessKey"])
    with pytest.raises(AccessDenied, match=f"sts:GetFederationToken on resource: {BOB}"):
        federate(house, carol)
    session = house.as_key(house.sts.get_session_token(by=alice)["Credentials"])
    with pytest.raises(AccessDenied):
        federate(house, session)
    reply = federate(house, root_of(ACCOUNT), policy=policy("s3:*"))
    assert reply["Credentials"]["Expiration"] == house.now + 3600
    bob = house.as_key(reply["Credentials"])
    assert may(bob, "s3:GetObject")
    assert not may(bob, "sqs:SendMessage", resource=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")


def test_tags_come_over_the_users_own(house, alice):
    bob = house.as_key(federate(house, alice, tags=[{"Key": "team", "Value": "blue"}])["Credentials"])
    assert bob.tags == {"kept": "1", "team": "blue"}
    with pytest.raises(InvalidParameterValue):
        federate(house, alice, tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}])


def test_wrong_policies_are_refused(house, alice):
    with pytest.raises(MalformedPolicyDocument):
        federate(house, alice, policy="{}")
    with pytest.raises(PackedPolicyTooLarge):
        federate(house, alice, policy=policy("s3:" + "x" * 2048))
    with pytest.raises(ValidationError):
        federate(house, alice, policy_arns=[{"arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}])


def test_it_ends_with_the_user_who_asked(house, alice):
    key = federate(house, alice)["Credentials"]["AccessKeyId"]
    (own,) = house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"]
    house.iam.delete_access_key(user_name="alice", access_key_id=own["AccessKeyId"])
    house.iam.delete_user_policy(user_name="alice", policy_name="p")
    house.iam.delete_user(user_name="alice")
    assert house.ask(FindSession(key)) is None


# Messages of denials

SEAL = Seal(bytes(32))
NOW = 1_700_000_000.0


def denial(alice, context=None, **further) -> str:
    decision = decide(
        alice, "ec2:StopInstances", "arn:aws:ec2:us-east-1:1:instance/i-1", context or {}, guard_policy=None,
        resource_account=ACCOUNT,
    )  # fmt: skip
    return encode(
        SEAL, decision, alice, ACCOUNT, "ec2:StopInstances", "arn:aws:ec2:us-east-1:1:instance/i-1", context or {}, NOW
    )


def test_a_message_says_who_was_denied_what(alice):
    text = denial(alice, {"ec2:tenancy": "default", "aws:tagkeys": ["a", "b"]})
    assert text.isascii()
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert json.loads(decode(SEAL, text, ACCOUNT, NOW)) == {
        "allowed": False,
        "explicitDeny": False,
        "matchedStatements": {"items": []},
        "failures": {"items": []},
        "context": {
            "principal": {"id": alice.user_id, "name": "alice", "arn": alice.arn},
            "action": "ec2:StopInstances",
            "resource": "arn:aws:ec2:us-east-1:1:instance/i-1",
            "conditions": {
                "items": [
                    {"key": "ec2:tenancy", "values": {"items": [{"value": "default"}]}},
                    {"key": "aws:tagkeys", "values": {"items": [{"value": "a"}, {"value": "b"}]}},
                ]
            },
        },
    }


def test_an_explicit_deny_is_shown_with_its_statement(house, alice):
    document = policy("ec2:*", effect="Deny", Sid="Never")
    house.iam.put_user_policy(user_name="alice", policy_name="q", policy_document=document)
    alice = house.as_key(house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"][0])
    found = json.loads(decode(SEAL, denial(alice), ACCOUNT, NOW))
    (matched,) = found["matchedStatements"]["items"]
    assert (found["explicitDeny"], matched["statementId"], matched["effect"]) == (True, "Never", "DENY")


def test_a_message_is_good_for_a_day_and_for_its_own_account(alice):
    text = denial(alice)
    assert decode(SEAL, text, ACCOUNT, NOW + LIFETIME - 1)
    broken = base64.urlsafe_b64encode(b"\x01" + bytes(40)).decode()
    for seal, message, account, at in [
        (SEAL, text, ACCOUNT, NOW + LIFETIME),
        (SEAL, text, ACCOUNT, NOW - 1),
        (SEAL, text, "210987654321", NOW),
        (Seal(bytes(31) + b"\x01"), text, ACCOUNT, NOW),
        (SEAL, text[:-4], ACCOUNT, NOW),
        (SEAL, text[4:], ACCOUNT, NOW),
        (SEAL, broken, ACCOUNT, NOW),
        (SEAL, "not a message!", ACCOUNT, NOW),
        (SEAL, "a", ACCOUNT, NOW),
    ]:
        with pytest.raises(Undecodable):
            decode(seal, message, account, at)


def test_a_message_is_never_longer_than_sts_takes(alice):
    context = {f"aws:requesttag/{number}": sha512(str(number).encode()).hexdigest() for number in range(400)}
    text = denial(alice, context)
    assert len(text) <= 10_240
    assert json.loads(decode(SEAL, text, ACCOUNT, NOW))["context"]["conditions"] == {"items": []}


def test_only_who_may_decodes(house, alice):
    with pytest.raises(AccessDenied, match="sts:DecodeAuthorizationMessage"):
        house.sts.decode_authorization_message(encoded_message="a", by=alice)
