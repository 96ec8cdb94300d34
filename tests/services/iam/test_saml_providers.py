"""SAML providers: a metadata document is really read, and what it says is what counts."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec

from awning.contracts import FindSamlProvider
from awning.services.iam.saml_metadata import BadMetadata, read_metadata
from tests.services.iam.documents import certificate, metadata, text_of
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/office"


@pytest.fixture(scope="module")
def certificates():
    return [text_of(certificate(ec.generate_private_key(ec.SECP256R1()))) for _ in range(2)]


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_provider_is_made_shown_changed_and_deleted(iam, house, certificates):
    document = metadata(certificates[0])
    made = iam.create_saml_provider(Name="office", SAMLMetadataDocument=document)
    assert {name: value for name, value in made.items() if name != "ResponseMetadata"} == {"SAMLProviderArn": ARN}
    found = iam.get_saml_provider(SAMLProviderArn=ARN)
    assert (found["SAMLMetadataDocument"], found["Tags"], found["PrivateKeyList"]) == (document, [], [])
    assert found["AssertionEncryptionMode"] == "Allowed"
    assert found["SAMLProviderUUID"].isalnum()
    assert found["CreateDate"].timestamp() == house.now
    (listed,) = iam.list_saml_providers()["SAMLProviderList"]
    assert listed == {"Arn": ARN, "ValidUntil": found["ValidUntil"], "CreateDate": found["CreateDate"]}
    known = house.ask(FindSamlProvider(ARN))
    assert (known.issuer, known.certificates) == ("https://idp.example.com/saml", (certificates[0],))
    changed = metadata(*certificates, issuer="https://other.example.com", further=' validUntil="2031-01-01T00:00:00Z"')
    assert iam.update_saml_provider(SAMLProviderArn=ARN, SAMLMetadataDocument=changed)["SAMLProviderArn"] == ARN
    assert iam.get_saml_provider(SAMLProviderArn=ARN)["SAMLMetadataDocument"] == changed
    known = house.ask(FindSamlProvider(ARN))
    assert (known.issuer, known.certificates) == ("https://other.example.com", tuple(certificates))
    assert known.valid_until == 1_924_992_000
    assert refused(iam.create_saml_provider, Name="office", SAMLMetadataDocument=document)[0] == "EntityAlreadyExists"
    iam.delete_saml_provider(SAMLProviderArn=ARN)
    missing = ("NoSuchEntity", f"Manifest not found for arn {ARN}")
    assert refused(iam.get_saml_provider, SAMLProviderArn=ARN) == missing
    assert refused(iam.delete_saml_provider, SAMLProviderArn=ARN) == missing
    assert refused(iam.update_saml_provider, SAMLProviderArn=ARN, SAMLMetadataDocument=changed) == missing
    assert house.ask(FindSamlProvider(ARN)) is None
    iam.create_saml_provider(Name="office", SAMLMetadataDocument=document)
    assert iam.get_saml_provider(SAMLProviderArn=ARN)["SAMLMetadataDocument"] == document


def test_keys_for_encrypted_assertions_are_refused_by_name(iam, certificates):
    document = metadata(certificates[0])
    for further in ({"AddPrivateKey": "key"}, {"AssertionEncryptionMode": "Required"}):
        code, message = refused(iam.create_saml_provider, Name="office", SAMLMetadataDocument=document, **further)
        assert (code, next(iter(further)) in message) == ("NotImplemented", True)
    assert iam.list_saml_providers()["SAMLProviderList"] == []


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: "a" * 1024,
        lambda document: document.replace("</md:EntityDescriptor>", ""),
        lambda document: document.replace("IDPSSODescriptor", "SPSSODescriptor"),
        lambda document: document.replace("entityID", "other"),
        lambda document: document.replace("EntityDescriptor", "Entity"),
        lambda document: document.replace('use="signing"', 'use="encryption"'),
        lambda document: document.replace("X509Certificate>M", "X509Certificate>!"),
        lambda document: document.replace("X509Certificate>MII", "X509Certificate>MIIMII"),
        lambda document: document.replace("<md:Entity", BOMB + "<md:Entity", 1),
        lambda document: document.replace("entityID", 'validUntil="soon" entityID', 1),
        lambda document: document.replace('encoding="UTF-8"', 'encoding="UTF-16"'),
    ],
)
def test_a_document_that_describes_no_provider_is_refused(iam, certificates, spoil):
    code, message = refused(
        iam.create_saml_provider, Name="office", SAMLMetadataDocument=spoil(metadata(certificates[0]))
    )
    assert (code, message.startswith("Could not parse metadata")) == ("InvalidInput", True)


def test_an_entity_is_not_expanded():
    with pytest.raises(BadMetadata):
        read_metadata(f'{BOMB}<a entityID="&c;"/>')


def test_tags_come_and_go(iam, certificates):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    made = iam.create_saml_provider(Name="office", SAMLMetadataDocument=metadata(certificates[0]), Tags=tags[:1])
    assert made["Tags"] == tags[:1]
    iam.tag_saml_provider(SAMLProviderArn=ARN, Tags=tags)
    assert iam.list_saml_provider_tags(SAMLProviderArn=ARN)["Tags"] == tags
    iam.untag_saml_provider(SAMLProviderArn=ARN, TagKeys=["a"])
    assert iam.get_saml_provider(SAMLProviderArn=ARN)["Tags"] == tags[1:]
