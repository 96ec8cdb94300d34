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
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from awning.services.sqs.engine import Line
from awning.services.sqs.errors import InvalidParameterValue, MessageNotInflight
from awning.services.sqs.work import sweep
from tests.services.sqs.support import Bench, Client, OneQueue

RETENTION = 120
VISIBILITY = 30


@dataclass
class Message:
    """`visible` is when it can be received; `received` says whether that is because it was received before."""

    sent: float
    visible: float
    times: int = 0

    def delayed(self, now: float) -> bool:
        return self.times == 0 and self.visible > now

    def in_flight(self, now: float) -> bool:
        return self.times > 0 and self.visible > now


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
    """Each rule is one batch, or a step in a longer one that may fail to commit."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "sqs.db")
        self.queue = OneQueue(Client(self.bench), MessageRetentionPeriod=str(RETENTION))
        self.model = Model()
        self.handles: dict[str, str] = {}
        self.sent = 0
        self.batch: Any = None
        self.before = Model(), self.handles

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            if self.batch is not None:
                self.batch.__exit__(None, None, None)
            self.bench.close()
            self.folder.cleanup()

    @property
    def line(self) -> Line:
        line: Line = next(iter(self.bench.memory.queues.values())).line
        return line

    @property
    def now(self) -> float:
        return self.bench.now

    @precondition(lambda self: self.batch is None)
    @rule(fails=st.booleans())
    def begin(self, fails: bool) -> None:
        self.batch = self.bench.batch(fails=fails)
        self.batch.__enter__()
        self.fails = fails
        self.before = deepcopy(self.model), dict(self.handles)
        self.line_before = deepcopy(self.line)

    @precondition(lambda self: self.batch is not None)
    @rule()
    def end(self) -> None:
        self.batch.__exit__(None, None, None)
        self.batch = None
        if self.fails:
            self.model, self.handles = self.before  # nobody was given what failed
            assert standing(self.line, self.now) == standing(self.line_before, self.now)

    @rule(delay=st.sampled_from([None, 0, 1, 5, 200]))
    def send(self, delay: int | None) -> None:
        self.sent += 1
        body = str(self.sent)
        self.queue.send(body, delay_seconds=delay)
        self.model.messages[body] = Message(self.now, self.now + (delay or 0))

    @rule(count=st.integers(1, 10), timeout=st.sampled_from([None, 0, 1, 7, 500]))
    def receive(self, count: int, timeout: int | None) -> None:
        receivable = self.model.receivable(self.now)
        messages = self.queue.receive(count, visibility_timeout=timeout, attribute_names=["All"])
        bodies = [message["Body"] for message in messages]
        assert len(bodies) == len(set(bodies)) == min(count, len(receivable))
        assert receivable.issuperset(bodies)
        for message in messages:
            known = self.model.messages[message["Body"]]
            known.times += 1
            known.visible = self.now + (VISIBILITY if timeout is None else timeout)
            assert message["Attributes"]["ApproximateReceiveCount"] == str(known.times)
            self.handles[message["ReceiptHandle"]] = message["Body"]

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(list(self.handles)))
        self.queue.delete({"ReceiptHandle": handle})
        self.model.messages.pop(self.handles[handle], None)

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), timeout=st.sampled_from([0, 1, 60, 600]))
    def hide(self, data: st.DataObject, timeout: int) -> None:
        handle = data.draw(st.sampled_from(list(self.handles)))
        message = self.model.messages.get(self.handles[handle])
        try:
            self.queue.hide({"ReceiptHandle": handle}, timeout)
        except MessageNotInflight:
            assert message is not None
            assert not message.in_flight(self.now)
        except InvalidParameterValue:
            assert message is None or message.sent + RETENTION <= self.now
        else:
            assert message is not None
            assert message.in_flight(self.now)
            message.visible = self.now + timeout

    @rule(seconds=st.sampled_from([0.001, 1, 5, 29.999, 30, 60]))
    def pass_time(self, seconds: float) -> None:
        self.bench.now += seconds

    @rule()
    def sweep(self) -> None:
        self.bench.run(self.bench.make_call(), sweep)

    @precondition(lambda self: self.batch is None)
    @rule()
    def crash(self) -> None:
        """Everything that was sent waits again, and nobody knows who has received it."""
        self.bench.restart()
        for message in self.model.messages.values():
            if message.times:
                message.times, message.visible = 0, 0.0

    @precondition(lambda self: self.batch is None and self.bench_is_up())
    @invariant()
    def counts(self) -> None:
        """Counts agree once what is expired has been swept; until then there may be more."""
        messages = self.model.messages.values()
        alive = [m for m in messages if m.sent + RETENTION > self.now]
        visible, flight, delayed = self.queue.counts()
        assert flight >= sum(m.in_flight(self.now) for m in alive)
        assert delayed == sum(m.delayed(self.now) for m in messages)
        assert len(alive) <= visible + flight + delayed <= len(messages)

    def bench_is_up(self) -> bool:
        return hasattr(self, "bench")


QueueMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestStandardQueue = QueueMachine.TestCase
