"""Imported key material: a wrapping key and a token out, wrapped material in; expiry, deletion, and the same again.

The import token carries the wrapping key's private half, sealed: nothing is stored until material comes.
Source: the developer guide's "Importing key material for AWS KMS keys" and the API reference of each action.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from awning.kit.call import Call
from awning.kit.errors import NotImplementedHere
from awning.kit.operation import ALL, Needs, operation
from awning.services.kms import ciphers, tables
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import (
    ExpiredImportTokenException,
    IncorrectKeyMaterialException,
    InvalidCiphertextException,
    InvalidImportTokenException,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
    wrong_origin,
)
from awning.services.kms.lookup import arn_of_key, check_not_deleted, find_to_change
from awning.services.kms.material import add_material, forget_later, material_id_of
from awning.services.kms.memory import Memory
from awning.services.kms.specs import SPECS, SYMMETRIC
from awning.services.kms.tables import KeyRow, MaterialRow
from awning.store.vault import Unsealable

_DAY: Final = 86_400.0
_CONTEXT: Final = b"import token"
_RSA: Final = {"RSA_2048", "RSA_3072", "RSA_4096"}
_EXPIRES: Final = "KEY_MATERIAL_EXPIRES"


class Token(NamedTuple):
    """What an import token says. `private` is the wrapping key's private half."""

    arn: str
    algorithm: str
    valid_to: float
    private: bytes

    def __repr__(self) -> str:
        return f"Token({self.arn}, {self.algorithm}, {self.valid_to})"


def _importable(call: Call, key_id: str) -> KeyRow:
    key = find_to_change(call, key_id)
    if key.origin != "EXTERNAL":
        raise wrong_origin(key.arn, key.origin)
    return key


@operation(
    Needs("kms:GetParametersForImport", arn_of_key()),
    honours={
        "wrapping_algorithm": {
            "RSAES_PKCS1_V1_5",
            "RSAES_OAEP_SHA_1",
            "RSAES_OAEP_SHA_256",
            "RSA_AES_KEY_WRAP_SHA_1",
            "RSA_AES_KEY_WRAP_SHA_256",
        },
        "wrapping_key_spec": _RSA,
    },
    context=conditions,
)
async def get_parameters_for_import(
    call: Call, key_id: str, wrapping_algorithm: str, wrapping_key_spec: str
) -> dict[str, Any]:
    """Return a public key under which to wrap material, and the token that must come back with it within a day."""
    key = _importable(call, key_id)
    check_not_deleted(key)
    _check_wrapping(key, wrapping_algorithm, wrapping_key_spec)
    memory: Memory = call.memory
    private = await memory.in_thread(ciphers.make, SPECS[wrapping_key_spec])
    valid_to = call.now + _DAY
    head = json.dumps([key.arn, wrapping_algorithm, valid_to]).encode()
    return {
        "KeyId": key.arn,
        "ImportToken": call.seal.seal(head + b"\n" + private, _CONTEXT),
        "PublicKey": ciphers.public_of(ciphers.load(SPECS[wrapping_key_spec], private)),
        "ParametersValidTo": valid_to,
    }


def _check_wrapping(key: KeyRow, algorithm: str, wrapping_spec: str) -> None:
    """Raises UnsupportedOperationException where the material would not fit."""
    kind = SPECS[key.spec].kind
    if algorithm == "RSAES_PKCS1_V1_5":
        raise UnsupportedOperationException("The wrapping algorithm RSAES_PKCS1_V1_5 is no longer supported.")
    wraps_aes = algorithm.startswith("RSA_AES")
    too_long = kind in ("rsa", "ml-dsa", "ml-kem") or (key.spec == "ECC_NIST_P521" and wrapping_spec == "RSA_2048")
    if (too_long and not wraps_aes) or (wraps_aes and kind in ("aes", "hmac")):
        raise UnsupportedOperationException(
            f"The wrapping algorithm {algorithm} with wrapping key spec {wrapping_spec} is not valid for key spec {key.spec}."
        )


def _read_token(call: Call, key: KeyRow, given: bytes) -> Token:
    try:
        head, _, private = call.seal.open(given, _CONTEXT).partition(b"\n")
    except Unsealable:
        raise InvalidImportTokenException("The import token is not valid.") from None
    arn, algorithm, valid_to = json.loads(head)
    token = Token(arn, algorithm, valid_to, private)
    if token.arn != key.arn:
        raise InvalidImportTokenException("The import token is of another key.")
    if token.valid_to <= call.now:
        raise ExpiredImportTokenException("The import token has expired.")
    return token


@operation(
    Needs("kms:ImportKeyMaterial", arn_of_key()),
    honours={"expiration_model": ALL, "import_type": ALL},
    context=conditions,
)
async def import_key_material(
    call: Call,
    key_id: str,
    import_token: bytes,
    encrypted_key_material: bytes,
    valid_to: float | None = None,
    expiration_model: str = _EXPIRES,
    import_type: str | None = None,
    key_material_description: str | None = None,
    key_material_id: str | None = None,
) -> dict[str, Any]:
    """Give a key material from outside: its first, the same again, or for symmetric keys one to rotate to."""
    key = _importable(call, key_id)
    check_not_deleted(key)
    _check_expiry(call, expiration_model, valid_to)
    token = _read_token(call, key, import_token)
    memory: Memory = call.memory
    raw = await memory.in_thread(_unwrapped, token, encrypted_key_material, key.spec)
    kept = MaterialRow(0, 0, "", "", None, None, key_material_description, expiration_model, valid_to)
    material_id = await call.commit(_store, key_id, raw, kept, import_type, key_material_id)
    return {"KeyId": key.arn, "KeyMaterialId": material_id if key.spec == SYMMETRIC else None}


