"""SAML responses: whether one of a provider's keys signed the assertion, and what it says. Pure: no clock, no database.

All that is read comes from what signxml hands back as signed, and from nothing else; a document whose form allows of two
readings (a second assertion, a signature elsewhere, two elements of one ID) is refused before. May take milliseconds.
Sources: SAML 2.0 core, sections 2 and 5; "Configure SAML assertions for the authentication response" (IAM user guide).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from awning.kit.errors import NotImplementedHere
from awning.services.sts.errors import ExpiredTokenException, IDPRejectedClaim, InvalidIdentityToken

SKEW: Final = 300.0
"""Seconds by which a provider's clock may be ahead of ours."""
_LIFETIME: Final = 300.0
"""Seconds after its issue within which an assertion is to be shown."""

_S: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_P: Final = "{urn:oasis:names:tc:SAML:2.0:protocol}"
_D: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_ENDPOINT: Final = re.compile(r"https://(?:[a-z0-9-]+\.)*signin\.aws\.amazon\.com/saml(?:/acs/[A-Za-z0-9]+)?")
_SERVICES: Final = "urn:amazon:webservices"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_TRANSFORMS: Final = frozenset(
    ("http://www.w3.org/2000/09/xmldsig#enveloped-signature", _EXCLUSIVE, f"{_EXCLUSIVE}WithComments")
)
_METHODS: Final = ("RSA_SHA256", "RSA_SHA384", "RSA_SHA512", "ECDSA_SHA256", "ECDSA_SHA384", "ECDSA_SHA512")
_DIGESTS: Final = ("SHA256", "SHA384", "SHA512")
_FORMAT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a provider said. Moments in seconds since the epoch; `recipient` is where it was to be shown; `attributes` by name,
    each with its values in order."""

    issuer: str
    subject: str
    subject_type: str
    recipient: str
    issued: float
    begins: float
    ends: float
    attributes: Mapping[str, Sequence[str]]


def read_response(encoded: str, certificates: Sequence[str], now: float) -> Assertion:
    """Verify a response in Base64 by certificates (DER in Base64), and read its assertion.

    Raises InvalidIdentityToken, IDPRejectedClaim, ExpiredTokenException, NotImplementedHere (an encrypted assertion).
    """
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidIdentityToken("Invalid base64 SAMLResponse") from None
    signed = _signed_assertion(raw, certificates)
    found = _read(signed)
    if now >= found.ends or now - found.issued > _LIFETIME:
        raise ExpiredTokenException("Token must be redeemed within 5 minutes of issuance")
    if max(found.begins, found.issued) > now + SKEW:
        raise InvalidIdentityToken("The assertion is not valid yet.")
    return found


def _signed_assertion(raw: bytes, certificates: Sequence[str]) -> Any:
    """The assertion's element as it was signed."""
    from lxml import etree  # loaded when it is first needed: most regions never see an assertion

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise _no_response() from None
    info = root.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None or root.tag != f"{_P}Response":
        raise _no_response()
    code = root.find(f"{_P}Status/{_P}StatusCode")
    if code is None or code.get("Value") != _SUCCESS:
        raise IDPRejectedClaim("The identity provider reported that authentication failed.")
    if next(root.iter(f"{_S}EncryptedAssertion"), None) is not None:
        raise NotImplementedHere("Encrypted SAML assertions are not supported.")
    assertions = list(root.iter(f"{_S}Assertion"))
    if len(assertions) != 1 or assertions[0].getparent() is not root:
        raise InvalidIdentityToken("A response has one assertion.")
    _check_ids(root)
    signatures = list(root.iter(f"{_D}Signature"))
    if not signatures:
        raise InvalidIdentityToken("Response signature invalid: it has none")
    holders = [signature.getparent() for signature in signatures]
    if len(set(map(id, holders))) != len(holders) or any(one not in (root, assertions[0]) for one in holders):
        raise InvalidIdentityToken("Response signature invalid: it is of something else")
    signed: Any = None
    for signature, holder in zip(signatures, holders, strict=True):
        _check_form(signature, holder.get("ID"))
        content = _verified(raw, f"./{_S}Assertion/" if holder is not root else "./", certificates)
        if content.tag != holder.tag or content.get("ID") != holder.get("ID"):
            raise InvalidIdentityToken("Response signature invalid: it is of something else")
        if holder is not root:
            signed = content
        elif signed is None:
            signed = content.find(f"{_S}Assertion")
    return signed


def _check_ids(root: Any) -> None:
    seen: set[str] = set()
    for element in root.iter():
        for name in ("ID", "Id", "id", "{http://www.w3.org/XML/1998/namespace}id"):
            value = element.get(name) if isinstance(element.tag, str) else None
            if value is not None and value in seen:
                raise InvalidIdentityToken("Two elements of the response have the same ID.")
            if value is not None:
                seen.add(value)


