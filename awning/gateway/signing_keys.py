"""The keys by which services sign what they send, from the region's authority; and their certificates, for everyone to see."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from awning.contracts import FindSigningKey, SigningKey
from awning.store.threads import in_thread

_HOSTS = {"sns": ("sns.amazonaws.com", "sns.*.amazonaws.com", "localhost", "*.localhost")}
_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")


class SigningKeys:
    """`make(name, hosts)` gives a key and its certificate in PEM, always the same of a name. It may take long."""

    def __init__(self, make: Callable[[str, tuple[str, ...]], tuple[bytes, bytes]]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="signing-keys")
        self._known: dict[str, SigningKey] = {}

    def find(self, question: FindSigningKey) -> SigningKey:
        """Return a service's key; may take long where it is asked for the first time and was not prepared."""
        found = self._known.get(question.service)
        if found is None:
            private, certificate = self._make(question.service, _HOSTS[question.service])
            public = x509.load_pem_x509_certificate(certificate).public_key()
            # The path goes by the key, so that a certificate that was renewed keeps it.
            digest = sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
            found = SigningKey(private, certificate, f"/SimpleNotificationService-{digest[:32]}.pem")
            self._known[question.service] = found
        return found

    def prepare(self, question: FindSigningKey) -> None:
        """Have a key ready soon: in the background, as it may have to be made."""
        self._pool.submit(self.find, question)

    async def certificate(self, path: str) -> bytes | None:
        """Return the certificate that a path names, in PEM."""
        if not _PATH.fullmatch(path):
            return None
        found = self._known.get("sns")
        if found is None:
            found = await in_thread(self._pool, lambda: self.find(FindSigningKey("sns")))
        return found.certificate if found.path == path else None

    def close(self) -> None:
        """Let the thread go."""
        self._pool.shutdown(wait=False)
