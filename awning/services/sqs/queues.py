"""Queues: create, delete, find, list, configure, purge.

Each change of attributes goes through `reconfigure`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.named import as_it_stands, ids_of, unknown_principal
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.sqs import delays, tables
from awning.services.sqs.address import arn_of, check_name, named_queue_arn, queue_arn, url_of
from awning.services.sqs.attributes import COUNTS, READABLE, changed, defaults, settings_of
from awning.services.sqs.duplicates import RESCOPING
from awning.services.sqs.engine import Line
from awning.services.sqs.errors import (
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValue,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueNameExists,
    invalid,
)
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.fifo_attributes import VALUES
from awning.services.sqs.lookup import absent, committed, find, milliseconds, own, stored
from awning.services.sqs.memory import Memory, Queue, Sweep
from awning.services.sqs.receipts import SECRET_LENGTH
from awning.services.sqs.redrive import check_target, read_redrive
from awning.services.sqs.tags import check_tags

DELETED_RECENTLY = 60_000
_PURGED_RECENTLY = 60_000
_PAGE = 1_000
_EVERYONE = 1 << 30


def _all_queues_arn(call: Call, params: Params) -> str:
    return arn_of(call.region, call.account, "*")


def _arn_to_tag(call: Call, params: Params) -> str | None:
    return named_queue_arn(call, params) if params.get("tags") else None


@operation(
    Needs("sqs:CreateQueue", named_queue_arn),
    Needs("sqs:TagQueue", _arn_to_tag),
    honours={"attributes": READABLE, "tags": ALL},
    tags="tags",
)
def create_queue(
    call: Call, queue_name: str, attributes: dict[str, str] | None = None, tags: dict[str, str] | None = None
) -> dict[str, Any]:
    """Create a queue. One of that name and with the same values of the given attributes is returned as it is."""
    fifo = (attributes or {}).get("FifoQueue", "").lower() == "true"
    check_name(queue_name, fifo)
    wanted = changed(defaults(fifo), attributes or {})
    check_tags(tags or {})
    arn = arn_of(call.region, call.account, queue_name)
    existing = tables.find_queue(call.db, call.account, call.region, queue_name)
    if existing:
        for name in attributes or {}:
            if wanted.get(name) != existing.attributes.get(name):
                raise QueueNameExists(
                    f"A queue already exists with the same name and a different value for attribute {name}"
                )
        return {"QueueUrl": url_of(call, call.account, queue_name)}
    now = milliseconds(call.now)
    deleted = tables.deleted_at(call.db, arn)
    if deleted is not None and now < deleted + DELETED_RECENTLY:
        raise QueueDeletedRecently(
            "You must wait 60 seconds after deleting a queue before you can create another with the same name."
        )
    settings_of(wanted, arn)
    _check_dead_letter_queue(call, arn, attributes or {})
    if "Policy" in wanted:
        _check_principals(call, wanted["Policy"])
    policy_ids = ids_of(call.ask, wanted["Policy"]) if "Policy" in wanted else {}
    tables.insert_queue(
        call.db,
        account=call.account,
        region=call.region,
        name=queue_name,
        attributes=wanted,
        tags=tags or {},
        secret=call.random(SECRET_LENGTH),
        now=now,
        policy_ids=policy_ids,
    )
    row = tables.find_queue(call.db, call.account, call.region, queue_name)
    assert row is not None
    memory: Memory = call.memory
    queue = Queue(row)
    call.apply(lambda: memory.add(queue), lambda: memory.discard(queue))
    return {"QueueUrl": url_of(call, call.account, queue_name)}


@operation(Needs("sqs:DeleteQueue", queue_arn))
def delete_queue(call: Call, queue_url: str) -> None:
    """Delete a queue with all its messages. Its name stays taken for 60 seconds."""
    queue = own(call, queue_url)
    memory: Memory = call.memory
    tables.delete_queue(call.db, queue.id, queue.arn, milliseconds(call.now))
    call.apply(lambda: memory.discard(queue), lambda: memory.add(queue))
    _sweep(call)
    call.wake(queue.key, _EVERYONE)


@operation(Needs("sqs:GetQueueUrl", named_queue_arn), reads=True, anonymous=True)
def get_queue_url(call: Call, queue_name: str, queue_owner_aws_account_id: str | None = None) -> dict[str, Any]:
    """Return a queue's URL."""
    account = queue_owner_aws_account_id or call.account
    if tables.find_queue(call.db, account, call.region, queue_name) is None:
        raise absent(call)
    return {"QueueUrl": url_of(call, account, queue_name)}


