"""Signing what SNS sends, with the region's RSA key. Nothing here knows what a notification is.

Source: "Verifying the signatures of Amazon SNS messages": version 1 is RSA (PKCS #1 v1.5) with SHA-1, version 2 with SHA-256.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from awning.contracts import SigningKey

VERSIONS: Final = ("1", "2")

_THREADS = 2

Signatures = dict[tuple[str, str], str]
"""Text and version → signature, as base64."""


class Signer:
    """A key and what it does. Raises ValueError for what is no RSA key."""

    def __init__(self, key: SigningKey) -> None:
        # It is the region's own: to look for its factors once more takes 30 to 80 ms, on the loop.
        private = serialization.load_pem_private_key(key.private_key, None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ValueError("Notifications are signed with an RSA key.")
        self.path = key.path
        self._key = private
        self._padding = padding.PKCS1v15()
        self._hashes: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sns-sign")

    def sign(self, text: str, version: str) -> str:
        """Return the signature of a text, as base64; takes about 0.2 ms. `version` is one of VERSIONS."""
        return b64encode(self._key.sign(text.encode(), self._padding, self._hashes[version])).decode()

    async def sign_all(self, texts: Collection[tuple[str, str]]) -> Signatures:
        """Return the signatures of texts and their versions, made in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._sign_all, texts)

    def _sign_all(self, texts: Collection[tuple[str, str]]) -> Signatures:
        return {(text, version): self.sign(text, version) for text, version in texts}
