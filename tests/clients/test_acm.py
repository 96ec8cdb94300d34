"""ACM by its clients: boto3, the AWS command line, a TLS client that trusts the authority; and a region that is killed."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.control import ask
from tests.conftest import LiveRegion
from tests.permissions.examples import self_signed

ACCOUNT = "000000000000"
BAD_ARN = "arn:aws:acm:us-east-2:000000000000:certificate/_0000000-0000-0000-0000-000000000000"


@pytest.fixture
def acm(region: LiveRegion) -> Any:
    return region.client("acm")


def validated(region: LiveRegion, acm: Any, name: str, **params: Any) -> str:
    """Request a certificate, have the user vouch for it, and wait until it is issued; return its ARN."""
    given = {"ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1", **params}
    arn = str(acm.request_certificate(DomainName=name, **given)["CertificateArn"])
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "PENDING_VALIDATION"
    ask(region.data, "acm.validate", arn=arn)
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return arn


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error: Any = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_what_was_exported_serves_tls_to_who_trusts_the_authority(region: LiveRegion, acm: Any, tmp_path: Path) -> None:
    arn = validated(region, acm, "shop.example.com", Options={"Export": "ENABLED"})
    got = acm.export_certificate(CertificateArn=arn, Passphrase=b"passphrase")
    (tmp_path / "chain.pem").write_text(got["Certificate"] + got["CertificateChain"])
    (tmp_path / "key.pem").write_text(got["PrivateKey"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem", password="passphrase")
    client = ssl.create_default_context(cadata=ask(region.data, "acm.ca")["certificate"])
    assert handshake(server, client, "shop.example.com") == (("commonName", "shop.example.com"),)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "other.example.com")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> Any:
    """Let the two speak within memory; return the subject that the client saw."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up, server_hostname=name), server.wrap_bio(up, down, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = ends[0].getpeercert()
    assert certificate
    return certificate["subject"][0]


def test_what_conformance_suites_ask_of_unknown_certificates(acm: Any) -> None:
    for operation, params in (
        ("get_certificate", {}),
        ("delete_certificate", {}),
        ("describe_certificate", {}),
        ("add_tags_to_certificate", {"Tags": [{"Key": "key1", "Value": "value1"}, {"Key": "key2"}]}),
        ("remove_tags_from_certificate", {"Tags": [{"Key": "key2"}]}),
        ("list_tags_for_certificate", {}),
        ("resend_validation_email", {"Domain": "a.example.com", "ValidationDomain": "example.com"}),
        ("export_certificate", {"Passphrase": b"pass"}),
        ("renew_certificate", {}),
        ("update_certificate_options", {"Options": {"Export": "DISABLED"}}),
    ):
        code, message = refused(getattr(acm, operation), CertificateArn=BAD_ARN, **params)
        assert (code, message) == ("ResourceNotFoundException", f"Could not find certificate {BAD_ARN}."), operation


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"Tags": [{"Key": "X" * 200, "Value": "x"}]}, "Member must have length less than or equal to 128"),
        ({"Tags": [{"Key": "x", "Value": "X" * 300}]}, "Member must have length less than or equal to 256"),
        ({"DomainName": "nodots"}, "Member must satisfy regular expression pattern"),
        ({"IdempotencyToken": "a-b"}, "Member must satisfy regular expression pattern"),
    ],
)
def test_the_models_constraints_hold(acm: Any, params: dict[str, Any], text: str) -> None:
    code, message = refused(acm.request_certificate, **{"DomainName": "a.example.com", **params})
    assert code == "ValidationException"
    assert text in message


@pytest.mark.parametrize(
    ("operation", "params", "named"),
    [
        (
            "request_certificate",
            {"CertificateAuthorityArn": f"arn:aws:acm-pca:us-east-1:{ACCOUNT}:certificate-authority/x"},
            "CertificateAuthorityArn",
        ),
        ("request_certificate", {"ValidationMethod": "HTTP"}, "HTTP"),
        ("request_certificate", {"ManagedBy": "CLOUDFRONT"}, "ManagedBy"),
        ("list_acme_endpoints", {}, "ListAcmeEndpoints"),
    ],
)
def test_what_there_is_not_is_refused_by_name(acm: Any, operation: str, params: dict[str, Any], named: str) -> None:
    if operation == "request_certificate":
        params = {"DomainName": "a.example.com", **params}
    code, message = refused(getattr(acm, operation), **params)
    assert code == "NotImplemented"
    assert named in message


