"""Data keys and pairs, and random bytes: made here, and handed out with what they become under a key.

Source: the API reference of GenerateDataKey, GenerateDataKeyPair and GenerateRandom.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Honours, Needs, operation
from awning.services.kms import ciphers
from awning.services.kms.conditions import conditions
from awning.services.kms.encrypting import seal
from awning.services.kms.errors import ValidationException
from awning.services.kms.lookup import arn_of_key
from awning.services.kms.material import MAKES_SLOWLY
from awning.services.kms.memory import Memory
from awning.services.kms.specs import ENCRYPT, PAIRS, SPECS
from awning.services.kms.tables import KeyRow
from awning.services.kms.using import check_symmetric, end_dry_run, key_for

_SIZES: Final = {"AES_256": 32, "AES_128": 16}
_HONOURS: Final[Mapping[str, Honours]] = {"encryption_context": ALL, "key_spec": ALL}
_PAIR_HONOURS: Final[Mapping[str, Honours]] = {"encryption_context": ALL, "key_pair_spec": PAIRS}


def _key(call: Call, key_id: str, operation_name: str, tokens: list[str] | None) -> KeyRow:
    key = key_for(call, key_id, operation_name, ENCRYPT, tokens)
    check_symmetric(key, operation_name)
    return key


def _size(number_of_bytes: int | None, key_spec: str | None) -> int:
    if (number_of_bytes is None) == (key_spec is None):
        raise ValidationException("Please specify either number of bytes or key spec.")
    return _SIZES[key_spec] if key_spec is not None else number_of_bytes or 0


@operation(Needs("kms:GenerateDataKey", arn_of_key()), reads=True, honours=_HONOURS, context=conditions)
def generate_data_key(
    call: Call,
    key_id: str,
    encryption_context: dict[str, str] | None = None,
    number_of_bytes: int | None = None,
    key_spec: str | None = None,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make a data key: in the clear, and encrypted."""
    size = _size(number_of_bytes, key_spec)
    key = _key(call, key_id, "GenerateDataKey", grant_tokens)
    end_dry_run(dry_run)
    plain = call.random(size)
    blob, material = seal(call, key, plain, encryption_context)
    return {"CiphertextBlob": blob, "Plaintext": plain, "KeyId": key.arn, "KeyMaterialId": material}


@operation(Needs("kms:GenerateDataKeyWithoutPlaintext", arn_of_key()), reads=True, honours=_HONOURS, context=conditions)
def generate_data_key_without_plaintext(
    call: Call,
    key_id: str,
    encryption_context: dict[str, str] | None = None,
    key_spec: str | None = None,
    number_of_bytes: int | None = None,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make a data key that is only handed out encrypted."""
    size = _size(number_of_bytes, key_spec)
    key = _key(call, key_id, "GenerateDataKeyWithoutPlaintext", grant_tokens)
    end_dry_run(dry_run)
    blob, material = seal(call, key, call.random(size), encryption_context)
    return {"CiphertextBlob": blob, "KeyId": key.arn, "KeyMaterialId": material}


@operation(Needs("kms:GenerateDataKeyPair", arn_of_key()), honours=_PAIR_HONOURS, context=conditions)
async def generate_data_key_pair(
    call: Call,
    key_id: str,
    key_pair_spec: str,
    encryption_context: dict[str, str] | None = None,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make a pair of keys: the public one, and the private one in the clear and encrypted."""
    key = _key(call, key_id, "GenerateDataKeyPair", grant_tokens)
    end_dry_run(dry_run)
    return await _pair(call, key, key_pair_spec, encryption_context, plain=True)


@operation(Needs("kms:GenerateDataKeyPairWithoutPlaintext", arn_of_key()), honours=_PAIR_HONOURS, context=conditions)
async def generate_data_key_pair_without_plaintext(
    call: Call,
    key_id: str,
    key_pair_spec: str,
    encryption_context: dict[str, str] | None = None,
    grant_tokens: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make a pair of keys, of which the private one is only handed out encrypted."""
    key = _key(call, key_id, "GenerateDataKeyPairWithoutPlaintext", grant_tokens)
    end_dry_run(dry_run)
    return await _pair(call, key, key_pair_spec, encryption_context, plain=False)


async def _pair(
    call: Call, key: KeyRow, pair_spec: str, context: dict[str, str] | None, *, plain: bool
) -> dict[str, Any]:
    memory: Memory = call.memory
    spec = SPECS[pair_spec]
    slow = spec.kind == MAKES_SLOWLY
    private = await memory.in_thread(ciphers.make_private, spec) if slow else ciphers.make_private(spec)
    text = ciphers.pkcs8(private)
    blob, material = seal(call, key, text, context)
    return {
        "PrivateKeyCiphertextBlob": blob,
        "PrivateKeyPlaintext": text if plain else None,
        "PublicKey": ciphers.public_of(private),
        "KeyId": key.arn,
        "KeyPairSpec": pair_spec,
        "KeyMaterialId": material,
    }


@operation(Needs("kms:GenerateRandom", "*"), reads=True)
def generate_random(call: Call, number_of_bytes: int | None = None) -> dict[str, Any]:
    """Return 1 to 1,024 random bytes."""
    if number_of_bytes is None:
        raise ValidationException("NumberOfBytes is required.")
    return {"Plaintext": call.random(number_of_bytes)}
