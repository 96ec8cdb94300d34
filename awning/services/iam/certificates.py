"""Certificates, their keys and chains, and SSH keys, as clients upload them: read, and held against each other.

Pure: nothing here knows the database. Reading a private key takes tens of milliseconds: it belongs into a thread.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_public_key,
)
from cryptography.x509 import Certificate, InvalidVersion, load_pem_x509_certificate, load_pem_x509_certificates

from awning.services.iam.errors import (
    InvalidPublicKey,
    KeyPairMismatch,
    MalformedCertificate,
    UnrecognizedPublicKeyEncoding,
)

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_LEAST_SSH_BITS: Final = 2048
_UNREADABLE: Final = "Unable to parse certificate. Please ensure the certificate is in PEM format."
_UNREADABLE_KEY: Final = "Unable to parse key; Please ensure the key is PEM-encoded, unencrypted, and of RSA or ECDSA."
_BROKEN: Final = (
    "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed "
    "by any intermediaries in order. The index within the chain of the invalid certificate is: {}"
)


def read_certificate(body: str) -> Certificate:
    """The one certificate of a PEM text. Raises ValueError."""
    if body.count(_BEGIN) != 1:
        raise ValueError("it must be exactly one certificate")
    try:
        certificate = load_pem_x509_certificate(body.encode())
    except InvalidVersion as error:
        raise ValueError("it has no version that there is") from error
    certificate.public_key()  # Raises ValueError (UnsupportedAlgorithm too) for a key of a kind that nobody knows.
    return certificate


def read_server_certificate(body: str, key: str, chain: str | None, now: float) -> tuple[float, bytes]:
    """When a certificate expires (seconds since the epoch), and its private key as PKCS #8 in DER.

    The key must be the certificate's, and each certificate of the chain must have signed the one before it.
    Raises MalformedCertificate, KeyPairMismatch.
    """
    try:
        certificate = read_certificate(body)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedCertificate(_UNREADABLE) from error
    expires = certificate.not_valid_after_utc.timestamp()
    if expires <= now:
        raise MalformedCertificate(
            "Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed."
        )
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedCertificate(_UNREADABLE_KEY) from error
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
        raise MalformedCertificate(_UNREADABLE_KEY)
    if private.public_key() != certificate.public_key():
        raise KeyPairMismatch("The private key does not match the public key of the certificate.")
    _check_chain(certificate, chain)
    return expires, private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _check_chain(certificate: Certificate, chain: str | None) -> None:
    """Raise MalformedCertificate, with the place of the one that did not sign its predecessor."""
    if chain is None:
        return
    try:
        above = load_pem_x509_certificates(chain.encode())
    except (ValueError, InvalidVersion) as error:
        raise MalformedCertificate(_BROKEN.format(-1)) from error
    for place, (lower, upper) in enumerate(zip([certificate, *above], above, strict=False)):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise MalformedCertificate(_BROKEN.format(place - 1)) from error


def read_ssh_key(body: str) -> RSAPublicKey:
    """A public key in OpenSSH's or in PEM's form. Raises InvalidPublicKey, UnrecognizedPublicKeyEncoding."""
    text = body.strip().encode()
    is_pem = text.startswith(b"-----BEGIN ")
    if not is_pem and not text.startswith((b"ssh-", b"ecdsa-")):
        raise UnrecognizedPublicKeyEncoding("The public key encoding format is unsupported or unrecognized.")
    try:
        key = load_pem_public_key(text) if is_pem else load_ssh_public_key(text)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidPublicKey("The public key is malformed or otherwise invalid.") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_SSH_BITS:
        raise InvalidPublicKey(
            f"The public key is invalid: it must be of RSA, and have {_LEAST_SSH_BITS} bits or more."
        )
    return key


def in_ssh(key: RSAPublicKey) -> str:
    """A key in OpenSSH's form ("ssh-rsa AAAA…")."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def in_pem(key: RSAPublicKey) -> str:
    """A key in PEM's form (SubjectPublicKeyInfo)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: RSAPublicKey) -> str:
    """The MD5 of a key, as `ssh-keygen -l -E md5` shows it: pairs of digits with colons between."""
    return hashlib.md5(b64decode(in_ssh(key).split()[1]), usedforsecurity=False).digest().hex(":")
