"""Encrypt, Decrypt, ReEncrypt.

Source: the API reference of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.kms import ciphers, envelope
from awning.services.kms.conditions import conditions, context_keys, of_key, of_reencryption, requested_alias
from awning.services.kms.errors import (
    IncorrectKeyException,
    InvalidCiphertextException,
    ValidationException,
)
from awning.services.kms.grant_tokens import check_tokens
from awning.services.kms.lookup import Name, arn_of, arn_of_key, check_usable, check_usage, find, look_up
from awning.services.kms.material import current, of_id
from awning.services.kms.memory import Memory
from awning.services.kms.specs import ENCRYPT, ENCRYPTION, SPECS, SYMMETRIC, largest_of
from awning.services.kms.tables import KeyRow
from awning.services.kms.using import check_algorithm, end_dry_run, key_for, note_use

_NO_KEY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)
_WRONG_KEY = "The key ID in the request does not identify a CMK that can perform this operation."


def seal(call: Call, key: KeyRow, plain: bytes, context: Mapping[str, str] | None) -> tuple[bytes, str]:
    """Encrypt under a symmetric key's current material: the ciphertext, and the material's id."""
    material = current(call, key)
    head = envelope.head_of(key.account, key.key_id, material.material_id)
    return head + ciphers.encrypt(material.raw, plain, envelope.bound(head, context)), material.material_id


def unseal(call: Call, key: KeyRow, found: envelope.Envelope, context: Mapping[str, str] | None) -> bytes:
    """Decrypt what a symmetric key encrypted, with whichever material. Raises InvalidCiphertextException."""
    material = of_id(call, key, found.material_id)
    if material is None:
        raise InvalidCiphertextException("")
    try:
        return ciphers.decrypt(material.raw, found.sealed, envelope.bound(found.head, context))
    except ciphers.Undecipherable:
        raise InvalidCiphertextException("") from None


@operation(
    Needs("kms:Encrypt", arn_of_key()),
    honours={"encryption_context": ALL, "encryption_algorithm": ENCRYPTION},
    context=conditions,
)
async def encrypt(
    call: Call,
    key_id: str,
    plaintext: bytes,
    encryption_context: dict[str, str] | None = None,
    grant_tokens: list[str] | None = None,
    encryption_algorithm: str = SYMMETRIC,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Encrypt up to 4,096 bytes; by an RSA key as many as its padding leaves."""
    key = key_for(call, key_id, "Encrypt", ENCRYPT, grant_tokens)
    blob = await _encrypt(call, key, plaintext, encryption_context, encryption_algorithm, dry=dry_run)
    return {"CiphertextBlob": blob[0], "KeyId": key.arn, "EncryptionAlgorithm": encryption_algorithm}


async def _encrypt(
    call: Call, key: KeyRow, plain: bytes, context: Mapping[str, str] | None, algorithm: str, *, dry: bool
) -> tuple[bytes, str]:
    check_algorithm(key, algorithm)
    spec = SPECS[key.spec]
    if len(plain) > (largest := largest_of(spec, algorithm)):
        raise ValidationException(
            f"Algorithm {algorithm} and key spec {key.spec} cannot encrypt data larger than {largest} bytes."
        )
    if algorithm == SYMMETRIC:
        end_dry_run(dry)
        return seal(call, key, plain, context)
    _no_context(context)
    end_dry_run(dry)
    public = current(call, key).public
    assert public is not None
    return ciphers.rsa_encrypt(public, plain, algorithm), ""


def _no_context(context: Mapping[str, str] | None) -> None:
    if context:
        raise ValidationException("EncryptionContext is not supported for asymmetric encryption algorithms.")


def _decrypted_by(call: Call, params: Params) -> str:
    """The ARN of the key that is to decrypt: the one that is named, else the one that the ciphertext names."""
    given = params.get("key_id")
    return arn_of(call, given) if given is not None else _named_in(call, params).arn


def _named_in(call: Call, params: Params) -> Name:
    blob = params.get("ciphertext_blob")
    if blob is None:
        raise ValidationException("CiphertextBlob is required.")
    found = envelope.read(blob)
    if found is None or (params.get("encryption_algorithm") or SYMMETRIC) != SYMMETRIC:
        if (params.get("encryption_algorithm") or SYMMETRIC) != SYMMETRIC:
            raise ValidationException(
                "KeyId is required when the ciphertext was encrypted under an asymmetric KMS key."
            )
        raise InvalidCiphertextException("")
    return Name(found.account, call.region, found.key_id, "")


@operation(
    Needs("kms:Decrypt", _decrypted_by),
    honours={
        "encryption_context": ALL,
        "encryption_algorithm": ENCRYPTION,
        "dry_run_modifiers": {"IGNORE_CIPHERTEXT"},
    },
    context=conditions,
)
async def decrypt(
    call: Call,
    ciphertext_blob: bytes | None = None,
    encryption_context: dict[str, str] | None = None,
    grant_tokens: list[str] | None = None,
    key_id: str | None = None,
    encryption_algorithm: str = SYMMETRIC,
    dry_run: bool = False,
    dry_run_modifiers: list[str] | None = None,
) -> dict[str, Any]:
    """Decrypt a ciphertext. What a symmetric key made names its key itself."""
    check_tokens(call, grant_tokens)
    key, plain, material = await _decrypt(
        call,
        ciphertext_blob,
        encryption_context,
        key_id,
        encryption_algorithm,
        "Decrypt",
        blind=_blind(dry_run, dry_run_modifiers),
    )
    end_dry_run(dry_run)
    return {
        "KeyId": key.arn,
        "Plaintext": plain,
        "EncryptionAlgorithm": encryption_algorithm,
        "KeyMaterialId": material,
    }


