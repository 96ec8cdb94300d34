"""Seals: how a call signs what it sends, with the region's key, which is loaded when it is first needed.

A signature takes 0.2 ms: what is published is signed in threads, before its unit; only what nobody could foresee is signed in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from awning.contracts import FindAddress, FindSigningKey
from awning.kit.call import Call
from awning.services.sns.memory import Memory
from awning.services.sns.notification import Seal
from awning.services.sns.signing import Signatures, Signer


def seal(call: Call, text: str, version: str, signed: Mapping[tuple[str, str], str] | None = None) -> Seal:
    """Seal a text, by its signature where it is among the `signed` ones."""
    memory: Memory = call.memory
    signer = memory.signer
    if signer is None:
        signer = memory.signer = Signer(call.ask(FindSigningKey("sns")))
    signature = signed.get((text, version)) if signed else None
    return Seal(version, signature or signer.sign(text, version), base_url(call) + signer.path)


async def sign(call: Call, texts: Collection[tuple[str, str]]) -> Signatures:
    """Return the signatures of texts and their versions; the loop goes on meanwhile."""
    memory: Memory = call.memory
    if memory.signer is None:
        signer = await asyncio.to_thread(Signer, call.ask(FindSigningKey("sns")))
        memory.signer = memory.signer or signer
    return await memory.signer.sign_all(texts)


def base_url(call: Call) -> str:
    """Scheme and host for links: those that the client used; where no client calls, those of the region."""
    if call.facts.request_id:
        return call.facts.base_url
    url: str = call.ask(FindAddress())
    return url
