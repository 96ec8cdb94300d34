"""What KMS does with key material: make it, encrypt, sign, authenticate, agree. All of it is the `cryptography` package's work.

Material is 32 bytes for AES, the secret for HMAC, the seed for ML-DSA and ML-KEM, and PKCS #8 in DER for RSA and curves.
Nothing here knows of keys' names, states or rights.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from awning.services.kms.seeded import SEEDED
from awning.services.kms.specs import Spec

_HASHES: Final[Mapping[str, Callable[[], hashes.HashAlgorithm]]] = {
    "1": hashes.SHA1,
    "224": hashes.SHA224,
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}
_SALT: Final = 16
_NONCE: Final = 12
_DER, _PKCS8 = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8


class BadMaterial(Exception):
    """Bytes that are no material of the wanted spec."""


class Undecipherable(Exception):
    """Bytes that this key did not encrypt, or that were altered."""


def make(spec: Spec) -> bytes:
    """Make new material. RSA takes tenths of seconds: in a thread; the rest less than a millisecond."""
    if spec.kind in ("aes", "hmac"):
        return os.urandom(spec.size)
    return _stored(make_private(spec), spec)


def make_private(spec: Spec) -> Any:
    """Make a new private key."""
    match spec.kind:
        case "rsa":
            return rsa.generate_private_key(65537, spec.size)
        case "ec":
            return ec.generate_private_key(_CURVES[spec.name]())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return SEEDED[spec.name].generate()


def _stored(private: Any, spec: Spec) -> bytes:
    if spec.name in SEEDED:
        return bytes(private.private_bytes_raw())
    return bytes(private.private_bytes(_DER, _PKCS8, serialization.NoEncryption()))


def pkcs8(private: Any) -> bytes:
    """A private key as GenerateDataKeyPair hands it out."""
    return bytes(private.private_bytes(_DER, _PKCS8, serialization.NoEncryption()))


def load(spec: Spec, material: bytes) -> Any:
    """A private key from material that was made or checked here."""
    if spec.name in SEEDED:
        return SEEDED[spec.name].from_seed_bytes(material)
    return serialization.load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True)


def public_of(private: Any) -> bytes:
    """The public key of a private one, as SubjectPublicKeyInfo in DER."""
    return bytes(private.public_key().public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def check(spec: Spec, material: bytes) -> None:
    """Check material from outside. An RSA key's check takes a tenth of a second. Raises BadMaterial."""
    if spec.kind in ("aes", "hmac"):
        if len(material) != spec.size:
            raise BadMaterial(f"Key material must be {spec.size} bytes long.")
        return
    try:
        private = serialization.load_der_private_key(material, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadMaterial("This is no private key in PKCS #8.") from error
    fits: bool
    match spec.kind:
        case "rsa":
            fits = isinstance(private, rsa.RSAPrivateKey) and private.key_size == spec.size
        case "ec":
            fits = isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == _CURVES[spec.name]().name
        case "ed25519":
            fits = isinstance(private, ed25519.Ed25519PrivateKey)
        case _:
            fits = isinstance(private, SEEDED[spec.name])
    if not fits:
        raise BadMaterial(f"This is no private key of {spec.name}.")


def as_stored(spec: Spec, material: bytes) -> bytes:
    """Imported material, once checked, in the form in which it is kept."""
    if spec.kind in ("aes", "hmac"):
        return material
    return _stored(serialization.load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True), spec)


