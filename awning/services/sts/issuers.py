"""The keys of OpenID Connect issuers: fetched from where an issuer says that they are, and kept for a while.

An issuer that is slow or down holds up who shows its tokens, for some seconds, and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from awning.contracts import OidcProvider
from awning.net.client import Client, ClientError
from awning.services.sts.errors import IDPCommunicationError
from awning.services.sts.webtokens import Key, usable_keys

_SECONDS: Final = 5.0
"""For both documents of an issuer together."""
_KEPT: Final = 3600.0
_AGAIN: Final = 60.0
"""Seconds before keys that were just fetched are looked for again, because a token names one that is not among them."""
_MOST: Final = 64
_MOST_AT_ONCE: Final = 16
_LARGEST: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """An issuer's keys, and when they were fetched, in seconds since the epoch."""

    keys: Sequence[Key]
    at: float


class Issuers:
    """Keeps the keys of at most 64 issuers, the longest unused dropped first, and fetches those of 16 at once."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[str, ...]], Published] = {}
        self._fetching: dict[tuple[str, tuple[str, ...]], asyncio.Task[list[Key]]] = {}

    async def keys(self, client: Client, provider: OidcProvider, key_id: str | None, now: float) -> Sequence[Key]:
        """The keys of a provider's issuer, fresh enough to have the key that a token names.

        Raises IDPCommunicationError. Waits for futures only, so that a handler may call it.
        """
        name = (provider.issuer, provider.thumbprints)
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._kept[name] = kept
            age = now - kept.at
            known = key_id is None or any(key.get("kid") == key_id for key in kept.keys)
            if 0 <= age < (_KEPT if known else _AGAIN):
                return kept.keys
        task = self._fetching.get(name)
        if task is None:
            if len(self._fetching) >= _MOST_AT_ONCE:
                raise IDPCommunicationError("Too many identity providers are being asked for their keys; try again.")
            task = self._fetching[name] = asyncio.create_task(_fetch(client, provider))
            task.add_done_callback(lambda _: self._fetching.pop(name, None))
        try:
            keys = await asyncio.shield(task)
        except (ClientError, ValueError, TimeoutError) as error:
            raise IDPCommunicationError(
                f"Couldn't retrieve verification key from your identity provider: {error or 'it took too long'}"
            ) from error
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = Published(keys, now)
        return keys


async def _fetch(client: Client, provider: OidcProvider) -> list[Key]:
    """Ask an issuer for its keys. Raises ClientError, TimeoutError, and ValueError where what it says is wrong."""
    async with asyncio.timeout(_SECONDS):
        issuer = provider.issuer
        found = await _document(client, issuer.removesuffix("/") + "/.well-known/openid-configuration")
        if not isinstance(found, dict) or found.get("issuer") != issuer:
            raise ValueError("its configuration is another issuer's")
        where = found.get("jwks_uri")
        if not isinstance(where, str) or not _may_follow(issuer, where):
            raise ValueError("its configuration names no place of its keys that may be asked")
        return usable_keys(await _document(client, where))


def _may_follow(issuer: str, url: str) -> bool:
    """Keys come by TLS; an issuer on this machine, whose URL is plain http, has them on the same host and port."""
    if url.startswith("https://"):
        return True
    return issuer.startswith("http://") and url.startswith("http://") and (
        urlsplit(url).netloc == urlsplit(issuer).netloc
    )  # fmt: skip


async def _document(client: Client, url: str) -> Any:
    reply = await client.request("GET", url, [(b"Accept", b"application/json")], timeout=_SECONDS)
    if reply.status != 200:
        raise ValueError(f"it answered {reply.status}")
    if len(reply.body) > _LARGEST:
        raise ValueError("its answer is too large")
    return orjson.loads(reply.body)
