"""AssumeRoleWithWebIdentity against a live region, with an issuer on this machine: what is taken, and what is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.conftest import LiveRegion

ACCOUNT = "000000000000"
CLIENT = "my-app"


class Issuer:
    """An issuer of tokens; tests change what it publishes. `hold` makes it hang."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.asked: list[str] = []
        self.pages: dict[str, Any] = {}
        self.hold = threading.Event()
        self.hold.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                issuer.hold.wait(30)
                page = issuer.pages.get(self.path)
                body = page if isinstance(page, bytes) else json.dumps(page).encode()
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"localhost:{self.server.server_address[1]}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}"

    def publish(self, name: str, keys: list[dict[str, Any]] | None = None, **changed: Any) -> str:
        url = self.url(name)
        self.pages[f"/{name}/.well-known/openid-configuration"] = {
            "issuer": url,
            "jwks_uri": f"{url}/keys",
            **changed,
        }
        self.pages[f"/{name}/keys"] = {"keys": self.keys() if keys is None else keys}
        return url

    def keys(self) -> list[dict[str, Any]]:
        return [
            {**json.loads(RSAAlgorithm.to_jwk(self.rsa.public_key())), "kid": "rsa", "use": "sig"},
            {**json.loads(ECAlgorithm.to_jwk(self.ec.public_key())), "kid": "ec"},
        ]

    def token(self, url: str, algorithm: str = "RS256", kid: str | None = "rsa", key: Any = None, **claims: Any) -> str:
        now = int(time.time())
        content = {"iss": url, "sub": "someone", "aud": CLIENT, "iat": now, "exp": now + 600, **claims}
        content = {name: value for name, value in content.items() if value is not None}
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode(content, key or (self.rsa if algorithm[0] == "R" else self.ec), algorithm, headers)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.hold.set()
    made.server.shutdown()


