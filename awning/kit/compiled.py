"""Compiled policies, kept by their text: the derived memory of rooms that hold policies.

What is kept follows from its key alone, so no commit or roll-back concerns it.
"""

from __future__ import annotations

from collections.abc import Mapping

from awning.auth.policy import Kind, Policy, compile_policy


class Compiled:
    """At most `most` compiled policies, the longest unused dropped first."""

    def __init__(self, most: int = 2000) -> None:
        self.most = most
        self._kept: dict[tuple[Kind, str, str, tuple[tuple[str, str], ...]], Policy] = {}

    def get(self, kind: Kind, id: str, document: str, ids: Mapping[str, str] | None = None) -> Policy:
        """Compile a policy that was found good when it was stored.

        `id` is what decisions call it, `ids` whom its names stand for."""
        key = (kind, id, document, tuple(sorted(ids.items())) if ids else ())
        found = self._kept.pop(key, None)
        if found is None:
            found = compile_policy(document, id=id, kind=kind, ids=ids, stored=True)
            if len(self._kept) >= self.most:
                del self._kept[next(iter(self._kept))]
        self._kept[key] = found
        return found

    def __len__(self) -> int:
        return len(self._kept)
