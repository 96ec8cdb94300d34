"""What the room keeps in memory: guards (key policies with their grants, compiled) and opened materials, of committed state.

Each is made when it is first asked for, and forgotten after the commit of a change of its key.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from awning.auth.policy import Policy
from awning.auth.principal import Principal
from awning.kit.service import Guard

T = TypeVar("T")
_MOST = 2000
_MOST_CALLERS = 100
_MOST_GRANTS = 20_000
_THREADS = 2


class Kept:
    """At most `most` values, the longest unused dropped first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: dict[Hashable, Any] = {}

    def get(self, key: Hashable) -> Any:
        found = self._values.pop(key, None)
        if found is not None:
            self._values[key] = found
        return found

    def put(self, key: Hashable, value: Any) -> None:
        if len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        self._values[key] = value

    def drop(self, wanted: Callable[[Any], bool]) -> None:
        for key in [key for key in self._values if wanted(key)]:
            del self._values[key]

    def __repr__(self) -> str:
        return f"Kept({len(self._values)})"


class Memory:
    """The derived state of all keys.

    granted: by a grant's id what its statements are; no id ever names another grant.
    wanted: services' own keys (account, region, service) that were used and are not stored yet.
    """

    def __init__(self) -> None:
        self._guards: dict[str, tuple[Policy, dict[Hashable, Guard]]] = {}
        self.granted = Kept(_MOST_GRANTS)
        self.opened = Kept()
        self.wanted: set[tuple[str, str, str]] = set()
        self._workers: ThreadPoolExecutor | None = None

    def forget(self, *arns: str) -> None:
        """Forget what is kept of keys."""
        for arn in arns:
            self._guards.pop(arn, None)
        self.opened.drop(lambda key: key[0] in arns)

    def guard(self, arn: str, principal: Principal) -> Guard | None:
        """What a key says to a principal."""
        kept = self._guards.get(arn)
        return None if kept is None else kept[1].get(_who(principal))

    def policy(self, arn: str) -> Policy | None:
        """A key's own policy."""
        kept = self._guards.get(arn)
        return None if kept is None else kept[0]

    def keep_guard(self, arn: str, policy: Policy, principal: Principal, guard: Guard) -> None:
        kept = self._guards.get(arn)
        if kept is None:
            if len(self._guards) >= _MOST:
                del self._guards[next(iter(self._guards))]
            kept = self._guards[arn] = (policy, {})
        if len(kept[1]) >= _MOST_CALLERS:
            del kept[1][next(iter(kept[1]))]
        kept[1][_who(principal)] = guard

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run what takes more than a millisecond (RSA) beside the loop."""
        if self._workers is None:
            self._workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="kms")
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *args)


def _who(principal: Principal) -> Hashable:
    """What tells callers apart: a name may have been another's, and a federated user's name is its owner's to choose."""
    return principal.caller_arn, principal.user_id, principal.owner_id


def build(db: sqlite3.Connection) -> Memory:
    """Nothing is read at start."""
    return Memory()
