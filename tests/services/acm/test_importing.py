"""What is imported is read and checked: key, chain, times; and it may be replaced."""

from __future__ import annotations

import subprocess
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from awning.services.acm import importing
from awning.services.acm.errors import LimitExceededException, ResourceNotFoundException, ValidationException
from tests.services.acm.support import ACCOUNT, START, Bench, Client, Issuer, pem_of


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_what_is_imported_is_described_as_it_is(client: Client, issuer: Issuer) -> None:
    made = rsa.generate_private_key(65537, 2048)
    pem = issuer.issue(made, "www.example.org", "*.example.org", common="www.example.org")
    arn = client.import_certificate(
        certificate=pem, private_key=pem_of(made), certificate_chain=issuer.pem, tags=[{"Key": "a"}]
    )["CertificateArn"]
    said = client.describe(arn)
    assert (said["Type"], said["Status"], said["Issuer"]) == ("IMPORTED", "ISSUED", "Somebody root")
    assert (said["DomainName"], said["SubjectAlternativeNames"]) == (
        "www.example.org",
        ["www.example.org", "*.example.org"],
    )
    assert (said["KeyAlgorithm"], said["SignatureAlgorithm"]) == ("RSA_2048", "SHA256WITHECDSA")
    assert (said["Serial"], said["Subject"]) == ("03:e9", "CN=www.example.org")
    assert (said["ImportedAt"], "IssuedAt" in said) == (START, False)
    assert (said["RenewalEligibility"], said["CertificateKeyPairOrigin"]) == ("INELIGIBLE", "CUSTOMER_PROVIDED")
    assert said["Options"] == {"CertificateTransparencyLoggingPreference": "DISABLED"}
    got = client.get_certificate(certificate_arn=arn)
    assert got == {"Certificate": pem.decode(), "CertificateChain": issuer.pem.decode()}
    assert client.list_tags_for_certificate(certificate_arn=arn)["Tags"] == [{"Key": "a"}]
    with pytest.raises(ValidationException, match="is not a private certificate"):
        client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")


def test_a_self_signed_certificate_needs_no_chain(client: Client, issuer: Issuer) -> None:
    arn = client.import_certificate(certificate=issuer.pem, private_key=pem_of(issuer.key))["CertificateArn"]
    assert "CertificateChain" not in client.get_certificate(certificate_arn=arn)
    assert client.describe(arn)["KeyAlgorithm"] == "EC_prime256v1"


def altered(pem: bytes, was: bytes, now: bytes) -> bytes:
    """A certificate in PEM with other bytes, which its signature does not fit."""
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    assert der.count(was) == 1
    body = b64encode(der.replace(was, now))
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n"