class World:
    """A provider and a role that trusts it, of a name of their own."""

    def __init__(self, region: LiveRegion, issuer: Issuer, name: str) -> None:
        self.issuer, self.name = issuer, name
        self.url = issuer.publish(name)
        self.iam = region.client("iam")
        self.provider = self.iam.create_open_id_connect_provider(Url=self.url, ClientIDList=[CLIENT, "other"])[
            "OpenIDConnectProviderArn"
        ]
        self.prefix = f"{issuer.host}/{name}"
        self.role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=self.trust())["Role"]["Arn"]
        self.sts = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{region.port}",
            config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        self.region = region

    def trust(self, condition: Any = None, actions: Any = "sts:AssumeRoleWithWebIdentity", **principal: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": principal or {"Federated": self.provider},
            "Action": actions,
            "Condition": condition or {},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    def trusting(self, *given: Any, **further: Any) -> None:
        self.iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=self.trust(*given, **further))

    def assume(self, token: str | None = None, **params: Any) -> Any:
        given = {"RoleArn": self.role, "RoleSessionName": "one", "WebIdentityToken": token or self.token()}
        return self.sts.assume_role_with_web_identity(**{**given, **params})

    def token(self, **claims: Any) -> str:
        return self.issuer.token(self.url, **claims)

    def refused(self, token: str | None = None, **params: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            self.assume(token, **params)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def world(region: LiveRegion, issuer: Issuer) -> World:
    return World(region, issuer, "usual")


def test_a_token_is_worth_a_roles_credentials(region: LiveRegion, world: World) -> None:
    world.iam.attach_role_policy(RoleName="usual", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    reply = world.assume(DurationSeconds=900)
    assert reply["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/usual/one"
    assert (reply["SubjectFromWebIdentityToken"], reply["Provider"], reply["Audience"]) == (
        "someone",
        world.provider,
        CLIENT,
    )
    assert "PackedPolicySize" not in reply
    key = reply["Credentials"]
    session = region.client(
        "iam", key=key["AccessKeyId"], secret=key["SecretAccessKey"], aws_session_token=key["SessionToken"]
    )
    session.list_users()


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256"])
def test_issuers_may_sign_by_these(world: World, algorithm: str) -> None:
    assert world.assume(world.token(algorithm=algorithm, kid="rsa" if algorithm[0] == "R" else "ec"))["Credentials"]


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(header: dict[str, Any], payload: str, secret: bytes) -> str:
    signed = f"{segment(header)}.{payload}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def test_no_token_chooses_how_it_is_verified(world: World, issuer: Issuer) -> None:
    good = world.token()
    payload = good.split(".")[1]
    public = issuer.rsa.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    own = rsa.generate_private_key(65537, 2048)
    own_jwk = json.loads(RSAAlgorithm.to_jwk(own.public_key()))
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    bad = [
        f"{segment({'alg': 'none'})}.{payload}.",
        f"{segment({'alg': 'None', 'kid': 'rsa'})}.{payload}.",
        forged({"alg": "HS256", "kid": "rsa"}, payload, pem),
        forged({"alg": "HS256", "kid": "ec"}, payload, pem.strip()),
        forged({"alg": "RS256", "kid": "rsa"}, payload, pem),
        world.token(key=own),
        world.token(kid="ec"),
        world.token(algorithm="ES256", kid="rsa"),
        world.token(kid="unknown"),
        world.token(kid="../../etc/passwd"),
        world.token(kid="rsa' OR '1'='1"),
        world.token(algorithm="PS256", key=issuer.rsa),
        jwt.encode(claims, own, "RS256", {"kid": "rsa", "jwk": own_jwk, "jku": "http://localhost/", "x5u": "a"}),
        jwt.encode(claims, issuer.rsa, "RS256", {"kid": "rsa", "crit": ["exp"], "exp": 1}),
        good[:-8] + ("AAAAAAAA" if not good.endswith("AAAAAAAA") else "BBBBBBBB"),
        good.rpartition(".")[0] + ".",
        f"{good.split('.')[0]}.{segment({**claims, 'sub': 'admin'})}.{good.split('.')[2]}",
        "a.b.c",
        "not a token",
        f"{segment({'alg': 'RS256'})}.{segment([1])}.AAAA",
        f"{segment({'alg': 'RS256'})}." + base64.urlsafe_b64encode(b"[" * 9000).decode().rstrip("=") + ".AAAA",
        f"{segment({'alg': ['RS256']})}.{payload}.AAAA",
        good + "." + good,
    ]
    for token in bad:
        code, message = world.refused(token)
        assert code == "InvalidIdentityToken", (token, message)
    assert world.assume(good)


def test_a_token_of_any_length_is_refused_in_time(world: World) -> None:
    assert world.refused("a" * 20_001)[0] == "ValidationError"
    assert world.refused("." * 20_000)[0] == "InvalidIdentityToken"


def test_what_a_token_must_say(world: World, issuer: Issuer) -> None:
    now = int(time.time())
    code, message = world.refused(world.token(exp=now - 1))
    assert (code, message.startswith("Token expired: current date/time ")) == ("ExpiredTokenException", True)
    assert f"before the expiration date/time {now - 1}" in message
    assert world.refused(world.token(aud="another")) == ("InvalidIdentityToken", "Incorrect token audience")
    assert world.refused(world.token(azp="another"))[1] == "Incorrect token audience"
    assert world.refused(world.token(nbf=now + 900))[0] == "InvalidIdentityToken"
    assert world.refused(world.token(iat=now + 900))[0] == "InvalidIdentityToken"
    for claim in ("sub", "aud", "exp", "iat"):
        assert world.refused(world.token(**{claim: None})) == (
            "InvalidIdentityToken",
            f"Missing a required claim: {claim}",
        )
    elsewhere = issuer.token("https://elsewhere.example.com")
    assert world.refused(elsewhere) == (
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://elsewhere.example.com",
    )
    other = world.role.replace(ACCOUNT, "111111111111")
    assert world.refused(RoleArn=other)[1].startswith("No OpenIDConnect provider found in your account for")
    assert world.assume(world.token(aud=["x", "other"]))["Audience"] == "other"
    assert world.assume(world.token(aud="x", azp="other"))["Audience"] == "other"


def test_the_trust_policy_decides(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "trust")
    no = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    key = f"{world.prefix}:"
    for condition, claims, allowed in [
        ({"StringEquals": {f"{key}sub": "someone"}}, {}, True),
        ({"StringEquals": {f"{key}sub": "another"}}, {}, False),
        ({"StringLike": {f"{key}sub": "repo:me/*"}}, {"sub": "repo:me/it"}, True),
        ({"StringEquals": {f"{key}aud": CLIENT}}, {}, True),
        ({"StringEquals": {f"{key}aud": "other"}}, {}, False),
        ({"StringEquals": {f"{key}aud": "other", f"{key}oaud": "x"}}, {"aud": "x", "azp": "other"}, True),
        ({"ForAnyValue:StringEquals": {f"{key}amr": "mfa"}}, {"amr": ["pwd", "mfa"]}, True),
        ({"ForAnyValue:StringEquals": {f"{key}amr": "mfa"}}, {"amr": ["pwd"]}, False),
        ({"StringEquals": {"sts:RoleSessionName": "one"}}, {}, True),
        ({"StringEquals": {"sts:RoleSessionName": "two"}}, {}, False),
        ({"StringEquals": {"accounts.google.com:sub": "someone"}}, {}, False),
    ]:
        world.trusting(condition)
        token = world.token(**claims)
        if allowed:
            assert world.assume(token), condition
        else:
            assert world.refused(token) == no, condition
    world.trusting(actions="sts:AssumeRole")
    assert world.refused() == no
    world.trusting(actions="sts:AssumeRoleWithSAML")
    assert world.refused() == no
    world.trusting(Federated=world.provider + "x")
    assert world.refused() == no
    world.trusting(AWS=ACCOUNT)
    assert world.refused() == no
    assert world.refused(RoleArn=world.role + "x") == no


def test_a_signature_beside_the_token_changes_nothing(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "signed")
    world.trusting(AWS=ACCOUNT)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    body = {
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": world.role,
        "RoleSessionName": "one", "WebIdentityToken": world.token(),
    }  # fmt: skip
    request = AWSRequest("POST", f"http://127.0.0.1:{region.port}/", data=body)
    SigV4Auth(Credentials("test", "test"), "sts", "us-east-1").add_auth(request)
    reply = URLLib3Session().send(request.prepare())
    assert (reply.status_code, b"Not authorized to perform" in reply.content) == (403, True)


def test_tags_and_source_identity_come_from_the_token(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "tags")
    name = "https://aws.amazon.com/tags"
    tags = {name: {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}}
    assert world.refused(world.token(**tags))[0:2] == ("AccessDenied", "Not authorized to perform sts:TagSession")
    source = {"https://aws.amazon.com/source_identity": "me"}
    assert world.refused(world.token(**source))[1] == "Not authorized to perform sts:SetSourceIdentity"
    world.trusting(
        {"StringEquals": {"aws:RequestTag/team": "red"}},
        actions=["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
    )
    reply = world.assume(world.token(**tags, **source))
    assert (reply["SourceIdentity"], reply["PackedPolicySize"]) == ("me", 1)
    flat = {f"{name}/principal_tags": {"team": "red"}, f"{name}/transitive_tag_keys": ["team"]}
    assert world.assume(world.token(**flat))
    blue = {name: {"principal_tags": {"team": ["blue"]}}}
    assert world.refused(world.token(**blue))[0] == "AccessDenied"
    for wrong in ("a", {"principal_tags": []}, {"principal_tags": {"a": ["1", "2"]}}, {"principal_tags": {"a": [1]}}):
        assert world.refused(world.token(**{name: wrong}))[0] == "InvalidIdentityToken"
    wrong = {name: {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["other"]}}
    assert world.refused(world.token(**wrong))[0] == "InvalidParameterValue"


def test_what_a_session_may_is_the_roles_and_the_requests(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "narrow")
    world.iam.attach_role_policy(RoleName="narrow", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    allow = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}
    key = world.assume(Policy=json.dumps({"Version": "2012-10-17", "Statement": allow}))["Credentials"]
    session = region.client(
        "iam", key=key["AccessKeyId"], secret=key["SecretAccessKey"], aws_session_token=key["SessionToken"]
    )
    session.list_users()
    with pytest.raises(ClientError, match="no session policy allows"):
        session.list_roles()
    assert world.refused(DurationSeconds=3601)[1].endswith("MaxSessionDuration set for this role.")
    assert world.refused(DurationSeconds=899)[0] == "ValidationError"
    assert world.refused(Policy="{}")[0] == "MalformedPolicyDocument"
    assert world.refused(ProviderId="www.amazon.com")[0] == "NotImplemented"


def test_the_provider_goes_with_the_session(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "facts")
    condition = {"StringEquals": {f"{world.prefix}:sub": "someone", "aws:FederatedProvider": world.provider}}
    allow = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": condition}
    world.iam.put_role_policy(
        RoleName="facts", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow})
    )
    for subject, allowed in (("someone", True), ("another", False)):
        key = world.assume(world.token(sub=subject))["Credentials"]
        iam = region.client(
            "iam", key=key["AccessKeyId"], secret=key["SecretAccessKey"], aws_session_token=key["SessionToken"]
        )
        if allowed:
            iam.list_users()
        else:
            with pytest.raises(ClientError, match="no identity-based policy allows"):
                iam.list_users()


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://localhost/other"},
        {"jwks_uri": None},
        {"jwks_uri": "http://example.com/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://localhost:1/keys"},
    ],
)
def test_an_issuer_that_says_something_else_is_not_followed(
    region: LiveRegion, issuer: Issuer, changed: dict[str, Any]
) -> None:
    world = World(region, issuer, f"odd-{abs(hash(str(changed)))}")
    issuer.publish(world.name, **changed)
    assert world.refused()[0] == "IDPCommunicationError"


