"""ML-DSA and ML-KEM, where the installed `cryptography` has them: older ones do not, and their key specs are refused then.

An application may pin a version of its own, and shares its environment with a region.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

_CLASSES: Final = {
    "ML_DSA_44": ("mldsa", "MLDSA44PrivateKey", "sign_mu"),
    "ML_DSA_65": ("mldsa", "MLDSA65PrivateKey", "sign_mu"),
    "ML_DSA_87": ("mldsa", "MLDSA87PrivateKey", "sign_mu"),
    "ML_KEM_768": ("mlkem", "MLKEM768PrivateKey", "decapsulate"),
    "ML_KEM_1024": ("mlkem", "MLKEM1024PrivateKey", "decapsulate"),
}


def _found() -> dict[str, Any]:
    found = {}
    for spec, (module, name, needed) in _CLASSES.items():
        try:
            made = getattr(import_module(f"cryptography.hazmat.primitives.asymmetric.{module}"), name, None)
        except ImportError:
            continue
        if hasattr(made, needed):
            found[spec] = made
    return found


SEEDED: Final[Mapping[str, Any]] = _found()
"""Classes of private keys by key spec; such a key is kept as its seed."""
