"""ImportCertificate: what others issued, read and checked before it is taken.

Source: the user guide's "Prerequisites for importing ACM certificates" and "Certificate import problems".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from cryptography import x509 as certificates
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm import tables, x509
from awning.services.acm.errors import LimitExceededException, ValidationException
from awning.services.acm.issuing import keep
from awning.services.acm.lookup import arn_or_any, find, to_tag
from awning.services.acm.memory import Memory
from awning.services.acm.requesting import MOST
from awning.services.acm.tables import CertificateRow
from awning.services.acm.tags import read_tags
from awning.services.acm.x509 import Made, Said

_LARGEST_KEY: Final = 5120
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_UNREADABLE: Final = (
    ValueError,
    TypeError,  # a name of a kind that such an attribute cannot have
    UnsupportedAlgorithm,
    certificates.InvalidVersion,
    certificates.DuplicateExtension,
)
"""What reading an X.509 certificate raises."""
_NOT_PEM: Final = "The certificate {what} that you have specified is not a valid PEM-encoded certificate."


class Parsed(NamedTuple):
    """What is imported, found good."""

    made: Made
    said: Said
    chain: str | None

    def __repr__(self) -> str:
        return "Parsed(…)"


@operation(
    Needs("acm:ImportCertificate", arn_or_any),
    Needs("acm:AddTagsToCertificate", to_tag),
    honours={"tags": ALL},
    tags="tags",
)
async def import_certificate(
    call: Call,
    certificate: bytes,
    private_key: bytes,
    certificate_arn: str | None = None,
    certificate_chain: bytes | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Import a certificate with its private key, or give one that was imported another."""
    if certificate_arn is not None:
        _check_reimport(find(call, certificate_arn), tags)
    found = read_tags(tags)
    memory: Memory = call.memory
    parsed = await memory.in_thread(parse, certificate, private_key, certificate_chain, call.now)
    stored = await call.commit(_store, certificate_arn, parsed, found)
    return {"CertificateArn": stored}


def _check_reimport(row: CertificateRow, tags: list[dict[str, str]] | None) -> None:
    if row.type != "IMPORTED":
        raise ValidationException(f"The certificate {row.arn} was not imported, and cannot be reimported.")
    if tags:
        raise ValidationException("Tagging is not permitted on re-import.")


def _store(call: Call, arn: str | None, parsed: Parsed, tags: dict[str, str | None]) -> str:
    said = parsed.said
    assert said.algorithm is not None
    if arn is not None:
        row = find(call, arn)
        if row.algorithm != said.algorithm:
            raise ValidationException(
                f"The key algorithm of a reimported certificate must stay {row.algorithm}, and is {said.algorithm}."
            )
        if row.names and not said.names:
            raise ValidationException("A reimported certificate must keep a domain name.")
        tables.update(call.db, row.id, domain=said.domain, names=said.names, imported=call.now)
    else:
        if tables.count(call.db, call.account, call.region, "IMPORTED") >= MOST:
            raise LimitExceededException(
                "You have reached the maximum number of certificates. Delete certificates that are not in use, or contact "
                "AWS Support to request an increase."
            )
        row = CertificateRow(
            id=0,
            account=call.account,
            region=call.region,
            certificate_id=call.new_id(),
            type="IMPORTED",
            status="ISSUED",
            domain=said.domain,
            names=said.names,
            algorithm=said.algorithm,
            method="",
            domains=[],
            transparency="DISABLED",
            export="DISABLED",
            tags=tags,
            created=call.now,
            imported=call.now,
        )
        row = row._replace(id=tables.insert(call.db, row))
    keep(call, row, parsed.made, said, parsed.chain)
    return row.arn


def parse(certificate: bytes, private_key: bytes, chain: bytes | None, now: float) -> Parsed:
    """Read and check what is to be imported. Takes some 30 ms, for an RSA key. Raises ValidationException."""
    own = _read(certificate, "body")
    if len(own) > 1:
        raise ValidationException(
            "The certificate field contains more than one certificate. You can specify only one certificate in this field."
        )
    leaf = own[0]
    try:
        said = x509.read(leaf)
    except _UNREADABLE:
        raise ValidationException("Unable to parse certificate. Please ensure the certificate is valid.") from None
    if said.algorithm is None:
        raise ValidationException("The key algorithm of the certificate is not supported.")
    key = _read_key(private_key)
    if not _same(key.public_key(), leaf.public_key()):
        raise ValidationException("The private key does not match the certificate.")
    if not leaf.issuer.rdns:
        raise ValidationException("The issuer field of the certificate must not be empty.")
    if now < said.not_before:
        raise ValidationException("The certificate is not in effect yet, is not valid.")
    if said.not_after <= now:
        raise ValidationException("The certificate has expired, is not valid.")
    links = _read(chain, "chain") if chain else []
    _check_chain(leaf, links)
    return Parsed(
        Made(_text(certificate), x509.der_of(key)),
        said,
        _text(chain) if chain else None,
    )


def _text(pem: bytes) -> str:
    return pem.decode("ascii", "replace")


def _read(pem: bytes, what: str) -> list[certificates.Certificate]:
    try:
        found = [certificates.load_pem_x509_certificate(block) for block in _blocks(pem)]
    except _UNREADABLE:
        found = []
    if not found:
        raise ValidationException(_NOT_PEM.format(what=what))
    return found


def _blocks(pem: bytes) -> Iterator[bytes]:
    """The certificates of a text, whatever stands between them; in one pass over the text, however often one begins in it."""
    at = 0
    while (begin := pem.find(_BEGIN, at)) >= 0 and (end := pem.find(_END, begin)) >= 0:
        at = end + len(_END)
        yield pem[begin:at]


def _read_key(pem: bytes) -> x509.Key:
    if len(pem) > _LARGEST_KEY:
        raise ValidationException(f"The private key must be no larger than {_LARGEST_KEY} bytes.")
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise ValidationException("Your private key should not be encrypted.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValidationException("The private key is not valid, or is not PEM-encoded.") from None
    if x509.algorithm_of(key.public_key()) is None:
        raise ValidationException("The private key is not supported.")
    return key  # type: ignore[return-value]


def _same(one: Any, other: Any) -> bool:
    der, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return bool(one.public_bytes(der, form) == other.public_bytes(der, form))


def _check_chain(leaf: certificates.Certificate, links: list[certificates.Certificate]) -> None:
    if not links:
        if not _signed_by(leaf, leaf):
            raise ValidationException(
                "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or "
                "certificate chain."
            )
        return
    below = leaf
    for above in links:
        if not _signed_by(below, above):
            raise ValidationException("Could not validate the certificate with the certificate chain.")
        if above.subject == above.issuer:
            return  # The path ends at a root: what stands behind it proves nothing.
        below = above


def _signed_by(certificate: certificates.Certificate, issuer: certificates.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True