@operation(Needs("sqs:ListQueues", _all_queues_arn), reads=True)
def list_queues(
    call: Call, queue_name_prefix: str | None = None, next_token: str | None = None, max_results: int | None = None
) -> dict[str, Any]:
    """List the caller's queues in the region, by name. Only with `max_results` is there a token for the next page."""
    after, size = page(next_token, max_results)
    names = tables.list_names(call.db, call.account, call.region, queue_name_prefix or "", after, size + 1)
    result: dict[str, Any] = {}
    if names:
        result["QueueUrls"] = [url_of(call, call.account, name) for name in names[:size]]
    if max_results is not None and len(names) > size:
        result["NextToken"] = token_after(names[size - 1])
    return result


@operation(Needs("sqs:ListDeadLetterSourceQueues", queue_arn), reads=True)
def list_dead_letter_source_queues(
    call: Call, queue_url: str, next_token: str | None = None, max_results: int | None = None
) -> dict[str, Any]:
    """List the queues whose dead-letter queue this is, by name. Only with `max_results` is there a token for the next page."""
    after, size = page(next_token, max_results)
    row = committed(call, queue_url)
    sources = tables.list_sources(call.db, arn_of(row.region, row.account, row.name), after, size + 1)
    result: dict[str, Any] = {"queueUrls": [url_of(call, account, name) for account, name in sources[:size]]}
    if max_results is not None and len(sources) > size:
        result["NextToken"] = token_after(sources[size - 1][1])
    return result


