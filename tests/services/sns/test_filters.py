"""Filter policies: every operator, the limits and AWS's texts, and a comparison with a matcher that is slow and obvious."""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.services.sns import filters

ATTRIBUTES = "MessageAttributes"
BODY = "MessageBody"


def attributes(**given: Any) -> dict[str, dict[str, str]]:
    """Attributes by their values: text, numbers, lists."""
    kinds = {str: "String", int: "Number", float: "Number", list: "String.Array"}
    return {
        name: {"DataType": kinds[type(value)], "StringValue": value if isinstance(value, str) else json.dumps(value)}
        for name, value in given.items()
    }


def matches(policy: Any, message: Any, scope: str = ATTRIBUTES) -> bool:
    compiled = filters.compile(json.dumps(policy), scope)
    if scope == ATTRIBUTES:
        return compiled.matches(attributes(**message), "not looked at")
    return compiled.matches({}, message if isinstance(message, str) else json.dumps(message))


TAKEN: list[tuple[list[Any], Any]] = [
    (["rugby", "tennis"], "tennis"),
    (["rugby"], ["football", "rugby"]),
    ([100], 100),
    ([100], 100.0),
    ([100.123456789], 100.1234561),
    ([100, 500], [100, 50]),
    ([123456789012], 123456789012),
    ([True], [True]),
    ([None], [None]),
    ([{"prefix": "bas"}], "baseball"),
    ([{"suffix": "ball"}], "baseball"),
    ([{"equals-ignore-case": "TENNIS"}], "tennis"),
    ([{"wildcard": "*ball"}], "baseball"),
    ([{"wildcard": "b*b*l"}], "baseball"),
    ([{"wildcard": "a\\*b*"}], "a*bc"),
    ([{"cidr": "10.0.0.0/24"}], "10.0.0.255"),
    ([{"cidr": "2001:db8::/32"}], "2001:db8::1"),
    ([{"anything-but": ["rugby", "tennis"]}], "baseball"),
    ([{"anything-but": ["rugby", "tennis"]}], ["rugby", "baseball"]),
    ([{"anything-but": "rugby"}], 7),
    ([{"anything-but": [100, 500]}], 101),
    ([{"anything-but": 100}], "100"),
    ([{"anything-but": {"prefix": "order-"}}], "order_number"),
    ([{"anything-but": {"wildcard": "*/lib/*"}}], "/usr/bin/x"),
    ([{"anything-but": {"equals-ignore-case": ["a", "b"]}}], "c"),
    ([{"numeric": ["=", 301.5]}], 3.015e2),
    ([{"numeric": ["<", 0]}], -1),
    ([{"numeric": ["<=", 0]}], 0),
    ([{"numeric": [">", 0.00001]}], 0.00002),
    ([{"numeric": [">=", 1, "<", 2]}], [5, 1]),
    ([{"numeric": [">", 0, "<=", 150]}], 150),
    ([{"exists": True}], "x"),
    ([{"exists": True}], []),
    (["x", {"prefix": "so"}], ["anything", "something"]),
]

LEFT: list[tuple[list[Any], Any]] = [
    (["rugby"], "Rugby"),
    (["rugby"], ["football"]),
    ([100], "100"),
    (["100"], 100),
    ([500], [100, 50]),
    ([True], [1]),
    ([1], [True]),
    ([None], "null"),
    ([None, {"anything-but": "whatever"}], "whatever"),
    ([{"prefix": "bas"}], "Baseball"),
    ([{"suffix": "ball"}], "balls"),
    ([{"equals-ignore-case": "tennis"}], "tenni"),
    ([{"wildcard": "b*l"}], "ballet"),
    ([{"cidr": "10.0.0.0/24"}], "10.0.1.255"),
    ([{"cidr": "10.0.0.0/24"}], "10.0.0.256"),
    ([{"anything-but": ["rugby", "tennis"]}], "rugby"),
    ([{"anything-but": ["rugby", "tennis"]}], ["rugby", "tennis"]),
    ([{"anything-but": [100, 500]}], 100),
    ([{"anything-but": {"prefix": "order-"}}], "order-cancelled"),
    ([{"anything-but": {"wildcard": "*/lib/*"}}], "/usr/lib/x"),
    ([{"numeric": ["=", 300]}], "300"),
    ([{"numeric": ["=", 300]}], 300.00001),
    ([{"numeric": ["<", 300]}], 300),
    ([{"numeric": [">", 0, "<=", 150]}], 200),
    ([{"numeric": [">=", 0]}], 2_000_000_000),
    ([{"exists": False}], "x"),
]


