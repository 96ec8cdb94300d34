"""Index: of all policies of a principal, the statements about an action, found once per action.

A user with ten policies would otherwise be asked ten times at each request.
"""

from __future__ import annotations

from collections.abc import Sequence

from awning.auth.policy import Policy, Statement

Found = tuple[Policy, Statement]

_MOST_REMEMBERED = 256


class Index:
    """The statements of some policies by action; it remembers a bounded number of actions."""

    __slots__ = ("_policies", "_remembered")

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)
        self._remembered: dict[str, tuple[tuple[Found, ...], tuple[Found, ...]]] = {}

    def about(self, action: str) -> tuple[tuple[Found, ...], tuple[Found, ...]]:
        """Return the denying and the allowing statements about an action ("s3:GetObject"), each with its policy."""
        found = self._remembered.get(action)
        if found is None:
            both = [(policy, policy.about(action)) for policy in self._policies]
            denies = tuple([(policy, one) for policy, (denying, _) in both for one in denying])
            allows = tuple([(policy, one) for policy, (_, allowing) in both for one in allowing])
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[action] = (denies, allows)
        return found
