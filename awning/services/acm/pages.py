"""Pages of lists: a token says how many entries came before."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from awning.services.acm.errors import ValidationException


def read_token(token: str | None) -> int:
    """How many entries came before a page. Raises ValidationException."""
    if token is None:
        return 0
    try:
        return max(0, int(urlsafe_b64decode(token.encode("ascii")).decode("ascii")))
    except ValueError:
        raise ValidationException("The NextToken is not one that a reply had.") from None


def page(name: str, entries: list[Any], more: bool, after: int) -> dict[str, Any]:
    """A reply with a page's entries, and where there are more, the token for what is `after`."""
    if not more:
        return {name: entries}
    return {name: entries, "NextToken": urlsafe_b64encode(str(after).encode()).decode()}
