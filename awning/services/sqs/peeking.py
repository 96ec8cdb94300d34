"""Looking at messages without receiving them: what `awning sqs peek` asks for. No count changes, and nothing is hidden.

No operation of AWS; only who may open the data folder's socket can ask.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.services.sqs import message_attributes as attributes_of
from awning.services.sqs import tables
from awning.services.sqs.address import arn_of
from awning.services.sqs.contents import read
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory

_MOST = 1_000


def peek(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Return up to `limit` messages of the queue `account`, `region`, `name`; the body is None of those that a key of KMS
    protects. Raises ValueError."""
    limit = given.get("limit", 10)
    if not isinstance(limit, int) or not 1 <= limit <= _MOST:
        raise ValueError(f"The limit must be between 1 and {_MOST}.")
    account, region, name = (str(given.get(part)) for part in ("account", "region", "name"))
    memory: Memory = call.memory
    queue = memory.queues.get(arn_of(region, account, name))
    if queue is None:
        raise ValueError(f"There is no queue {name} in account {account} and region {region}.")
    queue.line.settle(milliseconds(call.now))
    shown = []
    for number, state, until in queue.line.look(limit):
        row = tables.read_message(call.db, number)
        # Nobody's permission stands behind a look, so what a key of KMS protects stays hidden.
        body, _, attributes = (None, b"", None) if row.data_key is not None else read(call, queue.id, number, row)
        seen = queue.line.held(number).seen
        shown.append(
            {
                "id": row.id,
                "state": state,
                "until": until and until / 1000,
                "sent": row.sent / 1000,
                "received": row.received + (seen.times if seen else 0),
                "body": body,
                "attributes": attributes_of.shown(attributes) if attributes else {},
                "group": row.group,
                "source": row.source,
            }
        )
    visible, flight, delayed = queue.line.counts(milliseconds(call.now))
    return {"messages": shown, "visible": visible, "in_flight": flight, "delayed": delayed}
