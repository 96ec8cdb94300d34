"""Every condition operator, with the cases of the IAM user guide's pages on operators and multivalued keys."""

from __future__ import annotations

from typing import Any

import pytest

from awning.auth.conditions import OPERATORS, Condition


def holds(operator: str, values: str | list[str], *context: Any, key: str = "aws:Key") -> bool:
    listed = values if isinstance(values, list) else [values]
    return Condition(operator, key, listed, variables=True).holds({"aws:key": context[0]} if context else {})


CASES: list[tuple[str, str | list[str], Any, bool]] = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "true", True, True),
    ("StringEquals", "5", 5, True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", ["a", "b"], "c", True),
    ("StringEqualsIgnoreCase", "Ab", "aB", True),
    ("StringNotEqualsIgnoreCase", "Ab", "aB", False),
    ("StringLike", "a*c?", "abbcd", True),
    ("StringLike", "a*c?", "abbc", False),
    ("StringNotLike", ["a*", "b*"], "bx", False),
    ("StringNotLike", ["a*", "b*"], "cx", True),
    ("NumericEquals", "10", "10.0", True),
    ("NumericEquals", "10", 10, True),
    ("NumericEquals", "10", "ten", False),
    ("NumericNotEquals", "10", 11, True),
    ("NumericLessThan", "10", 10, False),
    ("NumericLessThanEquals", "10", 10, True),
    ("NumericGreaterThan", "10", 10, False),
    ("NumericGreaterThanEquals", "10", 10, True),
    ("DateEquals", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", True),
    ("DateEquals", "1577836800", 1577836800.0, True),
    ("DateNotEquals", "2020-01-01", "2020-01-02", True),
    ("DateLessThan", "2020", "2019-12-31T23:59:59Z", True),
    ("DateLessThan", "2020-01", "2020-01-01T00:00:00Z", False),
    ("DateLessThanEquals", "2020-01-01T00:00:00Z", 1577836800, True),
    ("DateGreaterThan", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5Z", True),
    ("DateGreaterThanEquals", "2020-01-01T00:00:00Z", "never", False),
    ("DateEquals", "2020-02-29t1:02:03.5+01", "2020-02-29T00:02:03.500Z", True),
    ("DateEquals", "2020-02-29T01:02:03-0130", "2020-02-29T02:32:03Z", True),
    ("DateGreaterThan", "-292275054", "2020-01-01T00:00:00Z", True),
    ("DateLessThan", "99999-12-31T", "2020-01-01T00:00:00Z", True),
    ("Bool", "true", True, True),
    ("Bool", "false", True, False),
    ("Bool", "True", "true", True),
    ("BinaryEquals", "QmluYXJ5", b"Binary", True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "no base64!", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
    ("IpAddress", "203.0.113.0/24", "203.0.114.9", False),
    ("IpAddress", "203.0.113.9", "::ffff:203.0.113.9", True),
    ("IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1", True),
    ("IpAddress", "10.0.0.0/8", "no address", False),
    ("NotIpAddress", ["10.0.0.0/8", "192.168.0.0/16"], "192.168.1.1", False),
    ("NotIpAddress", "10.0.0.0/8", "11.0.0.1", True),
    ("ArnEquals", "arn:aws:sns:*:111122223333:t*", "arn:aws:sns:us-east-1:111122223333:topic", True),
    ("ArnLike", "arn:aws:sns:*:topic", "arn:aws:sns:us-east-1:111122223333:topic", False),
    ("ArnLike", "*", "arn:aws:sns:us-east-1:111122223333:topic", True),
    ("ArnNotEquals", "arn:aws:sns:*:*:t", "arn:aws:sns:us-east-1:111122223333:t", False),
    ("ArnNotLike", "arn:aws:sns:*:*:t", "arn:aws:sns:us-east-1:111122223333:u", True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "b", "a"], True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", ["a", "b"], [], True),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c"], False),
    ("ForAnyValue:StringEquals", ["a", "b"], [], False),
    ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "c"], True),
    ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "b"], False),
    ("ForAllValues:StringNotLike", ["a*"], ["b", "c"], True),
    ("ForAllValues:StringNotLike", ["a*"], ["b", "ac"], False),
    ("ForAnyValue:StringLike", "x*", "xyz", True),
    ("Null", "true", "present", False),
    ("Null", "false", "present", True),
    ("Null", "true", [], True),
]


@pytest.mark.parametrize(("operator", "values", "given", "expected"), CASES)
def test_operators(operator, values, given, expected):
    assert holds(operator, values, given) is expected
    if not operator.endswith("Null") and given != []:
        assert holds(operator + "IfExists", values, given) is expected


def test_every_operator_has_a_case():
    assert {case[0].rpartition(":")[2] for case in CASES} == OPERATORS.keys()


SAMPLES = {
    "Numeric": "1",
    "Date": "2020-01-01",
    "Bool": "true",
    "IpAddress": "1.2.3.4",
    "Binary": "QQ==",
    "Null": "true",
}


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_key_that_is_not_there(operator):
    value = next((sample for name, sample in SAMPLES.items() if name in operator), "x")
    if operator == "Null":
        assert holds("Null", "true") is True
        assert holds("Null", "false") is False
        return
    negated = "Not" in operator
    assert holds(operator, value) is negated
    assert holds(operator + "IfExists", value) is True
    assert holds("ForAllValues:" + operator, value) is True
    assert holds("ForAnyValue:" + operator, value) is False
    assert holds("ForAnyValue:" + operator + "IfExists", value) is True


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("StringMatches", "x"),
        ("stringequals", "x"),
        ("ForSomeValues:StringEquals", "x"),
        ("NullIfExists", "true"),
        ("NumericEquals", "x"),
        ("DateEquals", "soon"),
        ("Bool", "maybe"),
        ("BinaryEquals", "?"),
        ("IpAddress", "300.0.0.1"),
        ("Null", "x"),
    ],
)
def test_what_makes_no_sense_is_refused(operator, value):
    with pytest.raises(ValueError):
        holds(operator, value, "x")


def test_keys_have_no_space_around_them():
    for key in ("", " aws:x", "aws:x "):
        with pytest.raises(ValueError, match="invalid condition key"):
            holds("StringEquals", "x", "x", key=key)
    Condition("StringEquals", "oidc.eks.us-east-1.amazonaws.com/id/ABC:sub", ["x"], variables=True)
    Condition("StringEquals", "aws:PrincipalTag/cost center", ["x"], variables=True)


def test_keys_do_not_care_for_case_and_variables_work_in_values():
    condition = Condition("StringLike", "S3:Prefix", ["home/${aws:UserName}/*"], variables=True)
    assert condition.holds({"s3:prefix": "home/bob/x", "aws:username": "bob"})
    assert not condition.holds({"s3:prefix": "home/bobby/x", "aws:username": "bob"})
    assert not condition.holds({"s3:prefix": "home/x/x", "aws:username": "*"})
    assert not condition.holds({"s3:prefix": "home//x"})
    old = Condition("StringEquals", "s3:prefix", ["${aws:username}"], variables=False)
    assert old.holds({"s3:prefix": "${aws:username}", "aws:username": "bob"})
