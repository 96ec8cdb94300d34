"""Pages: Marker, MaxItems and IsTruncated, the same for every list.

A marker is the key of the last item given: what is created or deleted between two pages never repeats or hides another.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from awning.services.iam.errors import ValidationError
from awning.services.iam.quotas import LARGEST_PAGE, PAGE

T = TypeVar("T")


def page(
    marker: str | None,
    max_items: int | None,
    key: Callable[[T], str],
    fetch: Callable[[str, int], Iterable[T]],
    most: int = LARGEST_PAGE,
) -> tuple[list[T], dict[str, Any]]:
    """Return a page's items, at most `most`, and its IsTruncated and Marker.

    `fetch(after, limit)` gives items in the order of their keys, those behind `after` only; it may give more than
    `limit`.
    Raises ValidationError for a marker that is none of ours.
    """
    size = min(max_items or PAGE, most)
    found: list[T] = []
    for item in fetch(_read(marker) if marker is not None else "", size + 1):
        if len(found) == size:
            return found, {"IsTruncated": True, "Marker": _write(key(found[-1]))}
        found.append(item)
    return found, {"IsTruncated": False}


def page_of(
    items: Iterable[T], marker: str | None, max_items: int | None, key: Callable[[T], str]
) -> tuple[list[T], dict[str, Any]]:
    """A page of a list that is short, and here already, in the order of its keys."""
    return page(marker, max_items, key, lambda after, limit: (item for item in items if key(item) > after))


def _write(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read(marker: str) -> str:
    try:
        return base64.b64decode(marker.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValidationError("Invalid Marker.") from error