def test_keys_are_fetched_once_and_again_for_a_new_one(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "kept")
    for _ in range(5):
        world.assume()
    assert issuer.asked.count("/kept/keys") == 1
    for _ in range(3):
        assert world.refused(world.token(kid="unknown"))[0] == "InvalidIdentityToken"
    assert issuer.asked.count("/kept/keys") == 1


def test_an_issuer_whose_answer_is_bad_is_an_error_of_its_own(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "bad")
    for page in (b"{", b"[]", {"keys": {}}, {"keys": [{}] * 101}, b" " * 300_000, b"x" * 2_000_000):
        issuer.pages["/bad/keys"] = page
        assert world.refused()[0] == "IDPCommunicationError"
    del issuer.pages["/bad/keys"]
    assert world.refused()[0] == "IDPCommunicationError"
    issuer.publish("bad")
    assert world.assume()


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_small_keys_and_keys_for_something_else_are_not_taken(region: LiveRegion, issuer: Issuer) -> None:
    small = rsa.generate_private_key(65537, 1024)
    jwk = json.loads(RSAAlgorithm.to_jwk(small.public_key()))
    good = issuer.keys()[0]
    for number, keys in enumerate(
        [
            [{**jwk, "kid": "rsa"}],
            [{**good, "use": "enc"}],
            [{**good, "alg": "RS512"}],
            [good, {**good}],
            [{**good, "kty": "oct", "k": "AAAA"}],
            [{**good, "n": "!"}],
            [],
        ]
    ):
        world = World(region, issuer, f"keys-{number}")
        issuer.publish(world.name, keys)
        key = small if number == 0 else None
        assert world.refused(world.token(key=key))[0] == "InvalidIdentityToken", keys


def test_a_token_without_a_key_id_is_of_the_only_key(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "nokid")
    assert world.assume(world.token(kid=None))
    assert world.assume(world.token(kid=None, algorithm="ES256"))


@pytest.mark.slow
def test_an_issuer_that_hangs_holds_nobody_else_up(region: LiveRegion, issuer: Issuer) -> None:
    world = World(region, issuer, "hanging")
    issuer.hold.clear()
    codes: list[str] = []
    threads = [threading.Thread(target=lambda: codes.append(world.refused()[0])) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(20):
            world.iam.list_users()
        assert codes == []
        for thread in threads:
            thread.join(30)
    finally:
        issuer.hold.set()
    assert codes == ["IDPCommunicationError"] * 3
    assert issuer.asked.count("/hanging/.well-known/openid-configuration") == 1
    assert world.assume()
