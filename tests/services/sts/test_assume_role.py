"""AssumeRole: who may, for how long, with what. The rules stand in tables."""

from __future__ import annotations

import json

import pytest

from awning.auth.principal import root_of
from awning.contracts import FindSession
from awning.kit.errors import AccessDenied
from awning.services.sts.errors import (
    InvalidParameterValue,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    ValidationError,
)

ACCOUNT = "123456789012"
OTHER = "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app/worker"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
MAY = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


def trust(principal, actions=tuple(MAY), condition=None, effect="Allow", further=()) -> str:
    statement = {"Effect": effect, "Principal": principal, "Action": list(actions)}
    if condition is not None:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement, *further]})


def identity(effect="Allow", resource="*", actions=("sts:*",)) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_user(house, name="alice", policy=None, account=ACCOUNT):
    root = root_of(account)
    house.iam.create_user(user_name=name, by=root)
    if policy is not None:
        house.iam.put_user_policy(user_name=name, policy_name="p", policy_document=policy, by=root)
    return house.as_key(house.iam.create_access_key(user_name=name, by=root)["AccessKey"])


def make_role(house, document, name="worker", path="/app/", **further):
    return house.iam.create_role(role_name=name, path=path, assume_role_policy_document=document, **further)["Role"]


def assume(house, by=None, arn=ROLE, session="one", **params):
    return house.sts.assume_role(role_arn=arn, role_session_name=session, by=by, **params)


ROOT_OF_ACCOUNT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
DENY_ALICE = {"Effect": "Deny", "Principal": {"AWS": ALICE}, "Action": "sts:*"}

WHO = [
    # the trust policy, the caller's own policy, whether it may
    pytest.param(trust(ROOT_OF_ACCOUNT), identity(), True, id="account trusted, own policy allows"),
    pytest.param(trust({"AWS": ACCOUNT}), identity(resource=ROLE), True, id="account as digits"),
    pytest.param(trust(ROOT_OF_ACCOUNT), None, False, id="account trusted, no policy of its own"),
    pytest.param(trust(ROOT_OF_ACCOUNT), identity(resource=ROLE + "x"), False, id="own policy is about another role"),
    pytest.param(trust({"AWS": ALICE}), None, True, id="named itself, needs no policy of its own"),
    pytest.param(trust({"AWS": ALICE}), identity("Deny"), False, id="named itself, own policy denies"),
    pytest.param(trust({"AWS": "arn:aws:iam::123456789012:user/bob"}), identity(), False, id="another is named"),
    pytest.param(trust({"AWS": OTHER}), identity(), False, id="another account is trusted"),
    pytest.param(trust({"Service": "ec2.amazonaws.com"}), identity(), False, id="a service is trusted"),
    pytest.param(trust(ROOT_OF_ACCOUNT, ["sts:TagSession"]), identity(), False, id="another action is trusted"),
    pytest.param(trust(ROOT_OF_ACCOUNT, further=[DENY_ALICE]), identity(), False, id="trust policy denies"),
]


@pytest.mark.parametrize(("document", "policy", "allowed"), WHO)
def test_who_may_assume_a_role_of_the_own_account(house, document, policy, allowed):
    alice = make_user(house, policy=policy)
    house.iam.create_user(user_name="bob")
    make_role(house, document)
    if allowed:
        assert assume(house, alice)["AssumedRoleUser"]["Arn"].endswith("assumed-role/worker/one")
    else:
        with pytest.raises(AccessDenied, match="not authorized to perform: sts:AssumeRole on resource"):
            assume(house, alice)


@pytest.mark.parametrize(
    ("principal", "policy", "allowed"),
    [
        (OTHER, identity(), True),
        (OTHER, None, False),
        (f"arn:aws:iam::{OTHER}:user/carol", identity(), True),
        (f"arn:aws:iam::{OTHER}:user/carol", None, False),
        (ACCOUNT, identity(), False),
    ],
)
def test_across_accounts_both_sides_must_allow(house, principal, policy, allowed):
    carol = make_user(house, "carol", policy, OTHER)
    make_role(house, trust({"AWS": principal}))
    if allowed:
        session = assume(house, carol)["Credentials"]
        assert house.as_key(session).account == ACCOUNT
    else:
        with pytest.raises(AccessDenied):
            assume(house, carol)


