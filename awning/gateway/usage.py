"""Usage: when each access key, and each role, last signed a request. Bounded; nothing waits for it.

It is an observation, no state: a crash may take its last seconds along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from awning.auth.principal import Principal
from awning.contracts import FindLastUse, LastUse

NAME: Final = "usage.json"
MOST: Final = 20_000
"""Keys and roles; beyond, what was first seen longest ago is forgotten."""


class Usage:
    """By access key or role id: seconds since the epoch, service, region."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, str, str]] = {}
        self.changes = 0

    def note(self, key: str, principal: Principal, at: float, service: str, region: str) -> None:
        """Note a signed request: of a role's session as its role's use, of a long-term key as the key's."""
        if key.startswith("AKIA"):
            id = key
        elif principal.kind == "role":
            id = principal.user_id.partition(":")[0]
        else:
            return
        used = self._used
        if id not in used and len(used) >= MOST:
            del used[next(iter(used))]
        used[id] = (at, service, region)
        self.changes += 1

    def find(self, question: FindLastUse) -> LastUse | None:
        """Answer when something was last used."""
        found = self._used.get(question.id)
        return None if found is None else LastUse(float(int(found[0])), found[1], found[2])

    def clear(self) -> None:
        """Forget everything: the region was emptied."""
        self._used.clear()
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
        self._used = used
