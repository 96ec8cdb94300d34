"""The declaration that makes a function an AWS operation: what it needs, what it honours, how it runs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awning.protocols.honours import ALL, Honours

if TYPE_CHECKING:
    from awning.auth.principal import Principal
    from awning.kit.call import Call

__all__ = ["ALL", "Honours", "Needs", "Operation", "Params", "Shown", "operation"]

Params = dict[str, Any]
"""An operation's parameters: top-level names in snake_case, nested names as in the model (as boto3 takes them)."""


@dataclass(frozen=True, slots=True)
class Needs:
    """One permission that an operation asks for.

    `resource(call, params)` gives the ARN, or None where this call does not need the permission (a copy without a
    source version does not need s3:GetObjectVersion). `resource` may be a plain string such as "*".
    """

    action: str
    resource: Callable[[Call, Params], str | None] | str


@dataclass(frozen=True, slots=True)
class Operation:
    """A function and its declaration. `name` is the model's (SendMessage), `function.__name__` boto3's (send_message)."""

    function: Callable[..., Any]
    needs: tuple[Needs, ...]
    reads: bool
    streams: bool
    honours: Mapping[str, Honours]
    defaults: Mapping[str, Any]
    anonymous: bool
    parameters: tuple[str, ...]
    context: Callable[[Call, Params], Mapping[str, Any]] | None
    tags: str | Callable[[Call, Params], Any] | None
    tag_keys: str | None
    identify: Callable[[Call, Params], Awaitable[Shown]] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """Whom a request proves to come from by what it brings, not by a signature: who that is for policies, and what else was
    found in the proof, which the operation has as `call.shown`."""

    principal: Principal
    what: Any


def operation(
    *needs: Needs,
    reads: bool = False,
    honours: Mapping[str, Honours] | None = None,
    defaults: Mapping[str, Any] | None = None,
    anonymous: bool = False,
    context: Callable[[Call, Params], Mapping[str, Any]] | None = None,
    tags: str | Callable[[Call, Params], Any] | None = None,
    tag_keys: str | None = None,
    identify: Callable[[Call, Params], Awaitable[Shown]] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an AWS operation.

    needs: the permissions; an operation that needs none (GetCallerIdentity) says `anonymous=False` and no Needs.
    reads: it changes nothing, and runs at once on committed state. Otherwise a plain function runs in the room's next
        batch, and an `async def` runs on its own and changes state by `await call.commit(function, …)`.
    honours: for each parameter that is a structure, a map, an enum or a list of these: what of it is honoured. What a
        client sends beyond that is refused with 501 by name. A start fails where an entry is missing or unknown.
    defaults: parameters, not in the signature, that are passed over when they have exactly this value.
    anonymous: may be called without a signature; the resource's policy still decides.
    context: the service's own condition keys (`s3:prefix`) for this call; the Service lists them as `condition_keys`.
    tags: the parameter that has the tags that a call brings, or a function that finds them, in any form that kit/tags.py reads:
        for aws:RequestTag and aws:TagKeys. tag_keys: the parameter that has the keys of tags that it takes away.
    identify: for an operation whose request itself proves who sends it (a token, an assertion): verifies the proof before
        permissions are decided, whoever signed; it raises ServiceError, and waits only for futures and completions.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        names = list(inspect.signature(function).parameters)
        if not names or names[0] != "call":
            raise TypeError(f"{function.__module__}.{function.__name__} must take `call` first")
        function.__operation__ = Operation(  # type: ignore[attr-defined]
            function=function,
            needs=needs,
            reads=reads,
            streams=inspect.iscoroutinefunction(function),
            honours=dict(honours or {}),
            defaults=dict(defaults or {}),
            anonymous=anonymous,
            parameters=tuple(names[1:]),
            context=context,
            tags=tags,
            tag_keys=tag_keys,
            identify=identify,
        )
        return function

    return declare