CONDITIONS = [
    ({"StringEquals": {"sts:ExternalId": "secret-1"}}, {"external_id": "secret-1"}, True),
    ({"StringEquals": {"sts:ExternalId": "secret-1"}}, {"external_id": "secret-2"}, False),
    ({"StringEquals": {"sts:ExternalId": "secret-1"}}, {}, False),
    ({"StringEquals": {"sts:RoleSessionName": "one"}}, {}, True),
    ({"StringEquals": {"sts:RoleSessionName": "two"}}, {}, False),
    ({"StringLike": {"sts:RoleSessionName": "${aws:userid}"}}, {}, False),
    ({"StringEquals": {"aws:RequestTag/team": "red"}}, {"tags": [{"Key": "Team", "Value": "red"}]}, True),
    ({"StringEquals": {"aws:RequestTag/team": "red"}}, {"tags": [{"Key": "team", "Value": "blue"}]}, False),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {"tags": [{"Key": "b", "Value": ""}]}, False),
    ({"StringLike": {"sts:SourceIdentity": "al*"}}, {"source_identity": "alice"}, True),
    ({"StringLike": {"sts:SourceIdentity": "al*"}}, {"source_identity": "bob"}, False),
]


@pytest.mark.parametrize(("condition", "params", "allowed"), CONDITIONS)
def test_conditions_of_the_trust_policy(house, condition, params, allowed):
    alice = make_user(house, policy=identity())
    make_role(house, trust(ROOT_OF_ACCOUNT, condition=condition))
    if allowed:
        assume(house, alice, **params)
    else:
        with pytest.raises(AccessDenied):
            assume(house, alice, **params)


@pytest.mark.parametrize(
    ("action", "params"),
    [("sts:TagSession", {"tags": [{"Key": "a", "Value": "b"}]}), ("sts:SetSourceIdentity", {"source_identity": "me"})],
)
def test_tags_and_source_identity_need_the_trust_policys_consent(house, action, params):
    alice = make_user(house, policy=identity())
    make_role(house, trust(ROOT_OF_ACCOUNT, ["sts:AssumeRole"]))
    assume(house, alice)
    with pytest.raises(AccessDenied, match=action):
        assume(house, alice, **params)


