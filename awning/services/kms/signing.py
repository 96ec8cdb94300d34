"""What key pairs and HMAC keys do: signatures, MACs, shared secrets; and the public key.

Source: the API reference of each; signatures are RFC 8017's, ANSI X9.62's in DER, RFC 8032's and FIPS 204's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Honours, Needs, operation
from awning.services.kms import ciphers
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import (
    InvalidCiphertextException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
    UnsupportedOperationException,
    ValidationException,
)
from awning.services.kms.grant_tokens import check_tokens
from awning.services.kms.lookup import arn_of_key, check_usable, find
from awning.services.kms.material import MAKES_SLOWLY, current
from awning.services.kms.memory import Memory
from awning.services.kms.specs import AGREE, ALGORITHMS, ENCAPSULATE, MAC, SIGN, SIGNING, SPECS
from awning.services.kms.tables import KeyRow
from awning.services.kms.using import check_algorithm, end_dry_run, key_for

_MU: Final = 64
_HONOURS: Final[Mapping[str, Honours]] = {"signing_algorithm": SIGNING, "message_type": ALL}


def _check_message(algorithm: str, kind: str, message: bytes) -> None:
    """Raises ValidationException where the message cannot be of its kind."""
    ours = {"ML": ("RAW", "EXTERNAL_MU"), "ED": ("RAW",)}.get(algorithm[:2], ("RAW", "DIGEST"))
    if kind not in ours:
        raise ValidationException(f"MessageType {kind} is not valid for algorithm {algorithm}.")
    wanted = _MU if kind == "EXTERNAL_MU" else ciphers.digest_size(algorithm) if kind == "DIGEST" else None
    if wanted is not None and len(message) != wanted:
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")


@operation(Needs("kms:Sign", arn_of_key()), honours=_HONOURS, context=conditions)
async def sign(
    call: Call,
    key_id: str,
    message: bytes,
    signing_algorithm: str,
    message_type: str = "RAW",
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Sign a message, or its digest."""
    key = key_for(call, key_id, "Sign", SIGN, grant_tokens)
    check_algorithm(key, signing_algorithm)
    _check_message(signing_algorithm, message_type, message)
    end_dry_run(dry_run)
    private = current(call, key).private
    memory: Memory = call.memory
    if SPECS[key.spec].kind == MAKES_SLOWLY:
        signature = await memory.in_thread(ciphers.sign, private, message, signing_algorithm, message_type)
    else:
        signature = ciphers.sign(private, message, signing_algorithm, message_type)
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": signing_algorithm}


@operation(Needs("kms:Verify", arn_of_key()), reads=True, honours=_HONOURS, context=conditions)
def verify(
    call: Call,
    key_id: str,
    message: bytes,
    signature: bytes,
    signing_algorithm: str,
    message_type: str = "RAW",
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Tell that a signature is the message's; one that is not is an error."""
    key = key_for(call, key_id, "Verify", SIGN, grant_tokens)
    check_algorithm(key, signing_algorithm)
    _check_message(signing_algorithm, message_type, message)
    end_dry_run(dry_run)
    if not ciphers.verify(_public(call, key), signature, message, signing_algorithm, message_type):
        raise KMSInvalidSignatureException("")
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": signing_algorithm}


def _public(call: Call, key: KeyRow) -> bytes:
    public = current(call, key).public
    assert public is not None
    return public


@operation(Needs("kms:GetPublicKey", arn_of_key()), reads=True, context=conditions)
def get_public_key(call: Call, key_id: str, grant_tokens: list[str] | None = None) -> dict[str, Any]:
    """Return the public key of a key pair (SubjectPublicKeyInfo in DER)."""
    check_tokens(call, grant_tokens)
    key = find(call, key_id)
    if not SPECS[key.spec].asymmetric:
        raise UnsupportedOperationException(f"{key.arn} key spec is {key.spec} which is not valid for GetPublicKey.")
    check_usable(key, call.now)
    return {
        "KeyId": key.arn,
        "PublicKey": _public(call, key),
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        ALGORITHMS[key.usage]: list(SPECS[key.spec].usages[key.usage]),
    }


@operation(Needs("kms:GenerateMac", arn_of_key()), reads=True, honours={"mac_algorithm": ALL}, context=conditions)
def generate_mac(
    call: Call,
    key_id: str,
    message: bytes,
    mac_algorithm: str,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make the HMAC of a message."""
    key = key_for(call, key_id, "GenerateMac", MAC, grant_tokens)
    check_algorithm(key, mac_algorithm)
    end_dry_run(dry_run)
    made = ciphers.mac(current(call, key).raw, message, mac_algorithm)
    return {"Mac": made, "MacAlgorithm": mac_algorithm, "KeyId": key.arn}


@operation(Needs("kms:VerifyMac", arn_of_key()), reads=True, honours={"mac_algorithm": ALL}, context=conditions)
def verify_mac(
    call: Call,
    key_id: str,
    message: bytes,
    mac: bytes,
    mac_algorithm: str,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Tell that a MAC is the message's; one that is not is an error."""
    key = key_for(call, key_id, "VerifyMac", MAC, grant_tokens)
    check_algorithm(key, mac_algorithm)
    end_dry_run(dry_run)
    if not ciphers.mac_fits(current(call, key).raw, message, mac_algorithm, mac):
        raise KMSInvalidMacException("")
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": mac_algorithm}


@operation(
    Needs("kms:DeriveSharedSecret", arn_of_key()),
    reads=True,
    honours={"key_agreement_algorithm": ALL},
    context=conditions,
)
def derive_shared_secret(
    call: Call,
    key_id: str,
    key_agreement_algorithm: str,
    public_key: bytes,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Derive the secret that a key shares with the owner of another public key (ECDH)."""
    key = key_for(call, key_id, "DeriveSharedSecret", AGREE, grant_tokens)
    end_dry_run(dry_run)
    try:
        secret = ciphers.agree(current(call, key).private, public_key)
    except ciphers.BadMaterial:
        raise ValidationException("The public key is not valid for the key spec of the KMS key.") from None
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "KeyAgreementAlgorithm": key_agreement_algorithm,
        "KeyOrigin": key.origin,
    }


_ENCAPSULATION: Final = {"encapsulation_algorithm": ALL}


@operation(Needs("kms:Encapsulate", arn_of_key()), reads=True, honours=_ENCAPSULATION, context=conditions)
def encapsulate(
    call: Call,
    key_id: str,
    encapsulation_algorithm: str,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make a shared secret, and what lets the key's owner find it (ML-KEM)."""
    key = key_for(call, key_id, "Encapsulate", ENCAPSULATE, grant_tokens)
    end_dry_run(dry_run)
    secret, blob = ciphers.encapsulate(_public(call, key))
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": blob,
        "EncapsulationAlgorithm": encapsulation_algorithm,
    }


@operation(Needs("kms:Decapsulate", arn_of_key()), reads=True, honours=_ENCAPSULATION, context=conditions)
def decapsulate(
    call: Call,
    key_id: str,
    shared_secret_ciphertext_blob: bytes,
    encapsulation_algorithm: str,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Find the secret in what Encapsulate made; of what nobody made, one that nobody shares."""
    key = key_for(call, key_id, "Decapsulate", ENCAPSULATE, grant_tokens)
    end_dry_run(dry_run)
    try:
        secret = ciphers.decapsulate(current(call, key).private, shared_secret_ciphertext_blob)
    except ciphers.Undecipherable:
        raise InvalidCiphertextException("") from None
    return {"KeyId": key.arn, "SharedSecret": secret, "EncapsulationAlgorithm": encapsulation_algorithm}
