"""What all uses of keys share: the key that a request means, fit for the use, and the errors where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from awning.kit.call import Call
from awning.services.kms.errors import InvalidKeyUsageException, dry_run
from awning.services.kms.grant_tokens import check_tokens
from awning.services.kms.lookup import check_usable, check_usage, find
from awning.services.kms.memory import Memory
from awning.services.kms.specs import SPECS, SYMMETRIC
from awning.services.kms.tables import KeyRow


def key_for(call: Call, given: str, operation: str, usage: str, tokens: Sequence[str] | None = None) -> KeyRow:
    """The key that a request means, once it may be used for this operation. Raises the errors of its state and usage."""
    check_tokens(call, tokens)
    key = find(call, given)
    check_usable(key, call.now)
    check_usage(key, usage, operation)
    note_use(call, key)
    return key


def note_use(call: Call, key: KeyRow) -> None:
    """A service's own key that is not stored yet will be."""
    if not key.id:
        memory: Memory = call.memory
        memory.wanted.add((key.account, key.region, key.key_id))


def check_symmetric(key: KeyRow, operation: str) -> None:
    """Raises InvalidKeyUsageException where a key pair is asked for what symmetric keys do."""
    if key.spec != SYMMETRIC:
        raise InvalidKeyUsageException(f"{key.arn} key spec is {key.spec} which is not valid for {operation}.")


def check_algorithm(key: KeyRow, algorithm: str) -> None:
    """Raises InvalidKeyUsageException for an algorithm that is not the key's."""
    if algorithm not in SPECS[key.spec].usages[key.usage]:
        raise InvalidKeyUsageException(f"Algorithm {algorithm} is incompatible with key spec {key.spec}.")


def end_dry_run(wanted: bool) -> None:
    """Raises DryRunOperationException, the good end of a request that only asks."""
    if wanted:
        raise dry_run()
