"""Receipt handles: opaque to clients, they name a message and one receive of it, and cannot be made up.

A handle is sealed with its queue's secret, so it survives restarts and is refused by every other queue.
"""

from __future__ import annotations

import binascii
import hmac
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from awning.services.sqs.errors import ReceiptHandleIsInvalid

_FIELDS = Struct(">QQI")
_SEAL = 16
SECRET_LENGTH = 32


class Receipt(NamedTuple):
    """`number` is the message's, `received` when in milliseconds, `times` how often it had been by then."""

    number: int
    received: int
    times: int


def write_handle(secret: bytes, number: int, received: int, times: int) -> str:
    """Return the receipt handle of one receive."""
    fields = _FIELDS.pack(number, received, times)
    return binascii.b2a_base64(fields + blake2b(fields, key=secret, digest_size=_SEAL).digest(), newline=False).decode()


def read_handle(secret: bytes, handle: str) -> Receipt:
    """Return what a receipt handle says. Raises ReceiptHandleIsInvalid for what this queue never handed out."""
    try:
        data = binascii.a2b_base64(handle, strict_mode=True)
    except ValueError:
        data = b""
    fields, seal = data[: _FIELDS.size], data[_FIELDS.size :]
    if not hmac.compare_digest(seal, blake2b(fields, key=secret, digest_size=_SEAL).digest()):
        raise ReceiptHandleIsInvalid(f'The input receipt handle "{handle}" is not a valid receipt handle.')
    return Receipt(*_FIELDS.unpack(fields))
