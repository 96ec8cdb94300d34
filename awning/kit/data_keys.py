"""What the rooms that encrypt by keys of KMS share: how they tell requesters apart, and whose errors their replies have."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from awning.contracts import Sender
from awning.kit.call import Call
from awning.kit.errors import ServiceError


def requester(call: Call, sender: Sender | None) -> Hashable:
    """Who asks, as data keys are told apart: sessions of one role under the same session policies are one requester."""
    if sender is not None:
        return sender
    who = call.principal
    limits = None if who.session is None else tuple(repr(policy.document) for policy in who.session)
    return who.arn, who.user_id.partition(":")[0], limits


def ask(call: Call, question: Any, kinds: Mapping[str, type[ServiceError]], absent: Callable[[], ServiceError]) -> Any:
    """Ask KMS. Its errors become the room's own, `kinds` by KMS's code; `absent` makes what is raised where no KMS runs."""
    try:
        return call.ask(question)
    except LookupError as error:
        raise absent() from error
    except ServiceError as error:
        kind = kinds.get(error.code)
        if kind is None:
            raise
        raise kind(error.message) from error
