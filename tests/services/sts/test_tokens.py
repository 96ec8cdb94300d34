"""Session tokens, callers and keys, and the pass that forgets sessions."""

from __future__ import annotations

import json

import pytest

from awning.auth.evaluate import decide
from awning.auth.principal import root_of
from awning.contracts import FindSession
from awning.kit.errors import AccessDenied
from awning.services.sts import work
from awning.services.sts.errors import ValidationError

ACCOUNT = "123456789012"


@pytest.fixture
def alice(house):
    house.iam.create_user(user_name="alice")
    return house.as_key(house.iam.create_access_key(user_name="alice")["AccessKey"])


def test_who_calls(house, alice):
    assert house.sts.get_caller_identity() == {
        "UserId": ACCOUNT,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:root",
    }
    assert house.sts.get_caller_identity(by=alice) == {
        "UserId": alice.user_id,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
    }


def test_a_session_token_is_the_user_for_a_while(house, alice):
    key = house.sts.get_session_token(by=alice)["Credentials"]
    assert key["Expiration"] == house.now + 43_200
    found = house.ask(FindSession(key["AccessKeyId"]))
    assert (found.token, found.expires) == (key["SessionToken"], key["Expiration"])
    assert (found.principal.arn, found.principal.user_id) == (alice.arn, alice.user_id)
    assert found.principal.issued == house.now
    house.iam.update_user(user_name="alice", new_user_name="bob")
    assert house.as_key(key).name == "bob"
    house.iam.put_user_policy(
        user_name="bob",
        policy_name="p",
        policy_document='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    )
    assert len(house.as_key(key).policies) == 1


def test_a_session_token_without_mfa_neither_manages_identities_nor_makes_more_tokens(house, alice):
    house.iam.attach_user_policy(user_name="alice", policy_arn="arn:aws:iam::aws:policy/AdministratorAccess")
    for caller in (alice, root_of(ACCOUNT)):
        session = house.as_key(house.sts.get_session_token(by=caller)["Credentials"])
        house.sts.get_caller_identity(by=session)
        for refused in (
            lambda by=session: house.iam.list_users(by=by),
            lambda by=session: house.sts.get_access_key_info(access_key_id="A" * 20, by=by),
        ):
            with pytest.raises(AccessDenied, match="no session policy allows"):
                refused()
        decision = decide(session, "s3:GetObject", "arn:aws:s3:::b/k", {}, guard_policy=None, resource_account=ACCOUNT)
        assert decision.allowed


def test_a_session_token_may_assume_a_role(house, alice):
    house.iam.attach_user_policy(user_name="alice", policy_arn="arn:aws:iam::aws:policy/AdministratorAccess")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = house.iam.create_role(role_name="r", assume_role_policy_document=document)["Role"]
    session = house.as_key(house.sts.get_session_token(by=alice)["Credentials"])
    house.sts.assume_role(role_arn=role["Arn"], role_session_name="work", by=session)


def test_a_deleted_users_sessions_end(house, alice):
    key = house.sts.get_session_token(by=alice)["Credentials"]["AccessKeyId"]
    (own,) = house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"]
    house.iam.delete_access_key(user_name="alice", access_key_id=own["AccessKeyId"])
    house.iam.delete_user(user_name="alice")
    house.iam.create_user(user_name="alice")
    assert house.ask(FindSession(key)) is None


def test_roots_token_lasts_an_hour_at_most(house):
    key = house.sts.get_session_token(duration_seconds=7200)["Credentials"]
    assert key["Expiration"] == house.now + 3600
    assert house.as_key(key).kind == "root"
    assert house.as_key(key).account == ACCOUNT


@pytest.mark.parametrize("seconds", [0, 899, 129_601])
def test_a_wrong_duration_is_refused(house, alice, seconds):
    with pytest.raises(ValidationError):
        house.sts.get_session_token(duration_seconds=seconds, by=alice)


def test_a_session_cannot_prolong_itself(house, alice):
    session = house.as_key(house.sts.get_session_token(by=alice)["Credentials"])
    with pytest.raises(AccessDenied, match="Cannot call GetSessionToken with session credentials"):
        house.sts.get_session_token(by=session)


def test_whose_account_a_key_belongs_to(house, alice):
    other = root_of("210987654321")
    own = house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"][0]["AccessKeyId"]
    house.iam.update_access_key(user_name="alice", access_key_id=own, status="Inactive")
    session = house.sts.get_session_token(by=alice)["Credentials"]["AccessKeyId"]
    for key in (own, session):
        assert house.sts.get_access_key_info(access_key_id=key, by=other) == {"Account": ACCOUNT}
    with pytest.raises(ValidationError, match="does not exist"):
        house.sts.get_access_key_info(access_key_id="AKIAAAAAAAAAAAAAAAAA")
    with pytest.raises(AccessDenied):
        house.sts.get_access_key_info(access_key_id=own, by=alice)


def test_expired_sessions_are_forgotten_a_day_later_in_bounded_steps(house, alice, monkeypatch):
    monkeypatch.setattr(work, "MOST", 2)
    keys = [house.sts.get_session_token(duration_seconds=900, by=alice)["Credentials"]["AccessKeyId"] for _ in range(3)]
    kept = house.sts.get_session_token(duration_seconds=129_600, by=alice)["Credentials"]["AccessKeyId"]
    house.now += 900 + work.KEPT - 1
    assert work.forget_expired(house.call("sts")) is False
    assert house.ask(FindSession(keys[0])) is not None
    house.now += 2
    assert work.forget_expired(house.call("sts")) is True
    assert work.forget_expired(house.call("sts")) is False
    assert [house.ask(FindSession(key)) for key in keys] == [None] * 3
    assert house.ask(FindSession(kept)) is not None
