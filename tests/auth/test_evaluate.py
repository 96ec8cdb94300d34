"""decide: the user guide's rules one by one; the whole is compared in test_against_slow.py."""

from __future__ import annotations

from typing import Any

import pytest

from awning.auth.decision import Decision, Why
from awning.auth.evaluate import decide
from awning.auth.policy import Policy, compile_policy
from awning.auth.principal import ANONYMOUS, Principal, root_of

A, B = "111122223333", "444455556666"
BUCKET = "arn:aws:s3:::b"
KEY = "arn:aws:s3:::b/k"


def statement(effect: str = "Allow", action: Any = "s3:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any], kind: Any = "identity", id: str = "p") -> Policy:
    return compile_policy({"Version": "2012-10-17", "Statement": list(statements)}, id=id, kind=kind)


def guard(*statements: dict[str, Any]) -> Policy:
    return policy(*statements, kind="resource", id="guard")


def user(*policies: Policy, account: str = A, **more: Any) -> Principal:
    arn = f"arn:aws:iam::{account}:user/bob"
    return Principal("user", account, arn, arn, "AIDAEXAMPLEEXAMPLE", "bob", policies, **more)


def role(*policies: Policy, account: str = A, **more: Any) -> Principal:
    arn = f"arn:aws:iam::{account}:role/r"
    session = f"arn:aws:sts::{account}:assumed-role/r/s"
    return Principal("role", account, arn, session, "AROAEXAMPLEEXAMPLE:s", "r", policies, **more)


SERVICE = Principal("service", A, "sns.amazonaws.com", "sns.amazonaws.com", "", "sns.amazonaws.com")


def ask(
    who: Principal,
    guard_policy: Policy | None = None,
    action: str = "s3:GetObject",
    resource: str = KEY,
    account: str = A,
    **options: Any,
) -> Decision:
    context = options.pop("context", {})
    return decide(who, action, resource, context, guard_policy=guard_policy, resource_account=account, **options)


def grant(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return statement(effect, Principal=principal, **more)


ALL = policy(statement())
NONE = policy(statement(action="ec2:*"))
DENY = policy(statement("Deny"), id="deny")


def test_nothing_allows_nothing():
    decision = ask(user())
    assert (decision.allowed, decision.reason, decision.policy, decision.statement) == (
        False,
        Why.NO_IDENTITY,
        None,
        None,
    )


def test_an_identity_policy_allows_and_names_itself():
    decision = ask(user(NONE, policy(statement(Sid="all"), id="mine")))
    assert (decision.allowed, decision.reason, decision.policy, decision.statement) == (
        True,
        Why.IDENTITY,
        "mine",
        "all",
    )


def test_an_explicit_deny_wins_wherever_it_stands():
    granted = guard(grant("*"))
    denies = policy(statement("Deny"), id="deny", kind="boundary")
    for who, why in (
        (user(ALL, DENY), Why.DENIED_BY_IDENTITY),
        (user(ALL, boundary=denies), Why.DENIED_BY_BOUNDARY),
        (role(ALL, session=(ALL, DENY)), Why.DENIED_BY_SESSION),
    ):
        decision = ask(who, granted)
        assert (decision.allowed, decision.explicit_deny, decision.reason) == (False, True, why)
        assert decision.policy == "deny"
    decision = ask(root_of(A), guard(grant("*"), grant("*", "Deny")))
    assert (decision.reason, decision.policy, decision.statement) == (Why.DENIED_BY_RESOURCE, "guard", 1)


def test_a_boundary_and_a_session_limit_an_identity():
    assert ask(user(ALL, boundary=NONE)).reason is Why.NO_BOUNDARY
    assert ask(role(ALL, session=(NONE,))).reason is Why.NO_SESSION
    assert ask(role(ALL, session=())).reason is Why.NO_SESSION
    assert ask(role(ALL, boundary=ALL, session=(NONE, ALL))).allowed


def test_a_boundary_grants_nothing():
    assert ask(user(boundary=ALL)).reason is Why.NO_IDENTITY


def test_a_grant_to_a_user_is_not_limited_by_its_boundary():
    assert ask(user(boundary=NONE), guard(grant({"AWS": user().arn}))).reason is Why.RESOURCE


def test_a_grant_to_a_role_is_limited_by_boundary_and_session_but_not_one_to_the_session():
    to_role, to_session = guard(grant({"AWS": role().arn})), guard(grant({"AWS": role().caller_arn}))
    assert ask(role(), to_role).allowed
    assert not ask(role(boundary=NONE), to_role).allowed
    assert not ask(role(session=(NONE,)), to_role).allowed
    assert ask(role(boundary=NONE, session=(NONE,)), to_session).allowed


def test_a_grant_to_the_account_leaves_the_rest_to_its_identities():
    for principal in ({"AWS": A}, {"AWS": f"arn:aws:iam::{A}:root"}):
        assert not ask(user(), guard(grant(principal))).allowed
        assert ask(user(ALL), guard(grant(principal))).allowed
        assert not ask(user(), guard(grant(principal, "Deny"))).allowed


def test_across_accounts_both_must_allow():
    assert ask(user(ALL, account=B)).reason is Why.NO_RESOURCE
    assert ask(user(account=B), guard(grant({"AWS": user(account=B).arn}))).reason is Why.NO_IDENTITY
    assert ask(user(ALL, account=B), guard(grant({"AWS": user(account=B).arn}))).allowed
    assert ask(user(ALL, account=B), guard(grant({"AWS": B}))).allowed
    assert ask(user(ALL, account=B, boundary=NONE), guard(grant({"AWS": B}))).reason is Why.NO_BOUNDARY
    assert ask(root_of(B), guard(grant({"AWS": B}))).allowed
    assert not ask(root_of(B)).allowed


def test_the_root_may_do_all_in_its_account_but_what_a_resource_denies():
    assert ask(root_of(A)).reason is Why.ROOT
    locked = guard(grant("*", "Deny"))
    assert not ask(root_of(A), locked).allowed
    assert ask(root_of(A), locked, "s3:DeleteBucketPolicy", BUCKET).allowed
    assert not ask(user(ALL), locked, "s3:DeleteBucketPolicy", BUCKET).allowed
    assert not ask(root_of(B), locked, "s3:DeleteBucketPolicy", BUCKET).allowed


def test_anonymous_callers_have_the_resources_policy_only():
    assert ask(ANONYMOUS).reason is Why.NO_RESOURCE
    assert ask(ANONYMOUS, guard(grant("*"))).allowed
    assert ask(ANONYMOUS, guard(grant({"AWS": "*"}))).allowed
    assert not ask(ANONYMOUS, guard(grant({"AWS": A}))).allowed
    assert not ask(ANONYMOUS, guard(grant("*"), grant("*", "Deny"))).allowed


def test_block_public_access_keeps_strangers_out_of_public_buckets():
    public = guard(grant("*"), grant({"AWS": B}), grant({"Service": "sns.amazonaws.com"}))
    for who in (ANONYMOUS, user(ALL, account=B)):
        assert ask(who, public).allowed
        assert ask(who, public, block_public=True).reason is Why.PUBLIC_BLOCKED
    assert ask(user(), public, block_public=True).allowed
    assert ask(SERVICE, public, block_public=True).allowed
    assert ask(user(ALL, account=B), guard(grant({"AWS": B})), block_public=True).allowed


def test_services_act_where_the_resource_says_so():
    arn = "arn:aws:sns:us-east-1:111122223333:t"
    only = grant(
        {"Service": "sns.amazonaws.com"}, Condition={"ArnEquals": {"aws:SourceArn": arn}}, action="sqs:SendMessage"
    )
    queue = "arn:aws:sqs:us-east-1:111122223333:q"
    assert ask(SERVICE, guard(only), "sqs:SendMessage", queue, context={"aws:sourcearn": arn}).allowed
    assert not ask(SERVICE, guard(only), "sqs:SendMessage", queue, context={"aws:sourcearn": arn + "x"}).allowed
    assert not ask(SERVICE, None, "sqs:SendMessage", queue).allowed
    assert not ask(SERVICE, guard(grant({"AWS": A}, action="sqs:*")), "sqs:SendMessage", queue).allowed
    assert not ask(user(), guard(grant({"Service": "sns.amazonaws.com"})), "s3:GetObject").allowed


def test_a_role_is_assumed_only_where_its_trust_policy_allows():
    arn = "arn:aws:iam::111122223333:role/target"
    may = policy(statement(action="sts:AssumeRole"))

    def trust(principal: Any) -> Policy:
        one = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        return policy(one, kind="trust", id="trust")

    for who, principal, expected in (
        (user(may), {"AWS": A}, True),
        (user(), {"AWS": A}, False),
        (user(), {"AWS": user().arn}, True),
        (user(may), {"AWS": B}, False),
        (user(may, account=B), {"AWS": B}, True),
        (root_of(B), {"AWS": B}, True),
        (root_of(A), {"AWS": B}, False),
        (SERVICE, {"Service": "sns.amazonaws.com"}, True),
        (SERVICE, {"Service": "ec2.amazonaws.com"}, False),
    ):
        assert ask(who, trust(principal), "sts:AssumeRole", arn).allowed is expected


def test_not_principal():
    everyone_but_bob = guard(
        grant("*"),
        {"Effect": "Deny", "NotPrincipal": {"AWS": [A, user().arn]}, "Action": "*", "Resource": "*"},
    )
    assert ask(user(), everyone_but_bob).allowed
    assert ask(root_of(A), everyone_but_bob).allowed
    for who in (role(), user(ALL, account=B), ANONYMOUS, SERVICE):
        assert not ask(who, everyone_but_bob).allowed
    only_bob = guard(
        grant("*"), {"Effect": "Deny", "NotPrincipal": {"AWS": user().arn}, "Action": "*", "Resource": "*"}
    )
    assert not ask(user(), only_bob).allowed, "the account must be listed too, as the user guide says"


def test_not_action_and_not_resource():
    others = policy({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"})
    assert ask(user(others)).allowed
    assert not ask(user(others), resource="arn:aws:s3:::secret/k").allowed
    assert not ask(user(others), action="iam:GetUser").allowed


def test_variables_make_a_home_for_each_user():
    home = policy(statement(resource="arn:aws:s3:::b/home/${aws:username}/*"))
    context = {"aws:username": "bob"}
    assert ask(user(home), resource="arn:aws:s3:::b/home/bob/x", context=context).allowed
    assert not ask(user(home), resource="arn:aws:s3:::b/home/alice/x", context=context).allowed
    assert not ask(user(home), resource="arn:aws:s3:::b/home//x").allowed
    old = compile_policy(
        {"Version": "2008-10-17", "Statement": statement(resource="arn:aws:s3:::b/${aws:username}")},
        id="p",
        kind="identity",
    )
    assert ask(user(old), resource="arn:aws:s3:::b/${aws:username}", context=context).allowed


def test_the_message_says_it_in_awss_words():
    bob = "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: s3:GetObject on resource: "
    who = user()
    assert ask(who).message(who, "s3:GetObject", KEY) == (
        bob + '"arn:aws:s3:::b/k" because no identity-based policy allows the s3:GetObject action'
    )
    denied = ask(user(ALL, DENY)).message(who, "s3:GetObject", KEY)
    assert denied == bob + '"arn:aws:s3:::b/k" with an explicit deny in an identity-based policy'
    queue = "arn:aws:sqs:us-east-1:111122223333:q"
    text = ask(role(ALL, session=(NONE,))).message(role(), "sqs:SendMessage", queue)
    assert text.startswith(
        "User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: sqs:SendMessage"
    )
    assert text.endswith(f"on resource: {queue} because no session policy allows the sqs:SendMessage action")


def test_a_decision_explains_why_each_statement_did_or_did_not_apply():
    conditional = statement(Sid="c", Condition={"StringEquals": {"aws:x": "1"}})
    mine = policy(conditional, statement(action="sqs:*"), statement(resource="arn:aws:s3:::other/*"))
    explanation = ask(user(mine), guard(grant({"AWS": B})), context={"aws:x": "2"}).explain()
    assert explanation["allowed"] is False
    assert explanation["reason"] == "no-identity-allow"
    own, guarding = explanation["policies"]
    assert (own["id"], own["kind"], guarding["kind"]) == ("p", "identity", "resource")
    assert [one["applies"] for one in own["statements"]] == [False, False, False]
    assert [one["because"] for one in own["statements"]] == [
        "its condition StringEquals on aws:x [1] is not met by '2'",
        "its actions do not include s3:GetObject",
        "its resources do not include arn:aws:s3:::b/k",
    ]
    assert guarding["statements"][0]["because"].startswith(
        "its principals do not include arn:aws:iam::111122223333:user"
    )
    assert ask(user(ALL)).explain()["policies"][0]["statements"][0]["applies"] is True


class Untouched(dict[str, Any]):
    """A context that nobody may ask."""

    def get(self, key: str, default: Any = None) -> Any:
        raise AssertionError(f"{key} was asked for")


def test_the_context_is_asked_only_where_a_condition_needs_it():
    conditional = statement("Deny", action="ec2:*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert ask(user(policy(conditional), ALL), context=Untouched()).allowed


@pytest.mark.parametrize("kind", ["AIDAEXAMPLEEXAMPLE", "AROAEXAMPLEEXAMPLE"])
def test_unique_ids_name_principals_too(kind):
    granted = guard(grant({"AWS": kind}))
    assert ask(user(), granted).allowed is (kind[1] == "I")
    assert ask(role(), granted).allowed is (kind[1] == "R")
