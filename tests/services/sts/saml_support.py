"""An identity provider of SAML for tests: responses as such providers write them, signed or spoilt."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lxml import etree
from signxml import CanonicalizationMethod, XMLSigner
from signxml.algorithms import SignatureConstructionMethod

from tests.services.iam.documents import PrivateKey, certificate, metadata, text_of

ENDPOINT = "https://signin.aws.amazon.com/saml"
OURS = "https://aws.amazon.com/SAML/Attributes/"
S = "{urn:oasis:names:tc:SAML:2.0:assertion}"
D = "{http://www.w3.org/2000/09/xmldsig#}"


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def response(
    now: float,
    attributes: Mapping[str, Sequence[str]],
    *,
    issuer: str = "https://idp.example.com/saml",
    audience: str = ENDPOINT,
    recipient: str = ENDPOINT,
    name: str = "alice",
    form: str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    issued: float | None = None,
    ends: float | None = None,
    status: str = "urn:oasis:names:tc:SAML:2.0:status:Success",
    method: str = "urn:oasis:names:tc:SAML:2.0:cm:bearer",
) -> Any:
    """A response, not signed yet."""
    issued = now if issued is None else issued
    ends = now + 300 if ends is None else ends
    values = "".join(
        f'<saml:Attribute Name="{key}">'
        + "".join(f"<saml:AttributeValue>{one}</saml:AttributeValue>" for one in found)
        + "</saml:Attribute>"
        for key, found in attributes.items()
    )
    return etree.fromstring(
        '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"'
        f' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r" Version="2.0" IssueInstant="{moment(issued)}">'
        f'<saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>'
        f'<saml:Assertion ID="_a" Version="2.0" IssueInstant="{moment(issued)}"><saml:Issuer>{issuer}</saml:Issuer>'
        f'<saml:Subject><saml:NameID Format="{form}">{name}</saml:NameID>'
        f'<saml:SubjectConfirmation Method="{method}">'
        f'<saml:SubjectConfirmationData NotOnOrAfter="{moment(ends)}" Recipient="{recipient}"/>'
        "</saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{moment(issued)}" NotOnOrAfter="{moment(ends)}"><saml:AudienceRestriction>'
        f"<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
        f"<saml:AttributeStatement>{values}</saml:AttributeStatement></saml:Assertion></samlp:Response>"
    )


class Provider:
    """Signs by a key whose certificate its metadata has."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.certificate = certificate(key)
        self.text = text_of(self.certificate)
        self.metadata = metadata(self.text)

    def sign(self, root: Any, *, whole: bool = False, comments: bool = False) -> Any:
        """Sign the assertion, or the whole response, in place; return the response."""
        element = root if whole else root.find(f"{S}Assertion")
        signer = XMLSigner(
            method=SignatureConstructionMethod.enveloped,
            signature_algorithm="rsa-sha256" if hasattr(self.key, "decrypt") else "ecdsa-sha256",
            digest_algorithm="sha256",
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS
            if comments
            else CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        signed = signer.sign(
            etree.fromstring(etree.tostring(element)),
            key=self.key,
            cert=[self.certificate],
            reference_uri=f"#{element.get('ID')}",
            id_attribute="ID",
        )
        if whole:
            return signed
        root.replace(element, signed)
        return root


def encoded(root: Any) -> str:
    raw = root if isinstance(root, bytes) else etree.tostring(root)
    return base64.b64encode(raw).decode()
