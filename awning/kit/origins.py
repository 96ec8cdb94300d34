"""What a page of another origin asks of a room (CORS). A room with rules of its own answers by them (Service.cors).

Plain data; nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """A request with an Origin, or the question before it.

    path: encoded, as if the host were bare ("/bucket/key"). method: that of the request meant, None where a pre-flight names
    none. headers: the names that a pre-flight asks for, in lower case. well_known: it is signed with a key that every page
    knows; the room then says whether its rules are reason enough to take it all the same.
    """

    path: bytes
    origin: str
    method: str | None
    headers: tuple[str, ...] = ()
    preflight: bool = False
    well_known: bool = False