def _check_form(signature: Any, identifier: str | None) -> None:
    """Raise InvalidIdentityToken unless a signature is of just the element that it stands in, with nothing left out of it."""
    references = signature.findall(f"{_D}SignedInfo/{_D}Reference")
    used = {one.get("Algorithm") for one in signature.iter(f"{_D}Transform")}
    canonical = signature.find(f"{_D}SignedInfo/{_D}CanonicalizationMethod")
    if (
        not identifier
        or len(references) != 1
        or references[0].get("URI") != f"#{identifier}"
        or not used <= _TRANSFORMS
        or canonical is None
        or canonical.get("Algorithm") not in _TRANSFORMS
        or next(signature.iter(f"{_D}Object"), None) is not None
    ):
        raise InvalidIdentityToken("Response signature invalid: it is of something else")


def _verified(raw: bytes, location: str, certificates: Sequence[str]) -> Any:
    """What the signature at a place signs, if it is by the key of one of these certificates."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    why = "no certificate of its provider is known"
    for text in certificates:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text))
        configuration = SignatureConfiguration(
            location=location,
            expect_references=1,
            signature_methods=frozenset(SignatureMethod[name] for name in _METHODS),
            digest_algorithms=frozenset(DigestAlgorithm[name] for name in _DIGESTS),
            ignore_ambiguous_key_info=True,
            # The key is what a provider's metadata names; IAM does not look at a certificate's dates.
            verification_time=certificate.not_valid_before_utc,
        )
        try:
            found = XMLVerifier().verify(raw, x509_cert=certificate, id_attribute="ID", expect_config=configuration)
        except (SignXMLException, UnsupportedAlgorithm, ValueError, TypeError, AttributeError) as error:
            why = str(error)
            continue
        if not isinstance(found, list) and found.signed_xml is not None:
            return found.signed_xml
    raise InvalidIdentityToken(f"Response signature invalid: {why[:200]}")


def _read(assertion: Any) -> Assertion:
    name = assertion.find(f"{_S}Subject/{_S}NameID")
    conditions = assertion.find(f"{_S}Conditions")
    if name is None or conditions is None:
        raise InvalidIdentityToken("An assertion has a Subject with a NameID, and Conditions.")
    audiences = {_text(one) for one in conditions.iterfind(f"{_S}AudienceRestriction/{_S}Audience")}
    if not any(one == _SERVICES or _ENDPOINT.fullmatch(one) for one in audiences):
        raise InvalidIdentityToken("The assertion is for another audience.")
    recipient, ends = _confirmation(assertion)
    until = conditions.get("NotOnOrAfter")
    form = name.get("Format", "")
    attributes: dict[str, list[str]] = {}
    for attribute in assertion.iterfind(f"{_S}AttributeStatement/{_S}Attribute"):
        values = [_text(value) for value in attribute.iterfind(f"{_S}AttributeValue")]
        attributes.setdefault(attribute.get("Name", ""), []).extend(values)
    return Assertion(
        issuer=_text(assertion.find(f"{_S}Issuer")),
        subject=_text(name),
        subject_type=form.removeprefix(_FORMAT),
        recipient=recipient,
        issued=_moment(assertion.get("IssueInstant")),
        begins=_moment(conditions.get("NotBefore")) if conditions.get("NotBefore") is not None else 0.0,
        ends=min(ends, _moment(until)) if until is not None else ends,
        attributes=attributes,
    )


def _confirmation(assertion: Any) -> tuple[str, float]:
    """Where a bearer is to show the assertion, and until when."""
    for one in assertion.iterfind(f"{_S}Subject/{_S}SubjectConfirmation"):
        data = one.find(f"{_S}SubjectConfirmationData")
        if one.get("Method") != _BEARER or data is None or data.get("NotOnOrAfter") is None:
            continue
        recipient = data.get("Recipient", "")
        if _ENDPOINT.fullmatch(recipient):
            return recipient, _moment(data.get("NotOnOrAfter"))
    raise InvalidIdentityToken(
        "An assertion has a bearer's SubjectConfirmation whose data has NotOnOrAfter, and as its Recipient "
        "https://signin.aws.amazon.com/saml"
    )


def _text(element: Any) -> str:
    """An element's text. Anything within it, a comment too, could cut it short for some readers: it is refused."""
    if element is None or len(element):
        raise InvalidIdentityToken("An element of the assertion that should be a text is none.")
    return (element.text or "").strip()


def _moment(text: str | None) -> float:
    try:
        found = datetime.fromisoformat(text or "")
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidIdentityToken(f"A date of the assertion is none: {text!r}.") from None


def _no_response() -> InvalidIdentityToken:
    return InvalidIdentityToken("Invalid SAMLResponse: it is no response of SAML 2.0")
