"""What keys do: encryption bound to its context, data keys, signatures, MACs, shared secrets; each proven independently."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.auth.conditions import compile_conditions
from awning.kit.errors import AccessDenied
from awning.services.kms import envelope
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import (
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidGrantTokenException,
    InvalidKeyUsageException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
    ValidationException,
)
from awning.services.kms.specs import SPECS
from tests.services.kms.support import ACCOUNT, Bench, Client

MESSAGE = b"message \x00 to sign"


def test_a_ciphertext_names_its_key_and_needs_its_context(client: Client) -> None:
    key = client.new()
    blob = client.encrypt(key_id=key, plaintext=b"text", encryption_context={"a": "1", "b": "2"})["CiphertextBlob"]
    said = client.decrypt(ciphertext_blob=blob, encryption_context={"b": "2", "a": "1"})
    assert (said["Plaintext"], said["KeyId"]) == (b"text", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key}")
    for context in (None, {"a": "1"}, {"a": "1", "b": "3"}, {"A": "1", "b": "2"}):
        with pytest.raises(InvalidCiphertextException):
            client.decrypt(ciphertext_blob=blob, encryption_context=context)


def test_no_changed_byte_of_a_ciphertext_passes(client: Client) -> None:
    key = client.new()
    blob = client.encrypt(key_id=key, plaintext=b"text")["CiphertextBlob"]
    assert client.encrypt(key_id=key, plaintext=b"text")["CiphertextBlob"] != blob
    for at in range(len(blob)):
        altered = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        with pytest.raises((InvalidCiphertextException, IncorrectKeyException)):
            client.decrypt(ciphertext_blob=altered, key_id=key)
    with pytest.raises(InvalidCiphertextException):
        client.decrypt(ciphertext_blob=blob + b"x")


def test_a_ciphertext_of_a_key_that_is_not_there_tells_nothing_of_it(client: Client, west: Client) -> None:
    blob = client.encrypt(key_id=client.new(), plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(AccessDenied, match=r"does not exist in this region, or you are not allowed to access\."):
        west.decrypt(ciphertext_blob=blob)


@pytest.mark.parametrize(
    ("context", "condition", "met"),
    [
        ({"Team": "a"}, {"StringEquals": {"kms:EncryptionContext:team": ["a"]}}, True),
        ({"Team": "a", "team": "b"}, {"StringEquals": {"kms:EncryptionContext:Team": ["a"]}}, True),
        ({"team": "b", "Team": "a"}, {"StringEquals": {"kms:EncryptionContext:Team": ["b"]}}, True),
        ({"Team": "a", "team": "b"}, {"StringNotEquals": {"kms:EncryptionContext:Team": ["a"]}}, False),
    ],
)
def test_names_that_differ_in_case_are_one_to_conditions(
    client: Client, bench: Bench, context: dict[str, str], condition: Any, met: bool
) -> None:
    found = conditions(bench.make_call(), {"key_id": client.new(), "encryption_context": context})
    lowered = {name.lower(): value for name, value in found.items()}
    assert all(one.holds(lowered) is met for one in compile_conditions(condition, variables=False))


def test_another_key_is_told_from_a_damaged_text(client: Client) -> None:
    blob = client.encrypt(key_id=client.new(), plaintext=b"text")["CiphertextBlob"]
    for other in (client.new(), client.new(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")):
        with pytest.raises(IncorrectKeyException, match="does not identify a CMK that can perform this operation"):
            client.decrypt(ciphertext_blob=blob, key_id=other)


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
@settings(max_examples=200)
def test_two_contexts_are_bound_alike_only_if_they_are_the_same(one: dict[str, str], other: dict[str, str]) -> None:
    assert (envelope.bound(b"head", one) == envelope.bound(b"head", other)) == (one == other)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_ciphertexts(blob: bytes) -> None:
    for text in (blob, envelope.head_of("1" * 12, "k", "00" * 32)[:-32] + blob):
        found = envelope.read(text)
        assert found is None or found.head + found.sealed == text


@pytest.mark.parametrize(("algorithm", "most"), [("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)])
def test_what_is_encrypted_with_the_public_key_is_decrypted_here(client: Client, algorithm: str, most: int) -> None:
    key = client.new(key_spec="RSA_2048", key_usage="ENCRYPT_DECRYPT")
    public: Any = serialization.load_der_public_key(client.get_public_key(key_id=key)["PublicKey"])
    chosen = hashes.SHA1() if algorithm.endswith("_1") else hashes.SHA256()
    blob = public.encrypt(b"text", padding.OAEP(padding.MGF1(chosen), chosen, None))
    assert client.decrypt(key_id=key, ciphertext_blob=blob, encryption_algorithm=algorithm)["Plaintext"] == b"text"
    largest = client.encrypt(key_id=key, plaintext=b"x" * most, encryption_algorithm=algorithm)["CiphertextBlob"]
    assert (
        client.decrypt(key_id=key, ciphertext_blob=largest, encryption_algorithm=algorithm)["Plaintext"] == b"x" * most
    )
    with pytest.raises(
        ValidationException,
        match=f"Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {most} bytes.",
    ):
        client.encrypt(key_id=key, plaintext=b"x" * (most + 1), encryption_algorithm=algorithm)
    with pytest.raises(InvalidCiphertextException):
        client.decrypt(key_id=key, ciphertext_blob=b"x" * 256, encryption_algorithm=algorithm)


def test_re_encryption_moves_a_text_to_another_key_and_context(client: Client) -> None:
    source, to = client.new(), client.new()
    blob = client.encrypt(key_id=source, plaintext=b"text", encryption_context={"a": "1"})["CiphertextBlob"]
    said = client.re_encrypt(
        ciphertext_blob=blob,
        source_encryption_context={"a": "1"},
        destination_key_id=to,
        destination_encryption_context={"b": "2"},
    )
    assert said["SourceKeyId"].endswith(source)
    assert client.decrypt(ciphertext_blob=said["CiphertextBlob"], encryption_context={"b": "2"})["Plaintext"] == b"text"


def test_a_data_key_comes_in_the_clear_and_encrypted(client: Client) -> None:
    key = client.new()
    made = client.generate_data_key(key_id=key, key_spec="AES_128", encryption_context={"a": "1"})
    assert len(made["Plaintext"]) == 16
    opened = client.decrypt(ciphertext_blob=made["CiphertextBlob"], encryption_context={"a": "1"})
    assert opened["Plaintext"] == made["Plaintext"]
    hidden = client.generate_data_key_without_plaintext(key_id=key, number_of_bytes=7)
    assert "Plaintext" not in hidden
    assert len(client.decrypt(ciphertext_blob=hidden["CiphertextBlob"])["Plaintext"]) == 7
    for wrong in ({}, {"key_spec": "AES_256", "number_of_bytes": 32}):
        with pytest.raises(ValidationException, match="Please specify either number of bytes or key spec"):
            client.generate_data_key(key_id=key, **wrong)


@pytest.mark.parametrize(
    "spec", ["RSA_2048", "ECC_NIST_P384", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_KEM_768"]
)
def test_a_data_key_pair_fits_together(client: Client, spec: str) -> None:
    made = client.generate_data_key_pair(key_id=client.new(), key_pair_spec=spec)
    private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert der == made["PublicKey"]
    opened = client.decrypt(ciphertext_blob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert opened == made["PrivateKeyPlaintext"]


SIGNERS = [
    (name, algorithm)
    for name, spec in SPECS.items()
    if name not in ("RSA_3072", "RSA_4096")
    for algorithm in spec.usages.get("SIGN_VERIFY", ())
]


@pytest.mark.parametrize(("spec", "algorithm"), SIGNERS)
def test_a_signature_verifies_here_and_for_nothing_else(client: Client, spec: str, algorithm: str) -> None:
    key = client.new(key_spec=spec, key_usage="SIGN_VERIFY")
    signed = client.sign(key_id=key, message=MESSAGE, signing_algorithm=algorithm)
    given: dict[str, Any] = {"key_id": key, "signing_algorithm": algorithm, "signature": signed["Signature"]}
    assert client.verify(message=MESSAGE, **given)["SignatureValid"] is True
    with pytest.raises(KMSInvalidSignatureException):
        client.verify(message=MESSAGE + b"x", **given)
    with pytest.raises(KMSInvalidSignatureException):
        client.verify(message=MESSAGE, **{**given, "signature": b"no signature"})


@pytest.mark.parametrize("algorithm", SPECS["RSA_2048"].usages["SIGN_VERIFY"])
def test_signatures_of_digests_are_those_of_messages(client: Client, algorithm: str) -> None:
    key = client.new(key_spec="RSA_2048", key_usage="SIGN_VERIFY")
    chosen = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[-3:]]
    machine = hashes.Hash(chosen)
    machine.update(MESSAGE)
    digest = machine.finalize()
    signature = client.sign(key_id=key, message=digest, message_type="DIGEST", signing_algorithm=algorithm)["Signature"]
    assert client.verify(key_id=key, message=MESSAGE, signature=signature, signing_algorithm=algorithm)[
        "SignatureValid"
    ]
    public: Any = serialization.load_der_public_key(client.get_public_key(key_id=key)["PublicKey"])
    pad: Any = padding.PSS(padding.MGF1(chosen), chosen.digest_size) if "PSS" in algorithm else padding.PKCS1v15()
    public.verify(signature, digest, pad, utils.Prehashed(chosen))
    with pytest.raises(ValidationException, match=f"Digest is invalid length for algorithm {algorithm}."):
        client.sign(key_id=key, message=digest[1:], message_type="DIGEST", signing_algorithm=algorithm)


def test_ed25519_and_curves_are_verified_by_others(client: Client) -> None:
    key = client.new(key_spec="ECC_NIST_EDWARDS25519", key_usage="SIGN_VERIFY")
    public: Any = serialization.load_der_public_key(client.get_public_key(key_id=key)["PublicKey"])
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(client.sign(key_id=key, message=b"m", signing_algorithm="ED25519_SHA_512")["Signature"], b"m")
    with pytest.raises(ValidationException):
        client.sign(key_id=key, message=b"m" * 64, message_type="DIGEST", signing_algorithm="ED25519_SHA_512")
    key = client.new(key_spec="ECC_NIST_P521", key_usage="SIGN_VERIFY")
    public = serialization.load_der_public_key(client.get_public_key(key_id=key)["PublicKey"])
    signature = client.sign(key_id=key, message=b"m", signing_algorithm="ECDSA_SHA_512")["Signature"]
    public.verify(signature, b"m", ec.ECDSA(hashes.SHA512()))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's command is not installed")
@pytest.mark.parametrize(
    ("spec", "algorithm", "options"),
    [
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", []),
        ("RSA_2048", "RSASSA_PSS_SHA_256", ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]),
        ("ECC_NIST_P256", "ECDSA_SHA_256", []),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", []),
    ],
)
def test_openssl_verifies_signatures(
    client: Client, tmp_path: Path, spec: str, algorithm: str, options: list[str]
) -> None:
    key = client.new(key_spec=spec, key_usage="SIGN_VERIFY")
    (tmp_path / "key").write_bytes(client.get_public_key(key_id=key)["PublicKey"])
    signature = client.sign(key_id=key, message=MESSAGE, signing_algorithm=algorithm)["Signature"]
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "message").write_bytes(MESSAGE)
    command = [
        "openssl",
        "dgst",
        "-sha256",
        *options,
        "-keyform",
        "DER",
        "-verify",
        "key",
        "-signature",
        "signature",
        "message",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK", done.stderr


def test_ml_dsa_signs_a_representative_too(client: Client) -> None:
    key = client.new(key_spec="ML_DSA_65", key_usage="SIGN_VERIFY")
    given = {
        "key_id": key,
        "message": b"m" * 64,
        "message_type": "EXTERNAL_MU",
        "signing_algorithm": "ML_DSA_SHAKE_256",
    }
    assert client.verify(signature=client.sign(**given)["Signature"], **given)["SignatureValid"]
    with pytest.raises(ValidationException):
        client.sign(**{**given, "message": b"m"})


def test_a_mac_fits_its_message_only(client: Client) -> None:
    key = client.new(key_spec="HMAC_512", key_usage="GENERATE_VERIFY_MAC")
    made = client.generate_mac(key_id=key, message=b"m", mac_algorithm="HMAC_SHA_512")["Mac"]
    assert client.verify_mac(key_id=key, message=b"m", mac=made, mac_algorithm="HMAC_SHA_512")["MacValid"]
    with pytest.raises(KMSInvalidMacException):
        client.verify_mac(key_id=key, message=b"n", mac=made, mac_algorithm="HMAC_SHA_512")
    with pytest.raises(InvalidKeyUsageException, match="Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_512"):
        client.generate_mac(key_id=key, message=b"m", mac_algorithm="HMAC_SHA_256")


def test_two_keys_agree_on_a_secret(client: Client) -> None:
    ours = client.new(key_spec="ECC_NIST_P256", key_usage="KEY_AGREEMENT")
    theirs = ec.generate_private_key(ec.SECP256R1())
    der = theirs.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    secret = client.derive_shared_secret(key_id=ours, key_agreement_algorithm="ECDH", public_key=der)["SharedSecret"]
    public: Any = serialization.load_der_public_key(client.get_public_key(key_id=ours)["PublicKey"])
    assert theirs.exchange(ec.ECDH(), public) == secret
    with pytest.raises(ValidationException):
        client.derive_shared_secret(key_id=ours, key_agreement_algorithm="ECDH", public_key=b"InvalidPublicKey")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("sign", {"message": b"m", "signing_algorithm": "ECDSA_SHA_256"}),
        ("generate_mac", {"message": b"m", "mac_algorithm": "HMAC_SHA_256"}),
    ],
)
def test_a_key_is_used_for_its_purpose_only(client: Client, operation: str, params: dict[str, Any]) -> None:
    named = "".join(word.capitalize() for word in operation.split("_"))
    with pytest.raises(InvalidKeyUsageException, match=f"key usage is ENCRYPT_DECRYPT which is not valid for {named}."):
        getattr(client, operation)(key_id=client.new(), **params)


def test_a_dry_run_ends_before_anything_is_done(client: Client) -> None:
    key = client.new()
    blob = client.encrypt(key_id=key, plaintext=b"x")["CiphertextBlob"]
    for run in (
        lambda: client.encrypt(key_id=key, plaintext=b"x", dry_run=True),
        lambda: client.decrypt(ciphertext_blob=blob, dry_run=True),
        lambda: client.decrypt(key_id=key, dry_run=True, dry_run_modifiers=["IGNORE_CIPHERTEXT"]),
        lambda: client.generate_data_key(key_id=key, key_spec="AES_256", dry_run=True),
    ):
        with pytest.raises(DryRunOperationException):
            run()
    with pytest.raises(InvalidCiphertextException):
        client.decrypt(ciphertext_blob=b"x", dry_run=True)


def test_what_is_no_grant_token_is_refused(client: Client) -> None:
    with pytest.raises(InvalidGrantTokenException):
        client.encrypt(key_id=client.new(), plaintext=b"x", grant_tokens=["AQpAnonsense"])


def test_keys_work_on_after_a_restart(bench: Bench, client: Client) -> None:
    key = client.new()
    blob = client.encrypt(key_id=key, plaintext=b"text")["CiphertextBlob"]
    bench.restart()
    assert client.decrypt(ciphertext_blob=blob)["Plaintext"] == b"text"
