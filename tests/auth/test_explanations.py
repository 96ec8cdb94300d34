"""Explanations: every reason that a decision may have, and every element that may keep a statement from applying, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from awning.auth.acl import Listed
from awning.auth.decision import _SAID, Decision, Why
from awning.auth.evaluate import decide
from awning.auth.policy import Policy, compile_policy
from awning.auth.principal import ANONYMOUS, Principal, root_of

A, B = "111122223333", "444455556666"
KEY = "arn:aws:s3:::b/k"
ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENY = {"Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}
ELSEWHERE = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::other"}


def policy(*statements: Mapping[str, Any], kind: Any = "identity", id: str = "mine") -> Policy:
    return compile_policy({"Version": "2012-10-17", "Statement": list(statements)}, id=id, kind=kind)


def resource(statement: Mapping[str, Any], who: Any = "*", kind: Any = "resource") -> Policy:
    return policy({**statement, "Principal": who}, kind=kind, id="theirs")


def user(*policies: Policy, account: str = A, **more: Any) -> Principal:
    arn = f"arn:aws:iam::{account}:user/bob"
    return Principal("user", account, arn, arn, "AIDAEXAMPLEEXAMPLE", "bob", policies, **more)


def ask(who: Principal, guard: Policy | None = None, context: Mapping[str, Any] = {}, **more: Any) -> Decision:
    given = {"guard_policy": guard, "resource_account": A, **more}
    return decide(who, "s3:GetObject", KEY, context, **given)


DECISIONS: dict[Why, Decision] = {
    Why.ROOT: ask(root_of(A)),
    Why.IDENTITY: ask(user(policy(ALLOW))),
    Why.RESOURCE: ask(user(), resource(ALLOW)),
    Why.ACL: ask(ANONYMOUS, listed=Listed(A, resource(ALLOW))),
    Why.DENIED_BY_IDENTITY: ask(user(policy(ALLOW, DENY))),
    Why.DENIED_BY_BOUNDARY: ask(user(policy(ALLOW), boundary=policy(ALLOW, DENY, kind="boundary", id="edge"))),
    Why.DENIED_BY_SESSION: ask(user(policy(ALLOW), session=(policy(DENY, kind="session", id="now"),))),
    Why.DENIED_BY_RESOURCE: ask(user(policy(ALLOW)), resource(DENY)),
    Why.NO_IDENTITY: ask(user(policy(ELSEWHERE))),
    Why.NO_BOUNDARY: ask(user(policy(ALLOW), boundary=policy(ELSEWHERE, kind="boundary", id="edge"))),
    Why.NO_SESSION: ask(user(policy(ALLOW), session=(policy(ELSEWHERE, kind="session", id="now"),))),
    Why.NO_RESOURCE: ask(user(policy(ALLOW), account=B), resource(ELSEWHERE)),
    Why.PUBLIC_BLOCKED: ask(ANONYMOUS, resource(ALLOW), block_public=True),
    Why.NOT_ENFORCED: Decision(True, Why.NOT_ENFORCED, None, None, list),
}
"""One decision for every reason."""

DECIDING = {
    Why.IDENTITY: "(policy mine, statement 0)",
    Why.RESOURCE: "(policy theirs, statement 0)",
    Why.ACL: "(policy theirs, statement 0)",
    Why.DENIED_BY_IDENTITY: "(policy mine, statement No)",
    Why.DENIED_BY_BOUNDARY: "(policy edge, statement No)",
    Why.DENIED_BY_SESSION: "(policy now, statement No)",
    Why.DENIED_BY_RESOURCE: "(policy theirs, statement No)",
    Why.PUBLIC_BLOCKED: "(policy theirs)",
}
"""What the first line names of the policy and statement that decided; where the lack of one did, nothing."""


@pytest.mark.parametrize("why", Why)
def test_every_reason_is_said(why: Why) -> None:
    decision = DECISIONS[why]
    assert decision.reason is why
    first = decision.lines()[0]
    verdict = "Allowed" if decision.allowed else "Denied"
    named = f" {DECIDING[why]}" if why in DECIDING else ""
    assert first == f"{verdict}: {_SAID[why]}{named}"
    assert json.loads(json.dumps(decision.explain())) == decision.explain()


def statement(decision: Decision, kind: str) -> dict[str, Any]:
    (found,) = (each for each in decision.explain()["policies"] if each["kind"] == kind)
    one: dict[str, Any] = found["statements"][0]
    return one


BASE = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": KEY}


def without(element: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in BASE.items() if name != element} | more


IDENTITY = [
    (without("Action", Action="s3:Put*"), "Action", "its actions do not include s3:GetObject"),
    (without("Action", NotAction="s3:Get*"), "NotAction", "its NotAction includes s3:GetObject"),
    (without("Resource", Resource="arn:aws:s3:::b/x"), "Resource", f"its resources do not include {KEY}"),
    (without("Resource", NotResource="arn:aws:s3:::b/*"), "NotResource", f"its NotResource includes {KEY}"),
    (
        without("Resource", Resource="arn:aws:s3:::b/${aws:PrincipalTag/team}"),
        "Resource",
        f"its resources do not include {KEY}: the request has no aws:principaltag/team",
    ),
    (
        {**BASE, "Condition": {"StringEquals": {"aws:Referer": ["here", "there"]}}},
        "Condition",
        "its condition StringEquals on aws:referer [here, there] is not met by the request, which has no such key",
    ),
    (
        {**BASE, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        "Condition",
        "its condition IpAddress on aws:sourceip [10.0.0.0/8] is not met by '127.0.0.1'",
    ),
    (
        {**BASE, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}},
        "Condition",
        "its condition ForAllValues:StringEquals on aws:tagkeys [a] is not met by ['a', 'b']",
    ),
]


@pytest.mark.parametrize(
    ("given", "element", "because"), IDENTITY, ids=[f"{row[1]}-{row[2][-12:]}" for row in IDENTITY]
)
def test_what_keeps_a_statement_from_applying_is_said(given: Any, element: str, because: str) -> None:
    decision = ask(user(policy(given)), context={"aws:sourceip": "127.0.0.1", "aws:tagkeys": ["a", "b"]})
    assert decision.reason is Why.NO_IDENTITY
    one = statement(decision, "identity")
    assert (one["applies"], one["element"], one["because"]) == (False, element, because)
    assert decision.lines()[1] == f"  identity policy mine, statement 0: Allow does not apply, for {because}"


GUARDS = [
    ({"Principal": {"AWS": B}}, "Principal", "its principals do not include arn:aws:iam::111122223333:user/bob"),
    (
        {"NotPrincipal": {"AWS": ["arn:aws:iam::111122223333:user/bob", "arn:aws:iam::111122223333:root"]}},
        "NotPrincipal",
        "its NotPrincipal includes arn:aws:iam::111122223333:user/bob",
    ),
]


@pytest.mark.parametrize(("who", "element", "because"), GUARDS, ids=[row[1] for row in GUARDS])
def test_whom_a_resources_policy_does_not_mean_is_said(who: Any, element: str, because: str) -> None:
    effect = "Deny" if "NotPrincipal" in who else "Allow"
    guard = policy({**BASE, "Effect": effect, **who}, kind="resource", id="theirs")
    one = statement(ask(user(policy(ELSEWHERE)), guard), "resource")
    assert (one["applies"], one["element"], one["because"]) == (False, element, because)


@pytest.mark.parametrize("kind", ["identity", "boundary", "session", "resource", "trust", "key"])
def test_every_kind_of_policy_is_told_of(kind: str) -> None:
    """What applies comes first, and each policy says what it says as a whole."""
    given = {"Effect": "Allow", "Action": "sts:AssumeRole" if kind == "trust" else "s3:*", "Resource": "*"}
    if kind in ("resource", "trust", "key"):
        given["Principal"] = {"AWS": A}
        if kind == "trust":
            del given["Resource"]
        who, guard = user(policy(ALLOW)), policy(given, kind=kind, id="one")
    else:
        one = policy(given, kind=kind, id="one")
        who, guard = (
            user(policy(ALLOW) if kind != "identity" else one, **{"boundary": {"boundary": one}}.get(kind, {})),
            None,
        )
        if kind == "session":
            who = user(policy(ALLOW), session=(one,))
    decision = decide(
        who, "sts:AssumeRole" if kind == "trust" else "s3:GetObject", KEY, {}, guard_policy=guard, resource_account=A
    )
    (told,) = (each for each in decision.explain()["policies"] if each["id"] == "one")
    assert (told["kind"], told["says"]) == (kind, "allow")
    assert f"  {kind} policy one, statement 0: Allow applies" in decision.lines()
