"""Usage: when each access key and role last signed a request, and each user and role for each service. Bounded; nothing waits.

It is an observation, no state: a crash may take its last seconds along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from awning.auth.principal import Principal
from awning.contracts import FindLastUse, LastUse

NAME: Final = "usage.json"
MOST: Final = 50_000
"""Keys, roles, and services of each user and role; beyond, what was first seen longest ago is forgotten."""


class Usage:
    """By access key or role id, or by user or role id and service: seconds since the epoch, service, region."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, str, str]] = {}
        self._last: tuple[str, str, int, str, str] | None = None
        self.changes = 0

    def note(self, key: str, principal: Principal, at: float, service: str, region: str) -> None:
        """Note a signed request: of a role's session as its role's use, of a long-term key as the key's; of either, and of a
        user's session, as a use of the service by the role or user."""
        last = (key, principal.user_id, int(at), service, region)
        if last == self._last:
            return  # nobody is told more than the second
        self._last = last
        use = (at, service, region)
        if principal.kind == "role":
            role = principal.user_id.partition(":")[0]
            self._put(role, use)
            self._put(f"{role} {service}", use)
            return
        if key.startswith("AKIA"):
            self._put(key, use)
        if principal.kind == "user":
            self._put(f"{principal.user_id} {service}", use)

    def _put(self, id: str, use: tuple[float, str, str]) -> None:
        used = self._used
        if id not in used and len(used) >= MOST:
            del used[next(iter(used))]
        used[id] = use
        self.changes += 1

    def find(self, question: FindLastUse) -> LastUse | None:
        """Answer when something was last used."""
        found = self._used.get(question.id)
        return None if found is None else LastUse(float(int(found[0])), found[1], found[2])

    def clear(self) -> None:
        """Forget everything: the region was emptied."""
        self._used.clear()
        self._last = None
        self.changes += 1

    def pieces(self) -> Iterator[bytes]:
        """All uses as JSON for a file, one at a time; what is seen meanwhile may be missing."""
        yield b"{"
        for number, (id, use) in enumerate(list(self._used.items())):
            yield (b"," if number else b"") + orjson.dumps(id) + b":" + orjson.dumps(use)
        yield b"}"

    def restore(self, saved: Any) -> None:
        """Take up what pieces() gave; of anything else take nothing, and raise ValueError, TypeError or AttributeError."""
        used = {}
        for id, (at, service, region) in saved.items():
            if type(id) is not str or type(service) is not str or type(region) is not str:
                raise ValueError("it is not what the usage keeps")
            used[id] = (float(at), service, region)
        self._used, self._last = used, None