@pytest.mark.parametrize(("values", "given"), TAKEN)
def test_taken_by_attribute(values: list[Any], given: Any) -> None:
    assert matches({"key": values}, {"key": given})


@pytest.mark.parametrize(("values", "given"), LEFT)
def test_left_by_attribute(values: list[Any], given: Any) -> None:
    assert not matches({"key": values}, {"key": given})


@pytest.mark.parametrize(("values", "given"), [each for each in TAKEN if each[1] != []])
def test_taken_by_body(values: list[Any], given: Any) -> None:
    assert matches({"key": values}, {"key": given}, BODY)
    assert matches({"outer": {"key": values}}, {"outer": [[{"other": 1}], {"key": given}]}, BODY)


@pytest.mark.parametrize(("values", "given"), LEFT)
def test_left_by_body(values: list[Any], given: Any) -> None:
    assert not matches({"key": values}, {"key": given}, BODY)


def test_a_property_that_is_missing() -> None:
    assert not matches({"key": [{"anything-but": "x"}]}, {})
    assert not matches({"key": [None]}, {})
    assert matches({"key": [{"exists": False}]}, {"other": "x"})
    assert matches({"key": [{"anything-but": ["x"]}, {"exists": False}]}, {})
    assert not matches({"key": [{"anything-but": ["x"]}, {"exists": False}]}, {"key": "x"})


def test_binary_attributes_and_broken_arrays_match_nothing() -> None:
    compiled = filters.compile('{"key": [{"anything-but": "x"}]}', ATTRIBUTES)
    assert not compiled.matches({"key": {"DataType": "Binary", "BinaryValue": "YQ=="}}, "")
    assert not compiled.matches({"key": {"DataType": "String.Array", "StringValue": "['y']"}}, "")
    assert compiled.matches({"key": {"DataType": "String.Array", "StringValue": '"y"'}}, "")


def test_all_keys_must_match_and_alternatives_may() -> None:
    policy = {"f1": ["v1"], "$or": [{"f2": ["v2"]}, {"f3": ["v3"], "$or": [{"f4": ["v4"]}, {"f5": ["v5"]}]}]}
    assert matches(policy, {"f1": "v1", "f2": "v2"})
    assert matches(policy, {"f1": "v1", "f3": "v3", "f5": "v5"})
    assert not matches(policy, {"f1": "v1", "f3": "v3"})
    assert not matches(policy, {"f2": "v2"})


def test_the_same_key_within_an_or_and_beside_it_must_match_both() -> None:
    policy = {"a": [{"prefix": "x"}], "$or": [{"a": [{"suffix": "y"}]}, {"b": ["c"]}]}
    assert matches(policy, {"a": "xy"})
    assert not matches(policy, {"a": "zy"})
    assert not matches(policy, {"a": "x"})


def test_an_or_of_operators_is_a_property_of_that_name() -> None:
    policy = {"$or": [{"numeric": ["=", 123]}, {"prefix": "abc"}]}
    assert matches(policy, {"$or": 123})
    assert matches({"$or": ["abc"]}, {"$or": "abc"})


@pytest.mark.parametrize("body", ["text", '"text"', "[]", '[{"key": "x"}]', "17", '{"key": ', ""])
def test_a_body_that_is_no_object_matches_nothing(body: str) -> None:
    assert not matches({"key": [{"exists": False}]}, body, BODY)


