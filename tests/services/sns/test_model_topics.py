"""Topics, subscriptions and what is published against a small obvious model: any order, failed commits, crashes, and time."""

from __future__ import annotations

import json
import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from awning.services.sns.errors import NotFoundException
from awning.services.sns.work import forget_duplicates
from tests.services.sns.support import ACCOUNT, Bench, Client, queue_arn

WINDOW = 300
NAMES = ("news", "ordered.fifo")
TOPICS = {name: f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}" for name in NAMES}

Step = tuple[str, Any, Any, Any]
TOPIC = st.sampled_from(NAMES)
QUEUE = st.sampled_from(["a", "b", "c"])
KIND = st.sampled_from([None, "red", "blue"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), TOPIC, QUEUE, KIND),
        st.tuples(st.just("unsubscribe"), TOPIC, QUEUE, st.none()),
        st.tuples(st.just("filter"), TOPIC, QUEUE, KIND),
        st.tuples(st.just("publish"), TOPIC, KIND, st.sampled_from([None, 1, 2, 3])),
        st.tuples(
            st.just("publish_some"), TOPIC, KIND, st.lists(st.sampled_from([1, 2, 3, 4]), min_size=2, max_size=4)
        ),
        st.tuples(st.just("delete_topic"), TOPIC, st.none(), st.none()),
        st.tuples(st.just("pass_time"), st.sampled_from([1, 299, 300]), st.none(), st.none()),
        st.tuples(st.just("forget"), st.none(), st.none(), st.none()),
    ),
    min_size=1,
    max_size=10,
)


@dataclass
class Topic:
    """Subscriptions by their queues: ARN, and the kind of message they want, None: any. `known`: duplicates."""

    subscriptions: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    known: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    last: int = 0


def standing(memory: Any) -> Any:
    """All that is known of topics, but for the order among subscriptions, which an undone end of one may change."""
    filters = {whose: count for whose, count in memory.filters.items() if count}
    return filters, {
        arn: (
            topic.id,
            topic.attributes,
            {id: (each.arn, each.endpoint, each.raw, each.filter is None) for id, each in topic.subscriptions.items()},
        )
        for arn, topic in memory.topics.items()
    }