def encrypt(material: bytes, plain: bytes, bound: bytes) -> bytes:
    """AES-256-GCM under a key of this message's own (HKDF-SHA256 with a random salt); `bound` is authenticated with it."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    return salt + nonce + _message_cipher(material, salt).encrypt(nonce, plain, bound)


def decrypt(material: bytes, sealed: bytes, bound: bytes) -> bytes:
    """Raises Undecipherable."""
    salt, nonce, rest = sealed[:_SALT], sealed[_SALT : _SALT + _NONCE], sealed[_SALT + _NONCE :]
    try:
        return _message_cipher(material, salt).decrypt(nonce, rest, bound)
    except (InvalidTag, ValueError) as error:
        raise Undecipherable from error


def _message_cipher(material: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, salt, b"awning kms message").derive(material))


def _oaep(algorithm: str) -> padding.OAEP:
    chosen = _HASHES[algorithm.rpartition("_")[2]]()
    return padding.OAEP(padding.MGF1(chosen), chosen, None)


def rsa_encrypt(public: bytes, plain: bytes, algorithm: str) -> bytes:
    """RSAES_OAEP_SHA_1 or RSAES_OAEP_SHA_256. Raises ValueError for too long a text."""
    key: Any = serialization.load_der_public_key(public)
    return bytes(key.encrypt(plain, _oaep(algorithm)))


def rsa_decrypt(private: Any, sealed: bytes, algorithm: str) -> bytes:
    """Raises Undecipherable."""
    try:
        return bytes(private.decrypt(sealed, _oaep(algorithm)))
    except ValueError as error:
        raise Undecipherable from error


def digest_size(algorithm: str) -> int:
    """The bytes of a digest that a signing algorithm takes."""
    return int(algorithm.rpartition("_")[2]) // 8


def _signing(algorithm: str, *, digested: bool) -> tuple[Any, ...]:
    """What follows the message in a call of sign or verify."""
    chosen = _HASHES[algorithm.rpartition("_")[2]]()
    used: Any = utils.Prehashed(chosen) if digested else chosen
    if algorithm.startswith("ECDSA"):
        return (ec.ECDSA(used),)
    if "_PSS_" in algorithm:
        return padding.PSS(padding.MGF1(chosen), chosen.digest_size), used
    return padding.PKCS1v15(), used


def sign(private: Any, message: bytes, algorithm: str, kind: str) -> bytes:
    """Sign. kind: RAW, DIGEST or EXTERNAL_MU (ML-DSA)."""
    if algorithm.startswith("ML_DSA"):
        return bytes(private.sign_mu(message) if kind == "EXTERNAL_MU" else private.sign(message))
    if algorithm.startswith("ED25519"):
        return bytes(private.sign(message))
    return bytes(private.sign(message, *_signing(algorithm, digested=kind == "DIGEST")))


def verify(public: bytes, signature: bytes, message: bytes, algorithm: str, kind: str) -> bool:
    """Whether a signature is the message's."""
    key: Any = serialization.load_der_public_key(public)
    try:
        if algorithm.startswith("ML_DSA"):
            (key.verify_mu if kind == "EXTERNAL_MU" else key.verify)(signature, message)
        elif algorithm.startswith("ED25519"):
            key.verify(signature, message)
        else:
            key.verify(signature, message, *_signing(algorithm, digested=kind == "DIGEST"))
    except (InvalidSignature, ValueError):
        return False
    return True


def mac(secret: bytes, message: bytes, algorithm: str) -> bytes:
    """HMAC_SHA_224 to HMAC_SHA_512."""
    machine = hmac.HMAC(secret, _HASHES[algorithm.rpartition("_")[2]]())
    machine.update(message)
    return machine.finalize()


def mac_fits(secret: bytes, message: bytes, algorithm: str, given: bytes) -> bool:
    """Whether a MAC is the message's."""
    machine = hmac.HMAC(secret, _HASHES[algorithm.rpartition("_")[2]]())
    machine.update(message)
    try:
        machine.verify(given)
    except InvalidSignature:
        return False
    return True


def agree(private: Any, public: bytes) -> bytes:
    """ECDH with another's public key (SubjectPublicKeyInfo in DER). Raises BadMaterial for one of another curve."""
    try:
        peer = serialization.load_der_public_key(public)
    except (ValueError, TypeError) as error:
        raise BadMaterial("This is no public key.") from error
    if not isinstance(peer, ec.EllipticCurvePublicKey) or peer.curve.name != private.curve.name:
        raise BadMaterial("The public key is of another curve.")
    return bytes(private.exchange(ec.ECDH(), peer))


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """ML-KEM (FIPS 203): a shared secret, and its encapsulation."""
    key: Any = serialization.load_der_public_key(public)
    secret, sealed = key.encapsulate()
    return bytes(secret), bytes(sealed)


def decapsulate(private: Any, sealed: bytes) -> bytes:
    """Raises Undecipherable where the length is wrong; else what comes back is a secret, if of nobody's."""
    try:
        return bytes(private.decapsulate(sealed))
    except ValueError as error:
        raise Undecipherable from error


def unwrap(private: Any, wrapped: bytes, algorithm: str) -> bytes:
    """Open what was wrapped for import: by RSAES_OAEP_SHA_x, or RSA_AES_KEY_WRAP_SHA_x (an AES key so, before the material
    under it by RFC 5649). Raises Undecipherable."""
    if not algorithm.startswith("RSA_AES"):
        return rsa_decrypt(private, wrapped, algorithm)
    size = private.key_size // 8
    wrapping = rsa_decrypt(private, wrapped[:size], algorithm)
    try:
        return aes_key_unwrap_with_padding(wrapping, wrapped[size:])
    except (InvalidUnwrap, ValueError) as error:
        raise Undecipherable from error


def fingerprint(material: bytes, salt: bytes) -> str:
    """A material's id: 64 hexadecimal digits, the same for the same material of the same key."""
    return hashlib.blake2b(material, key=salt[:64], digest_size=32).hexdigest()
