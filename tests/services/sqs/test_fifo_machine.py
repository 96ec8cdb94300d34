"""A FIFO queue against a small obvious model: any order of operations, failed commits, crashes, and time.

A crash changes nothing: what is built from the tables is what was in memory.
"""

from __future__ import annotations

import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from awning.services.sqs.duplicates import forget_duplicates
from awning.services.sqs.errors import InvalidParameterValue, PurgeQueueInProgress
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.memory import Queue, build
from awning.services.sqs.work import sweep
from tests.services.sqs.support import Bench, Client, OneQueue

VISIBILITY = 30
WINDOW = 300
TIMES = [1, 1_000, 5_000, 29_999, 30_000, 299_999, 300_000]

Step = tuple[str, Any, Any]
RECENT = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from("abc"), st.sampled_from([None, None, 1, 2])),
        st.tuples(st.just("send_some"), st.sampled_from("ab"), st.integers(2, 4)),
        st.tuples(st.just("receive"), st.sampled_from([1, 2, 3, 10]), st.sampled_from([None, None, None, 0, 7, 500])),
        st.tuples(st.just("receive"), st.sampled_from([2, 3, 10]), st.none()),
        st.tuples(st.just("delete"), RECENT, st.none()),
        st.tuples(st.just("hide"), RECENT, st.sampled_from([0, 0, 1, 60])),
        st.tuples(st.just("pass_time"), st.sampled_from(TIMES), st.none()),
        st.tuples(st.sampled_from(["clean_up", "purge", "slow_down"]), st.sampled_from([0, 5, 30]), st.none()),
    ),
    min_size=1,
    max_size=12,
)


@dataclass
class Message:
    """`until` is when it is visible again after its last receive."""

    body: str
    group: str
    sent: float
    until: float = 0.0
    times: int = 0


@dataclass
class Model:
    """Messages in the order of sending; and by its id what was sent last, with when and its sequence number."""

    messages: dict[str, Message] = field(default_factory=dict)
    sent: dict[str, tuple[float, str]] = field(default_factory=dict)
    delay: float = 0.0
    purged: float = 0.0

    def delayed(self, message: Message, now: float) -> bool:
        return message.times == 0 and round((message.sent + self.delay - now) * 1000) > 0

    def in_flight(self, message: Message, now: float) -> bool:
        return message.times > 0 and round((message.until - now) * 1000) > 0

    def receivable(self, now: float) -> dict[str, list[str]]:
        """Of each group, the messages before the first that is hidden."""
        found: dict[str, list[str]] = {}
        blocked = set()
        for message in self.messages.values():
            if self.delayed(message, now) or self.in_flight(message, now):
                blocked.add(message.group)
            elif message.group not in blocked:
                found.setdefault(message.group, []).append(message.body)
        return found


def standing(queue: Queue, now: float) -> Any:
    """All that is known of a queue, apart from the order in which groups take turns and from what only costs memory."""
    line = queue.line
    assert isinstance(line, FifoLine)
    line.settle(round(now * 1000))
    groups = {name: (list(group.received), list(group.fresh)) for name, group in line._groups.items()}
    received = {number: (each.group, each.seen, each.until) for number, each in line._received.items()}
    return line.total, line._flight, groups, received, line._delayed, set(line._ready), queue.recent