def _check_expiry(call: Call, model: str, valid_to: float | None) -> None:
    if model == _EXPIRES and valid_to is None:
        raise ValidationException("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
    if model != _EXPIRES and valid_to is not None:
        raise ValidationException(
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"
        )
    if valid_to is not None and not call.now < valid_to <= call.now + 365 * _DAY:
        raise ValidationException("The validTo date must be in the future, and at most 365 days from now.")


def _unwrapped(token: Token, wrapped: bytes, spec_name: str) -> bytes:
    """In a thread: the material, once it is known to be of the key's spec."""
    spec = SPECS[spec_name]
    try:
        material = ciphers.unwrap(ciphers.load(SPECS["RSA_2048"], token.private), wrapped, token.algorithm)
        ciphers.check(spec, material)
    except ciphers.Undecipherable:
        raise InvalidCiphertextException("The key material could not be decrypted.") from None
    except ciphers.BadMaterial as error:
        raise IncorrectKeyMaterialException(str(error)) from None
    return ciphers.as_stored(spec, material)


def _store(
    call: Call, key_id: str, raw: bytes, kept: MaterialRow, import_type: str | None, wanted_id: str | None
) -> str:
    key = _importable(call, key_id)
    check_not_deleted(key)
    rows = tables.materials(call.db, key.id)
    material_id = material_id_of(call, key.key_id, raw)
    if wanted_id is not None and wanted_id != material_id:
        raise IncorrectKeyMaterialException("The key material is not that of the KeyMaterialId in the request.")
    same = next((row for row in rows if row.material_id == material_id), None)
    if same is None:
        number, state = _place_of_new(call, key, rows, material_id, import_type)
        rotated: dict[str, Any] = {}
    else:
        number, state = same.number, same.state
        rotated = {"rotated": same.rotated, "rotation": same.rotation}
    add_material(
        call,
        key,
        raw,
        number=number,
        state=state,
        description=kept.description or (same.description if same is not None else None),
        model=kept.model,
        expires=kept.expires,
        **rotated,
    )
    settle(call, key)
    return material_id


def _place_of_new(
    call: Call, key: KeyRow, rows: list[MaterialRow], material_id: str, import_type: str | None
) -> tuple[int, str]:
    """The number and state of material that the key has not had."""
    if key.multi == "REPLICA":
        primary = next(
            (one for one in tables.keys_of_id(call.db, key.account, key.key_id) if one.multi == "PRIMARY"), None
        )
        known = [] if primary is None else tables.materials(call.db, primary.id)
        if material_id not in [row.material_id for row in known]:
            raise IncorrectKeyMaterialException("A replica key must have the key material of its primary key.")
    if not rows:
        return 1, "CURRENT"
    if import_type != "NEW_KEY_MATERIAL" or key.spec != SYMMETRIC:
        raise IncorrectKeyMaterialException("The key material is not the same as was imported into this key before.")
    if key.multi:
        raise NotImplementedHere(
            "ImportType NEW_KEY_MATERIAL for a further material of a multi-Region key is not supported."
        )
    if any(row.state == "PENDING_ROTATION" for row in rows):
        raise KMSInvalidStateException(f"{key.arn} already has key material that is pending rotation.")
    return rows[-1].number + 1, "PENDING_ROTATION"


def settle(call: Call, key: KeyRow) -> None:
    """Let a key's state and expiry follow from its materials: it needs all that it has encrypted with."""
    rows = tables.materials(call.db, key.id)
    needed = [row for row in rows if row.state != "PENDING_ROTATION"]
    complete = bool(needed) and all(row.sealed is not None for row in needed)
    state = key.state
    if state == "PendingImport" and complete:
        state = "Enabled"
    elif state in ("Enabled", "Disabled") and not complete:
        state = "PendingImport"
    expires = min((row.expires for row in rows if row.sealed is not None and row.expires is not None), default=None)
    tables.update_key(call.db, key.id, state=state, expires=expires)
    forget_later(call, key)


@operation(Needs("kms:DeleteImportedKeyMaterial", arn_of_key()), context=conditions)
def delete_imported_key_material(call: Call, key_id: str, key_material_id: str | None = None) -> dict[str, Any]:
    """Delete a key's current material, or the one that is named; until it comes back the key cannot be used."""
    key = _importable(call, key_id)
    rows = tables.materials(call.db, key.id)
    if key_material_id is None:
        row = next((one for one in rows if one.state == "CURRENT"), None)
    else:
        row = next((one for one in rows if one.material_id == key_material_id), None)
        if row is None:
            raise NotFoundException(f"Key material {key_material_id} is not found.")
    if row is not None:
        if row.state == "PENDING_ROTATION":
            tables.delete_material(call.db, key.id, row.number)
        else:
            tables.put_material(call.db, row._replace(sealed=None, model=None, expires=None))
        settle(call, key)
    named = row.material_id if row is not None and key.spec == SYMMETRIC else None
    return {"KeyId": key.arn, "KeyMaterialId": named}


def expire(call: Call, key: KeyRow) -> None:
    """Delete what of a key's material has expired."""
    for row in tables.materials(call.db, key.id):
        if row.expires is not None and row.expires <= call.now and row.sealed is not None:
            tables.put_material(call.db, row._replace(sealed=None))
    settle(call, key)
