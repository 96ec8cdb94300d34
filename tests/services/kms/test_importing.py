"""Imported material: wrapped in every way, the same again, expired by the moved clock, deleted, rotated to."""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from awning.services.kms.errors import (
    ExpiredImportTokenException,
    IncorrectKeyMaterialException,
    InvalidCiphertextException,
    InvalidImportTokenException,
    KMSInvalidStateException,
    UnsupportedOperationException,
    ValidationException,
)
from tests.services.kms.support import ACCOUNT, DAY, START, Bench, Client

MATERIAL = b"m" * 32
FOREVER = {"expiration_model": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


def wrap(parameters: Any, material: bytes, algorithm: str) -> bytes:
    public: Any = serialization.load_der_public_key(parameters["PublicKey"])
    chosen: Any = hashes.SHA1() if algorithm.endswith("_1") else hashes.SHA256()
    oaep = padding.OAEP(padding.MGF1(chosen), chosen, None)
    if not algorithm.startswith("RSA_AES"):
        return bytes(public.encrypt(material, oaep))
    key = os.urandom(32)
    return bytes(public.encrypt(key, oaep)) + aes_key_wrap_with_padding(key, material)


def import_into(
    client: Client, key: str, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256", **further: Any
) -> Any:
    given = {"key_id": key, "wrapping_algorithm": algorithm, "wrapping_key_spec": "RSA_2048"}
    parameters = client.get_parameters_for_import(**given)
    wrapped = wrap(parameters, material, algorithm)
    return client.import_key_material(
        key_id=key, import_token=parameters["ImportToken"], encrypted_key_material=wrapped, **(further or FOREVER)
    )


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
def test_a_key_waits_for_its_material(client: Client, algorithm: str) -> None:
    key = client.new(origin="EXTERNAL")
    assert (client.state(key), client.describe(key)["Enabled"]) == ("PendingImport", False)
    with pytest.raises(KMSInvalidStateException, match=f"key/{key} is pending import."):
        client.encrypt(key_id=key, plaintext=b"x")
    import_into(client, key, MATERIAL, algorithm)
    shown = client.describe(key)
    assert (shown["KeyState"], shown["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
    blob = client.encrypt(key_id=key, plaintext=b"x")["CiphertextBlob"]
    client.delete_imported_key_material(key_id=key)
    assert client.state(key) == "PendingImport"
    assert "ExpirationModel" not in client.describe(key)
    with pytest.raises(IncorrectKeyMaterialException):
        import_into(client, key, b"n" * 32)
    import_into(client, key, MATERIAL)
    assert client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"x"


def pkcs8(private: Any) -> bytes:
    return bytes(
        private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
def test_key_pairs_are_imported(client: Client, algorithm: str) -> None:
    private = rsa.generate_private_key(65537, 2048)
    key = client.new(origin="EXTERNAL", key_spec="RSA_2048", key_usage="SIGN_VERIFY")
    import_into(client, key, pkcs8(private), algorithm)
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert client.get_public_key(key_id=key)["PublicKey"] == der
    curve = client.new(origin="EXTERNAL", key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY")
    with pytest.raises(IncorrectKeyMaterialException):
        import_into(client, curve, pkcs8(ec.generate_private_key(ec.SECP384R1())))
    import_into(client, curve, pkcs8(ec.generate_private_key(ec.SECP256R1())))
    assert client.sign(key_id=curve, message=b"m", signing_algorithm="ECDSA_SHA_256")


def test_what_does_not_fit_is_refused(client: Client) -> None:
    key = client.new(origin="EXTERNAL")
    with pytest.raises(IncorrectKeyMaterialException):
        import_into(client, key, b"short")
    parameters = client.get_parameters_for_import(
        key_id=key, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    with pytest.raises(InvalidCiphertextException):
        client.import_key_material(
            key_id=key, import_token=parameters["ImportToken"], encrypted_key_material=b"x" * 256, **FOREVER
        )
    with pytest.raises(InvalidImportTokenException):
        client.import_key_material(key_id=key, import_token=b"x", encrypted_key_material=b"x", **FOREVER)
    other = client.new(origin="EXTERNAL")
    with pytest.raises(InvalidImportTokenException):
        client.import_key_material(
            key_id=other, import_token=parameters["ImportToken"], encrypted_key_material=b"x", **FOREVER
        )
    with pytest.raises(UnsupportedOperationException, match="origin is AWS_KMS which is not valid for this operation"):
        client.get_parameters_for_import(
            key_id=client.new(), wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
        )
    with pytest.raises(ValidationException, match="A validTo date must be set if the ExpirationModel is"):
        client.import_key_material(key_id=key, import_token=b"x", encrypted_key_material=b"x")


def test_an_import_token_is_good_for_a_day(bench: Bench, client: Client) -> None:
    key = client.new(origin="EXTERNAL")
    parameters = client.get_parameters_for_import(
        key_id=key, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    assert parameters["KeyId"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}"
    assert parameters["ParametersValidTo"] == START + DAY
    assert MATERIAL not in parameters["ImportToken"]
    bench.now += DAY
    wrapped = wrap(parameters, MATERIAL, "RSAES_OAEP_SHA_256")
    with pytest.raises(ExpiredImportTokenException):
        client.import_key_material(
            key_id=key, import_token=parameters["ImportToken"], encrypted_key_material=wrapped, **FOREVER
        )


def test_material_expires_by_the_clock_and_may_come_again(bench: Bench, client: Client) -> None:
    key = client.new(origin="EXTERNAL")
    import_into(client, key, MATERIAL, valid_to=START + 10 * DAY)
    assert client.describe(key)["ValidTo"] == START + 10 * DAY
    blob = client.encrypt(key_id=key, plaintext=b"x")["CiphertextBlob"]
    bench.now += 10 * DAY  # before any pass has run
    with pytest.raises(KMSInvalidStateException):
        client.decrypt(ciphertext_blob=blob)
    assert client.state(key) == "PendingImport"
    bench.work()
    assert bench.reader.execute("SELECT sealed FROM materials").fetchall() == [(None,)]
    import_into(client, key, MATERIAL, valid_to=bench.now + DAY)
    assert client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"x"


def test_a_key_is_rotated_to_further_material(client: Client) -> None:
    key = client.new(origin="EXTERNAL")
    first = import_into(client, key, MATERIAL)["KeyMaterialId"]
    blob = client.encrypt(key_id=key, plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(KMSInvalidStateException):
        client.rotate_key_on_demand(key_id=key)
    second = import_into(client, key, b"n" * 32, import_type="NEW_KEY_MATERIAL", **FOREVER)["KeyMaterialId"]
    assert client.describe(key)["CurrentKeyMaterialId"] == first
    with pytest.raises(KMSInvalidStateException):
        import_into(client, key, b"o" * 32, import_type="NEW_KEY_MATERIAL", **FOREVER)
    client.rotate_key_on_demand(key_id=key)
    assert client.describe(key)["CurrentKeyMaterialId"] == second
    assert client.decrypt(ciphertext_blob=blob)["KeyMaterialId"] == first
    client.delete_imported_key_material(key_id=key, key_material_id=first)
    assert client.state(key) == "PendingImport"
    import_into(client, key, MATERIAL)
    assert client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"x"