def test_bodies_are_searched_within_arrays_and_by_dotted_names() -> None:
    assert matches({"a": {"b": ["v"]}}, {"a.b": "v"}, BODY)
    assert matches({"a.b": ["v"]}, {"a": {"b": "v"}}, BODY)
    assert matches({"a.b.c": ["v"]}, {"a": {"b.c": "v"}}, BODY)
    assert matches({"a.b": ["v"]}, {"a": [{"b": "w"}, {"b": ["u", "v"]}]}, BODY)
    assert not matches({"a": {"b": ["v"]}}, {"a": {"c": "v"}, "b": "v"}, BODY)
    assert not matches({"a": ["v"]}, {"a": {"v": "v"}}, BODY)
    assert matches({"a": [{"exists": False}]}, {"a": {"v": "v"}}, BODY)


def test_one_element_of_an_array_must_satisfy_all_that_is_said_of_it() -> None:
    policy = {
        "Records": {"s3": {"object": {"key": [{"prefix": "auto-"}]}}, "eventName": [{"prefix": "ObjectCreated:"}]}
    }
    created = {"eventName": "ObjectCreated:Put", "s3": {"object": [[{"key": "auto-1"}]]}}
    removed = {"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "auto-2"}}}
    other = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "home-2"}}}
    assert matches(policy, {"Records": [removed, created]}, BODY)
    assert not matches(policy, {"Records": [removed, other]}, BODY)


def test_the_empty_policy_takes_all() -> None:
    assert matches({}, {})
    assert matches({}, {"a": 1}, BODY)


