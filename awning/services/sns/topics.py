"""Topics: create, delete, list, configure.

Each change of attributes goes through `reconfigure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.kit.call import Call
from awning.kit.named import as_it_stands, ids_of
from awning.kit.operation import ALL, Needs, operation
from awning.services.sns import archive, tables
from awning.services.sns import attributes as attributes_of
from awning.services.sns.conditions import conditions
from awning.services.sns.errors import InvalidStateException, NotFoundException, invalid
from awning.services.sns.memory import Memory, Topic
from awning.services.sns.names import (
    PAGE,
    arn_of,
    check_name,
    new_topic_arn,
    new_topic_to_tag,
    read_token,
    topic_arn,
    write_token,
)
from awning.services.sns.retries import effective_of_topic
from awning.services.sns.tags import read_tags


@operation(
    Needs("sns:CreateTopic", new_topic_arn),
    Needs("sns:TagResource", new_topic_to_tag),
    honours={"attributes": ALL, "tags": ALL},
    tags="tags",
    context=conditions,
)
def create_topic(
    call: Call, name: str, attributes: dict[str, str] | None = None, tags: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """Create a topic. One of that name and with the same values of the given attributes is returned as it is."""
    arn = arn_of(call.region, call.account, name)
    wanted = attributes_of.read(attributes or {}, arn)
    check_name(name, wanted.get("FifoTopic") == "true")
    new_tags = read_tags(tags or ())
    existing = tables.find_topic(call.db, arn)
    if existing is not None:
        for key in attributes or {}:
            if wanted.get(key, "") != _effective(existing, key, arn):
                raise invalid("Attributes Reason: Topic already exists with different attributes")
        if any(existing.tags.get(key) != value for key, value in new_tags.items()):
            raise invalid("Tags Reason: Topic already exists with different tags")
        return {"TopicArn": arn}
    policy_ids = ids_of(call.ask, wanted["Policy"]) if "Policy" in wanted else {}
    tables.insert_topic(call.db, call.account, call.region, name, wanted, new_tags, policy_ids, round(call.now * 1000))
    row = tables.find_topic(call.db, arn)
    assert row is not None
    memory: Memory = call.memory
    topic = Topic(row)
    archive.change(call, topic.id, 0, topic.settings.archive_days)
    call.apply(lambda: memory.add(topic), lambda: memory.discard(topic))
    return {"TopicArn": arn}


@operation(Needs("sns:DeleteTopic", topic_arn), context=conditions)
def delete_topic(call: Call, topic_arn: str) -> None:
    """Delete a topic and its subscriptions; what is published already is delivered. One that is not there is deleted already."""
    memory: Memory = call.memory
    topic = memory.topics.get(topic_arn)
    if topic is not None:
        if topic.settings.archive_days:
            raise InvalidStateException("Invalid state: Cannot delete a topic with an ArchivePolicy")
        tables.delete_topic(call.db, topic.id)
        call.apply(lambda: memory.discard(topic), lambda: memory.add(topic))


def _everything(call: Call, params: Any) -> str:
    return arn_of(call.region, call.account, "*")


@operation(Needs("sns:ListTopics", _everything), reads=True)
def list_topics(call: Call, next_token: str | None = None) -> dict[str, Any]:
    """List the caller's topics in the region, a hundred at a time, in the order in which they were created."""
    found = tables.list_topics(call.db, call.account, call.region, read_token(next_token), PAGE + 1)
    result: dict[str, Any] = {
        "Topics": [{"TopicArn": arn_of(call.region, call.account, name)} for _, name in found[:PAGE]]
    }
    if len(found) > PAGE:
        result["NextToken"] = write_token(found[PAGE - 1][0])
    return result


@operation(Needs("sns:GetTopicAttributes", topic_arn), reads=True, context=conditions)
def get_topic_attributes(call: Call, topic_arn: str) -> dict[str, Any]:
    """Return a topic's attributes, and how many subscriptions it has."""
    topic = committed(call, topic_arn)
    settings = attributes_of.settings_of(topic.attributes)
    confirmed, pending = tables.count_subscriptions(call.db, topic.id)
    return {
        "Attributes": {
            "DisplayName": "",
            **topic.attributes,
            "Policy": as_it_stands(call.ask, _effective(topic, "Policy", topic_arn), topic.policy_ids),
            **archive.shown(call, topic, settings.archive_days),
            "TopicArn": topic_arn,
            "Owner": topic.account,
            "SubscriptionsConfirmed": str(confirmed),
            "SubscriptionsPending": str(pending),
            "SubscriptionsDeleted": str(topic.ended),
            "EffectiveDeliveryPolicy": effective_of_topic(topic.attributes.get("DeliveryPolicy")),
        }
    }


@operation(Needs("sns:SetTopicAttributes", topic_arn), context=conditions)
def set_topic_attributes(call: Call, topic_arn: str, attribute_name: str, attribute_value: str | None = None) -> None:
    """Set one attribute of a topic; it is in force at once. A policy that is set to nothing is again the default one."""
    topic = find(call, topic_arn)
    attributes = attributes_of.changed(topic.attributes, attribute_name, attribute_value or "", topic.arn)
    policy = None
    if attribute_name == "Policy":
        policy = attributes.get("Policy") or attributes_of.default_policy(topic_arn, topic.account)
    reconfigure(call, topic, attributes, policy)


def find(call: Call, arn: str) -> Topic:
    """Return a topic, for calls that run in a batch. Raises NotFoundException."""
    memory: Memory = call.memory
    topic = memory.topics.get(arn)
    if topic is None:
        raise NotFoundException("Topic does not exist")
    return topic


def committed(call: Call, arn: str) -> tables.TopicRow:
    """Return the committed row of a topic. Raises NotFoundException."""
    topic = tables.find_topic(call.db, arn)
    if topic is None:
        raise NotFoundException("Topic does not exist")
    return topic


def reconfigure(call: Call, topic: Topic, attributes: Mapping[str, str], policy: str | None = None) -> None:
    """Change a topic's attributes, stored and in force. `policy` is a new one among them: whom it names is found now."""
    before, before_ids, days = topic.attributes, topic.policy_ids, topic.settings.archive_days
    policy_ids = before_ids if policy is None else ids_of(call.ask, policy)
    tables.update_topic(call.db, topic.id, attributes, policy_ids)
    call.apply(lambda: topic.configure(attributes, policy_ids), lambda: topic.configure(before, before_ids))
    archive.change(call, topic.id, days, topic.settings.archive_days)


def _effective(topic: tables.TopicRow, name: str, arn: str) -> str:
    if name == "Policy":
        return topic.attributes.get(name) or attributes_of.default_policy(arn, topic.account)
    return topic.attributes.get(name, "")
