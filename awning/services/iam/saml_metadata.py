"""What a SAML metadata document says of an identity provider. Pure: nothing here knows the database or the clock.

Source: "Metadata for the OASIS Security Assertion Markup Language (SAML) V2.0", and what IAM asks of such a document.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

_METADATA: Final = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_SIGNATURES: Final = "{http://www.w3.org/2000/09/xmldsig#}"


class BadMetadata(Exception):
    """A document that describes no identity provider; the text says why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """`issuer` is the entity's id; `certificates` are those of its signing keys, DER in Base64; `valid_until` in seconds since
    the epoch, None where the document does not say."""

    issuer: str
    certificates: tuple[str, ...]
    valid_until: float | None


def read_metadata(document: str) -> Metadata:
    """Read a document; it may take long. Raises BadMetadata. No entity is expanded, and nothing is fetched."""
    from lxml import etree  # loaded when it is first needed: most regions never see such a document

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadMetadata("Could not parse metadata") from error
    info = root.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None:
        raise BadMetadata("Could not parse metadata: it has a document type declaration")
    issuer = root.get("entityID")
    if root.tag != f"{_METADATA}EntityDescriptor" or not issuer:
        raise BadMetadata("Could not parse metadata: it is no EntityDescriptor with an entityID")
    provider = root.find(f"{_METADATA}IDPSSODescriptor")
    if provider is None:
        raise BadMetadata("Could not parse metadata: it has no IDPSSODescriptor")
    found = [
        _certificate("".join(element.itertext()))
        for key in provider.iterfind(f"{_METADATA}KeyDescriptor")
        if key.get("use") in (None, "signing")
        for element in key.iter(f"{_SIGNATURES}X509Certificate")
    ]
    if not found:
        raise BadMetadata("Could not parse metadata: it has no certificate of a signing key")
    moments = [_moment(text) for text in (root.get("validUntil"), provider.get("validUntil")) if text is not None]
    return Metadata(issuer, tuple(dict.fromkeys(found)), min(moments) if moments else None)


def _certificate(text: str) -> str:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
        x509.load_der_x509_certificate(der).public_key()
    except (binascii.Error, ValueError, x509.InvalidVersion) as error:
        raise BadMetadata("Could not parse metadata: a certificate cannot be read") from error
    return base64.b64encode(der).decode()


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadMetadata("Could not parse metadata: validUntil is no date") from error
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
