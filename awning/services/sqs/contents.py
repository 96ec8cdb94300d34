"""What a message says, as it is stored: in the clear, sealed by its queue's key (SSE-SQS), or by a data key of KMS (SSE-KMS).
Source: the developer guide's "Encryption at rest in Amazon SQS".

A queue's key is derived from the region's, so a copied database tells nothing. A digest of the body would: it is sealed with it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from awning.contracts import Sender
from awning.kit.call import Call
from awning.services.sqs import tables
from awning.services.sqs.datakeys import to_open, to_seal
from awning.services.sqs.memory import Memory, Queue
from awning.services.sqs.tables import Content, MessageRow
from awning.store.vault import Seal, Vault

_KEPT: Final = 4_096
"""Keys kept in memory, of 2.5 KB each; to derive one takes 4 µs."""

_PER_KEY: Final = 30
"""A key serves 2**30 numbers, and two seals for each: no more than a key may seal."""

_DIGEST: Final = 16


class Keys:
    """The keys of queues, the longest unused dropped first. They follow from the vault's, so no roll-back concerns them."""

    def __init__(self, vault: Vault) -> None:
        self.get = lru_cache(_KEPT)(lambda queue, series: Seal(vault.derive(f"sqs queue {queue} {series}")))


def write(
    call: Call,
    queue: Queue,
    number: int,
    body: str,
    md5: bytes,
    attributes: bytes | None,
    sender: Sender | None = None,
) -> Content:
    """Return a message's body, the digest of it and its packed attributes as they are to be stored under a number.

    sender: the service that sends it by itself. Raises the errors of KMS.
    """
    if queue.settings.kms is not None:
        held = to_seal(call, queue, sender)
        return _sealed(held.seal, b"", body, md5, attributes, held.id)
    if not queue.settings.sealed:
        return body, md5, attributes, False, None
    return _sealed(_key(call, queue.id, number), number.to_bytes(8, "big"), body, md5, attributes, None)


def _sealed(
    seal: Seal, context: bytes, body: str, md5: bytes, attributes: bytes | None, data_key: int | None
) -> Content:
    return (
        seal.seal(md5 + body.encode(), context + b"body"),
        b"",
        None if attributes is None else seal.seal(attributes, context + b"attributes"),
        True,
        data_key,
    )


def read(call: Call, queue: int, number: int, row: MessageRow) -> tuple[str, bytes, bytes | None]:
    """Return what a row of the queue of this id says: body, its MD5, packed attributes.

    Raises Unsealable where it was altered, or belongs to another number; the errors of KMS where the caller may not read it.
    """
    body, attributes = row.body, row.attributes
    if isinstance(body, str):
        return body, row.md5, attributes
    if row.data_key is None:
        seal, context = _key(call, queue, number), number.to_bytes(8, "big")
    else:
        memory: Memory = call.memory
        seal, context = to_open(call, memory.by_id.get(queue), row.data_key), b""
    said = seal.open(body, context + b"body")
    if attributes is not None:
        attributes = seal.open(attributes, context + b"attributes")
    return said[_DIGEST:].decode(), said[:_DIGEST], attributes


def carry(call: Call, queue: Queue, number: int, to: Queue, new: int) -> Content:
    """Return what a message says as another queue is to store it under a new number.

    What a data key of KMS has sealed stays sealed by it, as on AWS; and since nobody's permission stands behind a move, what no
    key of KMS has sealed is sealed by the region's for a queue under one.
    """
    row = tables.read_message(call.db, number)
    if row.data_key is not None:
        return row.body, row.md5, row.attributes, True, row.data_key
    body, md5, attributes = read(call, queue.id, number, row)
    if not to.settings.sealed and to.settings.kms is None:
        return body, md5, attributes, False, None
    return _sealed(_key(call, to.id, new), new.to_bytes(8, "big"), body, md5, attributes, None)


def _key(call: Call, queue: int, number: int) -> Seal:
    memory: Memory = call.memory
    if memory.keys is None:
        memory.keys = Keys(call.room.vault)
    return memory.keys.get(queue, number >> _PER_KEY)