def with_two_extensions(issuer: Issuer, key: Any) -> bytes:
    builder = x509.CertificateBuilder(issuer.name, issuer.name, key.public_key(), serial_number=7)
    moment = datetime.fromtimestamp(START, UTC)
    builder = builder.not_valid_before(moment).not_valid_after(moment + timedelta(days=9))
    for oid in ("1.2.3.4", "1.2.3.5"):
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b""), critical=False)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def wrong(issuer: Issuer, key: Any) -> list[tuple[str, dict[str, Any]]]:
    good = {"certificate": issuer.issue(key), "private_key": pem_of(key), "certificate_chain": issuer.pem}
    old = ed25519.Ed25519PrivateKey.generate()
    return [
        ("body that you have specified is not a valid PEM", {**good, "certificate": b"CERT123"}),
        (
            "body that you have specified is not a valid PEM",
            {**good, "certificate": b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"},
        ),
        ("chain that you have specified is not a valid PEM", {**good, "certificate_chain": b"chain"}),
        (
            "body that you have specified is not a valid PEM",
            {**good, "certificate": altered(good["certificate"], b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x63")},
        ),
        (
            "Unable to parse certificate",
            {
                **good,
                "certificate": altered(issuer.issue(key, common="\0bits"), b"\x0c\x05\0bits", b"\x03\x05\0bits"),
            },
        ),
        (
            "Unable to parse certificate",
            {
                **good,
                "certificate": altered(
                    with_two_extensions(issuer, key), b"\x06\x03\x2a\x03\x05", b"\x06\x03\x2a\x03\x04"
                ),
            },
        ),
        ("contains more than one certificate", {**good, "certificate": good["certificate"] + issuer.pem}),
        ("private key is not valid", {**good, "private_key": b"KEY123"}),
        ("private key is not supported", {**good, "private_key": pem_of(old)}),
        ("should not be encrypted", {**good, "private_key": pem_of(key, b"passphrase")}),
        ("no larger than 5120 bytes", {**good, "private_key": b"x" * 5121}),
        ("private key does not match", {**good, "private_key": pem_of(issuer.key)}),
        ("has expired", {**good, "certificate": issuer.issue(key, begin=-20, end=-1)}),
        ("not in effect yet", {**good, "certificate": issuer.issue(key, begin=1)}),
        ("not a valid self signed", {**good, "certificate_chain": None}),
        ("with the certificate chain", {**good, "certificate_chain": Issuer("Another").pem}),
        ("with the certificate chain", {**good, "certificate_chain": good["certificate"] + issuer.pem}),
    ]


def test_a_chain_ends_at_its_root(client: Client, issuer: Issuer, key: ec.EllipticCurvePrivateKey) -> None:
    chain = issuer.pem + Issuer("Another").pem
    arn = client.import_certificate(certificate=issuer.issue(key), private_key=pem_of(key), certificate_chain=chain)[
        "CertificateArn"
    ]
    assert client.get_certificate(certificate_arn=arn)["CertificateChain"] == chain.decode()


def test_what_is_wrong_is_refused_and_nothing_is_kept(
    client: Client, issuer: Issuer, key: ec.EllipticCurvePrivateKey
) -> None:
    for text, params in wrong(issuer, key):
        with pytest.raises(ValidationException, match=text) as caught:
            client.import_certificate(**params)
        assert "BEGIN" not in str(caught.value)
    assert client.list_certificates(includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"] == []


def test_a_text_of_beginnings_is_read_once(client: Client, issuer: Issuer, key: ec.EllipticCurvePrivateKey) -> None:
    """Two megabytes in which 70,000 certificates begin and none ends: read anew from each, it would take hours."""
    with pytest.raises(ValidationException, match="not a valid PEM-encoded"):
        client.import_certificate(
            certificate=issuer.issue(key),
            private_key=pem_of(key),
            certificate_chain=b"-----BEGIN CERTIFICATE-----" * 70_000,
        )


def test_a_reimport_keeps_the_arn(bench: Bench, client: Client, issuer: Issuer) -> None:
    first, second = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = issuer.pem
    arn = client.import_certificate(
        certificate=issuer.issue(first, "a.example.org"), private_key=pem_of(first), certificate_chain=chain
    )["CertificateArn"]
    bench.now += 100
    again = issuer.issue(second, "b.example.org")
    params = {"certificate": again, "private_key": pem_of(second), "certificate_chain": chain, "certificate_arn": arn}
    assert client.import_certificate(**params)["CertificateArn"] == arn
    said = client.describe(arn)
    assert (said["DomainName"], said["CreatedAt"], said["ImportedAt"]) == ("b.example.org", START, START + 100)
    assert client.get_certificate(certificate_arn=arn)["Certificate"] == again.decode()
    with pytest.raises(ValidationException, match="Tagging is not permitted on re-import"):
        client.import_certificate(**params, tags=[{"Key": "a"}])
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(ValidationException, match="must stay EC_prime256v1"):
        client.import_certificate(
            **{**params, "certificate": issuer.issue(other, "c.example.org"), "private_key": pem_of(other)}
        )
    with pytest.raises(ValidationException, match="was not imported"):
        client.import_certificate(**{**params, "certificate_arn": client.new()})
    with pytest.raises(ResourceNotFoundException):
        client.import_certificate(**{**params, "certificate_arn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/none"})


def test_an_imported_certificate_expires(bench: Bench, client: Client, issuer: Issuer, key: Any) -> None:
    arn = client.import_certificate(
        certificate=issuer.issue(key, end=10), private_key=pem_of(key), certificate_chain=issuer.pem
    )["CertificateArn"]
    bench.later(11)
    assert client.status(arn) == "EXPIRED"
    keys = {"keyTypes": ["EC_prime256v1"]}
    for status, count in (("EXPIRED", 1), ("ISSUED", 0)):
        listed = client.list_certificates(certificate_statuses=[status], includes=keys)["CertificateSummaryList"]
        assert [one["Status"] for one in listed] == [status] * count


def test_how_many_may_be_imported(client: Client, issuer: Issuer, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST", 1)
    params = {"certificate": issuer.issue(key), "private_key": pem_of(key), "certificate_chain": issuer.pem}
    client.import_certificate(**params)
    with pytest.raises(LimitExceededException, match="You have reached the maximum number of certificates"):
        client.import_certificate(**params)


def test_what_openssl_made_without_extensions_is_taken(client: Client, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=30)

    root = ("-subj", "/C=GB/O=Server/CN=Root", "-days", "30", "-nodes", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", *root)
    openssl("genrsa", "-traditional", "-out", "leaf.key", "2048")
    openssl("req", "-new", "-key", "leaf.key", "-subj", "/C=GB/O=Server/CN=*.example.org", "-out", "leaf.csr")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30", "-out", "leaf.pem")
    leaf, key, chain = ((tmp_path / name).read_bytes() for name in ("leaf.pem", "leaf.key", "ca.pem"))
    assert key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    client.bench.now = time.time() + 60
    arn = client.import_certificate(certificate=leaf, private_key=key, certificate_chain=chain)["CertificateArn"]
    said = client.describe(arn)
    assert (said["DomainName"], said["Issuer"], said["KeyAlgorithm"]) == ("*.example.org", "Root", "RSA_2048")
    assert (said["SubjectAlternativeNames"], said["Subject"]) == (["*.example.org"], "C=GB,O=Server,CN=*.example.org")
    assert said["ExtendedKeyUsages"] == []
