"""Names in a resource's policy stand for those who had them when it was put; principals of every kind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from awning.auth.evaluate import decide
from awning.auth.members import Grade, Members, canonical_user
from awning.auth.named import names_in, with_ids
from awning.auth.policy import MalformedPolicy, compile_policy
from awning.auth.principal import ANONYMOUS, Principal, federated, root_of

A, B = "111122223333", "444455556666"
BOB = Principal("user", A, f"arn:aws:iam::{A}:user/bob", f"arn:aws:iam::{A}:user/bob", "AIDA1111111111111111", "bob")
ROLE = Principal(
    "role", A, f"arn:aws:iam::{A}:role/p/r", f"arn:aws:sts::{A}:assumed-role/r/s", "AROA1111111111111111:s", "r"
)
GUEST_ARN = f"arn:aws:sts::{A}:federated-user/guest"
GUEST = replace(
    BOB,
    kind="federated-user",
    arn=GUEST_ARN,
    caller_arn=GUEST_ARN,
    user_id=f"{A}:guest",
    owner_arn=BOB.arn,
    owner_id=BOB.user_id,
)
SERVICE = Principal("service", "", "sns.amazonaws.com", "sns.amazonaws.com", "", "sns.amazonaws.com")
OIDC = federated(f"arn:aws:iam::{A}:oidc-provider/id.example.com/x", {"id.example.com/x:sub": "42"})
GOOGLE = federated("accounts.google.com", {"accounts.google.com:aud": "app"})


def policy(element: dict[str, Any], effect: str = "Allow") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "s3:*", "Resource": "*", **element}]}


@pytest.mark.parametrize(
    ("kind", "value", "grades"),
    [
        (
            "AWS",
            "*",
            dict.fromkeys(["bob", "role", "guest", "service", "oidc", "google", "root", "anonymous"], Grade.DIRECT),
        ),
        ("AWS", A, {"bob": 1, "role": 1, "guest": 1, "root": 3}),
        ("AWS", f"arn:aws:iam::{A}:root", {"bob": 1, "role": 1, "guest": 1, "root": 3}),
        ("AWS", B, {}),
        ("AWS", BOB.arn, {"bob": 3, "guest": 2}),
        ("AWS", BOB.user_id, {"bob": 3, "guest": 2}),
        ("AWS", ROLE.arn, {"role": 2}),
        ("AWS", "AROA1111111111111111", {"role": 2}),
        ("AWS", ROLE.caller_arn, {"role": 3}),
        ("AWS", GUEST_ARN, {"guest": 3}),
        ("CanonicalUser", canonical_user(A), {"bob": 1, "role": 1, "guest": 1, "root": 3}),
        ("CanonicalUser", canonical_user(B), {}),
        ("Service", "sns.amazonaws.com", {"service": 3}),
        ("Service", "sqs.amazonaws.com", {}),
        ("Federated", f"arn:aws:iam::{A}:oidc-provider/id.example.com/x", {"oidc": 3}),
        ("Federated", f"arn:aws:iam::{A}:saml-provider/x", {}),
        ("Federated", "accounts.google.com", {"google": 3}),
        ("Federated", "cognito-identity.amazonaws.com", {}),
    ],
)
def test_whom_each_kind_of_principal_means_and_how_directly(kind, value, grades):
    members = Members({kind: [value]}, negated=False)
    callers = {
        "bob": BOB, "role": ROLE, "guest": GUEST, "service": SERVICE, "oidc": OIDC, "google": GOOGLE, "root": root_of(A),
        "anonymous": ANONYMOUS,
    }  # fmt: skip
    assert {name: grade for name, who in callers.items() if (grade := members.grade(who))} == grades


@pytest.mark.parametrize(
    "principal",
    [
        {"Federated": "no provider"}, {"Federated": f"arn:aws:iam::{A}:user/x"}, {"CanonicalUser": "abc"},
        {"AWS": f"arn:aws:iam::{A}:group/x"}, {"AWS": f"arn:aws:iam::{A}:role/*"}, {"Service": "sns"},
    ],
)  # fmt: skip
def test_what_cannot_be_a_principal_is_refused(principal):
    with pytest.raises(MalformedPolicy, match="Invalid principal in policy"):
        compile_policy(policy({"Principal": principal}), id="p", kind="resource")


@pytest.mark.parametrize(
    ("who", "name", "successor"),
    [
        (BOB, BOB.arn, replace(BOB, user_id="AIDA2222222222222222")),
        (ROLE, ROLE.arn, replace(ROLE, user_id="AROA2222222222222222:s")),
        (ROLE, ROLE.caller_arn, replace(ROLE, user_id="AROA2222222222222222:s")),
    ],
)
def test_a_name_does_not_mean_its_bearers_successor(who, name, successor):
    document = policy({"Principal": {"AWS": [name]}})
    assert names_in(document) == [name]
    bound = compile_policy(document, id="p", kind="resource", ids={name: who.user_id.partition(":")[0]})
    unbound = compile_policy(document, id="p", kind="resource")

    def ask(principal: Principal, guard: Any) -> Any:
        return decide(principal, "s3:GetObject", "arn:aws:s3:::b/k", {}, guard_policy=guard, resource_account=A)

    assert ask(who, bound).allowed
    assert ask(successor, unbound).allowed
    denied = ask(successor, bound)
    assert not denied.allowed
    assert "name an earlier" in denied.explain()["policies"][0]["statements"][0]["because"]


def test_a_role_may_be_renamed_but_another_session_is_another():
    bound = Members({"AWS": [ROLE.caller_arn]}, negated=False, ids={ROLE.caller_arn: "AROA1111111111111111"})
    assert bound.grade(replace(ROLE, caller_arn="arn:x", user_id="AROA1111111111111111:s")) is Grade.DIRECT
    assert bound.grade(replace(ROLE, user_id="AROA1111111111111111:t")) is Grade.NONE


def test_a_deny_with_not_principal_spares_whom_it_names_by_id_too():
    ids = {BOB.arn: BOB.user_id, ROLE.arn: "AROA1111111111111111", ROLE.caller_arn: "AROA1111111111111111"}
    element = {"NotPrincipal": {"AWS": [A, BOB.arn, ROLE.arn, ROLE.caller_arn, GUEST_ARN]}}
    statement = compile_policy(policy(element, "Deny"), id="p", kind="resource", ids=ids).statements[0]
    assert not any(statement.reach(who) for who in (BOB, ROLE, GUEST, root_of(A)))
    assert statement.reach(replace(BOB, user_id="AIDA2222222222222222"))
    assert statement.reach(replace(ROLE, user_id="AROA2222222222222222:s"))


def test_names_of_those_who_are_gone_are_shown_as_ids():
    text = json.dumps(policy({"Principal": {"AWS": [BOB.arn, A], "Service": "sns.amazonaws.com"}}))
    assert with_ids(text, {}) is text
    shown = json.loads(with_ids(text, {BOB.arn: BOB.user_id}))
    assert shown["Statement"][0]["Principal"] == {"AWS": [BOB.user_id, A], "Service": "sns.amazonaws.com"}
    assert names_in(shown) == []
    compile_policy(shown, id="p", kind="resource")


def test_without_its_key_policy_nobody_uses_a_key():
    key = f"arn:aws:kms:us-east-1:{A}:key/1"
    may = compile_policy(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}},
        id="mine",
        kind="identity",
    )

    def ask(who: Principal, principal: Any) -> bool:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        guard = compile_policy({"Version": "2012-10-17", "Statement": statement}, id="k", kind="key")
        return decide(who, "kms:Decrypt", key, {}, guard_policy=guard, resource_account=A).allowed

    able = replace(BOB, policies=(may,))
    for who, principal, expected in (
        (able, {"AWS": A}, True),
        (BOB, {"AWS": A}, False),
        (BOB, {"AWS": BOB.arn}, True),
        (able, {"AWS": ROLE.arn}, False),
        (root_of(A), {"AWS": A}, True),
        (root_of(A), {"AWS": BOB.arn}, False),
        (replace(able, account=B), {"AWS": A}, False),
    ):
        assert ask(who, principal) is expected, (who.kind, principal)


def test_a_trust_policy_may_trust_a_provider_of_identities():
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": OIDC.name},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"id.example.com/x:sub": "42"}},
    }
    guard = compile_policy({"Version": "2012-10-17", "Statement": trust}, id="t", kind="trust")
    for who, facts, expected in (
        (OIDC, OIDC.provider_facts, True),
        (OIDC, {}, False),
        (GOOGLE, OIDC.provider_facts, False),
    ):
        decision = decide(who, "sts:AssumeRoleWithWebIdentity", ROLE.arn, facts, guard_policy=guard, resource_account=A)
        assert decision.allowed is expected
