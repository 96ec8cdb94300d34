"""Message move tasks: messages go from a dead-letter queue back to where they came from, or to another queue.

A task is a row. The background pass moves a few messages at a time, each with the task's count in one transaction, so that a
crash neither loses nor doubles any.

Source: the API reference of StartMessageMoveTask and its like, and the developer guide's "Dead-letter queue redrive" pages.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import Needs, Params, operation
from awning.services.sqs import tables
from awning.services.sqs.address import arn_of
from awning.services.sqs.datakeys import to_open, to_seal
from awning.services.sqs.deleting import delete
from awning.services.sqs.errors import InvalidParameterValue, ResourceNotFoundException, invalid
from awning.services.sqs.lines import hide, take
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory, Queue
from awning.services.sqs.moving import send_anew

_RUNNING, _COMPLETED, _FAILED = "RUNNING", "COMPLETED", "FAILED"
_CANCELLING, _CANCELLED = "CANCELLING", "CANCELLED"
_FASTEST = 500
_LISTED = 10
_AT_ONCE = 8
_SLICE = 25
_HEAD = 100
"""Messages of a source that are looked at for the keys of KMS that protect them. A task itself opens none."""
_BEHIND = 1_000
"""The most milliseconds for which a task makes up after it could not run."""

_NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
_NO_SOURCE = "CouldNotDetermineMessageSource"


def _source_arn(call: Call, params: Params) -> str:
    return str(params["source_arn"])


def _destination_arn(call: Call, params: Params) -> str | None:
    return params.get("destination_arn")


def _handled_arn(call: Call, params: Params) -> str | None:
    handled = _read_handle(params["task_handle"])
    return handled[1] if handled else None


def _to_move(action: str, source: Callable[[Call, Params], str | None]) -> tuple[Needs, ...]:
    """What a call about the move tasks of a source needs."""
    actions = (action, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    return tuple(Needs(each, source) for each in actions)


@operation(*_to_move("sqs:StartMessageMoveTask", _source_arn), Needs("sqs:SendMessage", _destination_arn))
def start_message_move_task(
    call: Call,
    source_arn: str,
    destination_arn: str | None = None,
    max_number_of_messages_per_second: int | None = None,
) -> dict[str, Any]:
    """Begin to move the messages that a dead-letter queue holds now to `destination_arn`, else to where each came from."""
    speed = max_number_of_messages_per_second
    if speed is not None and not 1 <= speed <= _FASTEST:
        raise invalid(speed, "MaxNumberOfMessagesPerSecond", f"Must be between 1 and {_FASTEST}.")
    memory: Memory = call.memory
    source = _queue(memory.queues, source_arn, "SourceArn")
    if destination_arn is not None:
        destination = _queue(memory.queues, destination_arn, "DestinationArn")
        if destination is source:
            raise InvalidParameterValue("Source queue arn and destination queue arn cannot be the same.")
        if source.name.endswith(".fifo") != destination.name.endswith(".fifo"):
            raise InvalidParameterValue("The source queue and destination queue must be of the same queue type.")
    origins = tables.list_sources(call.db, source_arn, "", 100)
    if not origins:
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    if any(move.state in (_RUNNING, _CANCELLING) for move in tables.moves_of(call.db, source_arn, _LISTED)):
        raise InvalidParameterValue(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
        )
    if destination_arn is None:
        _check_origins(call, origins)
        arns = [arn_of(call.region, account, name) for account, name in origins]
    else:
        arns = [destination_arn]
    _check_keys(call, source, [memory.queues[arn] for arn in arns if arn in memory.queues])
    now = milliseconds(call.now)
    visible, _, _ = source.line.counts(now)
    # What one message costs is given in advance, so that the first pass finds it.
    paced = now - (-(-1000 // speed) if speed else 0)
    move = tables.MoveRow(call.new_id(), source_arn, destination_arn, speed, _RUNNING, 0, visible, None, now, paced)
    tables.insert_move(call.db, move)
    return {"TaskHandle": _write_handle(move)}


@operation(*_to_move("sqs:CancelMessageMoveTask", _handled_arn))
def cancel_message_move_task(call: Call, task_handle: str) -> dict[str, Any]:
    """End a task that runs; what it has moved stays where it is."""
    handled = _read_handle(task_handle)
    if handled is None:
        raise InvalidParameterValue("Value for parameter TaskHandle is invalid.")
    move = tables.find_move(call.db, handled[0])
    memory: Memory = call.memory
    if handled[1] not in memory.queues:
        raise _absent("SourceArn")
    if move is None or move.source != handled[1] or move.state != _RUNNING:
        raise ResourceNotFoundException("Task does not exist.")
    tables.update_move(call.db, move._replace(state=_CANCELLING))
    return {"ApproximateNumberOfMessagesMoved": move.moved}


@operation(*_to_move("sqs:ListMessageMoveTasks", _source_arn), reads=True)
def list_message_move_tasks(call: Call, source_arn: str, max_results: int | None = None) -> dict[str, Any]:
    """List the newest move tasks of a source: one, or up to ten."""
    limit = 1 if max_results is None else max_results
    if not 1 <= limit <= _LISTED:
        raise invalid(limit, "MaxResults", f"Must be between 1 and {_LISTED}.")
    _, account, name = _parts(source_arn, "SourceArn")
    row = tables.find_queue(call.db, account, call.region, name)
    if row is None or arn_of(row.region, row.account, row.name) != source_arn:
        raise _absent("SourceArn")
    moves = tables.moves_of(call.db, source_arn, limit)
    return {"Results": [_shown(move) for move in moves]}


def carry_out(call: Call) -> bool:
    """Move the next few messages of the tasks under way; return whether there are more to be moved at once."""
    more = False
    for move in tables.moves_under_way(call.db, _AT_ONCE):
        after = _advance(call, move)
        tables.update_move(call.db, after)
        more = more or (after.state == _RUNNING and after.moved - move.moved == _SLICE)
    return more


def _advance(call: Call, move: tables.MoveRow) -> tables.MoveRow:
    """Move up to a slice of a task's messages, as fast as it may go; return how it stands then."""
    memory: Memory = call.memory
    if move.state == _CANCELLING:
        return move._replace(state=_CANCELLED)
    source = memory.queues.get(move.source)
    if source is None:
        return move._replace(state=_FAILED, reason=_NO_QUEUE)
    now = milliseconds(call.now)
    paced = max(move.paced, now - _BEHIND)
    budget = (now - paced) * move.speed // 1000 if move.speed else _SLICE
    wanted = min(budget, move.total - move.moved, _SLICE)
    moved, reason, dry = 0, None, False
    source.line.settle(now)
    while moved < wanted and reason is None and not dry:
        number = next(iter(take(call, source, 1, now, now)), None)
        if number is None:
            dry = not source.line.full
            break
        row = tables.read_message(call.db, number)
        arn = move.destination or row.source
        target = memory.queues.get(arn) if arn else None
        if row.sent + source.settings.retention <= now:
            delete(call, source, number)
        elif target is None:
            hide(call, source, number, now)
            call.wake(source.key)
            reason = _NO_QUEUE if arn else _NO_SOURCE
        else:
            send_anew(call, source, number, target)
            moved += 1
    state = _FAILED if reason else _COMPLETED if dry or move.moved + moved >= move.total else _RUNNING
    spent = paced + -(-moved * 1000 // move.speed) if move.speed else now
    return move._replace(state=state, moved=move.moved + moved, reason=reason, paced=spent)


def _check_origins(call: Call, origins: list[tuple[str, str]]) -> None:
    """Raises AccessDenied where the caller may not send to a queue that messages go back to."""
    for account, name in origins if call.authorise is not None else ():
        arn = arn_of(call.region, account, name)
        decision = call.allowed("sqs:SendMessage", arn)
        if not decision.allowed:
            raise AccessDenied(decision.message(call.principal, "sqs:SendMessage", arn))


def _check_keys(call: Call, source: Queue, targets: list[Queue]) -> None:
    """Raises the errors of KMS where the caller may not read what stands at the head of the source, or not send to a target."""
    heads = [tables.read_message(call.db, number) for number, _, _ in source.line.look(_HEAD)]
    for data_key in {row.data_key for row in heads if row.data_key is not None}:
        to_open(call, source, data_key)
    for target in targets:
        if target.settings.kms is not None:
            to_seal(call, target)


def _shown(move: tables.MoveRow) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": move.state,
        "SourceArn": move.source,
        "ApproximateNumberOfMessagesMoved": move.moved,
        "ApproximateNumberOfMessagesToMove": move.total,
        "StartedTimestamp": move.started,
    }
    if move.state == _RUNNING:
        shown["TaskHandle"] = _write_handle(move)
    if move.destination is not None:
        shown["DestinationArn"] = move.destination
    if move.speed is not None:
        shown["MaxNumberOfMessagesPerSecond"] = move.speed
    if move.reason is not None:
        shown["FailureReason"] = move.reason
    return shown


def _queue(queues: dict[str, Queue], arn: str, parameter: str) -> Queue:
    _parts(arn, parameter)
    queue = queues.get(arn)
    if queue is None:
        raise _absent(parameter)
    return queue


def _parts(arn: str, parameter: str) -> tuple[str, str, str]:
    """Return region, account and name of an ARN. Raises InvalidParameterValue."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[0] != "arn" or not all(parts):
        raise InvalidParameterValue(
            f"You must use this format to specify the {parameter}: "
            "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )
    return parts[3], parts[4], parts[5]


def _write_handle(move: tables.MoveRow) -> str:
    return b64encode(orjson.dumps({"taskId": move.id, "sourceArn": move.source})).decode()


def _read_handle(handle: str) -> tuple[str, str] | None:
    """Return the task's id and its source's ARN, None for what is no handle."""
    try:
        said = orjson.loads(b64decode(handle, validate=True))
        task, source = said["taskId"], said["sourceArn"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    return (task, source) if isinstance(task, str) and isinstance(source, str) else None


def _absent(parameter: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"The resource that you specified for the {parameter} parameter doesn't exist.")
