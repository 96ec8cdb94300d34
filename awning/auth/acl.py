"""Listed: what an access control list adds to a decision, in the form that the evaluation asks: a policy that only allows.

Which resources have lists, and what their permissions stand for, is the room's to say.
"""

from __future__ import annotations

from typing import NamedTuple

from awning.auth.policy import Policy


class Listed(NamedTuple):
    """The word of the list that a request comes under.

    account: who owns what the list is of, "" where that is nobody with an account; where it isn't the account that the resource's
    policy is of, what that policy allows does not count. policy: the grants; None where there are none about this.
    """

    account: str
    policy: Policy | None