def _blind(dry_run: bool, modifiers: list[str] | None) -> bool:
    """Whether a request only asks for permissions. Raises ValidationException where it cannot say so."""
    if modifiers and not dry_run:
        raise ValidationException("DryRunModifiers can be used with DryRun only.")
    return bool(modifiers)


async def _decrypt(
    call: Call,
    blob: bytes | None,
    context: Mapping[str, str] | None,
    given: str | None,
    algorithm: str,
    operation_name: str,
    *,
    blind: bool,
) -> tuple[KeyRow, bytes, str | None]:
    """The key that decrypts, the text, and the id of the material (None of key pairs). blind: without the ciphertext."""
    found = envelope.read(blob) if blob is not None and algorithm == SYMMETRIC else None
    if given is not None:
        key = find(call, given)
    else:
        key = _of_name(call, _named_in(call, {"ciphertext_blob": blob, "encryption_algorithm": algorithm}))
    check_usable(key, call.now)
    if algorithm == SYMMETRIC and key.spec != SYMMETRIC:
        raise IncorrectKeyException(_WRONG_KEY)
    check_usage(key, ENCRYPT, operation_name)
    check_algorithm(key, algorithm)
    note_use(call, key)
    if blind:
        return key, b"", None
    if blob is None:
        raise ValidationException("CiphertextBlob is required.")
    if algorithm == SYMMETRIC:
        if found is None:
            raise InvalidCiphertextException("")
        if (found.account, found.key_id) != (key.account, key.key_id):
            raise IncorrectKeyException(_WRONG_KEY)
        return key, unseal(call, key, found, context), found.material_id
    _no_context(context)
    memory: Memory = call.memory
    try:
        plain = await memory.in_thread(ciphers.rsa_decrypt, current(call, key).private, blob, algorithm)
    except ciphers.Undecipherable:
        raise InvalidCiphertextException("") from None
    return key, plain, None


def _of_name(call: Call, name: Name) -> KeyRow:
    key = look_up(call, name)
    if key is None:
        raise AccessDenied(_NO_KEY)
    return key


@operation(
    honours={
        "source_encryption_context": ALL,
        "destination_encryption_context": ALL,
        "source_encryption_algorithm": ENCRYPTION,
        "destination_encryption_algorithm": ENCRYPTION,
        "dry_run_modifiers": {"IGNORE_CIPHERTEXT"},
    },
)
async def re_encrypt(
    call: Call,
    destination_key_id: str,
    ciphertext_blob: bytes | None = None,
    source_encryption_context: dict[str, str] | None = None,
    source_key_id: str | None = None,
    destination_encryption_context: dict[str, str] | None = None,
    source_encryption_algorithm: str = SYMMETRIC,
    destination_encryption_algorithm: str = SYMMETRIC,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
    dry_run_modifiers: list[str] | None = None,
) -> dict[str, Any]:
    """Decrypt a ciphertext and encrypt its text under another key or context; the text never leaves the region.

    It needs kms:ReEncryptFrom on the one key, and kms:ReEncryptTo on the other.
    """
    source = _decrypted_by(
        call,
        {
            "key_id": source_key_id,
            "ciphertext_blob": ciphertext_blob,
            "encryption_algorithm": source_encryption_algorithm,
        },
    )
    destination = arn_of(call, destination_key_id)
    same = of_reencryption(source == destination)
    from_, to_ = {**same, **requested_alias(source_key_id)}, {**same, **requested_alias(destination_key_id)}
    _require(call, "kms:ReEncryptFrom", source, source_encryption_algorithm, source_encryption_context, from_)
    _require(
        call, "kms:ReEncryptTo", destination, destination_encryption_algorithm, destination_encryption_context, to_
    )
    check_tokens(call, grant_tokens)
    blind = _blind(dry_run, dry_run_modifiers)
    key, plain, material = await _decrypt(
        call,
        ciphertext_blob,
        source_encryption_context,
        source_key_id,
        source_encryption_algorithm,
        "ReEncrypt",
        blind=blind,
    )
    to = key_for(call, destination_key_id, "ReEncrypt", ENCRYPT)
    blob, to_material = await _encrypt(
        call, to, plain, destination_encryption_context, destination_encryption_algorithm, dry=dry_run
    )
    return {
        "CiphertextBlob": blob,
        "SourceKeyId": key.arn,
        "KeyId": to.arn,
        "SourceEncryptionAlgorithm": source_encryption_algorithm,
        "DestinationEncryptionAlgorithm": destination_encryption_algorithm,
        "SourceKeyMaterialId": material,
        "DestinationKeyMaterialId": to_material or None,
    }


def _require(
    call: Call, action: str, arn: str, algorithm: str, context: Mapping[str, str] | None, further: Mapping[str, Any]
) -> None:
    parts = arn.split(":", 5)
    key = None
    if parts[5].startswith("key/"):
        key = look_up(call, Name(parts[4], parts[3], parts[5].removeprefix("key/"), ""))
    keys = {
        "kms:CallerAccount": call.principal.account,
        "kms:EncryptionAlgorithm": algorithm,
        **context_keys(context),
        **(of_key(call, key) if key is not None else {}),
        **further,
    }
    decision = call.allowed(action, arn, {name.lower(): value for name, value in keys.items()})
    if not decision.allowed:
        raise AccessDenied(decision.message(call.principal, action, arn))
