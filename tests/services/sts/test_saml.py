"""AssumeRoleWithSAML against a live region: the role that an assertion names, for as long and as whom it says."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import LiveRegion
from tests.services.sts.saml_support import ENDPOINT, OURS, Provider, encoded, response

ACCOUNT = "000000000000"
ISSUER = "https://idp.example.com/saml"
NO = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")


class World:
    """A provider and a role that trusts it, of a name of their own."""

    def __init__(self, region: LiveRegion, idp: Provider, name: str) -> None:
        self.idp, self.name, self.region = idp, name, region
        self.iam = region.client("iam")
        self.provider = self.iam.create_saml_provider(Name=name, SAMLMetadataDocument=idp.metadata)["SAMLProviderArn"]
        self.role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=self.trust())["Role"]["Arn"]
        self.sts = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url=region.endpoint,
            config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, parameter_validation=False),
        )

    def trust(self, condition: Any = None, actions: Any = "sts:AssumeRoleWithSAML", **principal: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": principal or {"Federated": self.provider},
            "Action": actions,
            "Condition": condition or {},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    def trusting(self, *given: Any, **further: Any) -> None:
        self.iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=self.trust(*given, **further))

    def assertion(self, attributes: dict[str, list[str]] | None = None, **changed: Any) -> str:
        usual = {f"{OURS}Role": [f"{self.provider},{self.role}"], f"{OURS}RoleSessionName": ["alice"]}
        merged = {name: values for name, values in {**usual, **(attributes or {})}.items() if values}
        return encoded(self.idp.sign(response(time.time(), merged, **changed)))

    def assume(self, assertion: str | None = None, **params: Any) -> Any:
        given = {"RoleArn": self.role, "PrincipalArn": self.provider, "SAMLAssertion": assertion or self.assertion()}
        return self.sts.assume_role_with_saml(**{**given, **params})

    def refused(self, assertion: str | None = None, **params: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            self.assume(assertion, **params)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def idp() -> Provider:
    return Provider(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def world(region: LiveRegion, idp: Provider) -> World:
    return World(region, idp, "saml-usual")


def test_an_assertion_is_worth_a_roles_credentials(region: LiveRegion, world: World) -> None:
    world.iam.attach_role_policy(RoleName=world.name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    reply = world.assume()
    qualifier = hashlib.sha1(f"{ISSUER}{ACCOUNT}/{world.name}".encode()).digest()
    assert {name: reply[name] for name in ("Subject", "SubjectType", "Issuer", "Audience", "NameQualifier")} == {
        "Subject": "alice",
        "SubjectType": "persistent",
        "Issuer": ISSUER,
        "Audience": ENDPOINT,
        "NameQualifier": base64.b64encode(qualifier).decode(),
    }
    assert reply["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{world.name}/alice"
    key = reply["Credentials"]
    session = region.client(
        "sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"], aws_session_token=key["SessionToken"]
    )
    assert session.get_caller_identity()["Arn"] == reply["AssumedRoleUser"]["Arn"]


def test_the_assertion_names_the_role(world: World) -> None:
    role, provider = world.role, world.provider
    for value in (f"{role},{provider}", f"{provider}, {role}"):
        assert world.assume(world.assertion({f"{OURS}Role": ["arn:a,arn:b", value]}))
    for values in ([], [f"{role}x,{provider}"], [f"{role},{provider}x"], [role], [f"{role},{provider},{role}"]):
        assert world.refused(world.assertion({f"{OURS}Role": values})) == NO
    name = f"{OURS}RoleSessionName"
    assert world.refused(world.assertion({name: []})) == (
        "InvalidIdentityToken",
        "RoleSessionName is required in AuthnResponse",
    )
    for values in (["a"], ["a b"], ["a" * 65], ["one", "two"]):
        assert world.refused(world.assertion({name: values}))[0] == "InvalidIdentityToken"


def test_provider_and_issuer_must_be_known(world: World) -> None:
    assert world.refused(PrincipalArn=world.provider + "x") == (
        "InvalidIdentityToken",
        "Specified provider doesn't exist",
    )
    assert world.refused(world.assertion(issuer="https://other.example.com")) == (
        "InvalidIdentityToken",
        "Issuer not present in specified provider",
    )
    assert world.refused(world.assertion(ends=time.time() - 1))[0] == "ExpiredTokenException"
    assert world.refused("not Base64!")[0] == "InvalidIdentityToken"
    assert world.refused("a" * 100_001)[0] == "ValidationError"
    assert world.refused(RoleArn=world.role + "x") == NO
    assert world.refused(RoleArn="role")[0] == "ValidationError"


def test_a_large_assertion_is_taken_too(world: World) -> None:
    further = {f"https://example.com/{number}": ["+" * 1000] for number in range(45)}
    assertion = world.assertion(further)
    assert 64 * 1024 < len(assertion) < 100_000
    assert world.assume(assertion)


def test_how_long_the_session_lasts(world: World) -> None:
    def seconds(assertion: str, **params: Any) -> float:
        reply = world.assume(assertion, **params)
        return round((reply["Credentials"]["Expiration"].timestamp() - time.time()) / 100) * 100

    name = f"{OURS}SessionDuration"
    assert seconds(world.assertion()) == 3600
    assert seconds(world.assertion({name: ["900"]})) == 900
    assert seconds(world.assertion({name: ["3600"]}), DurationSeconds=1200) == 1200
    assert world.refused(DurationSeconds=3601)[0] == "ValidationError"
    for text in ("899", "43201", "x", "-900", "9e2"):
        assert world.refused(world.assertion({name: [text]}))[0] == "InvalidIdentityToken"


def test_the_trust_policy_decides(region: LiveRegion, idp: Provider) -> None:
    world = World(region, idp, "saml-trust")
    attributes = {"urn:oid:1.3.6.1.4.1.5923.1.1.1.1": ["staff", "member"], "urn:oid:2.5.4.42": ["Alice"]}
    for condition, allowed in [
        ({"StringEquals": {"SAML:aud": ENDPOINT}}, True),
        ({"StringEquals": {"SAML:aud": "https://example.com"}}, False),
        ({"StringEquals": {"saml:iss": ISSUER}}, True),
        ({"StringEquals": {"saml:sub": "alice", "saml:sub_type": "persistent"}}, True),
        ({"StringEquals": {"saml:sub": "bob"}}, False),
        ({"StringEquals": {"saml:doc": f"{ACCOUNT}/{world.name}"}}, True),
        ({"ForAnyValue:StringEquals": {"saml:edupersonaffiliation": "staff"}}, True),
        ({"ForAnyValue:StringEquals": {"saml:edupersonaffiliation": "guest"}}, False),
        ({"StringEquals": {"saml:givenName": "Alice"}}, True),
        ({"StringEquals": {"sts:RoleSessionName": "alice"}}, True),
    ]:
        world.trusting(condition)
        assertion = world.assertion(attributes)
        if allowed:
            assert world.assume(assertion), condition
        else:
            assert world.refused(assertion) == NO, condition
    for further in ({"actions": "sts:AssumeRole"}, {"Federated": world.provider + "x"}, {"AWS": ACCOUNT}):
        world.trusting(**further)
        assert world.refused() == NO


def test_tags_and_source_identity_come_from_the_assertion(region: LiveRegion, idp: Provider) -> None:
    world = World(region, idp, "saml-tags")
    tags = {f"{OURS}PrincipalTag:team": ["red"], f"{OURS}TransitiveTagKeys": ["team"]}
    source = {f"{OURS}SourceIdentity": ["me"]}
    assert world.refused(world.assertion(tags))[1] == "Not authorized to perform sts:TagSession"
    assert world.refused(world.assertion(source))[1] == "Not authorized to perform sts:SetSourceIdentity"
    world.trusting(
        {"StringEquals": {"aws:RequestTag/team": "red"}},
        actions=["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"],
    )
    assert world.assume(world.assertion({**tags, **source}))["SourceIdentity"] == "me"
    assert world.refused(world.assertion({f"{OURS}PrincipalTag:team": ["blue"]}))[0] == "AccessDenied"
    assert world.refused(world.assertion({f"{OURS}PrincipalTag:team": ["a", "b"]}))[0] == "InvalidIdentityToken"
    wrong = {f"{OURS}PrincipalTag:team": ["red"], f"{OURS}TransitiveTagKeys": ["other"]}
    assert world.refused(world.assertion(wrong))[0] == "InvalidParameterValue"
