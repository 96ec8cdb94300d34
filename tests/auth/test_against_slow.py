"""The whole evaluation against a slow, obvious one, over generated policies, callers and requests."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from awning.auth.conditions import compile_conditions
from awning.auth.evaluate import decide
from awning.auth.members import Members, canonical_user
from awning.auth.policy import Policy, compile_policy
from awning.auth.principal import ANONYMOUS, Principal, federated, root_of
from tests.auth import slow_evaluator

A, B = "111122223333", "444455556666"
KEY = "arn:aws:s3:::b/k"
PROVIDER = f"arn:aws:iam::{A}:oidc-provider/id.example.com/x"


def people(account: str) -> list[Principal]:
    iam, sts = f"arn:aws:iam::{account}:", f"arn:aws:sts::{account}:"
    user = Principal("user", account, iam + "user/bob", iam + "user/bob", f"AIDA{account}", "bob")
    guest = sts + "federated-user/guest"
    return [
        user,
        Principal("role", account, iam + "role/r", sts + "assumed-role/r/s", f"AROA{account}:s", "r"),
        Principal(
            "federated-user", account, guest, guest, f"{account}:guest", "guest", owner_arn=user.arn, owner_id=user.user_id
        ),
        root_of(account),
    ]  # fmt: skip


SERVICE = Principal("service", "", "sns.amazonaws.com", "sns.amazonaws.com", "", "sns.amazonaws.com")
EVERYBODY = [*people(A), *people(B), SERVICE, federated(PROVIDER, {}), ANONYMOUS]
NAMES = sorted(
    {"*", A, B, f"arn:aws:iam::{A}:root", f"AROA{A}", f"AIDA{A}"}
    | {name for one in people(A) for name in (one.arn, one.caller_arn)}
)


def some(*values: Any, most: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


ACTIONS = some("s3:GetObject", "s3:Get*", "S3:*", "*", "s3:PutObject", "sqs:*", "s3:?etObject")
RESOURCES = some(
    "*", KEY, "arn:aws:s3:::b/*", "arn:aws:s3:::b", "arn:aws:s3:::?/k", "arn:aws:s3:::*/k", "arn:aws:s3:::c/*",
    "arn:aws:s3:::b/${aws:one}", "arn:aws:s3:::b/${aws:one, 'k'}*", "arn:aws:s3:::b/${*}", "arn:aws:s3:::b/?${aws:two,''}",
)  # fmt: skip
NUMBERS = ("1", "2", "2.5", "none")
DATES = ("2020-01-01T00:00:00Z", "2021-06-01T12:00:00+02:00", "2021-06-01T10:00:00Z")
ADDRESSES = ("10.1.2.3", "10.9.9.9", "2001:db8::1", "none")
ARNS = (KEY, "arn:aws:s3:::c/k", "arn:aws:iam::1:user/a:b", "none")
TEXTS = ("a", "b", "ab", "A", "k", "", "*", "true", "false", True, False)
BYTES = tuple(base64.b64encode(one).decode() for one in (b"a", b"b"))
FAMILIES: list[tuple[list[str], str, Any]] = [
    (
        ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"],
        "text",
        some("a", "b", "a*", "?", "AB", "${aws:one}", "${aws:one, 'b'}", "${*}", "x${?}"),
    ),
    (
        [
            "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        "number",
        some("1", "2", "2.5"),
    ),
    (
        ["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"],
        "date",
        some(*DATES),
    ),
    (["Bool"], "text", some("true", "false")),
    (["BinaryEquals"], "bytes", some(*BYTES)),
    (["IpAddress", "NotIpAddress"], "address", some("10.1.0.0/16", "10.9.9.9", "2001:db8::/32")),
    (
        ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        "arn",
        some("arn:aws:s3:::*", "arn:*:s3:::b/?", KEY, "arn:aws:iam::*:user/*", "arn:aws:s3:::b/${aws:one}"),
    ),
]  # fmt: skip
OPERATORS = [(name, key, values) for names, key, values in FAMILIES for name in names]
KEYS = {"text": TEXTS, "number": (*NUMBERS, 1, 2.5), "date": DATES, "bytes": BYTES, "address": ADDRESSES, "arn": ARNS}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        quantifier = draw(st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:"]))
        if draw(st.integers(0, 7)) == 0:
            made["Null"] = {draw(st.sampled_from(["aws:One", "aws:text"])): draw(st.sampled_from(["true", "false"]))}
            continue
        operator, key, values = draw(st.sampled_from(OPERATORS))
        name = quantifier + operator + draw(st.sampled_from(["", "", "IfExists"]))
        made.setdefault(name, {})["aws:" + draw(st.sampled_from([key, key, key.upper()]))] = draw(values)
    return made


def members() -> st.SearchStrategy[Any]:
    elements = st.fixed_dictionaries(
        {"AWS": st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)},
        optional={
            "Service": st.sampled_from(["sns.amazonaws.com", "ec2.amazonaws.com", ["sns.amazonaws.com"], "*"]),
            "Federated": st.sampled_from([PROVIDER, "accounts.google.com"]),
            "CanonicalUser": st.sampled_from([canonical_user(A), canonical_user(B)]),
        },
    )
    others = elements.filter(lambda made: len(made) > 1).map(
        lambda made: {kind: value for kind, value in made.items() if kind != "AWS"}
    )
    return st.one_of(st.just("*"), elements, elements, others)


@st.composite
def statements(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    if kind == "trust":
        made["Action"] = draw(some("sts:AssumeRole", "sts:*", "sts:TagSession"))
    else:
        made[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(ACTIONS)
        made[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(RESOURCES)
    condition = draw(conditions())
    if condition:
        made["Condition"] = condition
    if kind in ("resource", "trust", "key"):
        negated = made["Effect"] == "Deny" or kind != "trust"
        element = draw(st.sampled_from(["Principal", "Principal", "NotPrincipal" if negated else "Principal"]))
        made[element] = draw(members())
    return made


def documents(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(statements(kind), min_size=1, max_size=3)
    versions = st.sampled_from(["2012-10-17"] * 5 + ["2008-10-17"])
    return st.builds(lambda version, made: {"Version": version, "Statement": made}, versions, several)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for key, values in {**KEYS, "one": ("k", "a", "*", ["a"]), "two": ("k", "a")}.items():
        how = draw(st.integers(0, 3))
        if how == 1:
            context["aws:" + key] = draw(st.lists(st.sampled_from(values), max_size=2))
        elif how > 1:
            context["aws:" + key] = draw(st.sampled_from(values))
    if isinstance(context.get("aws:one"), list):
        context["aws:one"] = ["a"]
    return context


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["resource", "resource", "key", "trust"]))
    who = draw(st.sampled_from(EVERYBODY))
    person = who.kind in ("user", "role", "federated-user")
    session = person and who.kind != "user"
    trust = kind == "trust"
    return {
        "who": who,
        "kind": kind,
        "identity": draw(st.lists(documents("identity"), max_size=2)) if person else [],
        "boundary": draw(st.none() | documents("boundary")) if person else None,
        "session": draw(st.none() | st.lists(documents("session"), max_size=2)) if session else None,
        "guard": draw(st.none() | documents(kind)),
        "action": draw(
            st.sampled_from(["sts:AssumeRole"] if trust else ["s3:GetObject", "s3:GetObject", "s3:PutObject"])
        ),
        "resource": draw(st.sampled_from([KEY, KEY, "arn:aws:s3:::b", "arn:aws:s3:::c/k", "arn:aws:s3:::b/*"])),
        "context": draw(requests()),
        "account": draw(st.sampled_from([A, A, B])),
    }


def compiled(document: dict[str, Any], kind: Any) -> Policy:
    return compile_policy(document, id="p", kind=kind)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_the_evaluator_agrees_with_the_slow_one(case: dict[str, Any]) -> None:
    compare(case)


@pytest.mark.slow
@given(cases())
@settings(max_examples=1500, deadline=None)
def test_the_evaluator_agrees_with_the_slow_one_for_long(case: dict[str, Any]) -> None:
    compare(case)


def compare(case: dict[str, Any]) -> None:
    who, guard, boundary, session = case["who"], case["guard"], case["boundary"], case["session"]
    caller = replace(
        who,
        policies=tuple([compiled(one, "identity") for one in case["identity"]]),
        boundary=compiled(boundary, "boundary") if boundary else None,
        session=None if session is None else tuple([compiled(one, "session") for one in session]),
    )
    asked = (case["action"], case["resource"], case["context"])
    expected = slow_evaluator.allowed(
        caller, case["identity"], boundary, session, guard, *asked, case["account"], case["kind"]
    )
    policy = compiled(guard, case["kind"]) if guard else None
    decision = decide(caller, *asked, guard_policy=policy, resource_account=case["account"])
    event(str(decision.reason))
    assert decision.allowed is expected, decision.explain()
    explained = decision.explain()
    for one in explained["policies"]:
        assert all(bool(statement["because"]) is not statement["applies"] for statement in one["statements"])
    if decision.statement is not None:
        deciding = [one for one in explained["policies"] for said in one["statements"] if said["applies"]]
        assert deciding, "what decided applies"


# Each part by itself, where a fault in it would seldom turn a whole decision


@given(conditions(), requests())
@settings(max_examples=1200, deadline=None)
def test_conditions_agree(condition: dict[str, Any], context: dict[str, Any]) -> None:
    for operator, keys in condition.items():
        values = {key: slow_evaluator.listed(one) for key, one in keys.items()}
        found = compile_conditions({operator: values}, variables=True)
        expected = slow_evaluator.conditions_hold({"Condition": {operator: values}}, context, "2012-10-17")
        assert all(one.holds(context) for one in found) is expected, (condition, context)


@given(members(), st.sampled_from(EVERYBODY), st.sampled_from(["Allow", "Deny"]), st.booleans())
@settings(max_examples=400, deadline=None)
def test_principals_agree(given_: Any, who: Principal, effect: str, negated: bool) -> None:
    statement = {"Effect": effect, "NotPrincipal" if negated else "Principal": given_}
    made = Members(
        {"AWS": ["*"]} if given_ == "*" else {k: slow_evaluator.listed(v) for k, v in given_.items()}, negated=negated
    )
    expected = slow_evaluator.reached(statement, who)
    assert bool(made.reach(who, deny=effect == "Deny")) is bool(expected), (statement, who)


PARTS = st.sampled_from(["a", "b", "a*a", "b*a*b", "*", "?", "${aws:one}", "${*}", "${?}", "${aws:two, 'a'}"])


@given(st.lists(PARTS, max_size=5).map("".join), st.text("ab*", max_size=5), st.sampled_from([{}, {"aws:one": "a"}]))
@settings(max_examples=600, deadline=None)
def test_patterns_agree(pattern: str, text: str, context: dict[str, Any]) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::" + pattern}
    made = compiled({"Version": "2012-10-17", "Statement": [statement]}, "identity").statements[0]
    resource = "arn:aws:s3:::" + text
    assert made.covers(resource, context) is slow_evaluator.in_resource(statement, resource, context, "2012-10-17")
