"""What S3 calls public: its user guide's rules and examples."""

from __future__ import annotations

from typing import Any

import pytest

from awning.auth.evaluate import is_public
from awning.auth.policy import compile_policy


def public(principal: Any = "*", condition: dict[str, Any] | None = None, effect: str = "Allow") -> bool:
    statement = {"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    if condition is not None:
        statement["Condition"] = condition
    return is_public(compile_policy({"Version": "2012-10-17", "Statement": statement}, id="p", kind="resource"))


def test_fixed_principals_are_not_public():
    assert public()
    assert public({"AWS": "*"})
    assert public({"AWS": ["111122223333", "*"]})
    assert not public({"AWS": "111122223333"})
    assert not public({"AWS": "arn:aws:iam::111122223333:user/bob"})
    assert not public({"Service": "cloudfront.amazonaws.com"})
    assert not public(effect="Deny")


def test_a_grant_to_all_but_some_is_public():
    statement = {
        "Effect": "Allow",
        "NotPrincipal": {"AWS": "111122223333"},
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::b/*",
    }
    assert is_public(compile_policy({"Statement": statement}, id="p", kind="resource"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}, False),
        ({"StringLike": {"aws:SourceVpc": "vpc-*"}}, True),
        ({"StringEquals": {"aws:SourceVpc": "${aws:x}"}}, True),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-91237329"}}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-91237329"}}, True),
        ({"StringEquals": {"aws:SourceVpc": ["vpc-1", "vpc-*"]}}, True),
        ({"StringLike": {"aws:SourceVpc": ["vpc-1", "vpc-*"]}}, True),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, False),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-123"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:t"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:t"}}, True),
        ({"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}, True),
        ({"StringEquals": {"aws:Referer": "http://example.com"}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"]}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True),
        ({"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}, False),
        ({"IpAddress": {"aws:SourceIp": "2000::/3"}}, True),
        ({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-east-1:111122223333:accesspoint/*"}}, False),
    ],
)
def test_a_grant_to_everyone_may_be_held_to_fixed_sources(condition, expected):
    assert public(condition=condition) is expected
