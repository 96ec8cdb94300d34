"""What other rooms may ask of KMS: which key is meant, and data keys for what they encrypt at rest.

The key's policy, its grants and the caller's own policies decide here, so that no room can forget to ask.
Source: the developer guide's "How AWS services use AWS KMS", and kms:ViaService in "AWS KMS condition keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from awning.contracts import DataKey, DecryptDataKey, FindKey, GenerateDataKeyFor, KeyFacts, Sender
from awning.kit.call import Call
from awning.kit.errors import AccessDenied, ServiceError
from awning.kit.roles import decide_as
from awning.kit.senders import decide_for, principal_of
from awning.services.kms import envelope
from awning.services.kms.conditions import context_keys, of_key, via
from awning.services.kms.encrypting import seal, unseal
from awning.services.kms.errors import InvalidCiphertextException, NotFoundException
from awning.services.kms.guards import guard_for
from awning.services.kms.lookup import Name, check_usable, check_usage, find, look_up, state_of
from awning.services.kms.specs import ENCRYPT
from awning.services.kms.tables import KeyRow
from awning.services.kms.using import check_symmetric, note_use

_SIZE: Final = 32


def find_key(call: Call, question: FindKey) -> KeyFacts | None:
    """The key that a client means, or None."""
    try:
        key = _named(call, question.key, question.account, question.region)
    except ServiceError:
        return None
    return KeyFacts(key.arn, key.account, key.key_id, state_of(key, call.now), key.spec, key.usage, key.manager)


def generate_data_key_for(call: Call, question: GenerateDataKeyFor) -> DataKey:
    """A new data key, once the caller may have one."""
    key = _named(call, question.key, question.account, question.region)
    _require(call, key, question.action, question.service, question.context, question.sender)
    _check(call, key, "GenerateDataKey")
    plain = call.random(_SIZE)
    return DataKey(key.arn, plain, seal(call, key, plain, question.context)[0])


def decrypt_data_key(call: Call, question: DecryptDataKey) -> DataKey:
    """A data key that was made here, once the caller may open it."""
    found = envelope.read(question.sealed)
    if found is None:
        raise InvalidCiphertextException("")
    name = Name(found.account, question.region, found.key_id, "")
    key = look_up(call, name)
    if key is None:
        raise NotFoundException(f"Key '{name.arn}' does not exist")
    _require(call, key, "kms:Decrypt", question.service, question.context, question.sender)
    _check(call, key, "Decrypt")
    return DataKey(key.arn, unseal(call, key, found, question.context), question.sealed)


def _named(call: Call, given: str, account: str, region: str) -> KeyRow:
    call.account, call.region = account, region
    return find(call, given)


def _check(call: Call, key: KeyRow, operation: str) -> None:
    check_usable(key, call.now)
    check_usage(key, ENCRYPT, operation)
    check_symmetric(key, operation)
    note_use(call, key)


def _require(
    call: Call, key: KeyRow, action: str, service: str, context: Mapping[str, str], sender: Sender | None
) -> None:
    """Raises AccessDenied where the caller, or the service that acts by itself, may not."""
    further: dict[str, Any] = {
        **of_key(call, key),
        **context_keys(context),
        **via(service, key.region),
        "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "kms:CallerAccount": call.principal.account if sender is None else sender.account,
    }
    further = {name.lower(): value for name, value in further.items()}
    if sender is not None:
        says = guard_for(call, key.arn, principal_of(sender))
        assert says is not None  # and whole: services' guards are not narrowed
        decision = decide_for(sender, action, key.arn, says, call.now, further)
        if not decision.allowed:
            raise AccessDenied(f"{sender.service} is not authorized to perform: {action} on resource: {key.arn}")
        return
    if call.authorise is None and call.principal.kind == "role":
        says = guard_for(call, key.arn, call.principal)
        assert says is not None
        decision = decide_as(call.principal, action, key.arn, says, call.now, key.region, further)
        if not decision.allowed:
            raise AccessDenied(decision.message(call.principal, action, key.arn))
        return
    if call.authorise is None:
        raise AccessDenied(f"Nobody asks to perform: {action} on resource: {key.arn}")
    decision = call.allowed(action, key.arn, further, via=f"{service}.amazonaws.com")
    if not decision.allowed:
        raise AccessDenied(decision.message(call.principal, action, key.arn))