def test_a_well_known_root_may_assume_what_trusts_its_account(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    make_role(house, trust({"Service": "ec2.amazonaws.com"}), name="service")
    assert assume(house)["Credentials"]
    with pytest.raises(AccessDenied):
        assume(house, arn=f"arn:aws:iam::{ACCOUNT}:role/app/service")


def test_root_itself_may_assume_no_role(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    for caller in (root_of(ACCOUNT), house.as_key(house.sts.get_session_token()["Credentials"])):
        with pytest.raises(AccessDenied, match=r"^Roles may not be assumed by root accounts\.$"):
            assume(house, caller)


@pytest.mark.parametrize(
    "arn",
    [
        "nothing-valid-in-here",
        "arn::b:::something/test-role",
        "arn:a::::something/test-role",
        "arn:a:::something/test-role",
        "arn:a:a::aaaaaaaaaa:",
    ],
)
def test_what_is_no_arn_is_invalid(house, arn):
    with pytest.raises(ValidationError, match=f"^{arn} is invalid$"):
        assume(house, arn=arn)


def test_a_role_that_is_not_there_is_denied_like_any_other(house):
    for arn in (ROLE, f"arn:aws:iam::{OTHER}:role/app/worker", f"arn:aws:iam::{ACCOUNT}:user/x"):
        with pytest.raises(AccessDenied, match="is not authorized to perform: sts:AssumeRole"):
            assume(house, arn=arn)


def test_the_session_is_the_role_under_a_name(house):
    made = make_role(house, trust(ROOT_OF_ACCOUNT))
    house.iam.attach_role_policy(role_name="worker", policy_arn=ADMIN)
    reply = assume(house)
    key = reply["Credentials"]
    assert reply["AssumedRoleUser"] == {
        "AssumedRoleId": f"{made['RoleId']}:one",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/one",
    }
    assert "PackedPolicySize" not in reply
    assert key["AccessKeyId"].startswith("ASIA")
    assert (len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (20, 40)
    assert len(key["SessionToken"]) > 300
    assert key["Expiration"] == house.now + 3600
    found = house.ask(FindSession(key["AccessKeyId"]))
    assert (found.secret, found.token) == (key["SecretAccessKey"], key["SessionToken"])
    assert (found.active, found.expires) == (True, key["Expiration"])
    principal = found.principal
    assert (principal.kind, principal.arn, principal.issued) == ("role", ROLE, house.now)
    assert principal.caller_arn == reply["AssumedRoleUser"]["Arn"]
    assert principal.user_id == reply["AssumedRoleUser"]["AssumedRoleId"]
    assert [policy.id for policy in principal.policies] == [ADMIN]
    assert principal.session is None
    identity_reply = house.sts.get_caller_identity(by=principal)
    assert identity_reply == {"UserId": principal.user_id, "Account": ACCOUNT, "Arn": principal.caller_arn}


def test_every_session_has_its_own_keys(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    first, second = assume(house)["Credentials"], assume(house)["Credentials"]
    for part in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
        assert first[part] != second[part]


@pytest.mark.parametrize("name", ["x", "", "a b", "x" * 65, "a/b", "ab\n"])
def test_a_wrong_session_name_is_refused(house, name):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    with pytest.raises(ValidationError, match="roleSessionName"):
        assume(house, session=name)


@pytest.mark.parametrize(
    ("most", "seconds", "chained", "error"),
    [
        (3600, 900, False, None),
        (3600, 3600, False, None),
        (3600, 899, False, "durationSeconds"),
        (3600, 3601, False, "exceeds the MaxSessionDuration set for this role"),
        (43200, 43200, False, None),
        (43200, 3600, True, None),
        (43200, 3601, True, "exceeds the 1 hour session limit for roles assumed by role chaining"),
    ],
)
def test_how_long_a_session_may_last(house, most, seconds, chained, error):
    make_role(house, trust(ROOT_OF_ACCOUNT), max_session_duration=most)
    caller = None
    if chained:
        house.iam.attach_role_policy(role_name="worker", policy_arn=ADMIN)
        caller = house.as_key(assume(house)["Credentials"])
    if error is None:
        assert assume(house, caller, duration_seconds=seconds)["Credentials"]["Expiration"] == house.now + seconds
    else:
        with pytest.raises(ValidationError, match=error):
            assume(house, caller, duration_seconds=seconds)


def test_a_session_narrows_what_its_role_may(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    house.iam.attach_role_policy(role_name="worker", policy_arn=ADMIN)
    reply = assume(house, policy=identity(actions=["iam:ListUsers"]))
    session = house.as_key(reply["Credentials"])
    assert 0 < reply["PackedPolicySize"] < 10
    house.iam.list_users(by=session)
    with pytest.raises(AccessDenied, match="no session policy allows the iam:CreateUser action"):
        house.iam.create_user(user_name="bob", by=session)


def test_managed_session_policies_narrow_it_too_and_allow_nothing_once_deleted(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    house.iam.attach_role_policy(role_name="worker", policy_arn=ADMIN)
    arn = house.iam.create_policy(policy_name="n", policy_document=identity(actions=["iam:ListUsers"]))["Policy"]["Arn"]
    key = assume(house, policy_arns=[{"arn": arn}])["Credentials"]
    house.iam.list_users(by=house.as_key(key))
    with pytest.raises(AccessDenied):
        house.iam.list_roles(by=house.as_key(key))
    house.iam.delete_policy(policy_arn=arn)
    with pytest.raises(AccessDenied):
        house.iam.list_users(by=house.as_key(key))


def test_wrong_session_policies_are_refused(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    with pytest.raises(MalformedPolicyDocument):
        assume(house, policy="{}")
    with pytest.raises(PackedPolicyTooLarge, match="use smaller policy"):
        assume(house, policy=identity(actions=["s3:" + "x" * 2048]))
    with pytest.raises(ValidationError, match="does not exist"):
        assume(house, policy_arns=[{"arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}])
    with pytest.raises(ValidationError, match="does not belong to the account"):
        assume(house, policy_arns=[{"arn": f"arn:aws:iam::{OTHER}:policy/none"}])
    with pytest.raises(ValidationError, match="at most 10"):
        assume(house, policy_arns=[{"arn": ADMIN}] * 11)


def test_session_tags_come_over_the_roles_own(house):
    make_role(house, trust(ROOT_OF_ACCOUNT), tags=[{"Key": "Team", "Value": "red"}, {"Key": "kept", "Value": "1"}])
    key = assume(house, tags=[{"Key": "team", "Value": "blue"}])["Credentials"]
    assert house.as_key(key).tags == {"kept": "1", "team": "blue"}


def test_transitive_tags_and_source_identity_go_along_a_chain(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    house.iam.attach_role_policy(role_name="worker", policy_arn=ADMIN)
    make_role(house, trust(ROOT_OF_ACCOUNT), name="second")
    tags = [{"Key": "team", "Value": "red"}, {"Key": "own", "Value": "1"}]
    first = assume(house, tags=tags, transitive_tag_keys=["team"], source_identity="alice")
    assert first["SourceIdentity"] == "alice"
    caller = house.as_key(first["Credentials"])
    second = f"arn:aws:iam::{ACCOUNT}:role/app/second"
    reply = assume(house, caller, second)
    principal = house.as_key(reply["Credentials"])
    assert principal.tags == {"team": "red"}
    assert (principal.source_identity, principal.transitive_tags) == ("alice", frozenset(["team"]))
    with pytest.raises(InvalidParameterValue, match="conflicts with a transitive tag key from the calling session"):
        assume(house, caller, second, tags=[{"Key": "TEAM", "Value": "blue"}])
    with pytest.raises(AccessDenied, match="source identity"):
        assume(house, caller, second, source_identity="bob")


@pytest.mark.parametrize(
    ("tags", "transitive", "said"),
    [
        (
            [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}],
            [],
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        ([{"Key": "aws:a", "Value": "1"}], [], "Tag keys that begin with aws:"),
        ([{"Key": "a<", "Value": "1"}], [], "The session tag 'a<' is too long, or"),
        (
            [{"Key": "a", "Value": "1"}],
            ["b"],
            "The specified transitive tag key must be included in the requested tags.",
        ),
        ([{"Key": str(number), "Value": ""} for number in range(51)], [], "A session can have at most 50 tags"),
    ],
)
def test_wrong_session_tags_are_refused(house, tags, transitive, said):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    with pytest.raises((ValidationError, InvalidParameterValue)) as caught:
        assume(house, tags=tags, transitive_tag_keys=transitive)
    assert caught.value.message.startswith(said)


def test_a_deleted_roles_sessions_end_though_another_takes_its_name(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    key = assume(house)["Credentials"]["AccessKeyId"]
    house.iam.delete_role(role_name="worker")
    assert house.ask(FindSession(key)) is None
    make_role(house, trust(ROOT_OF_ACCOUNT))
    assert house.ask(FindSession(key)) is None


def test_a_changed_trust_policy_leaves_running_sessions_alone(house):
    make_role(house, trust(ROOT_OF_ACCOUNT))
    key = assume(house)["Credentials"]
    house.iam.update_assume_role_policy(role_name="worker", policy_document=trust({"Service": "ec2.amazonaws.com"}))
    assert house.as_key(key).caller_arn.endswith("/worker/one")
    with pytest.raises(AccessDenied):
        assume(house)
