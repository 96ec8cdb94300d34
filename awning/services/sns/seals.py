"""Seals: how a call signs what it sends, with the region's key, which is loaded when it is first needed."""

from __future__ import annotations

from awning.contracts import FindSigningKey
from awning.kit.call import Call
from awning.services.sns.memory import Memory
from awning.services.sns.notification import Seal
from awning.services.sns.signing import Signer


def seal(call: Call, text: str, version: str) -> Seal:
    """Sign a text; the certificate is shown under the scheme and host that the call's client used."""
    memory: Memory = call.memory
    signer = memory.signer
    if signer is None:
        signer = memory.signer = Signer(call.ask(FindSigningKey("sns")))
    return Seal(version, signer.sign(text, version), call.facts.base_url + signer.path)
