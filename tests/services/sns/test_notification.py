"""What subscribers get, and its signatures, told by a validator of our own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.contracts import FindSigningKey, SigningKey
from awning.gateway.signing_keys import SigningKeys
from awning.net.certificates import CertificateAuthority
from awning.services.sns import notification, signing
from awning.services.sns.notification import Envelope, Notification, Seal
from tests.services.sns import validator

TOPIC = "arn:aws:sns:us-east-1:000000000000:news"
SUBSCRIPTION = f"{TOPIC}:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55"
BASE = "http://localhost:4566"
AT = notification.timestamp(1335587477.321)
PLAIN = Notification("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", TOPIC, "Hello world!", AT)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def key(authority: CertificateAuthority) -> SigningKey:
    return SigningKeys(authority.signer_pem).find(FindSigningKey("sns"))


@pytest.fixture(scope="module")
def signer(key: SigningKey) -> signing.Signer:
    return signing.Signer(key)


def signed(given: Notification, signer: signing.Signer, version: str = "1") -> dict[str, Any]:
    seal = Seal(version, signer.sign(given.string_to_sign(), version), BASE + signer.path)
    document = json.loads(Envelope(given, seal, BASE).to(SUBSCRIPTION))
    assert isinstance(document, dict)
    return document


def test_a_notification_has_what_the_guide_shows() -> None:
    document = json.loads(Envelope(PLAIN, Seal("1", "c2ln", f"{BASE}/x.pem"), BASE).to(SUBSCRIPTION))
    assert document == {
        "Type": "Notification",
        "MessageId": PLAIN.id,
        "TopicArn": TOPIC,
        "Message": "Hello world!",
        "Timestamp": "2012-04-28T04:31:17.321Z",
        "SignatureVersion": "1",
        "Signature": "c2ln",
        "SigningCertURL": f"{BASE}/x.pem",
        "UnsubscribeURL": f"{BASE}/?Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}",
    }


def test_what_a_message_may_have_besides() -> None:
    attributes = {
        "n": {"DataType": "Number", "StringValue": "99"},
        "b": {"DataType": "Binary", "BinaryValue": "AAE="},
    }
    given = replace(PLAIN, subject='A "subject"', sequence="10000000000000000001", attributes=attributes)
    document = json.loads(Envelope(given, Seal("2", "c2ln", "u"), BASE).to(SUBSCRIPTION))
    assert list(document)[:5] == ["Type", "MessageId", "SequenceNumber", "TopicArn", "Subject"]
    assert document["SequenceNumber"] == "10000000000000000001"
    assert document["Subject"] == 'A "subject"'
    assert document["MessageAttributes"] == {
        "n": {"Type": "Number", "Value": "99"},
        "b": {"Type": "Binary", "Value": "AAE="},
    }


@pytest.mark.parametrize("version", signing.VERSIONS)
def test_both_versions_are_signed(
    version: str, signer: signing.Signer, key: SigningKey, authority: CertificateAuthority
) -> None:
    for plain in (PLAIN, replace(PLAIN, subject="Subject")):
        document = signed(plain, signer, version)
        validator.check(document, key.certificate, authority.root_pem())
        with pytest.raises(InvalidSignature):
            validator.check({**document, "Message": "Goodbye"}, key.certificate)
        with pytest.raises(InvalidSignature):
            validator.check({**document, "SignatureVersion": "2" if version == "1" else "1"}, key.certificate)


@settings(max_examples=30, deadline=None)
@given(message=st.text(), subject=st.none() | st.text())
def test_any_text_is_signed_as_it_is_read(message: str, subject: str | None) -> None:
    # Without a key: the string to sign, from the document that a subscriber reads, is the one that was signed.
    given_ = replace(PLAIN, message=message, subject=subject)
    document = json.loads(Envelope(given_, Seal("1", "", ""), BASE).to(SUBSCRIPTION))
    assert document["Message"] == message
    assert notification.string_to_sign(document) == given_.string_to_sign()


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_confirmations_are_signed(kind: str, signer: signing.Signer, key: SigningKey) -> None:
    document = notification.confirmation(
        kind, id="m", token="t0ken", topic_arn=TOPIC, subscription_arn=SUBSCRIPTION, base_url=BASE, at=AT
    )
    seal = Seal("1", signer.sign(notification.string_to_sign(document), "1"), BASE + key.path)
    read = json.loads(notification.sealed(document, seal))
    assert read["SubscribeURL"] == f"{BASE}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t0ken"
    assert read["Token"] == "t0ken"
    assert SUBSCRIPTION in read["Message"] or kind == "SubscriptionConfirmation"
    validator.check(read, key.certificate)


def test_the_key_is_kept_and_its_certificate_shown(tmp_path: Path) -> None:
    first = SigningKeys(CertificateAuthority(tmp_path).signer_pem).find(FindSigningKey("sns"))
    assert (tmp_path / "sns-key.pem").stat().st_mode & 0o777 == 0o600
    (tmp_path / "sns.pem").unlink()
    again = SigningKeys(CertificateAuthority(tmp_path).signer_pem)

    async def run() -> None:
        assert await again.certificate("/SimpleNotificationService-other.pem") is None
        assert await again.certificate(f"/SimpleNotificationService-{'0' * 32}.pem") is None
        shown = await again.certificate(first.path)
        assert shown is not None
        signer = signing.Signer(first)
        document = signed(PLAIN, signer)
        validator.check(document, shown, (tmp_path / "ca.pem").read_bytes())

    asyncio.run(run())
    again.close()
