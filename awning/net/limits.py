"""The bounds of a connection, and the refusal of what goes beyond them or against the grammar.

Facts only: connections and parsers read them, nothing here acts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    target_bytes: int = 16 * 1024
    """A longer request target is answered with 414."""
    header_bytes: int = 32 * 1024
    """A longer head (request line and header fields) is answered with 431. Not under
    target_bytes + 128, not over ahead_bytes."""
    header_count: int = 128
    """More header fields are answered with 431; more trailing ones make the body malformed."""
    trailer_bytes: int = 16 * 1024
    payload_bytes: int = 64 * 1024
    """A body of known length up to this is gathered before the handler is called."""
    queue_bytes: int = 256 * 1024
    """Reading pauses while this much of a body waits for the handler."""
    ahead_bytes: int = 64 * 1024
    """Reading pauses while this much of the following requests waits behind a running one."""
    drain_bytes: int = 256 * 1024
    """What is read and thrown away of a body that the handler didn't want, before the connection closes instead."""
    write_bytes: int = 256 * 1024
    """An iterator pauses while this much of its response waits for the client."""
    connections: int = 20_000
    """Further ones are answered with 503. Server lowers it to what the process's file descriptors allow."""

    idle_seconds: float = 75.0
    """Between requests, and before the first byte; then the connection closes without a word."""
    head_seconds: float = 30.0
    """From a head's first byte to its last; then 408."""
    handshake_seconds: float = 10.0
    body_seconds: float = 30.0
    body_minimum: int = 4096
    """While a body is wanted, each span of body_seconds must bring body_minimum bytes or the body's end; else 408."""
    write_seconds: float = 60.0
    """A client that takes nothing of a response for this long is disconnected."""
    linger_seconds: float = 10.0
    """How long a refused client's bytes are still read (so that it can read the refusal) before the connection
    closes.
    """

    def __post_init__(self) -> None:
        if not self.target_bytes + 128 <= self.header_bytes <= self.ahead_bytes:
            raise ValueError("header_bytes must be between target_bytes + 128 and ahead_bytes.")


class Refusal(Exception):
    """A request that is not served. `status` answers it; `reason` is a short fixed text, for the answer and the
    counters.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
