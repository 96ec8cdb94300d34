"""Pages of lists: a token says how many entries came before."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from awning.services.acm.errors import ValidationException

_LARGEST: Final = 2**31


def read_token(token: str | None) -> int:
    """How many entries came before a page. Raises ValidationException."""
    if token is None:
        return 0
    try:
        after = int(urlsafe_b64decode(token.encode("ascii")).decode("ascii"))
    except ValueError:
        after = -1
    if not 0 <= after <= _LARGEST:
        raise ValidationException("The NextToken is not one that a reply had.")
    return after


def page(name: str, entries: list[Any], more: bool, after: int) -> dict[str, Any]:
    """A reply with a page's entries, and where there are more, the token for what is `after`."""
    if not more:
        return {name: entries}
    return {name: entries, "NextToken": urlsafe_b64encode(str(after).encode()).decode()}
