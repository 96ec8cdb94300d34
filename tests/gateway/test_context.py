"""Condition keys that few requests have: through whom a request came, and what an identity provider said of the caller."""

from __future__ import annotations

import json
from typing import Any

from awning.auth.evaluate import decide
from awning.auth.policy import compile_policy
from awning.auth.principal import Principal, federated
from awning.gateway.context import Context
from awning.net.messages import Endpoint, Request

ACCOUNT = "111122223333"
ENDPOINT = Endpoint("127.0.0.1", 4566, "10.1.2.3", 50000, loopback=True)
FACTS = {"id.example.com/x:sub": "42", "id.example.com/x:aud": ["app", "other"]}
OIDC = federated(f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com/x", FACTS, "42")


def context(principal: Principal) -> Context:
    headers = {b"referer": b"https://example.com/", b"user-agent": b"tests/1"}
    return Context(Request("POST", b"/", b"/", b"", headers, ENDPOINT, 0, b""), principal, "eu-west-1", 1_700_000_000.5)


def user(**condition: Any) -> Principal:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    arn = f"arn:aws:iam::{ACCOUNT}:user/bob"
    return Principal("user", ACCOUNT, arn, arn, "AIDAX", "bob", (compile_policy(text, id="p", kind="identity"),))


def allowed(condition: dict[str, Any], via: str | None = None) -> bool:
    who = user(**condition)
    within = context(who) if via is None else context(who).plus({}, via)
    return decide(who, "s3:GetObject", "*", within, guard_policy=None, resource_account=ACCOUNT).allowed


def test_through_which_services_a_request_came():
    cloud = "cloudformation.amazonaws.com"
    wanted = {"ForAnyValue:StringEquals": {"aws:CalledVia": [cloud]}}
    assert not allowed(wanted)
    assert allowed(wanted, cloud)
    assert not allowed(wanted, "athena.amazonaws.com")
    assert allowed({"Bool": {"aws:ViaAWSService": "true"}}, cloud)
    assert not allowed({"Bool": {"aws:ViaAWSService": "true"}})
    through = context(user(x={})).plus({"s3:prefix": "a"}, "athena.amazonaws.com").plus({}, cloud)
    found = [through.get(f"aws:calledvia{which}") for which in ("", "first", "last")]
    assert found == [["athena.amazonaws.com", cloud], "athena.amazonaws.com", cloud]
    assert through.get("s3:prefix") == "a"


def test_what_a_request_says_of_itself():
    assert allowed({"StringEquals": {"aws:Referer": "https://example.com/", "aws:UserAgent": "tests/1"}})
    assert not allowed({"StringEquals": {"aws:Referer": "https://example.org/"}})
    assert allowed({"IpAddress": {"aws:SourceIp": "10.1.2.0/24"}})


def test_what_an_identity_provider_says_of_the_caller():
    keys = context(OIDC)
    assert keys.get("aws:federatedprovider") == OIDC.name
    assert keys.get("id.example.com/x:sub") == "42"
    assert dict(keys)["id.example.com/x:aud"] == ["app", "other"]
    for condition, expected in (
        ({"StringEquals": {"id.example.com/x:sub": "42"}}, True),
        ({"StringEquals": {"id.example.com/x:sub": "43"}}, False),
        ({"ForAnyValue:StringEquals": {"id.example.com/x:aud": "app"}}, True),
        ({"ForAllValues:StringEquals": {"id.example.com/x:aud": "app"}}, False),
        ({"StringEquals": {"aws:FederatedProvider": OIDC.name}}, True),
        ({"Null": {"aws:PrincipalAccount": "true"}}, True),
    ):
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": OIDC.name},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }
        guard = compile_policy({"Version": "2012-10-17", "Statement": statement}, id="t", kind="trust")
        arn = f"arn:aws:iam::{ACCOUNT}:role/r"
        decision = decide(
            OIDC, "sts:AssumeRoleWithWebIdentity", arn, keys, guard_policy=guard, resource_account=ACCOUNT
        )
        assert decision.allowed is expected, condition
