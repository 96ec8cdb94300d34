"""What SNS would hand to telephone companies and to makers of telephones: it is kept in a log and goes no further.

Nothing is sent: no number rings, no device wakes. `awning sns log` shows the log, of which the newest entries are kept.
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.services.sns import tables

KEPT: Final = 10_000
"""Entries of the log that are kept."""

_SHOWN = 1_000


def keep(call: Call, kind: str, target: str, body: str, *, topic: str = "", message: str = "", about: str = "") -> None:
    """Write an entry: `kind` is "sms" or "push", `target` the number or the endpoint's ARN, `about` what else there is to say."""
    tables.add_outgoing(
        call.db, (round(call.now * 1000), call.account, call.region, kind, target, topic, message, about, body)
    )


def trim(call: Call) -> bool:
    """Forget all entries but the newest; return whether more are to be forgotten."""
    return tables.trim_outgoing(call.db, KEPT, 1_000)


def show(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """The newest entries, the oldest of them first. `limit`: how many; `kind`, `target`: only these. Raises ValueError."""
    limit = given.get("limit", 20)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _SHOWN:
        raise ValueError(f"limit must be a number from 1 to {_SHOWN}.")
    rows = tables.list_outgoing(call.db, given.get("kind"), given.get("target"), limit)
    return {
        "entries": [
            {
                "at": row.at / 1000,
                "account": row.account,
                "region": row.region,
                "kind": row.kind,
                "target": row.target,
                "topic": row.topic,
                "message": row.message,
                "about": row.about,
                "body": row.body,
            }
            for row in reversed(rows)
        ]
    }
