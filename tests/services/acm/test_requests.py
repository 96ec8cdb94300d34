"""From the request to the certificate: names, tokens, validation by DNS, mail and the user's word, time-outs, limits."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from awning.contracts import IssueCertificate
from awning.services.acm import SERVICE, requesting
from awning.services.acm import x509 as own
from awning.services.acm.errors import (
    InvalidArnException,
    InvalidDomainValidationOptionsException,
    InvalidStateException,
    LimitExceededException,
    RequestInProgressException,
    ResourceNotFoundException,
    TooManyTagsException,
    ValidationException,
)
from tests.services.acm.support import ACCOUNT, DAY, START, Bench, Client

UNKNOWN = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012"


def test_a_request_waits_to_be_validated(client: Client) -> None:
    arn = client.new("WWW.Example.com", subject_alternative_names=["*.example.com", "www.example.com"])
    assert arn.startswith(f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/")
    said = client.describe(arn)
    assert (said["Status"], said["Type"], said["Issuer"]) == ("PENDING_VALIDATION", "AMAZON_ISSUED", "Amazon")
    assert said["SubjectAlternativeNames"] == ["www.example.com", "*.example.com"]
    assert (said["Subject"], said["InUseBy"], said["KeyUsages"]) == ("CN=www.example.com", [], [])
    assert said["Options"] == {"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED"}
    assert not {"Serial", "NotBefore", "NotAfter", "IssuedAt", "RenewalSummary"} & said.keys()
    with pytest.raises(RequestInProgressException, match="not yet issued"):
        client.get_certificate(certificate_arn=arn)


def test_the_record_of_a_domain_is_the_accounts_in_every_region(client: Client, other: Client, west: Client) -> None:
    def records(of: Client, *names: str) -> list[Any]:
        said = of.describe(of.new(names[0], subject_alternative_names=list(names)))
        return [option["ResourceRecord"] for option in said["DomainValidationOptions"]]

    apex, below = records(client, "example.com", "*.example.com")
    assert apex == below == records(west, "example.com")[0]
    assert apex["Type"] == "CNAME"
    assert apex["Name"].endswith(".example.com.")
    assert apex["Value"].endswith(".acm-validations.aws.")
    assert apex != records(other, "example.com")[0]


def test_a_record_in_a_hosted_zone_validates_its_domain(bench: Bench, client: Client) -> None:
    arn = client.new("a.example.com", subject_alternative_names=["b.example.com"])
    first, second = (option["ResourceRecord"] for option in client.describe(arn)["DomainValidationOptions"])
    bench.room.records = {first["Name"]: [first["Value"].upper()], second["Name"]: ["_another.acm-validations.aws."]}
    bench.later(0.001)
    said = client.describe(arn)
    assert [option["ValidationStatus"] for option in said["DomainValidationOptions"]] == [
        "SUCCESS",
        "PENDING_VALIDATION",
    ]
    assert said["Status"] == "PENDING_VALIDATION"
    bench.room.records[second["Name"]] = [second["Value"].rstrip(".")]
    bench.later(0.01)
    said = client.describe(arn)
    assert (said["Status"], said["IssuedAt"]) == ("ISSUED", bench.now)
    assert {option["ValidationStatus"] for option in said["DomainValidationOptions"]} == {"SUCCESS"}


def test_without_hosted_zones_only_the_user_can_validate(bench: Bench, client: Client) -> None:
    arn = client.new()
    bench.later(1)
    assert client.status(arn) == "PENDING_VALIDATION"
    (waiting,) = bench.control("show")["certificates"]
    assert waiting["records"][0]["Name"] == client.describe(arn)["DomainValidationOptions"][0]["ResourceRecord"]["Name"]
    bench.control("validate", arn=arn)
    bench.carry()
    assert client.status(arn) == "ISSUED"
    assert bench.control("show")["certificates"] == []
    with pytest.raises(ValueError, match="does not wait to be validated: it is ISSUED"):
        bench.control("validate", arn=arn)
    with pytest.raises(ValueError, match="There is no certificate"):
        bench.control("validate", arn=UNKNOWN)


def test_the_regions_own_names_need_no_record(bench: Bench, client: Client) -> None:
    own = [client.new(name) for name in ("app.localhost", "*.x.localhost.localstack.cloud", "www.region.test")]
    foreign = client.new("www.notregion.test")
    bench.work()
    assert {client.status(arn) for arn in own} == {"PENDING_VALIDATION"}
    bench.later(2 / DAY)
    assert {client.status(arn) for arn in own} == {"ISSUED"}
    assert client.status(foreign) == "PENDING_VALIDATION"


@pytest.mark.parametrize("method", ["DNS", "EMAIL"])
def test_a_request_times_out_after_72_hours(bench: Bench, client: Client, method: str) -> None:
    arn = client.new(validation_method=method)
    bench.later(2.99)
    assert client.status(arn) == "PENDING_VALIDATION"
    bench.later(0.02)
    said = client.describe(arn)
    assert (said["Status"], said["DomainValidationOptions"][0]["ValidationStatus"]) == (
        "VALIDATION_TIMED_OUT",
        "FAILED",
    )
    with pytest.raises(ResourceNotFoundException):
        client.get_certificate(certificate_arn=arn)
    client.delete_certificate(certificate_arn=arn)


def test_mail_asks_the_owners_of_the_validation_domain(bench: Bench, client: Client) -> None:
    spool: Path = bench.room.spool
    arn = client.new(
        "*.sub.example.com",
        validation_method="EMAIL",
        domain_validation_options=[{"DomainName": "*.sub.example.com", "ValidationDomain": "example.com"}],
    )
    (option,) = client.describe(arn)["DomainValidationOptions"]
    assert (option["ValidationDomain"], "ResourceRecord" in option) == ("example.com", False)
    assert sorted(option["ValidationEmails"]) == [
        f"{who}@example.com" for who in ("admin", "administrator", "hostmaster", "postmaster", "webmaster")
    ]
    bench.carry()
    (mail,) = spool.glob("*.eml")
    assert arn in mail.read_text()
    bench.now += 60
    client.resend_validation_email(certificate_arn=arn, domain="*.sub.example.com", validation_domain="sub.example.com")
    bench.carry()
    assert len(list(spool.glob("*.eml"))) == 2
    assert client.describe(arn)["DomainValidationOptions"][0]["ValidationDomain"] == "sub.example.com"
    for domain, validation in (("else.example.com", "example.com"), ("*.sub.example.com", "ample.com")):
        with pytest.raises(InvalidDomainValidationOptionsException):
            client.resend_validation_email(certificate_arn=arn, domain=domain, validation_domain=validation)
    bench.control("validate", arn=arn)
    with pytest.raises(InvalidStateException):
        client.resend_validation_email(certificate_arn=arn, domain="*.sub.example.com", validation_domain="example.com")


@pytest.mark.parametrize(
    ("name", "validation"), [("else.example.com", "example.com"), ("a.example.com", "b.example.com")]
)
def test_validation_options_must_fit_the_request(client: Client, name: str, validation: str) -> None:
    with pytest.raises(InvalidDomainValidationOptionsException):
        client.new("a.example.com", domain_validation_options=[{"DomainName": name, "ValidationDomain": validation}])


def test_a_token_is_good_for_an_hour_and_for_the_same_request(bench: Bench, client: Client, west: Client) -> None:
    first = client.new(idempotency_token="t")
    bench.now += 3_599
    assert client.new(idempotency_token="t") == first
    assert west.new(idempotency_token="t") != first
    bench.now += 2
    bench.work()
    second = client.new(idempotency_token="t")
    assert second != first
    tagged = client.new(idempotency_token="t", tags=[{"Key": "a", "Value": "b"}])
    assert tagged != second
    client.delete_certificate(certificate_arn=tagged)
    assert client.new(idempotency_token="t", tags=[{"Key": "a", "Value": "b"}]) != tagged


def test_limits_of_a_request(client: Client, west: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationException, match="64 octets"):
        client.new(f"{'a' * 60}.example.com")
    with pytest.raises(LimitExceededException, match="100 domain names"):
        client.new(subject_alternative_names=[f"n{number}.example.com" for number in range(100)])
    with pytest.raises(ValidationException, match="RSA_1024"):
        client.new(key_algorithm="RSA_1024")
    monkeypatch.setattr(requesting, "MOST", 2)
    client.new()
    client.new()
    with pytest.raises(LimitExceededException, match="limit of 2 certificates"):
        client.new()
    west.new()


def test_what_names_no_certificate_of_the_caller(client: Client, other: Client, west: Client) -> None:
    arn = client.new()
    with pytest.raises(ResourceNotFoundException, match=f"Could not find certificate {UNKNOWN}."):
        client.describe(UNKNOWN)
    for stranger in (other, west):
        with pytest.raises(ResourceNotFoundException):
            stranger.describe(arn)
    with pytest.raises(InvalidArnException):
        client.describe(f"arn:aws:acm:us-east-1:{ACCOUNT}:acme-endpoint/x")
    client.delete_certificate(certificate_arn=arn)
    with pytest.raises(ResourceNotFoundException):
        client.delete_certificate(certificate_arn=arn)


def test_tags(client: Client) -> None:
    arn = client.new(tags=[{"Key": "a", "Value": ""}, {"Key": "b"}])
    client.add_tags_to_certificate(certificate_arn=arn, tags=[{"Key": "c", "Value": "1"}, {"Key": "d", "Value": "1"}])
    client.remove_tags_from_certificate(
        certificate_arn=arn, tags=[{"Key": "c", "Value": "2"}, {"Key": "d"}, {"Key": "none"}]
    )
    listed = client.list_tags_for_certificate(certificate_arn=arn)["Tags"]
    assert listed == [{"Key": "a", "Value": ""}, {"Key": "b"}, {"Key": "c", "Value": "1"}]
    with pytest.raises(ValidationException, match="AWS internal tags cannot be changed with this API"):
        client.add_tags_to_certificate(certificate_arn=arn, tags=[{"Key": "aws:x", "Value": "1"}])
    with pytest.raises(TooManyTagsException, match="contains too many Tags"):
        client.add_tags_to_certificate(certificate_arn=arn, tags=[{"Key": f"n{number}"} for number in range(48)])
    assert client.list_tags_for_certificate(certificate_arn=arn)["Tags"] == listed


def test_a_certificate_is_made_once_however_often_that_is_tried(bench: Bench, client: Client) -> None:
    arn = client.new()
    bench.control("validate", arn=arn)
    bench.restart()
    (job,) = bench.sent
    assert isinstance(job, IssueCertificate)
    bench.carry()
    serial = client.describe(arn)["Serial"]
    bench.sent.append(job)
    assert bench.carry() == ["The certificate is gone, or has this key already."]
    assert client.describe(arn)["Serial"] == serial
    gone = client.new()
    bench.control("validate", arn=gone)
    client.delete_certificate(certificate_arn=gone)
    assert len(bench.carry()) == 1


def test_all_certificates_come_from_one_authority(bench: Bench, client: Client, other: Client, west: Client) -> None:
    assert bench.control("ca") == {"certificate": None}
    bench.carry()
    authority = bench.control("ca")["certificate"]
    for each in (client, other, west):
        arn = each.issued()
        bench.restart()
        assert each.get_certificate(certificate_arn=arn)["CertificateChain"] == authority
    bench.now += 3_300 * DAY
    later = client.issued()
    assert client.get_certificate(certificate_arn=later)["CertificateChain"] != authority


def test_from_mail_to_dns(bench: Bench, client: Client) -> None:
    arn = client.issued(validation_method="EMAIL")
    bench.room.records = {}
    client.update_certificate_options(certificate_arn=arn, options={"ValidationMethod": "DNS"})
    said = client.describe(arn)
    assert (said["Status"], said["UpdateSummary"]["Status"]) == ("ISSUED", "PENDING_DOMAIN_VALIDATION")
    (summary,) = client.list_certificate_domain_validations(certificate_arn=arn)["DomainValidationSummaryList"]
    assert summary["ActiveValidationConfiguration"]["ValidationMethod"] == "EMAIL"
    wanted = summary["RequestedValidationConfiguration"]["ValidationChallenge"]["DnsValidationChallenge"]
    with pytest.raises(InvalidStateException):
        client.update_certificate_options(certificate_arn=arn, options={"ValidationMethod": "DNS"})
    bench.room.records[wanted["ResourceRecord"]["Name"]] = [wanted["ResourceRecord"]["Value"]]
    bench.later(0.01)
    said = client.describe(arn)
    assert said["UpdateSummary"]["Status"] == "SUCCESS"
    assert said["UpdateSummary"]["DomainValidationMethodUpdateSummary"] == {"From": "EMAIL", "To": "DNS"}
    assert said["DomainValidationOptions"][0]["ValidationMethod"] == "DNS"
    again = client.issued("other.example.com", validation_method="EMAIL")
    client.update_certificate_options(certificate_arn=again, options={"ValidationMethod": "DNS"})
    bench.later(3.1)
    said = client.describe(again)
    assert (said["UpdateSummary"]["Status"], said["DomainValidationOptions"][0]["ValidationStatus"]) == (
        "FAILED",
        "SUCCESS",
    )


def test_options(client: Client) -> None:
    pending, arn = client.new(), client.issued()
    options = {"CertificateTransparencyLoggingPreference": "DISABLED"}
    client.update_certificate_options(certificate_arn=arn, options=options)
    assert client.describe(arn)["Options"]["CertificateTransparencyLoggingPreference"] == "DISABLED"
    with pytest.raises(InvalidStateException):
        client.update_certificate_options(certificate_arn=pending, options=options)
    for wrong in ({"Export": "ENABLED"}, {"ValidationMethod": "EMAIL"}, {}):
        with pytest.raises(ValidationException):
            client.update_certificate_options(certificate_arn=arn, options=wrong)


def test_the_accounts_configuration(bench: Bench, client: Client, west: Client) -> None:
    assert client.get_account_configuration() == {"ExpiryEvents": {"DaysBeforeExpiry": 45}}
    for token, days in (("a", 30), ("a", 20), ("b", 10)):
        client.put_account_configuration(idempotency_token=token, expiry_events={"DaysBeforeExpiry": days})
        assert client.get_account_configuration()["ExpiryEvents"]["DaysBeforeExpiry"] == {30: 30, 20: 30, 10: 10}[days]
    assert west.get_account_configuration()["ExpiryEvents"]["DaysBeforeExpiry"] == 45
    with pytest.raises(ValidationException):
        client.put_account_configuration(idempotency_token="c")


def test_a_certificate_begins_at_midnight_and_lasts_198_days(bench: Bench, client: Client) -> None:
    arn = client.issued()
    said = client.describe(arn)
    pem = client.get_certificate(certificate_arn=arn)["Certificate"]
    made = x509.load_pem_x509_certificate(pem.encode())
    midnight = START - START % DAY
    assert made.not_valid_before_utc.timestamp() == said["NotBefore"] == midnight
    assert made.not_valid_after_utc.timestamp() == said["NotAfter"] == midnight + 198 * DAY - 1


def test_what_cannot_be_made_has_failed(bench: Bench, client: Client) -> None:
    arn, renewed = client.new(), client.issued(options={"Export": "ENABLED"})
    client.export_certificate(certificate_arn=renewed, passphrase=b"passphrase")
    client.renew_certificate(certificate_arn=renewed)
    bench.control("validate", arn=arn)
    for job in bench.sent:
        assert SERVICE.given_up is not None
        bench.run(bench.make_call(), SERVICE.given_up, job, "no key can be made")
    said = client.describe(arn)
    assert (said["Status"], said["FailureReason"]) == ("FAILED", "OTHER")
    said = client.describe(renewed)
    assert (said["Status"], said["RenewalSummary"]["RenewalStatus"]) == ("ISSUED", "FAILED")
    (job, *_), bench.sent = bench.sent, []
    bench.later(1.1)
    assert client.describe(renewed)["RenewalSummary"]["RenewalStatus"] == "SUCCESS"
    client.delete_certificate(certificate_arn=arn)
    bench.run(bench.make_call(), SERVICE.given_up, job, "gone")


def test_a_step_looks_at_so_many_names_only(bench: Bench, client: Client) -> None:
    for number in range(3):
        names = [f"n{one}.localhost" for one in range(30)]
        client.new(f"w{number}.localhost", subject_alternative_names=names)
    bench.now += 2
    look = SERVICE.work[0].run
    assert [bench.run(bench.make_call(), look) for _ in range(2)] == [True, False]
    assert len(bench.sent) == 3


def test_keys_are_made_beside_the_loop(bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    for name in ("make_authority", "load_authority", "make_key", "encrypted_pem"):
        made = getattr(own, name)

        def noted(*arguments: Any, made: Any = made) -> Any:
            threads.append(threading.current_thread().name)
            return made(*arguments)

        monkeypatch.setattr(own, name, noted)
    arn = client.issued(options={"Export": "ENABLED"})
    client.export_certificate(certificate_arn=arn, passphrase=b"passphrase")
    assert len(threads) == 4
    assert all(name.startswith("acm") for name in threads)
