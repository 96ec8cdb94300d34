"""What each key spec can be used for, as data. Nothing here touches key material.

Source: the developer guide's "Key spec reference" and the API reference of CreateKey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from awning.services.kms.seeded import SEEDED

SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
ENCRYPT: Final = "ENCRYPT_DECRYPT"
SIGN: Final = "SIGN_VERIFY"
MAC: Final = "GENERATE_VERIFY_MAC"
AGREE: Final = "KEY_AGREEMENT"
ENCAPSULATE: Final = "ENCAPSULATE_DECAPSULATE"

ALGORITHMS: Final[Mapping[str, str]] = {
    ENCRYPT: "EncryptionAlgorithms",
    SIGN: "SigningAlgorithms",
    MAC: "MacAlgorithms",
    AGREE: "KeyAgreementAlgorithms",
    ENCAPSULATE: "EncapsulationAlgorithms",
}
"""The member of a key's metadata that lists the algorithms of each usage."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A key spec. kind: "aes", "rsa", "ec", "ed25519", "hmac", "ml-dsa" or "ml-kem". size: bits of a modulus, bytes of a secret.
    usages: from each KeyUsage to its algorithms."""

    name: str
    kind: str
    size: int = 0
    usages: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def asymmetric(self) -> bool:
        return self.kind not in ("aes", "hmac")


_OAEP = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNS = tuple(f"RSASSA_{padding}_SHA_{size}" for padding in ("PKCS1_V1_5", "PSS") for size in (256, 384, 512))


def _curve(name: str, hash_size: int, *, agrees: bool = True) -> Spec:
    usages: dict[str, Sequence[str]] = {SIGN: (f"ECDSA_SHA_{hash_size}",)}
    if agrees:
        usages[AGREE] = ("ECDH",)
    return Spec(name, "ec", usages=usages)


SPECS: Final[Mapping[str, Spec]] = {
    spec.name: spec
    for spec in (
        Spec(SYMMETRIC, "aes", 32, {ENCRYPT: (SYMMETRIC,)}),
        *(Spec(f"RSA_{size}", "rsa", size, {ENCRYPT: _OAEP, SIGN: _RSA_SIGNS}) for size in (2048, 3072, 4096)),
        _curve("ECC_NIST_P256", 256),
        _curve("ECC_NIST_P384", 384),
        _curve("ECC_NIST_P521", 512),
        _curve("ECC_SECG_P256K1", 256, agrees=False),
        Spec("ECC_NIST_EDWARDS25519", "ed25519", usages={SIGN: ("ED25519_SHA_512",)}),
        *(Spec(f"HMAC_{size}", "hmac", size // 8, {MAC: (f"HMAC_SHA_{size}",)}) for size in (224, 256, 384, 512)),
        *(Spec(f"ML_DSA_{size}", "ml-dsa", usages={SIGN: ("ML_DSA_SHAKE_256",)}) for size in (44, 65, 87)),
        *(Spec(f"ML_KEM_{size}", "ml-kem", usages={ENCAPSULATE: ("ML_KEM",)}) for size in (768, 1024)),
    )
    if spec.kind not in ("ml-dsa", "ml-kem") or spec.name in SEEDED
}
"""The specs that there are here; SM2 (China's regions alone) and ML_KEM_512 are refused by name."""

PAIRS: Final = frozenset(name for name, spec in SPECS.items() if spec.kind in ("rsa", "ec", "ed25519", "ml-kem"))
"""What a data key pair may be."""

SIGNING: Final = frozenset(name for spec in SPECS.values() for name in spec.usages.get(SIGN, ()))
ENCRYPTION: Final = frozenset(name for spec in SPECS.values() for name in spec.usages.get(ENCRYPT, ()))
OLDER_SPECS: Final = frozenset(name for name, spec in SPECS.items() if spec.kind not in ("ed25519", "ml-dsa", "ml-kem"))
"""What CustomerMasterKeySpec, which KeySpec has replaced, may say."""

LARGEST: Final = 4096
"""Bytes that Encrypt takes at most."""


def largest_of(spec: Spec, algorithm: str) -> int:
    """The bytes that one encryption by an algorithm may take."""
    if spec.kind != "rsa":
        return LARGEST
    return spec.size // 8 - 2 - 2 * (20 if algorithm == "RSAES_OAEP_SHA_1" else 32)


def grantable(spec: Spec, usage: str) -> frozenset[str]:
    """The operations that a grant on such a key may list.

    Source: the developer guide's "Grant operations".
    """
    return _ALWAYS | (_SYMMETRIC if spec.kind == "aes" else _BY_USAGE[usage]) | (
        frozenset({"GetPublicKey"}) if spec.asymmetric else frozenset()
    )  # fmt: skip


_ALWAYS = frozenset({"CreateGrant", "DescribeKey", "RetireGrant"})
_BY_USAGE: Mapping[str, frozenset[str]] = {
    ENCRYPT: frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}),
    SIGN: frozenset({"Sign", "Verify"}),
    MAC: frozenset({"GenerateMac", "VerifyMac"}),
    AGREE: frozenset({"DeriveSharedSecret"}),
    ENCAPSULATE: frozenset({"Encapsulate", "Decapsulate"}),
}
_SYMMETRIC = _BY_USAGE[ENCRYPT] | {
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
}
