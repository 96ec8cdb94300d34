"""AddPermission and RemovePermission: they write statements into the queue's policy, which is an attribute like others.

Source: the API reference of both, and the developer guide's "Amazon SQS policy quotas".
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.kit.permissions import allowing, editable, labelled, without
from awning.services.sqs.address import queue_arn
from awning.services.sqs.errors import InvalidParameterValue, OverLimit
from awning.services.sqs.lookup import own, stored
from awning.services.sqs.memory import Queue
from awning.services.sqs.queues import reconfigure

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}")
_ACTIONS_PER_STATEMENT = 7
_SHARED = {
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
}


@operation(Needs("sqs:AddPermission", queue_arn))
def add_permission(call: Call, queue_url: str, label: str, aws_account_ids: list[str], actions: list[str]) -> None:
    """Add a statement to the queue's policy that allows accounts to do something with it."""
    queue = own(call, queue_url)
    if not _LABEL.fullmatch(label):
        raise _invalid(
            label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
    for account in aws_account_ids:
        if not _ACCOUNT.fullmatch(account):
            raise _invalid(account, "PrincipalId", "Unable to verify.")
    for action in actions:
        if action not in _SHARED:
            raise _invalid(f"SQS:{action}", "ActionName", "Only the queue owner is allowed to invoke this action.")
    if not aws_account_ids or not actions:
        raise InvalidParameterValue("At least one account and one action must be given.")
    if len(actions) > _ACTIONS_PER_STATEMENT:
        raise OverLimit(f"{len(actions)} Actions were found, maximum allowed is {_ACTIONS_PER_STATEMENT}.")
    policy = _policy(call, queue)
    if labelled(policy, label):
        raise _invalid(label, "Label", "Already exists.")
    policy["Statement"].append(allowing(label, aws_account_ids, [f"SQS:{action}" for action in actions], queue.arn))
    _store(call, queue, policy)


@operation(Needs("sqs:RemovePermission", queue_arn))
def remove_permission(call: Call, queue_url: str, label: str) -> None:
    """Remove the statement of this label from the queue's policy."""
    queue = own(call, queue_url)
    policy = _policy(call, queue)
    if not labelled(policy, label):
        where = " on existing policy" if policy["Statement"] else ""
        raise _invalid(label, "Label", f"can't find label{where}.")
    _store(call, queue, without(policy, label))


def _policy(call: Call, queue: Queue) -> dict[str, Any]:
    """Return the queue's policy, its statements as a list; an empty one where it has none."""
    row = stored(call, queue)
    text = row.attributes.get("Policy")
    if text is None:
        return {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
    return editable(call.ask, text, row.policy_ids)


def _store(call: Call, queue: Queue, policy: dict[str, Any]) -> None:
    reconfigure(call, queue, {"Policy": orjson.dumps(policy).decode() if policy["Statement"] else ""})


def _invalid(value: str, parameter: str, reason: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")