WRONG: list[tuple[Any, str]] = [
    ({"key": [["value"]]}, "Match value must be String, number, true, false, or null"),
    ({"key": [{"wrong-operator": True}]}, "Unrecognized match type wrong-operator"),
    ({"key": [{"suffix": "value", "prefix": "v"}]}, "Only one key allowed in match expression"),
    ({"key": [{"suffix": 100}]}, "suffix match pattern must be a string"),
    ({"key": [{"prefix": []}]}, "prefix match pattern must be a string"),
    ({"key": [{"equals-ignore-case": None}]}, "equals-ignore-case match pattern must be a string"),
    ({"key": {"suffix": "value"}}, '"suffix" must be an object or an array'),
    ({"key": "value"}, '"key" must be an object or an array'),
    ({"key": []}, "Empty arrays are not allowed"),
    ({"key": [{"numeric": []}]}, "Invalid member in numeric match: ]"),
    ({"key": [{"numeric": [1, "<="]}]}, "Invalid member in numeric match: 1"),
    ({"key": [{"numeric": ["operator"]}]}, "Unrecognized numeric range operator: operator"),
    ({"key": [{"numeric": ["=", "000"]}]}, "Value of equals must be numeric"),
    ({"key": [{"numeric": [">="]}]}, "Value of >= must be numeric"),
    ({"key": [{"numeric": ["<", 100, ">", 10]}]}, "Too many elements in numeric expression"),
    ({"key": [{"numeric": [">=", 1, ">", 2]}]}, "Bad numeric range operator: >"),
    ({"key": [{"numeric": [">", 3, "<", 1]}]}, "Bottom must be less than top"),
    ({"key": [{"numeric": [">", 20, "<="]}]}, "Value of <= must be numeric"),
    ({"key": [{"numeric": [">", 20, 30]}]}, "Bad value in numeric range: 30"),
    ({"key": [{"numeric": [">", 20, "test"]}]}, "Bad numeric range operator: test"),
    ({"key": [{"numeric": [">", 20, "<", 30, "<", 50]}]}, "Too many terms in numeric range expression"),
    ({"key": [{"numeric": ["<", 10**9 + 1]}]}, "Value must be between -1.0E9 and 1.0E9, inclusive"),
    ({"key": [{"exists": None}]}, "exists match pattern must be either true or false."),
    ({"key": [{"exists": "no"}]}, "exists match pattern must be either true or false."),
    ({"key": [{"anything-but": {"suffix": "x"}}]}, "Unsupported anything-but pattern: suffix"),
    ({"key": [{"anything-but": {"exists": False}}]}, "Unsupported anything-but pattern: exists"),
    ({"key": [{"anything-but": {"prefix": False}}]}, "prefix match pattern must be a string"),
    ({"key": [{"anything-but": [1, "x"]}]}, "Inside anything but list, either all values are number or string"),
    ({"key": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
    ({"key": [{"cidr": "10.0.0.0/a"}]}, "Malformed CIDR, mask bits must be an integer"),
    ({"key": [{"cidr": "10.0.0/24"}]}, "Nonstandard IP address: 10.0.0"),
    ({"key": [{"cidr": 1}]}, "prefix match pattern must be a string"),
    ({"key": [{"wildcard": "a**"}]}, "Consecutive wildcard characters at pos 2"),
    ({"key": [f"value{number}" for number in range(151)]}, "Filter policy is too complex"),
    ({"a": ["x"] * 100, "b": ["x", "y"]}, "Filter policy is too complex"),
    ({key: ["x"] for key in "abcdef"}, "Filter policy can not have more than 5 keys"),
]


@pytest.mark.parametrize(("policy", "text"), WRONG)
def test_what_is_wrong_is_said_as_aws_says_it(policy: Any, text: str) -> None:
    with pytest.raises(ValueError) as raised:
        filters.compile(json.dumps(policy), ATTRIBUTES)
    assert str(raised.value).startswith(f"FilterPolicy: {text}")


def test_attributes_are_not_nested_and_policies_are_objects() -> None:
    with pytest.raises(ValueError, match=r"^Filter policy scope MessageAttributes does not support nested filter"):
        filters.compile('{"a": {"b": ["c"]}}', ATTRIBUTES)
    for text in ("[]", "1", '"x"'):
        with pytest.raises(ValueError, match=r"^FilterPolicy: "):
            filters.compile(text, ATTRIBUTES)
    with pytest.raises(ValueError, match=r"^FilterPolicy: failed to parse JSON"):
        filters.compile("{", ATTRIBUTES)
    with pytest.raises(ValueError, match=r"^FilterPolicyScope: Invalid value \[Both\]"):
        filters.compile("{}", "Both")


def test_combinations_multiply_by_depth_and_add_over_an_or() -> None:
    def policy(scopes: int) -> dict[str, Any]:
        return {
            "$or": [{"metricName": ["a", "b", "c"]}, {"namespace": ["a", "b"]}],
            "detail": {"scope": ["a"] * scopes, "$or": [{"source": ["a"]}, {"type": ["a", "b", "c"]}]},
        }

    filters.compile(json.dumps(policy(1)), BODY)  # 5 * 2 * (2 + 6) = 80
    with pytest.raises(ValueError, match="too complex"):
        filters.compile(json.dumps(policy(2)), BODY)
    nested = {"a": {"b": {"c": ["1", "2", "3", "4"]}}, "d": {"e": ["1", "2", "3"]}, "f": ["1", "2"]}
    filters.compile(json.dumps(nested), BODY)  # 3*4 * 2*3 * 2 = 144
    nested["f"] = ["1", "2", "3"]
    with pytest.raises(ValueError, match="too complex"):
        filters.compile(json.dumps(nested), BODY)


# The slow matcher: it looks at every way to choose one element of each array.


def choices(value: Any, path: str) -> Iterator[list[tuple[str, Any]]]:
    """Every way to read a body as a list of paths and plain values."""
    if isinstance(value, dict):
        parts = [list(choices(inner, f"{path}.{name}" if path else name)) for name, inner in value.items()]
        for picked in itertools.product(*parts):
            yield [pair for part in picked for pair in part]
    elif isinstance(value, list):
        if not value:
            yield []
        for each in value:
            yield from choices(each, path)
    else:
        yield [(path, value)]


def near(one: float, other: float) -> bool:
    return round(one * 100_000) == round(other * 100_000)


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def slow_value(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        if number(condition) and number(value):
            return near(condition, value)
        return type(condition) is type(value) and condition == value
    ((name, operand),) = condition.items()
    if name == "exists":
        return bool(operand)
    if name == "anything-but":
        if isinstance(operand, dict):
            return not slow_value(operand, value)
        return not any(slow_value(each, value) for each in (operand if isinstance(operand, list) else [operand]))
    if name == "numeric":
        signs = {"=": (0,), "<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}
        return number(value) and all(
            (0 if near(value, operand[at + 1]) else 1 if value > operand[at + 1] else -1) in signs[operand[at]]
            for at in range(0, len(operand), 2)
        )
    if not isinstance(value, str):
        return False
    if name == "cidr":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(operand)
        except ValueError:
            return False
    plain = {
        "prefix": value[: len(operand)] == operand,
        "suffix": value[len(value) - len(operand) :] == operand and len(operand) <= len(value),
        "equals-ignore-case": value.lower() == operand.lower(),
    }
    return plain[name]


def slow(
    policy: Any, body: Any, readings: list[list[tuple[str, Any]]], pick: list[tuple[str, Any]], path: str = ""
) -> bool:
    """Whether one reading of the body satisfies the policy."""
    for key, value in policy.items():
        here = f"{path}.{key}" if path else key
        if key == "$or":
            if not any(slow(each, body, readings, pick, path) for each in value):
                return False
        elif isinstance(value, dict):
            if not slow(value, body, readings, pick, here):
                return False
        else:
            present = any(there == here for reading in readings for there, _ in reading)
            if not (not present and {"exists": False} in value) and not any(
                there == here and any(slow_value(condition, found) for condition in value) for there, found in pick
            ):
                return False
    return True


NAMES = st.sampled_from(["a", "b", "a.b"])
PLAIN = st.sampled_from(["x", "xy", "X", "", 0, 1, 1.000001, 2.5, True, False, None, "10.0.0.1"])
TEXT = st.sampled_from(["x", "y", "xy", "X"])
CONDITION = st.one_of(
    st.sampled_from(["x", "xy", 1, 2.5, True, False, None]),
    st.builds(lambda given: {"exists": given}, st.booleans()),
    st.builds(lambda name, given: {name: given}, st.sampled_from(["prefix", "suffix", "equals-ignore-case"]), TEXT),
    st.builds(lambda given: {"anything-but": given}, st.sampled_from(["x", 1, ["x", "xy"], [1, 2.5], {"prefix": "x"}])),
    st.sampled_from(
        [{"numeric": [">", 0, "<=", 1]}, {"numeric": ["=", 1]}, {"numeric": ["<", 2]}, {"cidr": "10.0.0.0/8"}]
    ),
)
VALUES = st.lists(CONDITION, min_size=1, max_size=2)
LEVEL = st.dictionaries(NAMES, VALUES, min_size=1, max_size=2)
EITHER = st.builds(lambda one, other: {"$or": [one, other]}, LEVEL, LEVEL)
POLICY = st.one_of(
    LEVEL,
    st.dictionaries(NAMES, st.one_of(VALUES, LEVEL), min_size=1, max_size=2),
    st.builds(lambda one, other: {**one, **other}, LEVEL, EITHER),
    st.builds(lambda inner: {"a": inner}, EITHER),
)
BODIES = st.dictionaries(
    NAMES,
    st.recursive(
        PLAIN,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=2)),
        max_leaves=6,
    ),
    max_size=3,
)


@settings(max_examples=400, deadline=None)
@given(policy=POLICY, body=BODIES)
def test_bodies_match_as_the_slow_matcher_says(policy: Any, body: Any) -> None:
    try:
        compiled = filters.compile(json.dumps(policy), BODY)
    except ValueError:
        return  # too complex
    readings = list(choices(body, ""))
    expected = any(slow(policy, body, readings, pick) for pick in readings)
    assert compiled.matches({}, json.dumps(body)) == expected


@settings(max_examples=300, deadline=None)
@given(
    policy=st.one_of(LEVEL, EITHER),
    given_=st.dictionaries(NAMES, st.one_of(st.lists(PLAIN, min_size=1, max_size=3), TEXT)),
)
def test_attributes_match_as_the_slow_matcher_says(policy: Any, given_: Any) -> None:
    compiled = filters.compile(json.dumps(policy), ATTRIBUTES)
    flat = {name: value if isinstance(value, list) else [value] for name, value in given_.items()}
    readings = [list(zip(flat, picked, strict=True)) for picked in itertools.product(*flat.values())]
    expected = any(slow(policy, given_, readings, pick) for pick in readings)
    assert compiled.matches(attributes(**given_), "") == expected