class TopicMachine(RuleBasedStateMachine):
    """Each rule is a batch of some steps, whose COMMIT may fail, or something that happens between batches."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "sns.db")
        self.client = Client(self.bench)
        self.model: dict[str, Topic] = {}
        self.count = 0
        for name in NAMES:
            self.create(name)

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.close()
            self.folder.cleanup()

    @rule(steps=STEPS)
    def batch(self, steps: list[Step]) -> None:
        with self.bench.batch():
            self.run(steps)

    @rule(steps=STEPS)
    def failing_batch(self, steps: list[Step]) -> None:
        model, before, sent = deepcopy(self.model), standing(self.bench.memory), len(self.letters)
        with self.bench.batch(fails=True):
            self.run(steps)
        self.model = model  # nobody was given what failed
        assert standing(self.bench.memory) == before
        assert len(self.letters) == sent

    def run(self, steps: list[Step]) -> None:
        for name, *given in steps:
            getattr(self, name)(*given)

    @property
    def letters(self) -> list[Any]:
        letters: list[Any] = self.bench.room.outbox.sent
        return letters

    def create(self, name: str) -> None:
        arn = self.client.fifo(name) if name.endswith(".fifo") else self.client.topic(name)
        assert arn == TOPICS[name]
        self.model[name] = Topic()

    def delete_topic(self, name: str, *_: None) -> None:
        """And make it anew: nothing of the old one is left."""
        self.client.delete_topic(topic_arn=TOPICS[name])
        self.create(name)

    def queue(self, topic: str, queue: str) -> str:
        return queue_arn(queue + topic.partition(".")[1] + topic.partition(".")[2])

    def subscribe(self, topic: str, queue: str, kind: str | None) -> None:
        subscriptions = self.model[topic].subscriptions
        if queue in subscriptions:
            return
        attributes = {"RawMessageDelivery": "true", **({"FilterPolicy": wants(kind)} if kind else {})}
        arn = self.client.subscribe(
            topic_arn=TOPICS[topic], protocol="sqs", endpoint=self.queue(topic, queue), attributes=attributes
        )["SubscriptionArn"]
        assert arn not in {each for each, _ in subscriptions.values()}
        subscriptions[queue] = arn, kind

    def unsubscribe(self, topic: str, queue: str, *_: None) -> None:
        if queue in self.model[topic].subscriptions:
            self.client.unsubscribe(subscription_arn=self.model[topic].subscriptions.pop(queue)[0])

    def filter(self, topic: str, queue: str, kind: str | None) -> None:
        subscriptions = self.model[topic].subscriptions
        if queue not in subscriptions:
            return
        arn, _ = subscriptions[queue]
        value = {"attribute_value": wants(kind)}
        self.client.set_subscription_attributes(subscription_arn=arn, attribute_name="FilterPolicy", **value)
        subscriptions[queue] = arn, kind

    def publish(self, topic: str, kind: str | None, id: int | None) -> None:
        entry = self.entry(topic, kind, id)
        before = len(self.letters)
        result = self.client.publish(topic_arn=TOPICS[topic], **{snake(name): each for name, each in entry.items()})
        self.check(topic, kind, [(entry, result)], before)

    def publish_some(self, topic: str, kind: str | None, ids: list[int]) -> None:
        entries = [{"Id": str(at), **self.entry(topic, kind, id)} for at, id in enumerate(ids)]
        before = len(self.letters)
        answer = self.client.publish_batch(topic_arn=TOPICS[topic], publish_batch_request_entries=entries)
        assert answer["Failed"] == []
        results = [{name: each[name] for name in each if name != "Id"} for each in answer["Successful"]]
        self.check(topic, kind, list(zip(entries, results, strict=True)), before)

    def entry(self, topic: str, kind: str | None, id: int | None) -> dict[str, Any]:
        """A message, of its own body. `id` makes it a duplicate on a FIFO topic, None: of none."""
        self.count += 1
        entry: dict[str, Any] = {"Message": str(self.count)}
        if kind:
            entry["MessageAttributes"] = {"kind": {"DataType": "String", "StringValue": kind}}
        if topic.endswith(".fifo"):
            name = f"new-{self.count}" if id is None else str(id)
            entry |= {"MessageGroupId": f"g{self.count % 2}", "MessageDeduplicationId": name}
        return entry

    def check(self, topic: str, kind: str | None, done: list[tuple[Any, Any]], before: int) -> None:
        """Each message that is no duplicate has a letter to each subscription that wants it; to each in order."""
        known = self.model[topic]
        expected = []
        for entry, result in done:
            id = entry.get("MessageDeduplicationId")
            if id in known.known and round((self.bench.now - known.known[id][0] - WINDOW) * 1000) < 0:
                assert result == known.known[id][1]
                continue
            if id is not None:
                assert int(result["SequenceNumber"]) > known.last
                known.last = int(result["SequenceNumber"])
                known.known[id] = self.bench.now, result
            wanting = [queue for queue, (_, wanted) in known.subscriptions.items() if wanted in (None, kind)]
            group = entry.get("MessageGroupId", "")
            expected += [(self.queue(topic, queue), entry["Message"], group, id) for queue in wanting]
        found = [(each.arn, each.body, each.group, each.deduplication) for each in self.letters[before:]]
        for queue in {arn for arn, *_ in [*found, *expected]}:
            assert [each for each in found if each[0] == queue] == [each for each in expected if each[0] == queue]

    def pass_time(self, seconds: int, *_: None) -> None:
        self.bench.now += seconds

    def forget(self, *_: None) -> None:
        self.bench.run(self.bench.make_call(), forget_duplicates)

    @rule()
    def crash(self) -> None:
        before = standing(self.bench.memory)
        self.bench.restart()
        assert standing(self.bench.memory) == before

    @rule(topic=TOPIC)
    def nobody_publishes_to_what_is_not_there(self, topic: str) -> None:
        before = len(self.letters)
        try:
            self.client.publish(topic_arn=TOPICS[topic] + "x", message="lost")
        except NotFoundException:
            assert len(self.letters) == before
        else:
            raise AssertionError("published to no topic")

    @invariant()
    def listed(self) -> None:
        for name, topic in self.model.items() if hasattr(self, "bench") else ():
            found = self.client.list_subscriptions_by_topic(topic_arn=TOPICS[name])["Subscriptions"]
            expected = {(arn, self.queue(name, queue)) for queue, (arn, _) in topic.subscriptions.items()}
            assert {(each["SubscriptionArn"], each["Endpoint"]) for each in found} == expected


def wants(kind: str | None) -> str:
    return json.dumps({"kind": [kind]}) if kind else "{}"


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


TopicMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
TestTopics = TopicMachine.TestCase
