"""Index: of some policies, the statements about an action, found once per action and laid out to be asked quickly.

A user with ten policies would otherwise be asked ten times at each request.
"""

from __future__ import annotations

from collections.abc import Sequence

from awning.auth.policy import Policy
from awning.auth.selection import Found, Selection

__all__ = ["Found", "Index", "Selection", "index_of"]

_MOST_ACTIONS = 256
_MOST_TOGETHER = 32


class Index:
    """The statements of some policies by action; it remembers a bounded number of actions."""

    __slots__ = ("_policies", "_remembered")

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)
        self._remembered: dict[str, tuple[Selection | None, Selection | None]] = {}

    def about(self, action: str) -> tuple[Selection | None, Selection | None]:
        """Return the denying and the allowing statements about an action ("s3:GetObject"); None where there are none."""
        found = self._remembered.get(action)
        if found is None:
            both = [(policy, policy.about(action)) for policy in self._policies]
            denies = [(policy, one) for policy, (denying, _) in both for one in denying]
            allows = [(policy, one) for policy, (_, allowing) in both for one in allowing]
            if len(self._remembered) >= _MOST_ACTIONS:
                self._remembered.clear()
            found = (Selection(denies) if denies else None, Selection(allows) if allows else None)
            self._remembered[action] = found
        return found


def index_of(policies: tuple[Policy, ...]) -> Index:
    """The index of some policies, at least one. It is kept with the first, so that the next one who has the same finds it."""
    together = policies[0].together
    found = together.get(policies)
    if found is None:
        if len(together) >= _MOST_TOGETHER:
            together.clear()
        found = together[policies] = Index(policies)
    return found
