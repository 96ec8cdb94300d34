"""A standard queue against a small obvious model: any order of operations, failed commits, crashes, and time."""

from __future__ import annotations

import tempfile
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from awning.services.sqs.engine import Line
from awning.services.sqs.errors import InvalidParameterValue
from awning.services.sqs.work import sweep
from tests.services.sqs.support import Bench, Client, OneQueue

RETENTION = 120
VISIBILITY = 30
TIMES = [1, 1_000, 5_000, 29_999, 30_000, 60_000]

Step = tuple[str, Any, Any]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 5), st.sampled_from([None, 0, 1, 5, 200])),
        st.tuples(st.just("receive"), st.integers(1, 10), st.sampled_from([None, 0, 1, 7, 500])),
        st.tuples(st.just("delete"), st.integers(0, 20), st.none()),
        st.tuples(st.just("hide"), st.integers(0, 20), st.sampled_from([0, 1, 60, 600])),
        st.tuples(st.just("pass_time"), st.sampled_from(TIMES), st.none()),
        st.tuples(st.just("sweep"), st.none(), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@dataclass
class Message:
    """`visible` is when it can be received; `received` says whether that is because it was received before, if only before a
    crash."""

    sent: float
    visible: float
    times: int = 0
    received: bool = False

    def delayed(self, now: float) -> bool:
        return not self.received and self.visible > now

    def in_flight(self, now: float) -> bool:
        return self.received and self.visible > now


@dataclass
class Model:
    """Messages by their body, which is unique."""

    messages: dict[str, Message] = field(default_factory=dict)

    def receivable(self, now: float) -> set[str]:
        return {b for b, m in self.messages.items() if m.visible <= now and m.sent + RETENTION > now}


def standing(line: Line, now: float) -> Any:
    """All that a line knows, apart from the order in which it gives messages out and from what only costs memory."""
    line.settle(round(now * 1000))
    ready = Counter(line._ready._items[line._ready._head :])
    ready.subtract(line._removed)
    delayed = sorted(entry for entry in line._delayed if entry & (1 << 64) - 1 not in line._void)
    return line.total, +ready, delayed, line._flight, line._seen


class QueueMachine(RuleBasedStateMachine):
    """Each rule is a batch of some steps, whose COMMIT may fail, or something that happens between batches."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "sqs.db")
        self.queue = OneQueue(Client(self.bench), MessageRetentionPeriod=str(RETENTION))
        self.model = Model()
        self.handles: dict[str, str] = {}
        self.sent = 0

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.close()
            self.folder.cleanup()

    @property
    def line(self) -> Line:
        line: Line = next(iter(self.bench.memory.queues.values())).line
        return line

    @property
    def now(self) -> float:
        return self.bench.now

    @rule(steps=STEPS)
    def batch(self, steps: list[Step]) -> None:
        with self.bench.batch():
            self.run(steps)

    @rule(steps=STEPS)
    def failing_batch(self, steps: list[Step]) -> None:
        model, handles = deepcopy(self.model), dict(self.handles)
        line = deepcopy(self.line)
        with self.bench.batch(fails=True):
            self.run(steps)
        self.model, self.handles = model, handles  # nobody was given what failed
        assert standing(self.line, self.now) == standing(line, self.now)

    def run(self, steps: list[Step]) -> None:
        for name, first, second in steps:
            getattr(self, name)(first, second)

    def send(self, count: int, delay: int | None) -> None:
        for _ in range(count):
            self.sent += 1
            body = str(self.sent)
            self.queue.send(body, delay_seconds=delay)
            self.model.messages[body] = Message(self.now, self.now + (delay or 0))

    def receive(self, count: int, timeout: int | None) -> None:
        receivable = self.model.receivable(self.now)
        messages = self.queue.receive(count, visibility_timeout=timeout, attribute_names=["All"])
        bodies = [message["Body"] for message in messages]
        assert len(bodies) == len(set(bodies)) == min(count, len(receivable))
        assert receivable.issuperset(bodies)
        for message in messages:
            known = self.model.messages[message["Body"]]
            known.times, known.received = known.times + 1, True
            known.visible = self.now + (VISIBILITY if timeout is None else timeout)
            assert message["Attributes"]["ApproximateReceiveCount"] == str(known.times)
            self.handles[message["ReceiptHandle"]] = message["Body"]

    def a_handle(self, index: int) -> str | None:
        """One of the handles that were given out, the youngest by 0."""
        return list(self.handles)[-1 - index % len(self.handles)] if self.handles else None

    def delete(self, index: int, _: None) -> None:
        handle = self.a_handle(index)
        if handle is not None:
            self.queue.delete({"ReceiptHandle": handle})
            self.model.messages.pop(self.handles[handle], None)

    def hide(self, index: int, timeout: int) -> None:
        handle = self.a_handle(index)
        if handle is None:
            return
        message = self.model.messages.get(self.handles[handle])
        try:
            self.queue.hide({"ReceiptHandle": handle}, timeout)
        except InvalidParameterValue:
            assert message is None or message.sent + RETENTION <= self.now
        else:
            assert message is not None
            if timeout or message.in_flight(self.now):
                message.visible = self.now + timeout

    def pass_time(self, milliseconds: int, _: None) -> None:
        self.bench.now += milliseconds / 1000

    def sweep(self, _: None, __: None) -> None:
        self.bench.run(self.bench.make_call(), sweep)

    @rule(milliseconds=st.sampled_from(TIMES))
    def wait(self, milliseconds: int) -> None:
        self.pass_time(milliseconds, None)

    @rule()
    def crash(self) -> None:
        """Everything that was sent waits again, and nobody knows who has received it."""
        self.bench.restart()
        for message in self.model.messages.values():
            if message.received:
                message.times, message.visible = 0, 0.0

    @invariant()
    def counts(self) -> None:
        """Counts agree once what is expired has been swept; until then there may be more."""
        if not hasattr(self, "bench"):
            return
        messages = self.model.messages.values()
        alive = [m for m in messages if m.sent + RETENTION > self.now]
        visible, flight, delayed = self.queue.counts()
        assert flight >= sum(m.in_flight(self.now) for m in alive)
        assert delayed == sum(m.delayed(self.now) for m in messages)
        assert len(alive) <= visible + flight + delayed <= len(messages)


QueueMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestStandardQueue = QueueMachine.TestCase
