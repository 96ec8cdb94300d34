"""AddPermission and RemovePermission: they write statements into the topic's policy, which is an attribute like others.

Source: the API reference of both.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.kit.permissions import allowing, editable, labelled, without
from awning.services.sns.attributes import check_policy, default_policy
from awning.services.sns.conditions import conditions
from awning.services.sns.errors import invalid
from awning.services.sns.memory import Topic
from awning.services.sns.names import topic_arn
from awning.services.sns.topics import find, reconfigure

_ACCOUNT = re.compile(r"\d{12}")
_SHARED = {
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
}


@operation(Needs("sns:AddPermission", topic_arn), context=conditions)
def add_permission(call: Call, topic_arn: str, label: str, aws_account_id: list[str], action_name: list[str]) -> None:
    """Add a statement to the topic's policy that allows accounts to do something with it."""
    topic = find(call, topic_arn)
    if not aws_account_id or not action_name:
        raise invalid("AWSAccountId and ActionName Reason: at least one of each must be given")
    for account in aws_account_id:
        if not _ACCOUNT.fullmatch(account):
            raise invalid("Policy Error: PrincipalNotFound")
    if not set(action_name) <= _SHARED:
        raise invalid("Policy statement action out of service scope!")
    policy = _policy(call, topic)
    if labelled(policy, label):
        raise invalid("Statement already exists")
    policy["Statement"].append(allowing(label, aws_account_id, [f"SNS:{action}" for action in action_name], topic.arn))
    _store(call, topic, policy)


@operation(Needs("sns:RemovePermission", topic_arn), context=conditions)
def remove_permission(call: Call, topic_arn: str, label: str) -> None:
    """Remove the statement of this label from the topic's policy; one that is not there is removed already."""
    topic = find(call, topic_arn)
    policy = _policy(call, topic)
    if labelled(policy, label):
        _store(call, topic, without(policy, label))


def _policy(call: Call, topic: Topic) -> dict[str, Any]:
    """Return the topic's policy as it stands, its statements as a list."""
    text = topic.attributes.get("Policy") or default_policy(topic.arn, topic.account)
    return editable(call.ask, text, topic.policy_ids)


def _store(call: Call, topic: Topic, policy: dict[str, Any]) -> None:
    text = orjson.dumps(policy).decode()
    if policy["Statement"]:
        check_policy(text, topic.arn)
    attributes = {**topic.attributes, "Policy": text}
    reconfigure(call, topic, attributes, text)
