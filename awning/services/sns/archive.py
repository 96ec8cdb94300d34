"""The archive of a FIFO topic: it keeps what is published, and replays it to subscriptions, by a bounded pass.

A replayed message has its id, its time and its number again. Its deduplication id is a new one: a queue that has had the message
in the last minutes would take it for a duplicate.
Source: the developer guide's "Amazon SNS message archiving and replay for FIFO topics".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import orjson

from awning.kit.call import Call
from awning.services.sns import archive_tables, tables
from awning.services.sns.fanout import Fan, Message
from awning.services.sns.memory import Memory, Topic
from awning.services.sns.notification import timestamp
from awning.services.sns.replays import COMPLETED, DAY, FAILED, IN_PROGRESS, Replay, replay_of

AT_ONCE: Final = 10
"""Messages that one step replays: each may have to be signed."""

_SLICE = 1_000


def keep(call: Call, topic: Topic, message: Message, number: int) -> None:
    """Keep a message that a topic with an archive accepted; `number` is that of its sequence."""
    if topic.settings.archive_days:
        text = orjson.dumps(message._asdict())
        archive_tables.keep_message(call.db, topic.id, number, round(call.now * 1000), text)


def change(call: Call, topic: int, before: int, days: int) -> None:
    """A topic's archive is kept for so many days, after `before` ones; 0 for no archive: then what it had is no more."""
    if days and not before:
        archive_tables.open_archive(call.db, topic, round(call.now * 1000))
    elif before and not days:
        archive_tables.end_archive(call.db, topic)


def shown(call: Call, topic: tables.TopicRow, days: int) -> Mapping[str, str]:
    """The attribute that tells from when on messages can be replayed."""
    since = archive_tables.archive_since(call.db, topic.id)
    return {} if since is None else {"BeginningArchiveTime": timestamp(max(since / 1000, call.now - days * DAY / 1000))}


def replay(call: Call) -> bool:
    """Replay what is next for the subscriptions that are due; return whether more is to be replayed now."""
    memory: Memory = call.memory
    waiting = list(memory.replaying.items())
    share = max(1, AT_ONCE // max(1, len(waiting)))
    left = AT_ONCE
    for subscription, topic in waiting:
        if left <= 0:
            return True
        left -= _go_on(call, memory.by_id[topic], subscription, min(share, left))
    return left < AT_ONCE


def forget(call: Call) -> bool:
    """Forget what archives have kept long enough, and what ended ones had; return whether more is left."""
    memory: Memory = call.memory
    now = round(call.now * 1000)
    more = archive_tables.sweep_archives(call.db, _SLICE)
    for topic in archive_tables.all_archives(call.db):
        until = now - memory.by_id[topic].settings.archive_days * DAY
        more = archive_tables.forget_archived(call.db, topic, until, _SLICE) or more
    return more


def _go_on(call: Call, topic: Topic, id: int, limit: int) -> int:
    """Replay up to `limit` messages to a subscription; return how many were looked at."""
    row = tables.subscription(call.db, id)
    state = replay_of(row)
    assert state is not None
    now = round(call.now * 1000)
    days = topic.settings.archive_days
    if not days:
        _note(call, row, replace(state, status=FAILED))
        return 0
    start = max(state.start, now - days * DAY)
    found = archive_tables.archived(call.db, topic.id, state.after, start, state.end, limit)
    for _, text in found:
        message = Message(**orjson.loads(text))
        again = f"{message.id}-{state.begun}"
        Fan(call, topic, message._replace(replayed=True, deduplication=again)).out(topic.subscriptions[id])
    after = found[-1][0] if found else state.after
    # An end that is still to come may yet have messages before it.
    ended = len(found) < limit and (state.end is None or now > state.end)
    status = COMPLETED if ended else IN_PROGRESS
    if (after, status) != (state.after, state.status):
        _note(call, row, replace(state, after=after, status=status))
    return len(found)


def _note(call: Call, row: tables.SubscriptionRow, state: Replay) -> None:
    memory: Memory = call.memory
    after = row._replace(replay=state.text())
    tables.update_subscription(call.db, after)
    call.apply(lambda: memory.put(after), lambda: memory.put(row))
