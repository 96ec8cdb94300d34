"""Background passes: what is dead is deleted, in slices.

A row is dead when its queue is gone or was purged after it, or when its retention period is over.
"""

from __future__ import annotations

import heapq

from awning.kit.call import Call
from awning.services.sqs import tables
from awning.services.sqs.deleting import delete
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory, Survey, Sweep
from awning.services.sqs.queues import DELETED_RECENTLY

_SLICE = 1_000
_GAUGED = 100
_MOVES_KEPT = 14 * 86_400_000


def sweep(call: Call) -> bool:
    """Look at the next 1,000 messages and delete the dead ones; return whether more are to be looked at.

    Messages stand in the order in which they were sent. So a sweep ends at the first one that is younger than every queue's
    retention period, as the last survey found them, once it has passed what purges and deletions have left.
    """
    memory: Memory = call.memory
    now = milliseconds(call.now)
    before = memory.sweep
    shortest = memory.survey.shortest
    rows = tables.standings(call.db, before.at, _SLICE)
    ended, at, swept = len(rows) < _SLICE, before.at, []
    for number, queue_id, sent, due in rows:
        if number > before.through and (shortest is None or sent + shortest > now):
            ended = True
            break
        at = number
        queue = memory.by_id.get(queue_id)
        if queue is None or number <= queue.purged_through:
            swept.append(number)
        elif sent + queue.settings.retention <= now and (due is None or due <= now):
            delete(call, queue, number)
    tables.delete_messages(call.db, swept)
    after = Sweep() if ended else Sweep(at, before.through)
    call.apply(lambda: setattr(memory, "sweep", after), lambda: setattr(memory, "sweep", before))
    return not ended


def survey(call: Call) -> bool:
    """Look at the next 1,000 queues, for the sweep and the gauges; return whether more are to be looked at."""
    memory: Memory = call.memory
    before = memory.survey
    ids = before.ids or tuple(memory.by_id)
    at = before.at + _SLICE
    shortest, fullest = before.shortest_so_far, before.fullest_so_far
    found = [memory.by_id[id] for id in (*fullest, *ids[before.at : at]) if id in memory.by_id]
    for queue in found:
        if queue.line.total and (shortest is None or queue.settings.retention < shortest):
            shortest = queue.settings.retention
    fullest = tuple(queue.id for queue in heapq.nlargest(_GAUGED, found, key=lambda queue: queue.line.total))
    more = at < len(ids)
    after = Survey(before.shortest, before.fullest, ids, at, shortest, fullest) if more else Survey(shortest, fullest)
    call.apply(lambda: setattr(memory, "survey", after), lambda: setattr(memory, "survey", before))
    return more


def forget_deleted_queues(call: Call) -> bool:
    """Free the names of queues that were deleted a minute ago, and forget move tasks of two weeks ago."""
    tables.forget_deleted(call.db, milliseconds(call.now) - DELETED_RECENTLY)
    tables.forget_moves(call.db, milliseconds(call.now) - _MOVES_KEPT)
    return False


def forget_receives(call: Call) -> bool:
    """Forget what the last stop kept of receives, which the start has read: another start must not believe it after a crash."""
    return tables.forget_receives(call.db, _SLICE)


def gauges(call: Call) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """How many messages stand in the queues that the last survey found to be the fullest."""
    memory: Memory = call.memory
    now = milliseconds(call.now)
    figures: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for queue in [memory.by_id[id] for id in memory.survey.fullest if id in memory.by_id]:
        for state, count in zip(("visible", "in_flight", "delayed"), queue.line.counts(now), strict=True):
            figures["awning_sqs_messages", (("queue", queue.arn), ("state", state))] = float(count)
    return figures
