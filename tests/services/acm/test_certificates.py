"""What was issued: OpenSSL's judgement, export, renewal, use by others, revocation, lists and searches."""

from __future__ import annotations

import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from awning.contracts import CertificateUsed, FindCertificate
from awning.kit.deliveries import Undeliverable
from awning.services.acm import SERVICE
from awning.services.acm.errors import (
    RequestInProgressException,
    ResourceInUseException,
    ValidationException,
)
from tests.services.acm.support import ACCOUNT, DAY, Bench, Client

LISTENER = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/web/0123456789abcdef"
FAR = urlsafe_b64encode(b"9" * 40).decode()
ALGORITHMS = ("RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")


def openssl(*arguments: Any, text: str | None = None) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_verifies_a_certificate_of_every_algorithm(
    bench: Bench, client: Client, tmp_path: Path, algorithm: str
) -> None:
    arn = client.issued(key_algorithm=algorithm, subject_alternative_names=["*.example.net"])
    got = client.get_certificate(certificate_arn=arn)
    (tmp_path / "ca.pem").write_text(got["CertificateChain"])
    (tmp_path / "leaf.pem").write_text(got["Certificate"])
    for name in ("www.example.com", "any.example.net"):
        openssl(
            *("verify", "-x509_strict", "-purpose", "sslserver", "-attime", int(bench.now), "-verify_hostname", name),
            *("-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem"),
        )
    assert f"DNS:{'www.example.com'}, DNS:*.example.net" in openssl(
        "x509", "-noout", "-ext", "subjectAltName", text=got["Certificate"]
    )
    said = client.describe(arn)
    serial = openssl("x509", "-noout", "-serial", text=got["Certificate"]).strip().removeprefix("serial=")
    assert said["Serial"].replace(":", "") == serial.lower()
    assert (said["KeyAlgorithm"], said["SignatureAlgorithm"]) == (algorithm, "SHA256WITHRSA")
    usages = {"DIGITAL_SIGNATURE", *(["KEY_ENCIPHERMENT"] if algorithm.startswith("RSA") else [])}
    assert {usage["Name"] for usage in said["KeyUsages"]} == usages
    assert said["ExtendedKeyUsages"] == [{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}]


def test_only_what_is_to_be_exportable_is_exported(bench: Bench, client: Client, tmp_path: Path) -> None:
    kept, arn = client.issued(), client.issued(options={"Export": "ENABLED"})
    with pytest.raises(ValidationException, match=f"Certificate ARN: {kept} is not a private certificate"):
        client.export_certificate(certificate_arn=kept, passphrase=b"passphrase")
    for passphrase in (b"pass#word", b"pass$word", b"pass%word", "päss".encode()):
        with pytest.raises(ValidationException, match="any ASCII character except"):
            client.export_certificate(certificate_arn=arn, passphrase=passphrase)
    pending = client.new(options={"Export": "ENABLED"})
    with pytest.raises(RequestInProgressException):
        client.export_certificate(certificate_arn=pending, passphrase=b"passphrase")
    got = client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    assert got["PrivateKey"].startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    key = load_pem_private_key(got["PrivateKey"].encode(), b"passphrase")
    public = x509.load_pem_x509_certificate(got["Certificate"].encode()).public_key()
    assert key.public_key() == public
    (tmp_path / "key.pem").write_text(got["PrivateKey"])
    assert "BEGIN PRIVATE KEY" in openssl("pkey", "-in", tmp_path / "key.pem", "-passin", "pass:passphrase")
    (summary,) = (one for one in listed(client) if one["CertificateArn"] == arn)
    assert (summary["Exported"], summary["RenewalEligibility"]) == (True, "ELIGIBLE")


def listed(client: Client, **params: Any) -> list[Any]:
    params.setdefault("includes", {"keyTypes": list(ALGORITHMS)})
    return list(client.list_certificates(**params)["CertificateSummaryList"])


