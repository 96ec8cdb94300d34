"""What the room keeps in memory, derived from its tables: topics with their compiled policies, and their subscriptions.

Changed only through `call.apply`. It holds what the running batch has done too, so reads look in the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson

from awning.auth.policy import compile_policy
from awning.kit.call import Call
from awning.kit.service import Guard
from awning.services.sns import tables
from awning.services.sns.attributes import Settings, default_policy, settings_of
from awning.services.sns.filters import Filter
from awning.services.sns.names import arn_of, topic_of
from awning.services.sns.signing import Signer
from awning.services.sns.subscription_attributes import filter_of


class Subscription:
    """A subscription as publishing uses it. Made anew when its attributes change."""

    __slots__ = ("arn", "endpoint", "filter", "id", "pending", "protocol", "raw")

    def __init__(self, row: tables.SubscriptionRow) -> None:
        self.id = row.id
        self.arn = row.arn
        self.protocol = row.protocol
        self.endpoint = row.endpoint
        self.pending = row.pending
        self.raw = row.attributes.get("RawMessageDelivery") == "true"
        self.filter: Filter | None = filter_of(row.attributes)


class Topic:
    """A topic as the operations use it. `subscriptions` by their ids, in the order in which they were made."""

    __slots__ = ("_guard", "account", "arn", "attributes", "id", "policy_ids", "settings", "subscriptions")

    def __init__(self, row: tables.TopicRow) -> None:
        self.id = row.id
        self.account = row.account
        self.arn = arn_of(row.region, row.account, row.name)
        self.subscriptions: dict[int, Subscription] = {}
        self.configure(row.attributes, row.policy_ids)

    def configure(self, attributes: Mapping[str, str], policy_ids: Mapping[str, str]) -> None:
        """Put other attributes into force. policy_ids: whom the names in the policy stand for."""
        self.attributes = attributes
        self.policy_ids = policy_ids
        self.settings: Settings = settings_of(attributes)
        self._guard: Guard | None = None

    @property
    def guard(self) -> Guard:
        """What the topic says about its users; its policy is compiled when it is first asked."""
        if self._guard is None:
            text = self.attributes.get("Policy") or default_policy(self.arn, self.account)
            # RemovePermission may have taken the last statement: then the topic says nothing.
            says = bool(orjson.loads(text)["Statement"])
            policy = (
                compile_policy(text, id=self.arn, kind="resource", ids=self.policy_ids, stored=True) if says else None
            )
            self._guard = Guard(self.account, policy)
        return self._guard


class Memory:
    """The derived state of all topics."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self.by_id: dict[int, Topic] = {}
        self.signer: Signer | None = None
        self.turns: dict[str, float] = {}  # when the next delivery is within a subscription's rate

    def add(self, topic: Topic) -> None:
        self.topics[topic.arn] = topic
        self.by_id[topic.id] = topic

    def discard(self, topic: Topic) -> None:
        del self.topics[topic.arn]
        del self.by_id[topic.id]

    def put(self, row: tables.SubscriptionRow) -> None:
        """Know a subscription, as it is now."""
        self.by_id[row.topic].subscriptions[row.id] = Subscription(row)

    def drop(self, row: tables.SubscriptionRow) -> None:
        """Know a subscription no longer."""
        del self.by_id[row.topic].subscriptions[row.id]


def build(db: sqlite3.Connection) -> Memory:
    """Build the derived state from the tables."""
    memory = Memory()
    for topic in tables.all_topics(db):
        memory.add(Topic(topic))
    for row in tables.all_subscriptions(db):
        memory.put(row)
    return memory


def guard(call: Call, arn: str) -> Guard | None:
    """What a topic says about who may use it. A policy counts from its own batch on, in which later calls run anyway.

    A subscription belongs to who subscribed, and to the topic's owner too.
    """
    memory: Memory = call.memory
    topic = memory.topics.get(arn)
    if topic is not None:
        return topic.guard
    if arn.count(":") == 6 and (row := tables.find_subscription(call.db, arn)) is not None:
        return Guard(call.account if call.account == topic_of(arn).split(":")[4] else row.owner)
    return None
