"""What a room hears of a request once it has been answered, and its answer was sent. Plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awning.auth.principal import Principal
from awning.net.messages import Request

if TYPE_CHECKING:
    from awning.kit.room import Room


@dataclass(slots=True)
class Seen:
    """An answered request.

    operation: the model's name, "" where none was found. path: encoded, as if the host were bare. at: when it came, in seconds
    since the epoch. error: the code of what it was refused with. headers: of the reply, names in lower case. received, sent:
    bytes of the bodies. first, whole: seconds from its head to the reply's first byte, and to its last. site: for a website;
    form: a browser's form. through: the ARN of the way by which it came (Service.readdress).
    """

    request: Request
    request_id: str
    principal: Principal
    signed: str | None
    operation: str
    path: bytes
    host: str
    at: float
    status: int
    error: str | None
    headers: dict[bytes, bytes]
    received: int
    first: float
    site: bool = False
    form: bool = False
    through: str | None = None
    sent: int = 0
    whole: float = 0.0


Watch = Callable[["Room", Seen], None]
"""To be quick: it runs on the loop, as soon as a reply has been sent."""