def test_what_is_in_use_is_renewed_45_days_before_its_end(bench: Bench, client: Client) -> None:
    used, idle = client.issued(), client.issued()
    bench.use(used, LISTENER)
    before = client.describe(used)
    assert (before["InUseBy"], before["RenewalEligibility"]) == ([LISTENER], "ELIGIBLE")
    assert client.describe(idle)["RenewalEligibility"] == "INELIGIBLE"
    bench.later(152)
    assert client.describe(used)["Serial"] == before["Serial"]
    bench.later(1.5)
    after = client.describe(used)
    assert (after["Status"], after["RenewalSummary"]["RenewalStatus"]) == ("ISSUED", "SUCCESS")
    assert after["Serial"] != before["Serial"]
    assert after["NotAfter"] == before["NotAfter"] + 154 * DAY  # it was late in the day
    assert after["RenewalSummary"]["DomainValidationOptions"][0]["ValidationStatus"] == "SUCCESS"
    assert "RenewalSummary" not in client.describe(idle)
    bench.later(50)
    assert (client.status(idle), client.status(used)) == ("EXPIRED", "ISSUED")


def test_a_renewal_waits_for_its_dns_record(bench: Bench, client: Client) -> None:
    arn = client.new()
    wanted = client.describe(arn)["DomainValidationOptions"][0]["ResourceRecord"]
    bench.room.records = {wanted["Name"]: [wanted["Value"]]}
    bench.later(0.001)
    bench.use(arn, LISTENER)
    bench.room.records.clear()
    serial = client.describe(arn)["Serial"]
    bench.later(155)
    said = client.describe(arn)
    assert (said["Status"], said["RenewalSummary"]["RenewalStatus"]) == ("ISSUED", "PENDING_VALIDATION")
    bench.room.records[wanted["Name"]] = [wanted["Value"]]
    bench.later(1)
    said = client.describe(arn)
    assert (said["Serial"] != serial, said["RenewalSummary"]["RenewalStatus"]) == (True, "SUCCESS")
    bench.room.records.clear()
    bench.later(155)
    bench.later(60)
    said = client.describe(arn)
    assert (said["Status"], said["RenewalSummary"]["RenewalStatus"]) == ("EXPIRED", "FAILED")


def test_renewing_by_hand_takes_what_was_exported(bench: Bench, client: Client) -> None:
    arn = client.issued(options={"Export": "ENABLED"})
    with pytest.raises(ValidationException, match="relation of type EXPORT"):
        client.renew_certificate(certificate_arn=arn)
    first = client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    client.renew_certificate(certificate_arn=arn)
    assert client.describe(arn)["RenewalSummary"]["RenewalStatus"] == "PENDING_AUTO_RENEWAL"
    with pytest.raises(RequestInProgressException):
        client.renew_certificate(certificate_arn=arn)
    bench.carry()
    assert client.describe(arn)["RenewalEligibility"] == "INELIGIBLE"
    second = client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    keys = [load_pem_private_key(one["PrivateKey"].encode(), b"passphrase") for one in (first, second)]
    assert keys[0].public_key() != keys[1].public_key()
    with pytest.raises(RequestInProgressException):
        client.renew_certificate(certificate_arn=client.new())


def test_what_is_in_use_can_be_neither_deleted_nor_revoked(bench: Bench, client: Client) -> None:
    arn = client.issued(options={"Export": "ENABLED"})
    client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    bench.use(arn, LISTENER)
    bench.use(arn, LISTENER)
    text = f"Certificate {arn} in account {ACCOUNT} is in use."
    with pytest.raises(ResourceInUseException, match=text):
        client.delete_certificate(certificate_arn=arn)
    with pytest.raises(ResourceInUseException, match=text):
        client.revoke_certificate(certificate_arn=arn, revocation_reason="KEY_COMPROMISE")
    bench.use(arn, LISTENER, used=False)
    bench.use(arn, LISTENER, used=False)
    client.delete_certificate(certificate_arn=arn)
    bench.use(arn, LISTENER, used=False)
    with pytest.raises(Undeliverable):
        bench.use(arn, LISTENER)
    assert SERVICE.accepts.keys() == {CertificateUsed}


