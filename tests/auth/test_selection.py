"""Selection: however many statements there are, it finds one exactly where asking each of them would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.auth.evaluate import decide
from awning.auth.index import Index, index_of
from awning.auth.policy import Policy, compile_policy
from awning.auth.principal import Principal
from awning.auth.selection import Selection

ARN = "arn:aws:s3:::"
RESOURCES = st.one_of(
    st.sampled_from(
        ["*", "arn:*", ARN + "*", ARN + "*-${aws:username}/?", ARN + "${aws:username}*", "arn:aws:s3::*a?:b/*"]
    ),
    st.text("ab/*?", max_size=6).map(ARN.__add__),
    st.sampled_from([ARN + f"a{number}/*" for number in range(12)]),
    st.sampled_from([ARN + f"*{number}/b" for number in range(12)]),
)
CONDITIONS = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["StringEquals", "StringNotEquals", "StringLikeIfExists", "ForAllValues:StringLike"]),
        st.dictionaries(
            st.sampled_from(["aws:one", "aws:two"]),
            st.lists(st.sampled_from(["a", "b", "c", "a*", "${aws:username}"]), min_size=1, max_size=2),
            min_size=1,
        ),
        min_size=1,
    ),
    st.integers(0, 20).map(lambda number: {"StringEquals": {"aws:one": str(number)}}),
    st.integers(0, 20).map(lambda number: {"DateLessThan": {"aws:date": f"20{number + 10}-01-01"}}),
    st.booleans().map(lambda absent: {"Null": {"aws:two": str(absent).lower()}}),
)
VALUES = st.one_of(
    st.sampled_from(["a", "b", "ab", "7", ""]), st.lists(st.sampled_from(["a", "b"]), max_size=2), st.just(7)
)


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": "Allow", "Action": "s3:*"}
    made[draw(st.sampled_from(["Resource"] * 4 + ["NotResource"]))] = draw(st.lists(RESOURCES, min_size=1, max_size=2))
    condition = draw(CONDITIONS)
    return made if condition is None else {**made, "Condition": condition}


def compiled(made: list[dict[str, Any]], *, stored: bool = True) -> Policy:
    return compile_policy({"Version": "2012-10-17", "Statement": made}, id="p", kind="identity", stored=stored)


@given(
    st.lists(statements(), min_size=1, max_size=40),
    st.lists(
        st.tuples(
            st.one_of(
                st.text("ab/", max_size=5).map(ARN.__add__),
                st.sampled_from([ARN + "a7/x", ARN + "xx7/b", ARN + "x-a/b", "*", "arn:aws:s3::ab:b/c"]),
            ),
            st.dictionaries(st.sampled_from(["aws:one", "aws:two", "aws:username"]), VALUES),
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=500, deadline=None)
def test_it_finds_what_asking_each_would(made, requests):
    policy = compiled(made)
    selection = Selection([(policy, one) for one in policy.statements])
    for resource, keys in requests:
        context = {**keys, "aws:date": "2020-01-01T00:00:00Z"}
        found = selection.find(resource, context)
        covering = [one for one in policy.statements if one.covers(resource, context)]
        assert (found is None) == (not covering)
        assert found is None or found[1] in covering


def many(resource: str, condition: Any = None) -> Selection:
    made = []
    for number in range(300):
        one: dict[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": resource.replace("N", str(number))}
        if condition is not None:
            one["Condition"] = condition(str(number))
        made.append(one)
    policy = compiled(made)
    return Selection([(policy, one) for one in policy.statements])


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        (ARN + "b/N", ARN + "b/217"),
        (ARN + "b/N*", ARN + "b/217"),
        (ARN + "*-N/x", ARN + "home-217/x"),
        (ARN + "*-N", ARN + "home-217"),
        (ARN + "?-N/*", ARN + "h-217/"),
        (ARN + "${aws:username}/N/*", ARN + "bob/217/k"),
        ("arn:aws:sqs:*-1:N:q", "arn:aws:sqs:eu-1:217:q"),
    ],
)
def test_one_of_many_resources_is_found(resource, wanted):
    selection = many(resource)
    context = {"aws:username": "bob"}
    found = selection.find(wanted, context)
    assert found is not None
    assert found[1].covers(wanted, context)
    assert selection.find(wanted.replace("217", "x777"), context) is None


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        (lambda n: {"StringEquals": {"aws:x": "v" + n}}, "v217", "v"),
        (lambda n: {"StringLike": {"aws:x": f"v{n}/*"}}, "v217/", "v217"),
        (lambda n: {"NumericGreaterThan": {"aws:x": "1" + n}}, "11", "10"),
        (lambda n: {"NumericEquals": {"aws:x": "1" + n}}, 1217, 1.5),
        (lambda n: {"IpAddress": {"aws:x": f"2001:db8:{n}::/48"}}, "2001:db8:217::9", "2001:db9::"),
        (lambda n: {"ForAnyValue:StringEquals": {"aws:x": n}}, ["a", "217"], ["a"]),
        (lambda n: {"Bool": {"aws:y": "true"}, "StringEquals": {"aws:x": n}}, "217", "a"),
        (lambda n: {"StringEquals": {"aws:x": "a-${aws:y}", f"aws:k{n}": "1"}}, "a-true", "a"),
    ],
)
def test_one_of_many_conditions_is_found(condition, holds, fails):
    selection = many("*", condition)
    context = {"aws:y": "true", "aws:k217": "1"}
    for _ in range(2):  # the second time from what was kept
        found = selection.find("*", {**context, "aws:x": holds})
        assert found is not None
        assert found[1].covers("*", {**context, "aws:x": holds})
        assert selection.find("*", {**context, "aws:x": fails}) is None
        assert selection.find("*", context) is None


def test_values_that_are_equal_but_read_differently_are_told_apart():
    selection = many("*", lambda n: {"StringEquals": {"aws:x": ["true", "v" + n]}})
    assert selection.find("*", {"aws:x": True}) is not None
    assert selection.find("*", {"aws:x": 1}) is None
    assert selection.find("*", {"aws:x": [True]}) is not None


def test_what_is_kept_is_bounded():
    selection = many("*", lambda n: {"StringEquals": {"aws:x": n}})
    for number in range(2000):
        assert (selection.find("*", {"aws:x": str(number)}) is not None) == (number < 300)


def test_who_has_the_same_policies_shares_their_index():
    one, two = (
        compiled([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]),
        compiled([{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}]),
    )
    assert index_of((one, two)) is index_of((one, two))
    assert index_of((one,)) is not index_of((one, two))
    for number in range(40):
        index_of((one, compiled([{"Effect": "Deny", "Action": f"s3:{number}", "Resource": "*"}])))
    assert len(one.together) <= 32
    denies, allows = Index((one, two)).about("s3:PutObject")
    assert denies is not None
    assert allows is not None


def test_a_stored_policy_decides_like_a_new_one():
    made = [
        {
            "Effect": "Allow",
            "Action": "s3:Get*",
            "Resource": ARN + "${aws:username}/*",
            "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        }
    ]
    context = {"aws:username": "bob", "aws:sourceip": "10.1.1.1"}
    for stored in (False, True):
        who = Principal("user", "1" * 12, "a", "a", "b", "bob", (compiled(made, stored=stored),))
        for resource, expected in ((ARN + "bob/k", True), (ARN + "eve/k", False)):
            decision = decide(who, "s3:GetObject", resource, context, guard_policy=None, resource_account="1" * 12)
            assert decision.allowed is expected
