"""How a delivery is written into the outbox and read again. The payload is JSON, so that a person can read what is stuck."""

from __future__ import annotations

import orjson

from awning import contracts
from awning.contracts import Deliver


class Undeliverable(Exception):
    """A delivery that no further try will bring about; the text says why. The sender gives it up at once."""


class TryAgain(Exception):
    """A delivery that failed and is to be tried again in `seconds`."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


def encode(delivery: Deliver) -> tuple[str, str, str, bytes]:
    """Write a delivery as the outbox keeps it: kind, ARN, group, payload."""
    return type(delivery).__name__, delivery.arn, delivery.group, orjson.dumps(delivery)


def type_of(kind: str) -> type[Deliver]:
    """Return the type of a kind of deliveries. Raises LookupError for one that this version does not know."""
    made = getattr(contracts, kind, None)
    if not (isinstance(made, type) and issubclass(made, Deliver)):
        raise LookupError(f"There is no delivery {kind}.")
    return made


def decode(kind: str, payload: bytes) -> Deliver:
    """Read a delivery. Raises LookupError for a kind that this version does not know."""
    return type_of(kind)(**orjson.loads(payload))
