"""The layout of a symmetric ciphertext: which key and material made it stands before what they made, for Decrypt to find them.

A version, the key's account and id with their length, the material's id, and the sealed text; all before the text, and the
encryption context, is authenticated with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_VERSION = b"\x01\x02\x03\x00"
_MATERIAL = 32


class Envelope(NamedTuple):
    """A ciphertext taken apart. `head` is all before `sealed`; `account` is the key's; `material_id` in hexadecimal."""

    account: str
    key_id: str
    material_id: str
    head: bytes
    sealed: bytes


def head_of(account: str, key_id: str, material_id: str) -> bytes:
    """What stands before the sealed text."""
    name = f"{account}/{key_id}".encode()
    return _VERSION + bytes([len(name)]) + name + bytes.fromhex(material_id)


def read(blob: bytes) -> Envelope | None:
    """Take a ciphertext apart; None for one that was not made here."""
    start = len(_VERSION) + 1
    if len(blob) < start or not blob.startswith(_VERSION):
        return None
    end = start + blob[start - 1]
    if len(blob) <= end + _MATERIAL:
        return None
    try:
        account, _, key_id = blob[start:end].decode("ascii").partition("/")
    except UnicodeDecodeError:
        return None
    body = end + _MATERIAL
    return Envelope(account, key_id, blob[end:body].hex(), blob[:body], blob[body:])


def bound(head: bytes, context: Mapping[str, str] | None) -> bytes:
    """What is authenticated with a text: its head, and the encryption context's pairs in order, each with its length."""
    parts = [head]
    for name, value in sorted((context or {}).items()):
        for text in (name.encode(), value.encode()):
            parts += [len(text).to_bytes(4, "big"), text]
    return b"".join(parts)