@operation(
    Needs("sqs:GetQueueAttributes", queue_arn),
    reads=True,
    anonymous=True,
    honours={"attribute_names": ALL},
)
def get_queue_attributes(call: Call, queue_url: str, attribute_names: list[str] | None = None) -> dict[str, Any]:
    """Return the attributes that were asked for; those that the queue does not have are left out."""
    names = set(attribute_names or ())
    for name in names - READABLE - {"All"}:
        raise InvalidAttributeName(f"Unknown Attribute {name}.")
    row = committed(call, queue_url)
    for name in names & VALUES.keys() - row.attributes.keys():
        raise InvalidAttributeName(f"Unknown Attribute {name}.")
    arn = arn_of(row.region, row.account, row.name)
    memory: Memory = call.memory
    queue = memory.queues.get(arn)
    counts = queue.line.counts(milliseconds(call.now)) if queue else (0, 0, 0)
    attributes = row.attributes
    if names & {"All", "Policy"} and "Policy" in attributes:
        attributes = {**attributes, "Policy": as_it_stands(call.ask, attributes["Policy"], row.policy_ids)}
    values = {
        **attributes,
        **{name: str(count) for name, count in zip(COUNTS, counts, strict=True)},
        "CreatedTimestamp": str(row.created // 1000),
        "LastModifiedTimestamp": str(row.modified // 1000),
        "QueueArn": arn,
    }
    chosen = values if "All" in names else {name: value for name, value in values.items() if name in names}
    return {"Attributes": chosen} if chosen else {}


@operation(Needs("sqs:SetQueueAttributes", queue_arn), honours={"attributes": READABLE})
def set_queue_attributes(call: Call, queue_url: str, attributes: dict[str, str]) -> None:
    """Set attributes; they are in force at once, for messages that are there too where it is the retention period."""
    queue = own(call, queue_url)
    _check_dead_letter_queue(call, queue.arn, attributes)
    reconfigure(call, queue, attributes)
    if attributes.get("Policy"):
        _check_principals(call, attributes["Policy"])


def _check_principals(call: Call, policy: str) -> None:
    """Raises InvalidAttributeValue where a policy that compiles names a user or role that there is not."""
    if unknown_principal(call.ask, orjson.loads(policy)) is not None:
        raise InvalidAttributeValue("Invalid value for the parameter Policy.")


@operation(Needs("sqs:PurgeQueue", queue_arn))
def purge_queue(call: Call, queue_url: str) -> None:
    """Delete all messages that were sent before. Once in 60 seconds."""
    queue = find(call, queue_url)
    now = milliseconds(call.now)
    row = stored(call, queue)
    if row.purged is not None and now < row.purged + _PURGED_RECENTLY:
        raise PurgeQueueInProgress(f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.")
    memory: Memory = call.memory
    through = memory.last_number
    tables.mark_purged(call.db, queue.id, now, through)
    before = queue.line, queue.recent, queue.purged_through

    def change(line: Line | FifoLine, recent: dict[bytes, int], purged_through: int) -> None:
        queue.line, queue.recent, queue.purged_through = line, recent, purged_through

    call.apply(lambda: change(queue.empty_line(), {}, through), lambda: change(*before))
    _sweep(call)


def reconfigure(call: Call, queue: Queue, changes: dict[str, str]) -> None:
    """Change a queue's attributes, stored and in force. Raises InvalidAttributeName, InvalidAttributeValue."""
    row = stored(call, queue)
    attributes = changed(row.attributes, changes)
    settings_of(attributes, queue.arn)
    policy_ids = row.policy_ids
    if "Policy" in changes:
        policy_ids = ids_of(call.ask, attributes["Policy"]) if "Policy" in attributes else {}
    settings, before, rescoped_before = settings_of(attributes, queue.arn, policy_ids), queue.settings, queue.rescoped
    now, rescoped = milliseconds(call.now), rescoped_before
    if settings.per_group is not before.per_group:
        # What has not counted yet is taken back by the next change.
        rescoped = None if rescoped is not None and now < rescoped + RESCOPING else now
    tables.update_attributes(call.db, queue.id, attributes, policy_ids, now, rescoped)
    call.apply(lambda: queue.configure(settings, rescoped), lambda: queue.configure(before, rescoped_before))
    if settings.delay != before.delay:
        delays.begin(call, queue)


def _sweep(call: Call) -> None:
    """Let the sweep begin anew: there are dead rows among what has been sent so far."""
    memory: Memory = call.memory
    before, after = memory.sweep, Sweep(0, memory.last_number)
    call.apply(lambda: setattr(memory, "sweep", after), lambda: setattr(memory, "sweep", before))


def page(next_token: str | None, max_results: int | None) -> tuple[str, int]:
    """Return the name after which a page begins, and how many names it may have. Raises InvalidParameterValue."""
    if max_results is not None and not 1 <= max_results <= _PAGE:
        raise invalid(max_results, "MaxResults", "MaxResults must be an integer between 1 and 1000.")
    try:
        return urlsafe_b64decode(next_token).decode() if next_token else "", max_results or _PAGE
    except ValueError:
        raise InvalidParameterValue("Invalid or expired next token.") from None


def token_after(name: str) -> str:
    """The token of the page that begins after a name."""
    return urlsafe_b64encode(name.encode()).decode()


def _check_dead_letter_queue(call: Call, arn: str, attributes: dict[str, str]) -> None:
    """Raises InvalidParameterValue where a queue may not have the dead-letter queue that its attributes name."""
    if text := attributes.get("RedrivePolicy"):
        memory: Memory = call.memory
        target = memory.queues.get(read_redrive(text).target)
        check_target(text, arn, target.settings.allow if target else None)
