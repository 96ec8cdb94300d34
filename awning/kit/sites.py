"""What a room needs to answer a browser under a host name of its own: a visit, and how it reads objects as anybody may.

Plain data; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from awning.protocols.reply import Reply


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page of a site. path and query: as sent. base: scheme and host that the browser used. region: what the
    host names, None where it names none."""

    name: str
    region: str | None
    method: str
    path: bytes
    query: bytes
    base: str
    request_id: str


Fetch = Callable[[str, bytes, bool], Awaitable[Reply]]
"""Carries out, as nobody in particular, the request of a method for a path of the room's API ("/bucket/key", encoded); True: with
the range and the conditions that the browser sent. Raises ServiceError: what the request would be refused with."""

Site = Callable[..., Awaitable[Reply]]
"""Answers a visit: `(call, visit, fetch) -> Reply`. Raises ServiceError, for which the browser gets a page."""