def test_only_what_was_exported_is_revoked(bench: Bench, client: Client) -> None:
    arn = client.issued(options={"Export": "ENABLED"})
    with pytest.raises(ValidationException, match="has not been exported"):
        client.revoke_certificate(certificate_arn=arn, revocation_reason="SUPERSEDED")
    client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    assert client.revoke_certificate(certificate_arn=arn, revocation_reason="SUPERSEDED") == {"CertificateArn": arn}
    said = client.describe(arn)
    assert (said["Status"], said["RevocationReason"], said["RevokedAt"]) == ("REVOKED", "SUPERSEDED", bench.now)
    with pytest.raises(ValidationException, match="revoked already"):
        client.revoke_certificate(certificate_arn=arn, revocation_reason="SUPERSEDED")
    with pytest.raises(ValidationException, match="not in state ISSUED"):
        client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    bench.later(300)
    assert client.status(arn) == "REVOKED"


def test_other_rooms_get_certificate_chain_and_key(bench: Bench, client: Client) -> None:
    def ask(arn: str) -> Any:
        return SERVICE.answers[FindCertificate](bench.make_call(), FindCertificate(arn))

    assert ask(f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/none") is None
    arn = client.new()
    assert (ask(arn).status, ask(arn).private_key) == ("PENDING_VALIDATION", "")
    bench.control("validate", arn=arn)
    bench.carry()
    found = ask(arn)
    assert (found.arn, found.account, found.names, found.generation) == (arn, ACCOUNT, ("www.example.com",), 1)
    key = load_pem_private_key(found.private_key.encode(), None)
    assert x509.load_pem_x509_certificate(found.certificate.encode()).public_key() == key.public_key()
    assert "PRIVATE" not in repr(found)
    bench.now += 200 * DAY
    assert (ask(arn).status, ask(arn).private_key) == ("EXPIRED", "")


def test_lists(bench: Bench, client: Client, other: Client, west: Client) -> None:
    made = [client.issued(f"n{number}.example.com", key_algorithm="EC_secp384r1") for number in range(3)]
    usual = client.new("rsa.example.com", key_algorithm="RSA_2048", options={"Export": "ENABLED"})
    assert [one["CertificateArn"] for one in listed(client, includes=None)] == [usual]
    assert [one["CertificateArn"] for one in listed(client)] == [*made, usual]
    assert listed(other) == listed(west) == []
    keys = list(ALGORITHMS)
    page = client.list_certificates(
        includes={"keyTypes": keys}, max_items=3, sort_by="CREATED_AT", sort_order="DESCENDING"
    )
    assert [one["CertificateArn"] for one in page["CertificateSummaryList"]] == [usual, made[2], made[1]]
    rest = client.list_certificates(
        includes={"keyTypes": keys},
        max_items=3,
        sort_by="CREATED_AT",
        sort_order="DESCENDING",
        next_token=page["NextToken"],
    )
    assert [one["CertificateArn"] for one in rest["CertificateSummaryList"]] == [made[0]]
    assert "NextToken" not in rest

    def arns(**params: Any) -> list[str]:
        return [one["CertificateArn"] for one in listed(client, **params)]

    assert arns(certificate_statuses=["PENDING_VALIDATION"]) == [usual]
    assert arns(includes={"keyTypes": keys, "keyUsage": ["DIGITAL_SIGNATURE"]}) == made
    assert arns(includes={"keyTypes": keys, "keyUsage": ["KEY_ENCIPHERMENT"]}) == []
    assert arns(includes={"keyTypes": keys, "extendedKeyUsage": ["TLS_WEB_SERVER_AUTHENTICATION"]}) == made
    assert arns(includes={"keyTypes": keys, "exportOption": "ENABLED"}) == [usual]
    assert arns(includes={"keyTypes": keys, "managedBy": "CLOUDFRONT"}) == []
    assert arns(certificate_key_pair_origins=["CUSTOMER_PROVIDED"]) == []
    for wrong in ({"sort_by": "CREATED_AT"}, {"sort_order": "ASCENDING"}, {"next_token": "?"}, {"next_token": FAR}):
        with pytest.raises(ValidationException):
            client.list_certificates(**wrong)


def test_searches(bench: Bench, client: Client) -> None:
    first = client.issued("a.example.com", subject_alternative_names=["shop.example.net"])
    second = client.issued("b.example.com", options={"Export": "ENABLED"})
    pending = client.new("c.example.org")
    bench.use(first, LISTENER)

    def metadata(**wanted: Any) -> Any:
        return {"Filter": {"AcmCertificateMetadataFilter": wanted}}

    def attribute(**wanted: Any) -> Any:
        return {"Filter": {"X509AttributeFilter": wanted}}

    def search(statement: Any, **params: Any) -> list[str]:
        params = {"sort_by": "COMMON_NAME", "sort_order": "ASCENDING", **params}
        found = client.search_certificates(filter_statement=statement, **params)
        return [one["CertificateArn"] for one in found["Results"]]

    def names(value: str, operator: str) -> Any:
        return {"DnsName": {"Value": value, "ComparisonOperator": operator}}

    assert search(None) == [first, second, pending]
    assert search(None, sort_order="DESCENDING", max_results=2) == [pending, second]
    assert search({"Filter": {"CertificateArn": second}}) == [second]
    assert search(metadata(Status="ISSUED")) == [first, second]
    assert search(metadata(InUse=True)) == [first]
    assert search({"Not": metadata(InUse=True)}) == [second, pending]
    assert search({"Not": metadata(RenewalStatus="SUCCESS")}) == [first, second, pending]
    assert search(metadata(ExportOption="ENABLED")) == [second]
    assert search({"Or": [metadata(InUse=True), metadata(Status="PENDING_VALIDATION")]}) == [first, pending]
    assert search({"And": [metadata(Status="ISSUED"), {"Not": metadata(InUse=True)}]}) == [second]
    assert search(attribute(SubjectAlternativeName=names("EXAMPLE.net", "CONTAINS"))) == [first]
    assert search(attribute(SubjectAlternativeName=names("example.net", "EQUALS"))) == []
    assert search(attribute(Subject={"CommonName": {"Value": "b.", "ComparisonOperator": "CONTAINS"}})) == [second]
    assert search(attribute(KeyUsage="DIGITAL_SIGNATURE")) == [first, second]
    assert search(attribute(ExtendedKeyUsage="CODE_SIGNING")) == []
    assert search(attribute(NotAfter={"Start": bench.now, "End": bench.now + 200 * DAY})) == [first, second]
    assert search(attribute(NotBefore={"Start": bench.now})) == []
    assert search(attribute(SerialNumber=client.describe(first)["Serial"])) == [first]
    found = client.search_certificates(filter_statement={"Filter": {"CertificateArn": first}})["Results"][0]
    assert found["X509Attributes"]["Issuer"]["Organization"] == "awning"
    assert found["CertificateMetadata"]["AcmCertificateMetadata"]["InUse"] is True
    deep: Any = metadata(InUse=True)
    for _ in range(9):
        deep = {"Not": deep}
    for wrong in (deep, {}, {"Filter": {}}):
        with pytest.raises(ValidationException):
            search(wrong)


@pytest.mark.parametrize("column", ["STATUS", "RENEWAL_ELIGIBILITY", "NOT_AFTER", "EXPORTED", "ACME_ACCOUNT_ID"])
def test_a_search_may_be_sorted_by_everything(client: Client, column: str) -> None:
    made = [client.issued(), client.new()]
    found = client.search_certificates(sort_by=column)["Results"]
    assert sorted(one["CertificateArn"] for one in found) == sorted(made)
