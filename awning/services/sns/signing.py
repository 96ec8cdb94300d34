"""Signing what SNS sends: with the region's RSA key, in threads, many at a time. Nothing here knows what a notification is.

Source: "Verifying the signatures of Amazon SNS messages": version 1 is RSA (PKCS #1 v1.5) with SHA-1, version 2 with SHA-256.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from awning.contracts import SigningKey
from awning.store.completion import Completion

VERSIONS: Final = ("1", "2")
_THREADS = 2
_LOT = 16

Signed = tuple[list[str], str]
"""Signatures, as base64, and the path of the certificate that proves them."""

_Job = tuple[str, Sequence[str], Completion[Signed]]


class Signer:
    """A key and what it does, in the caller's thread. Raises ValueError for what is no RSA key."""

    def __init__(self, key: SigningKey) -> None:
        private = serialization.load_pem_private_key(key.private_key, None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ValueError("Notifications are signed with an RSA key.")
        self.path = key.path
        self._key = private
        self._padding = padding.PKCS1v15()
        self._hashes: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}

    def sign(self, text: str, version: str) -> str:
        """Return the signature of a text, as base64. `version` is one of VERSIONS."""
        return b64encode(self._key.sign(text.encode(), self._padding, self._hashes[version])).decode()


class Signatures:
    """Signs without holding the loop. `find` gives the region's key; it may take long, and is called once, in a thread."""

    def __init__(self, find: Callable[[], SigningKey]) -> None:
        self._find = find
        self._signer: Signer | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sns-sign")
        self._waiting: list[_Job] = []
        self._busy = 0

    def sign(self, texts: Sequence[str], version: str) -> Completion[Signed]:
        """Begin to sign texts; the completion gives their signatures in order, or raises what `find` raises."""
        completion: Completion[Signed] = Completion()
        self._waiting.append((version, texts, completion))
        self._start(asyncio.get_running_loop())
        return completion

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting and self._busy < _THREADS:
            lot, self._waiting = self._waiting[:_LOT], self._waiting[_LOT:]
            self._busy += 1
            self._pool.submit(self._work, loop, lot)

    def _work(self, loop: asyncio.AbstractEventLoop, lot: list[_Job]) -> None:
        """Sign a lot of texts, in a thread."""
        signed: list[Signed] | BaseException
        try:
            signer = self._signer
            if signer is None:
                signer = self._signer = Signer(self._find())
            signed = [([signer.sign(text, version) for text in texts], signer.path) for version, texts, _ in lot]
        except BaseException as error:
            signed = error
        loop.call_soon_threadsafe(self._settle, loop, lot, signed)

    def _settle(self, loop: asyncio.AbstractEventLoop, lot: list[_Job], signed: list[Signed] | BaseException) -> None:
        self._busy -= 1
        self._start(loop)
        for place, (_, _, completion) in enumerate(lot):
            if completion.done():
                continue
            if isinstance(signed, BaseException):
                completion.set_exception(signed)
            else:
                completion.set_result(signed[place])