class FifoMachine(RuleBasedStateMachine):
    """Each rule is a batch of some steps, whose COMMIT may fail, or something that happens between batches."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "sqs.db")
        self.queue = OneQueue(Client(self.bench), "jobs.fifo", FifoQueue="true")
        self.model = Model()
        self.handles: dict[str, tuple[str, int]] = {}
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.close()
            self.folder.cleanup()

    @property
    def now(self) -> float:
        return self.bench.now

    def standing(self) -> Any:
        return standing(next(iter(self.bench.memory.queues.values())), self.now)

    @rule(steps=STEPS)
    def batch(self, steps: list[Step]) -> None:
        with self.bench.batch():
            self.run(steps)

    @rule(steps=STEPS)
    def failing_batch(self, steps: list[Step]) -> None:
        model, handles = deepcopy(self.model), dict(self.handles)
        before = deepcopy(self.bench.memory)
        with self.bench.batch(fails=True):
            self.run(steps)
        self.model, self.handles = model, handles  # nobody was given what failed
        assert self.standing() == standing(next(iter(before.queues.values())), self.now)

    def run(self, steps: list[Step]) -> None:
        for name, first, second in steps:
            getattr(self, name)(first, second)

    def send(self, group: str, id: int | None) -> None:
        self.count += 1
        body = str(self.count)
        id_ = f"new-{body}" if id is None else str(id)
        result = self.queue.send(body, message_group_id=group, message_deduplication_id=id_)
        known = self.model.sent.get(id_)
        if known is not None and round((self.now - known[0] - WINDOW) * 1000) < 0:
            assert result["SequenceNumber"] == known[1]
            return
        assert result["SequenceNumber"] not in {number for _, number in self.model.sent.values()}
        self.model.sent[id_] = self.now, result["SequenceNumber"]
        self.model.messages[body] = Message(body, group, self.now)

    def send_some(self, group: str, count: int) -> None:
        for _ in range(count):
            self.send(group, None)

    def receive(self, count: int, timeout: int | None) -> None:
        receivable = self.model.receivable(self.now)
        messages = self.queue.receive(count, visibility_timeout=timeout, attribute_names=["All"])
        bodies = [message["Body"] for message in messages]
        assert len(bodies) == min(count, sum(map(len, receivable.values())))
        runs = [(group, list(run)) for group, run in groupby(bodies, lambda body: self.model.messages[body].group)]
        assert len({group for group, _ in runs}) == len(runs)
        for position, (group, run) in enumerate(runs):
            assert run == receivable[group][: len(run)]
            assert position == len(runs) - 1 or len(run) == len(receivable[group])
        for message in messages:
            known = self.model.messages[message["Body"]]
            known.times += 1
            known.until = self.now + (VISIBILITY if timeout is None else timeout)
            assert message["Attributes"]["ApproximateReceiveCount"] == str(known.times)
            assert message["Attributes"]["MessageGroupId"] == known.group
            self.handles[message["ReceiptHandle"]] = known.body, known.times

    def a_handle(self, index: int) -> str | None:
        """One of the handles that were given out, the youngest by 0."""
        return list(self.handles)[-1 - index % len(self.handles)] if self.handles else None

    def delete(self, index: int, _: None) -> None:
        handle = self.a_handle(index)
        if handle is None:
            return
        body, times = self.handles[handle]
        message = self.model.messages.get(body)
        try:
            self.queue.delete({"ReceiptHandle": handle})
        except InvalidParameterValue:
            assert message is not None
            assert message.times != times or not self.model.in_flight(message, self.now)
        else:
            assert message is None or (message.times == times and self.model.in_flight(message, self.now))
            self.model.messages.pop(body, None)

    def hide(self, index: int, timeout: int) -> None:
        handle = self.a_handle(index)
        if handle is None:
            return
        body, times = self.handles[handle]
        message = self.model.messages.get(body)
        try:
            self.queue.hide({"ReceiptHandle": handle}, timeout)
        except InvalidParameterValue:
            assert message is None or message.times != times or not self.model.in_flight(message, self.now)
        else:
            assert message is not None
            assert message.times == times
            assert self.model.in_flight(message, self.now)
            message.until = self.now + timeout

    def pass_time(self, milliseconds: int, _: None) -> None:
        self.bench.now = round(self.bench.now + milliseconds / 1000, 3)

    def slow_down(self, seconds: int, _: None) -> None:
        self.queue.set(DelaySeconds=str(seconds))
        self.model.delay = seconds

    def purge(self, _: int, __: None) -> None:
        try:
            self.queue.client.purge_queue(queue_url=self.queue.url)
        except PurgeQueueInProgress:
            assert self.now < self.model.purged + 60
        else:
            self.model.messages, self.model.sent, self.model.purged = {}, {}, self.now

    def clean_up(self, _: int, __: None) -> None:
        self.bench.run(self.bench.make_call(), sweep)
        self.bench.run(self.bench.make_call(), forget_duplicates)

    @rule(milliseconds=st.sampled_from(TIMES))
    def wait(self, milliseconds: int) -> None:
        self.pass_time(milliseconds, None)

    @rule()
    def crash(self) -> None:
        before = self.standing()
        self.bench.restart()
        assert self.standing() == before

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "bench"):
            return
        messages = self.model.messages.values()
        flight = sum(self.model.in_flight(message, self.now) for message in messages)
        delayed = sum(self.model.delayed(message, self.now) for message in messages)
        assert self.queue.counts() == (len(messages) - flight - delayed, flight, delayed)
        rebuilt = next(iter(build(self.bench.reader).queues.values()))
        assert standing(rebuilt, self.now) == self.standing()


FifoMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestFifoQueue = FifoMachine.TestCase
