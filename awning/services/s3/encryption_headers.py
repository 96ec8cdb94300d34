"""What requests say of encryption: the headers of SSE-S3, SSE-KMS, DSSE-KMS and SSE-C, read and held against each other.

Nothing here knows a bucket or a key's owner. Source: the S3 user guide's "Specifying server-side encryption with …" pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from awning.services.s3 import errors

if TYPE_CHECKING:
    from awning.kit.call import Call

AES256: Final = "AES256"
KMS: Final = "aws:kms"
DSSE: Final = "aws:kms:dsse"
ALGORITHMS: Final = (AES256, KMS, DSSE)
HEADER: Final = "x-amz-server-side-encryption"
_KEY_SIZE: Final = 32


class Customer(NamedTuple):
    """A client's own key (SSE-C): the key, and the Base64 text of its MD5, which replies show."""

    key: bytes
    md5: str


class Asked(NamedTuple):
    """What a write asks for. `context`: the client's encryption context, Base64 text; `bucket_key`: None where it is not said."""

    algorithm: str | None = None
    kms_key: str | None = None
    context: str | None = None
    bucket_key: bool | None = None
    customer: Customer | None = None


def asked(
    call: Call,
    algorithm: str | None,
    kms_key: str | None,
    context: str | None,
    bucket_key: bool | None,
    customer_algorithm: str | None,
    customer_key: str | None,
    customer_md5: str | None,
) -> Asked | None:
    """Return what a write's headers ask for; None where they say nothing.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError, InvalidRequest.
    """
    given = customer_algorithm is not None or customer_key is not None or customer_md5 is not None
    if algorithm is None and kms_key is None and context is None and bucket_key is None and not given:
        return None
    if algorithm is not None:
        if given:
            raise errors.InvalidArgument(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
                HEADER,
                algorithm,
            )
        if algorithm not in ALGORITHMS:
            raise errors.InvalidArgument("The encryption method specified is not supported", HEADER, algorithm)
    if (kms_key is not None or context is not None) and algorithm not in (KMS, DSSE):
        raise errors.InvalidArgument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            HEADER,
            algorithm if algorithm is not None else "null",
        )
    if bucket_key and algorithm == DSSE:
        raise errors.InvalidArgument(
            "An S3 Bucket Key is not supported with dual-layer server-side encryption.",
            f"{HEADER}-bucket-key-enabled",
            "true",
        )
    if context is not None:
        pairs_of(context)
    return Asked(
        algorithm,
        kms_key,
        context,
        bucket_key,
        customer(call, customer_algorithm, customer_key, customer_md5, check_size=True) if given else None,
    )


def customer(
    call: Call, algorithm: str | None, key: str | None, md5: str | None, *, check_size: bool = False
) -> Customer | None:
    """Return the client's own key; None where no header names one. check_size: a write wants 256 bits, while a read only finds
    that the key is another.

    Over plain HTTP such a key is taken from this machine alone: no wire carries it.
    Raises InvalidArgument, InvalidEncryptionAlgorithmError, InvalidRequest.
    """
    if algorithm is None and key is None and md5 is None:
        return None
    if not call.facts.secure and not is_local(call.facts.source_ip):
        raise errors.InvalidRequest(
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."
        )
    if algorithm is None:
        raise no_algorithm()
    if algorithm != AES256:
        raise errors.InvalidEncryptionAlgorithmError(HEADER, algorithm)
    if key is None:
        raise _bad("must provide an appropriate secret key.")
    if md5 is None:
        raise _bad("must provide the client calculated MD5 of the secret key.")
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode() != md5.strip():
        raise errors.InvalidArgument(
            "The calculated MD5 hash of the key did not match the hash that was provided.", HEADER, "null"
        )
    if check_size and len(raw) != _KEY_SIZE:
        raise errors.InvalidArgument("The secret key was invalid for the specified algorithm.", HEADER, "null")
    return Customer(raw, md5.strip())


def for_read(call: Call, algorithm: str | None, key: str | None, md5: str | None) -> Customer | None:
    """As customer(), for a request that reads: how an object is encrypted cannot be chosen there. Raises as refuse_on_read()."""
    refuse_on_read(call.facts.headers)
    return customer(call, algorithm, key, md5)


def pairs_of(context: str | None) -> dict[str, str]:
    """Return a client's encryption context. Raises InvalidArgument for what is not Base64 of a JSON map of strings."""
    if context is None:
        return {}
    try:
        pairs = orjson.loads(base64.b64decode(context, validate=True))
    except (binascii.Error, ValueError):
        pairs = None
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        raise errors.InvalidArgument(
            f"The header '{HEADER}-context' shall be Base64-encoded UTF-8 string holding JSON which represents a "
            "string-string map",
            f"{HEADER}-context",
            context,
        )
    return pairs


def refuse_on_read(headers: Mapping[bytes, bytes]) -> None:
    """How an object is encrypted cannot be chosen where it is read, or where a part is uploaded. Raises InvalidArgument.

    S3 API reference, GetObject, "Encryption".
    """
    value = headers.get(b"x-amz-server-side-encryption")
    if value is not None:
        raise errors.InvalidArgument(
            f"{HEADER} header is not supported for this operation.", HEADER, value.decode("latin-1")
        )


def no_algorithm() -> errors.InvalidArgument:
    """Return what a client is told whose own key is wanted, or given, without the algorithm that goes with it."""
    return _bad("must provide a valid encryption algorithm.")


def _bad(what: str) -> errors.InvalidArgument:
    message = f"Requests specifying Server Side Encryption with Customer provided keys {what}"
    return errors.InvalidArgument(message, HEADER, "null")


def is_local(address: str) -> bool:
    """Whether a client's address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return not address  # a socket of the file system
