"""The order in which IAM finds fault: documents with one fault or several, and the one message that AWS was seen to give."""

from __future__ import annotations

from typing import Any

import pytest

from awning.auth.malformed import MalformedPolicy
from awning.auth.policy import compile_policy

SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
OLD = "Policy document must be version 2012-10-17 or greater."
UNIQUE = "Statement IDs (SID) in a single policy must be unique."
PREFACED = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
ONE_COLON = "Actions/Condition can contain only one colon."
ACTIONS = "Policy statement must contain actions."
RESOURCES = "Policy statement must contain resources."
BUCKET = "arn:aws:s3:::b"
LATE = {"DateGreaterThan": {"a": "later"}}


def given(**changes: Any) -> dict[str, Any]:
    """A statement that is right but for these changes; None takes an element away."""
    whole = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def compiled(*statements: Any, version: str | None = "2012-10-17", **policy: Any) -> None:
    document = {"Statement": list(statements), **({"Version": version} if version else {}), **policy}
    compile_policy(document, id="p", kind="identity", newest=True)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["text"], SYNTAX),
        ([], SYNTAX),
        ([given(Action={})], SYNTAX),
        ([given(Action=[[]])], SYNTAX),
        ([given(NotAction="iam:x")], SYNTAX),
        ([given(NotResource=[])], SYNTAX),
        ([given(Resource=["no arn", {}])], SYNTAX),
        ([given(Sid={})], SYNTAX),
        ([given(Effect="Perhaps")], SYNTAX),
        ([given(Effect=None)], SYNTAX),
        ([given(Condition={"x": {"a": "1"}})], SYNTAX),
        ([given(Condition={"ForAnyValue::StringEquals": {"a": "1"}})], SYNTAX),
        ([given(Condition={"DateGreaterThan": "b"})], SYNTAX),
        ([given(Action=None, Condition={"DateGreaterThan": {"a": {}}})], SYNTAX),
        ([given(Effect="denY")], LEGACY),
        ([given(Effect="allow", Action=None, Resource="arn:aws:s3:us-east-1::b")], LEGACY),
        ([given(Sid="a", Effect="aLLow"), given(Sid="a")], LEGACY),
        ([given(Action=None, Resource=None, Condition=LATE)], LEGACY),
        ([given(Resource="arn:moon:s3:::b", Condition=LATE)], LEGACY),
        ([given(Condition={"DateLessThan": {"a": "234-13"}})], LEGACY),
        ([given(Condition={"DateLessThan": {"a": "2016-12-13t2:00:00.593194+1"}})], LEGACY),
        ([given(Condition={"DateLessThan": {"a": "2016-12-13t2:00:00.1999999999+10:59"}})], LEGACY),
        ([given(Condition={"DateLessThan": {"a": "9223372036854775808"}})], LEGACY),
        ([given(Resource="arn:aws:s3::b")], LEGACY),
        ([given(Resource="arn:aws::::b")], LEGACY),
        ([given(Resource="arn:aws::b")], LEGACY),
        ([given(Action=None, Resource="arn:aws:s3::b")], LEGACY),
        ([given(Sid="a"), {"Sid": "a", "Effect": "Allow"}], UNIQUE),
        ([{"Effect": "Allow"}], ACTIONS),
        ([{"Effect": "Deny"}, given()], ACTIONS),
        ([given(Action=[])], ACTIONS),
        ([given(Action="s:3:ListBucket", Resource="no arn")], 'Resource no arn must be in ARN format or "*".'),
        ([given(Resource="")], 'Resource  must be in ARN format or "*".'),
        ([given(Resource="a:moon")], 'Partition "moon" is not valid for resource "arn:moon:*:*:*:*".'),
        ([given(Resource="a:b:c")], 'Partition "b" is not valid for resource "arn:b:c:*:*:*".'),
        ([given(Resource="a:b:c:d:e:f:g:h")], 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".'),
        ([given(Resource="aws:s3:::b")], 'Partition "s3" is not valid for resource "arn:s3:::b:*".'),
        ([given(Resource="arn:aws")], "Resource vendor must be fully qualified and cannot contain regexes."),
        (
            [given(Resource="arn:aws:iam:us-east-1::b")],
            "IAM resource arn:aws:iam:us-east-1::b cannot contain region information.",
        ),
        (
            [given(Resource="arn:aws:s3:us-east-1::b")],
            "Resource arn:aws:s3:us-east-1::b can not contain region information.",
        ),
        (
            [given(Resource="arn:aws:iam:::b")],
            'IAM resource path must either be "*", root, or start with user/, federated-user/, role/, group/, '
            "instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, "
            "report/, access-report/.",
        ),
        ([given(Action="invalid", Resource=None)], PREFACED),
        ([given(Action=None, NotAction="")], PREFACED),
        ([given(Action="a a:List")], "Vendor a a is not valid"),
        ([given(), given(Action="s:3s:List")], ONE_COLON),
        ([given(Resource=None)], RESOURCES),
        ([given(Resource=[])], RESOURCES),
        ([given(Principal="*")], "Policy document should not specify a principal."),
    ],
)  # fmt: skip
def test_the_first_fault_is_told(statements, message):
    with pytest.raises(MalformedPolicy) as caught:
        compiled(*statements)
    assert caught.value.message == message


def test_the_old_version_comes_after_the_syntax_and_before_all_else():
    for version in (None, "2008-10-17"):
        for statement in (given(), given(Effect="denY"), given(Condition=LATE)):
            with pytest.raises(MalformedPolicy, match=OLD):
                compiled(statement, version=version)
        with pytest.raises(MalformedPolicy, match=SYNTAX):
            compiled("text", version=version)
        compile_policy({"Version": version or "2008-10-17", "Statement": given()}, id="p", kind="identity")


@pytest.mark.parametrize(
    "statement",
    [
        given(Action="iam: any words "),
        given(Action="*"),
        given(Action="s3.s:List"),
        given(Action="s3-s:List"),
        given(Action="nobodyknows:List"),
        given(Action=None, NotAction="s3:*", Resource=None, NotResource="*"),
        given(Resource="arn:aws:word"),
        given(Resource="arn:aws:iam:::user/b"),
        given(Resource="arn:aws:iam::*:user/${aws:username}"),
        given(Resource="arn:aws:iam::123456789012:root"),
        given(Resource="arn:aws:rds:region:*:*"),
        given(Resource="arn:aws:s3:us-west-2:123456789012:accesspoint/a/object/*"),
        given(Resource=[BUCKET, "*"]),
        given(Sid=""),
        given(Condition={}),
        given(Condition={"x": {}, "y": {}}),
        given(Condition={"DateGreaterThan": {"a": []}}),
        given(Condition={"DateGreaterThan": {"a": "01T"}}),
        given(Condition={"DateLessThan": {"a": "2016-12-13t2:00:00.593194+23"}}),
        given(Condition={"DateLessThan": {"a": "-292275054"}}),
        given(Condition={"ForAnyValue:StringEqualsIfExists": {"a": "x"}}),
        given(Condition={"StringLike": {"s3:prefix": "x/${cognito-identity.amazonaws.com:sub}"}}),
    ],
)
def test_what_iam_takes_is_taken(statement):
    compiled(statement, given())