def test_conditions_on_a_request(region: LiveRegion, name: str) -> None:
    iam = region.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = region.client("acm", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    good = {"DomainName": "a.team.example.com", "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1"}
    tagged = {"Tags": [{"Key": "team", "Value": "a"}]}
    for condition, allowed, denied in (
        ({"ForAllValues:StringLike": {"acm:DomainNames": "*.team.example.com"}}, {},
         {"SubjectAlternativeNames": ["other.example.com"]}),
        ({"StringEquals": {"acm:ValidationMethod": "DNS"}}, {}, {"ValidationMethod": "EMAIL"}),
        ({"StringEquals": {"acm:KeyAlgorithm": "EC_prime256v1"}}, {}, {"KeyAlgorithm": "RSA_2048"}),
        ({"StringEquals": {"acm:Export": "DISABLED"}}, {}, {"Options": {"Export": "ENABLED"}}),
        ({"StringEquals": {"acm:CertificateTransparencyLogging": "ENABLED"}}, {},
         {"Options": {"CertificateTransparencyLoggingPreference": "DISABLED"}}),
        ({"StringEquals": {"aws:RequestTag/team": "a"}}, tagged, {}),
    ):  # fmt: skip
        statements = [
            {"Effect": "Allow", "Action": "acm:RequestCertificate", "Resource": "*", "Condition": condition},
            {"Effect": "Allow", "Action": "acm:AddTagsToCertificate", "Resource": "*"},
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
        arn = user.request_certificate(**good, **allowed)["CertificateArn"]
        assert refused(user.request_certificate, **{**good, **denied})[0] == "AccessDeniedException", condition
    statement = {
        "Effect": "Allow",
        "Action": "acm:DeleteCertificate",
        "Resource": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}},
    }
    iam.put_user_policy(
        UserName=name, PolicyName="all", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    other = region.client("acm").request_certificate(DomainName="a.example.com")["CertificateArn"]
    assert refused(user.delete_certificate, CertificateArn=other)[0] == "AccessDeniedException"
    user.delete_certificate(CertificateArn=arn)


def test_the_command_line_goes_its_round(aws: Callable[..., Any], region: LiveRegion, tmp_path: Path) -> None:
    arn = aws(
        "acm", "request-certificate", "--domain-name", "round.localhost", "--validation-method", "DNS",
        "--idempotency-token", "round", "--options", "Export=ENABLED", "--tags", "Key=team,Value=a",
    )["CertificateArn"]  # fmt: skip
    record = aws("acm", "describe-certificate", "--certificate-arn", arn)["Certificate"]["DomainValidationOptions"][0]
    assert record["ResourceRecord"]["Type"] == "CNAME"
    wait_until_issued(region, arn)
    aws("acm", "wait", "certificate-validated", "--certificate-arn", arn)
    assert "BEGIN CERTIFICATE" in aws("acm", "get-certificate", "--certificate-arn", arn)["Certificate"]
    (tmp_path / "passphrase").write_bytes(b"passphrase")
    got = aws("acm", "export-certificate", "--certificate-arn", arn, "--passphrase", f"fileb://{tmp_path}/passphrase")
    assert "ENCRYPTED" in got["PrivateKey"]
    certificate, key = self_signed("imported.example.com")
    (tmp_path / "certificate").write_bytes(certificate)
    (tmp_path / "key").write_bytes(key)
    imported = aws(
        "acm", "import-certificate", "--certificate", f"fileb://{tmp_path}/certificate", "--private-key",
        f"fileb://{tmp_path}/key",
    )["CertificateArn"]  # fmt: skip
    listed = aws("acm", "list-certificates", "--includes", "keyTypes=EC_prime256v1")["CertificateSummaryList"]
    assert imported in [one["CertificateArn"] for one in listed]
    for each in (arn, imported):
        aws("acm", "delete-certificate", "--certificate-arn", each)
    aws("acm", "describe-certificate", "--certificate-arn", arn, fails="ResourceNotFoundException")


def wait_until_issued(region: LiveRegion, arn: str) -> None:
    """The command's own waiter looks only once a minute."""
    waiter = region.client("acm").get_waiter("certificate_validated")
    waiter.wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def test_certificates_outlive_a_crash(own_region: LiveRegion) -> None:
    acm = own_region.start().client("acm")
    arns = []
    for number in range(2):
        arns.append(validated(own_region, acm, f"n{number}.example.com", Options={"Export": "ENABLED"}))
        arns.append(acm.request_certificate(DomainName="a.example.com", ValidationMethod="DNS")["CertificateArn"])
        ask(own_region.data, "acm.validate", arn=arns[-1])
        own_region.kill()
        acm = own_region.start().client("acm")
        # Whatever was validated is issued, once, though the region was killed over it.
        waiter = acm.get_waiter("certificate_validated")
        waiter.wait(CertificateArn=arns[-1], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        acm.export_certificate(CertificateArn=arns[-2], Passphrase=b"passphrase")
    chains = {acm.get_certificate(CertificateArn=arn)["CertificateChain"] for arn in arns}
    assert chains == {ask(own_region.data, "acm.ca")["certificate"]}


def test_a_clock_that_is_moved_renews_what_was_exported(own_region: LiveRegion) -> None:
    acm = own_region.start().client("acm")
    arn = validated(own_region, acm, "www.example.com", Options={"Export": "ENABLED"})
    acm.export_certificate(CertificateArn=arn, Passphrase=b"passphrase")
    before = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    ask(own_region.data, "clock", seconds=160 * 86_400)
    for _ in range(100):
        after = acm.describe_certificate(CertificateArn=arn)["Certificate"]
        if after["Serial"] != before["Serial"]:
            break
        time.sleep(0.1)
    assert after["RenewalSummary"]["RenewalStatus"] == "SUCCESS"
    assert (after["NotAfter"] - before["NotAfter"]).days == 160


def test_no_private_key_reaches_the_log_or_the_disk(own_region: LiveRegion) -> None:
    acm = own_region.start().client("acm")
    certificate, key = self_signed("planted.example.com")
    passphrase = b"planted-passphrase-of-nobody"
    acm.import_certificate(Certificate=certificate, PrivateKey=key)
    for wrong in (
        {"Certificate": b"planted", "PrivateKey": key},
        {"Certificate": self_signed("other.example.com")[0], "PrivateKey": key},
        {"Certificate": certificate, "PrivateKey": key * 40},
    ):
        _, message = refused(acm.import_certificate, **wrong)
        assert not any(line in message for line in key.decode().splitlines()[1:-1])
    arn = validated(own_region, acm, "www.example.com", Options={"Export": "ENABLED"})
    exported = acm.export_certificate(CertificateArn=arn, Passphrase=passphrase)["PrivateKey"]
    _, message = refused(acm.export_certificate, CertificateArn=arn, Passphrase=passphrase + b"#")
    assert passphrase.decode() not in message
    planted = secrets_of(key, None) + secrets_of(exported.encode(), passphrase)
    planted += [passphrase, base64.b64encode(passphrase)]
    own_region.stop()
    everything = [own_region.log, *(path for path in own_region.data.rglob("*") if path.is_file())]
    assert len(everything) > 4
    for path in everything:
        content = path.read_bytes()
        for secret in planted:
            assert secret not in content, path


def secrets_of(pem: bytes, passphrase: bytes | None) -> list[bytes]:
    """A private key of P-256 in the forms in which it might lie about: its number, and the lines of its PEM that hold that. The
    third line is of the public key, as in the certificate."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(pem, passphrase)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value.to_bytes(32)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).splitlines()[1:3]
    return [number, number.hex().encode(), base64.b64encode(number), *plain]
