"""SSE-KMS: the data keys under which messages stand, made and opened by KMS with the permission of who sends and who receives.

Each producer of a queue has a data key of its own for the queue's reuse period, and whoever reads opens it once in that time.
Until it is over, neither asks KMS again: a permission that is taken away, or a key that is disabled, counts from then on.

Source: the developer guide's "Amazon SQS Key management".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from awning.contracts import DataKey, DecryptDataKey, GenerateDataKeyFor, Sender
from awning.kit.call import Call
from awning.kit.data_keys import ask, requester
from awning.kit.errors import ServiceError
from awning.services.sqs import tables
from awning.services.sqs.errors import (
    KmsAccessDenied,
    KmsDisabled,
    KmsInvalidKeyUsage,
    KmsInvalidState,
    KmsNotFound,
    KmsOptInRequired,
)
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory, Queue
from awning.store.vault import Seal

_MOST: Final = 4_096
_SLICE: Final = 500
_UNUSED: Final = 2 * 86_400_000
"""Milliseconds after which nothing is sealed by a data key any more: the longest reuse period is a day."""

_ERRORS: Final[Mapping[str, type[ServiceError]]] = {
    "AccessDenied": KmsAccessDenied,
    "DisabledException": KmsDisabled,
    "InvalidCiphertextException": KmsInvalidState,
    "InvalidKeyUsageException": KmsInvalidKeyUsage,
    "KMSInvalidStateException": KmsInvalidState,
    "NotFoundException": KmsNotFound,
}
"""KMS's errors, and what they become in an answer of SQS."""
_ABSENT: Final = partial(KmsOptInRequired, "This region does not run KMS, which the queue's key is of.")


class Held(NamedTuple):
    """A data key in the clear, kept until a time. `id` is its row's."""

    id: int
    seal: Seal
    until: int


class DataKeys:
    """The data keys in use: by queue, KMS key and requester those that seal, by row and requester those that were opened.
    `looked_at`: how far the search for rows that nothing stands under any more has come."""

    def __init__(self) -> None:
        self.sealing: dict[Hashable, Held] = {}
        self.opened: dict[Hashable, Held] = {}
        self.looked_at = 0


def to_seal(call: Call, queue: Queue, sender: Sender | None = None) -> Held:
    """The data key by which a message is to be sealed that the caller, or a service by itself, sends to a queue under KMS.

    A new one needs kms:GenerateDataKey, and kms:Decrypt, by which it is proven. Raises the errors of KMS.
    """
    kept, key = _kept(call).sealing, queue.settings.kms
    assert key is not None
    who = requester(call, sender)
    found = kept.get((queue.id, key, who))
    now = milliseconds(call.now)
    if found is not None and now < found.until:
        return found
    *_, region, account, _ = queue.arn.split(":")
    context = _context(queue.arn)
    made: DataKey = _ask(call, GenerateDataKeyFor(key, account, region, "sqs", context, sender))
    proven: DataKey = _ask(call, DecryptDataKey(made.sealed, region, "sqs", context, sender))
    id = tables.insert_data_key(call.db, queue.arn, made.sealed, now)
    held = Held(id, Seal(proven.plain), now + queue.settings.reuse)
    _keep(call, kept, (queue.id, key, who), held)
    return held


def to_open(call: Call, queue: Queue | None, id: int, sender: Sender | None = None) -> Seal:
    """The data key of a row, for a message that is read from a queue. It needs kms:Decrypt; raises the errors of KMS."""
    kept, who = _kept(call).opened, requester(call, sender)
    found = kept.get((id, who))
    now = milliseconds(call.now)
    if found is not None and now < found.until:
        return found.seal
    arn, sealed = tables.read_data_key(call.db, id)
    opened: DataKey = _ask(call, DecryptDataKey(sealed, arn.split(":")[3], "sqs", _context(arn), sender))
    held = Held(id, Seal(opened.plain), now + (queue.settings.reuse if queue else 0))
    _keep(call, kept, (id, who), held)
    return held.seal


def forget_data_keys(call: Call) -> bool:
    """Forget data keys whose time is over, in memory, and the rows of those under which no message stands any more."""
    kept, now = _kept(call), milliseconds(call.now)
    for some in (kept.sealing, kept.opened):
        for key in [key for key, held in some.items() if held.until <= now]:
            del some[key]
    at = tables.forget_data_keys(call.db, kept.looked_at, now - _UNUSED, _SLICE)
    kept.looked_at = at or 0
    return at is not None


def _kept(call: Call) -> DataKeys:
    memory: Memory = call.memory
    if memory.data_keys is None:
        memory.data_keys = DataKeys()
    return memory.data_keys


def _keep(call: Call, kept: dict[Hashable, Held], key: Hashable, held: Held) -> None:
    """Keep a data key, unless its row is not committed; the oldest goes where there are too many."""

    def keep() -> None:
        kept.pop(key, None)
        if len(kept) >= _MOST:
            del kept[next(iter(kept))]
        kept[key] = held

    call.apply(keep, lambda: _drop(kept, key))


def _drop(kept: dict[Hashable, Held], key: Hashable) -> None:
    kept.pop(key, None)


def _context(arn: str) -> dict[str, str]:
    return {"aws:sqs:arn": arn}


def _ask(call: Call, question: Any) -> Any:
    return ask(call, question, _ERRORS, _ABSENT)
