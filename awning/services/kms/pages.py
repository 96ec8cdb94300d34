"""Pages of lists: Limit and Marker in, NextMarker and Truncated out."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from awning.services.kms.errors import InvalidMarkerException

T = TypeVar("T")
_LARGEST: Final = 2**63 - 1  # of SQLite's integers


def read_marker(marker: str | None) -> int:
    """The row after which a page begins. Raises InvalidMarkerException."""
    if marker is None:
        return 0
    try:
        after = int(urlsafe_b64decode(marker.encode("ascii")).decode("ascii"))
    except ValueError:
        after = -1
    if not 0 <= after <= _LARGEST:
        raise InvalidMarkerException("The marker is not one that a reply had as NextMarker.")
    return after


def page(
    name: str, rows: Sequence[T], limit: int, show: Callable[[T], Any], number: Callable[[T], int]
) -> dict[str, Any]:
    """A reply of at most `limit` of the rows, of which one more was looked for; `number` is what a marker says."""
    result: dict[str, Any] = {name: [show(row) for row in rows[:limit]], "Truncated": len(rows) > limit}
    if len(rows) > limit:
        result["NextMarker"] = urlsafe_b64encode(str(number(rows[limit - 1])).encode()).decode()
    return result
