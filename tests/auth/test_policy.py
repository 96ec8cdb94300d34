"""The grammar of policies: what is taken, and in which words the rest is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.auth.policy import Kind, MalformedPolicy, compile_policy

ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
GRANT: dict[str, Any] = {**ALLOW, "Principal": "*"}


def refused(statement: Any, kind: Kind = "identity", **policy: Any) -> MalformedPolicy:
    with pytest.raises(MalformedPolicy) as caught:
        compile_policy({"Version": "2012-10-17", "Statement": statement, **policy}, id="p", kind=kind)
    return caught.value


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def test_one_statement_or_a_list_of_them():
    one = compile_policy(json.dumps({"Statement": ALLOW}), id="p", kind="identity")
    assert (one.version, len(one.statements)) == ("2008-10-17", 1)
    several = compile_policy({"Version": "2012-10-17", "Statement": [ALLOW, ALLOW]}, id="p", kind="boundary")
    assert [statement.label for statement in several.statements] == [0, 1]


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"Statement": NaN}', '{"Version": "x", "Version": "y"}', "[" * 100000]
)
def test_what_is_no_json_object_is_refused(text):
    for kind, words in (
        ("identity", "Syntax errors in policy."),
        ("resource", "Policies must be valid JSON"),
        ("trust", "This policy contains invalid Json"),
    ):
        with pytest.raises(MalformedPolicy, match=words):
            compile_policy(text, id="p", kind=kind)


@pytest.mark.parametrize(
    ("changes", "message", "position"),
    [
        ({"Effect": None}, "Syntax errors in policy.", "Effect"),
        ({"Effect": "allow"}, "The policy failed legacy parsing", "Effect"),
        ({"Effect": "Maybe"}, "Syntax errors in policy.", "Effect"),
        ({"Surprise": 1}, "Syntax errors in policy.", "Surprise"),
        ({"Principal": "*"}, "Policy document should not specify a principal.", "Principal"),
        ({"Action": None}, "Policy statement must contain actions.", "Action"),
        ({"Action": []}, "Policy statement must contain actions.", "Action"),
        ({"Action": 5}, "Syntax errors in policy.", "Action"),
        ({"NotAction": "s3:*"}, "Syntax errors in policy.", "NotAction"),
        (
            {"Action": "GetObject"},
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            "Action",
        ),
        ({"Action": "a:b:c"}, "Actions/Condition can contain only one colon.", "Action"),
        ({"Action": "s*:Get"}, "Vendor s* is not valid", "Action"),
        ({"Resource": None}, "Policy statement must contain resources.", "Resource"),
        ({"Resource": []}, "Policy statement must contain resources.", "Resource"),
        ({"Resource": "bucket"}, 'Resource bucket must be in ARN format or "*".', "Resource"),
        ({"Resource": "arn:moon:s3:::b"}, 'Partition "moon" is not valid for resource "arn:moon:s3:::b".', "Resource"),
        ({"Resource": "arn:aws:s3::b"}, "The policy failed legacy parsing", "Resource"),
        ({"NotResource": "*"}, "Syntax errors in policy.", "NotResource"),
        ({"Resource": "arn:aws:s3:::${x"}, "A policy variable has no closing brace", "Resource"),
        ({"Sid": "with space"}, "Statement IDs (SID) must be alpha-numeric.", "Sid"),
        ({"Condition": []}, "Syntax errors in policy.", "Condition"),
        ({"Condition": {"StringEquals": "x"}}, "Syntax errors in policy.", "Condition.StringEquals"),
        ({"Condition": {"StringEquals": {"aws:x": {}}}}, "Syntax errors in policy.", "Condition.StringEquals.aws:x"),
        ({"Condition": {"Like": {"aws:x": "y"}}}, "Syntax errors in policy.", "Condition.Like"),
    ],
)
def test_an_identity_policy_is_refused_in_iams_words(changes, message, position):
    error = refused(changed(ALLOW, **changes))
    assert error.message.startswith(message)
    assert error.position == f"Statement[0].{position}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Principal": None}, "Missing required field Principal"),
        ({"Effect": None}, "Missing required field Effect"),
        ({"Action": None}, "Missing required field Action"),
        ({"Resource": None}, "Missing required field Resource"),
        ({"Effect": "No"}, "Invalid effect: No"),
        ({"Surprise": 1}, "Unknown field Surprise"),
        ({"Resource": "bucket"}, "Policy has invalid resource"),
        ({"Action": "s3:Get Object"}, "Policy has invalid action"),
        ({"Principal": {}}, "Invalid principal in policy"),
        ({"Principal": "me"}, "Invalid principal in policy"),
        ({"Principal": {"AWS": []}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "12345"}}, "Invalid principal in policy"),
        ({"Principal": {"Robot": "x"}}, "Invalid principal in policy"),
        ({"Principal": {"CanonicalUser": "abc"}}, "Invalid principal in policy"),
    ],
)
def test_a_resource_policy_is_refused_in_s3s_words(changes, message):
    assert refused(changed(GRANT, **changes), "resource").message.startswith(message)


def test_a_trust_policy_names_no_resources_and_must_name_principals():
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    compile_policy({"Statement": trust}, id="p", kind="trust")
    assert refused({**trust, "Resource": "*"}, "trust").message == "Has prohibited field Resource"
    assert refused({**trust, "Action": "s3:GetObject"}, "trust").message == (
        "AssumeRole policy may only specify STS AssumeRole actions."
    )
    assert refused(changed(trust, Principal=None), "trust").message == "Missing required field Principal"


def test_versions_ids_and_sids():
    assert refused(ALLOW, Version="2020-01-01").message == "Syntax errors in policy."
    assert refused(GRANT, "resource", Version="2020").message == "The policy must contain a valid version string"
    assert refused(ALLOW, Id=5).message == "Syntax errors in policy."
    assert refused(ALLOW, More=5).message == "Syntax errors in policy."
    assert refused([]).message == "Syntax errors in policy."
    twice = [{**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}]
    assert refused(twice).message == "Statement IDs (SID) in a single policy must be unique."
    policy = compile_policy({"Statement": [{**GRANT, "Sid": "any words"}]}, id="p", kind="resource")
    assert policy.statements[0].label == "any words"


def test_a_resource_may_be_left_out_where_the_service_says_so():
    statement = changed(GRANT, Resource=None)
    policy = compile_policy({"Statement": statement}, id="p", kind="resource", needs_resource=False)
    assert policy.statements[0].covers("arn:aws:ecr:us-east-1:111122223333:repository/r", {})


def test_actions_do_not_care_for_case_and_know_wildcards():
    statement = {"Effect": "Allow", "Action": ["S3:get*", "sqs:Send?essage"], "Resource": "*"}
    policy = compile_policy({"Statement": statement}, id="p", kind="identity")
    for action, known in (("s3:GetObject", True), ("s3:PutObject", False), ("sqs:SendMessage", True), ("sqs:x", False)):
        assert bool(policy.about(action)[1]) is known
    for number in range(2000):
        policy.about(f"s3:Get{number}")
    assert len(policy._remembered) <= 512


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ELEMENTS = st.sampled_from(
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"]
)


@given(st.dictionaries(ELEMENTS, JSON), st.sampled_from(["identity", "resource", "trust", "session", "boundary"]))
@settings(max_examples=300, deadline=None)
def test_any_json_is_compiled_or_refused(statement, kind):
    base = dict(GRANT if kind == "resource" else ALLOW)
    with contextlib.suppress(MalformedPolicy):
        policy = compile_policy({"Version": "2012-10-17", "Statement": {**base, **statement}}, id="p", kind=kind)
        assert policy.statements[0].covers("arn:aws:s3:::b/k", {}) in (True, False)
