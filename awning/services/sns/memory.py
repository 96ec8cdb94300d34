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
from awning.services.sns.message_attributes import Texts
from awning.services.sns.names import arn_of, topic_of
from awning.services.sns.replays import replay_of
from awning.services.sns.signing import Signer
from awning.services.sns.subscription_attributes import filter_of


class Subscription:
    """A subscription as publishing uses it. Made anew when its attributes change."""

    __slots__ = ("active", "arn", "endpoint", "filter", "id", "owner", "protocol", "raw", "replaying")

    def __init__(self, row: tables.SubscriptionRow) -> None:
        self.id = row.id
        self.arn = row.arn
        self.owner = (row.owner, row.region)
        self.protocol = row.protocol
        self.endpoint = row.endpoint
        replay = replay_of(row)
        self.replaying = replay is not None and not row.pending and replay.goes_on
        self.active = not row.pending and (replay is None or not replay.pauses)
        """Whether it gets what is published now."""
        self.raw = row.attributes.get("RawMessageDelivery") == "true"
        self.filter: Filter | None = filter_of(row.attributes)

    def wants(self, attributes: Texts, body: str) -> bool:
        """Whether its filter policy lets a message through."""
        return self.filter is None or self.filter.matches(attributes, body)


class Topic:
    """A topic as the operations use it. `subscriptions` by their ids, in no order that counts."""

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
        self.replaying: dict[int, int] = {}  # subscriptions that get messages from the archive, and their topics
        self.filters: dict[tuple[str, str], int] = {}  # filter policies that an account has in a region
        self.turns: dict[str, float] = {}  # when the next delivery is within a subscription's rate

    def add(self, topic: Topic) -> None:
        self.topics[topic.arn] = topic
        self.by_id[topic.id] = topic
        for subscription in topic.subscriptions.values():
            self._count(topic.id, subscription)

    def discard(self, topic: Topic) -> None:
        del self.topics[topic.arn]
        del self.by_id[topic.id]
        for subscription in topic.subscriptions.values():
            self._discount(subscription)

    def put(self, row: tables.SubscriptionRow) -> None:
        """Know a subscription, as it is now."""
        subscriptions = self.by_id[row.topic].subscriptions
        before = subscriptions.get(row.id)
        if before is not None:
            self._discount(before)
        after = subscriptions[row.id] = Subscription(row)
        self._count(row.topic, after)

    def drop(self, row: tables.SubscriptionRow) -> None:
        """Know a subscription no longer."""
        self._discount(self.by_id[row.topic].subscriptions.pop(row.id))

    def _count(self, topic: int, subscription: Subscription) -> None:
        if subscription.replaying:
            self.replaying[subscription.id] = topic
        if subscription.filter is not None:
            self.filters[subscription.owner] = self.filters.get(subscription.owner, 0) + 1

    def _discount(self, subscription: Subscription) -> None:
        self.replaying.pop(subscription.id, None)
        if subscription.filter is not None:
            self.filters[subscription.owner] -= 1


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
