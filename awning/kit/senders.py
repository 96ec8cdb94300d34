"""May an AWS service act on a resource for one of its own resources? The resource's policy alone decides.

Source: "AWS service principals" and "The confused deputy problem" in the IAM user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from awning.auth.acl import Listed
from awning.auth.decision import Decision
from awning.auth.evaluate import decide
from awning.auth.principal import Principal
from awning.contracts import Sender
from awning.kit.service import Guard

_TAG = "aws:resourcetag/"


def principal_of(sender: Sender) -> Principal:
    """The service as a policy's Principal element names it."""
    return _service(sender.service)


@lru_cache(maxsize=64)
def _service(name: str) -> Principal:
    return Principal("service", "", name, name, name, name)


class SenderContext(Mapping[str, Any]):
    """The condition keys of what a service does by itself, each worked out only when a condition asks for it."""

    __slots__ = ("_account", "_arn", "_further", "_now", "_sender", "_tags")

    def __init__(
        self,
        sender: Sender,
        arn: str,
        account: str,
        now: float,
        further: Mapping[str, str] | None,
        tags: Callable[[], Mapping[str, str]] | None,
    ) -> None:
        self._sender = sender
        self._arn = arn
        self._account = account
        self._now = now
        self._further = further
        self._tags = tags

    def get(self, key: str, default: Any = None) -> Any:
        finder = _FINDERS.get(key)
        if finder is not None:
            return finder(self)
        if key.startswith(_TAG):
            return self.tags().get(key.removeprefix(_TAG), default)
        return default if self._further is None else self._further.get(key, default)

    def tags(self) -> Mapping[str, str]:
        """The tags of the resource, their keys in lower case."""
        return {} if self._tags is None else {name.lower(): value for name, value in self._tags().items()}

    def region(self) -> str:
        parts = self._arn.split(":", 4)
        return parts[3] if len(parts) == 5 else ""

    def current_time(self) -> str:
        return datetime.fromtimestamp(self._now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def __getitem__(self, key: str) -> Any:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from _FINDERS
        yield from (_TAG + name for name in self.tags())
        yield from self._further or ()

    def __len__(self) -> int:
        return sum(1 for _ in self)


_FINDERS: Mapping[str, Callable[[SenderContext], Any]] = {
    "aws:sourcearn": lambda context: context._sender.arn,
    "aws:sourceaccount": lambda context: context._sender.account,
    "aws:principalisawsservice": lambda _: "true",
    "aws:principalservicename": lambda context: context._sender.service,
    "aws:principalservicenameslist": lambda context: [context._sender.service],
    "aws:principaltype": lambda _: "Service",
    "aws:viaawsservice": lambda _: "false",
    "aws:securetransport": lambda _: "true",
    "aws:currenttime": SenderContext.current_time,
    "aws:epochtime": lambda context: str(int(context._now)),
    "aws:requestedregion": SenderContext.region,
    "aws:resourceaccount": lambda context: context._account,
}


def decide_for(
    sender: Sender,
    action: str,
    arn: str,
    guard: Guard,
    now: float,
    further: Mapping[str, str] | None = None,
    tags: Callable[[], Mapping[str, str]] | None = None,
    listed: Listed | None = None,
) -> Decision:
    """Decide whether `sender` may do `action` on the resource `arn` that `guard` speaks for; `now` in seconds since the epoch.

    `further`: condition keys, in lower case, that this service is known to say as well. `tags`: finds the tags of the resource;
    called where the policy names one (aws:ResourceTag). `listed`: the access control list that it comes under, of a resource that
    has such.
    """
    context = SenderContext(sender, arn, guard.account, now, further, tags)
    return decide(
        principal_of(sender),
        action,
        arn,
        context,
        guard_policy=guard.policy,
        resource_account=guard.account,
        listed=listed,
    )
