"""A queue, its dead-letter queue and move tasks against a small obvious model: any order of operations, crashes, failed commits.

Whatever happens, each message that is not deleted is in one of the two queues, once.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from awning.kit.errors import ServiceError
from awning.services.sqs import contents, tables
from awning.services.sqs.errors import InvalidParameterValue, PurgeQueueInProgress
from awning.services.sqs.memory import leave
from awning.services.sqs.moves import carry_out
from awning.services.sqs.work import sweep
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue

VISIBILITY = 30
MOST = 2
TIMES = [1, 500, 1_000, 29_999, 30_000, 61_000]
QUEUES = ("jobs", "dead")

Step = tuple[str, Any, Any]
WHICH = st.sampled_from(["jobs", "jobs", "dead"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 5), st.sampled_from("ab")),
        st.tuples(st.just("receive"), WHICH, st.sampled_from([1, 3, 10, 10])),
        st.tuples(st.just("reject"), WHICH, st.sampled_from([3, 10, 10])),
        st.tuples(st.just("reject"), st.just("jobs"), st.just(10)),
        st.tuples(st.just("delete"), st.integers(0, 9), st.integers(1, 4)),
        st.tuples(st.just("start_move"), st.sampled_from([None, None, 1, 4]), st.booleans()),
        st.tuples(st.sampled_from(["move", "move", "cancel", "sweep"]), st.none(), st.none()),
        st.tuples(st.just("purge"), WHICH, st.none()),
        st.tuples(st.just("pass_time"), st.sampled_from(TIMES), st.none()),
    ),
    min_size=1,
    max_size=10,
)


@dataclass
class Message:
    """`queue` is where it is, `times` how often it was received there, `until` when it is visible."""

    queue: str
    group: str
    until: float = 0.0
    times: int = 0


@dataclass
class Model:
    """Messages by their bodies, which are unique. `moved` counts what the last move task, of `handle`, has moved;
    `returned` are those that any has."""

    messages: dict[str, Message] = field(default_factory=dict)
    moved: int = 0
    handle: str | None = None
    returned: set[str] = field(default_factory=set)

    def visible(self, queue: str, now: float) -> set[str]:
        return {
            body
            for body, message in self.messages.items()
            if message.queue == queue and round((message.until - now) * 1000) <= 0
        }

    def poisoned(self, now: float) -> set[str]:
        """What the next receive from the queue would hand over, if its turn came."""
        return {body for body in self.visible("jobs", now) if self.messages[body].times >= MOST}


class DeadLetterMachine(RuleBasedStateMachine):
    """Each rule is a batch of some steps, whose COMMIT may fail, or something that happens between batches."""

    suffix = ""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "sqs.db")
        client = Client(self.bench)
        fifo = {"FifoQueue": "true"} if self.suffix else {}
        self.dead_arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead{self.suffix}"
        self.queues = {"dead": OneQueue(client, f"dead{self.suffix}", SqsManagedSseEnabled="false", **fifo)}
        policy = json.dumps({"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": MOST})
        self.queues["jobs"] = OneQueue(client, f"jobs{self.suffix}", RedrivePolicy=policy, **fifo)
        self.model = Model()
        self.handles: dict[str, tuple[str, str]] = {}
        self.sent = 0

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.close()
            self.folder.cleanup()

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
        with self.bench.batch(fails=True):
            self.run(steps)
        self.model, self.handles = model, handles  # nobody was given what failed

    def run(self, steps: list[Step]) -> None:
        for name, first, second in steps:
            getattr(self, name)(first, second)

    def stored(self) -> dict[str, tuple[str, int]]:
        """Where each message is, by the tables, and its number there; each is there once."""
        names = {queue.id: queue.name for queue in self.bench.memory.queues.values()}
        purged = {queue.id: queue.purged_through for queue in self.bench.memory.queues.values()}
        db, call = self.bench.writer, self.bench.make_call()
        rows = db.execute("SELECT queue, number FROM messages").fetchall()
        found = [
            (contents.read(call, queue, number, tables.read_message(db, number))[0], names[queue], number)
            for queue, number in rows
            if number > purged[queue]
        ]
        assert max(Counter(body for body, *_ in found).values(), default=1) == 1, "a message is there twice"
        return {body: (name.removesuffix(".fifo"), number) for body, name, number in found}

    def follow(self, allowed: set[str], target: str) -> set[str]:
        """Let the model's messages follow the real ones, which may have moved to `target` if `allowed` to; return those."""
        moved = set()
        stored = self.stored()
        assert stored.keys() == self.model.messages.keys()
        for body, message in self.model.messages.items():
            queue, _ = stored[body]
            if message.queue != queue:
                assert body in allowed
                assert queue == target
                message.queue, message.times, message.until = target, 0, 0.0
                moved.add(body)
        return moved

    def send(self, count: int, group: str) -> None:
        bodies = [str(self.sent + at) for at in range(count)]
        self.sent += count
        more = {"MessageGroupId": group} if self.suffix else {}
        entries = [
            {"Id": body, "MessageBody": body, **more, **({"MessageDeduplicationId": body} if more else {})}
            for body in bodies
        ]
        queue = self.queues["jobs"]
        assert len(queue.client.send_message_batch(queue_url=queue.url, entries=entries)["Successful"]) == count
        self.model.messages.update({body: Message("jobs", group) for body in bodies})

    def receive(self, which: str, count: int) -> list[Any]:
        visible = self.model.visible(which, self.now)
        poisoned = self.model.poisoned(self.now) if which == "jobs" else set()
        messages = self.queues[which].receive(count, attribute_names=["ApproximateReceiveCount"])
        moved = self.follow(poisoned, "dead")
        bodies = [message["Body"] for message in messages]
        assert len(bodies) == len(set(bodies)) <= count
        assert visible - poisoned >= set(bodies)
        self.check_taken(visible, poisoned, moved, bodies, count)
        for message in messages:
            known = self.model.messages[message["Body"]]
            known.times += 1
            known.until = self.now + VISIBILITY
            if which == "jobs":
                assert message["Attributes"]["ApproximateReceiveCount"] == str(known.times)
            self.handles[message["ReceiptHandle"]] = which, message["Body"]
        return messages

    def check_taken(self, visible: set[str], poisoned: set[str], moved: set[str], got: list[str], count: int) -> None:
        """As much came as there was; what was poison was passed over only after all others that were wanted."""
        assert len(got) == min(count, len(visible - poisoned))
        if len(got) < count:
            assert moved == poisoned

    def reject(self, which: str, count: int) -> None:
        """Receive, and make visible again, the last first."""
        for message in reversed(self.receive(which, count)):
            self.queues[which].hide(message, 0)
            self.model.messages[message["Body"]].until = self.now

    def delete(self, index: int, count: int) -> None:
        """Delete in one batch by handles that were given out, the youngest by 0; some are old, or of messages that have moved."""
        chosen = list(self.handles)[::-1][index : index + count]
        if not chosen:
            return
        which = self.handles[chosen[0]][0]
        chosen = [handle for handle in chosen if self.handles[handle][0] == which]
        queue = self.queues[which]
        entries = [{"Id": str(at), "ReceiptHandle": handle} for at, handle in enumerate(chosen)]
        answer = queue.client.delete_message_batch(queue_url=queue.url, entries=entries)
        gone = self.model.messages.keys() - self.stored().keys()
        mine = {self.handles[chosen[int(each["Id"])]][1] for each in answer.get("Successful", [])}
        assert gone <= mine
        for body in mine - gone:  # the handle was of another queue's number by then: it had been moved
            assert body not in self.model.messages or self.was_moved(body, which)
        for body in gone:
            del self.model.messages[body]
        refused = [chosen[int(each["Id"])] for each in answer.get("Failed", [])]
        assert not refused or self.suffix
        for handle in refused:
            assert self.handles[handle][1] in self.model.messages

    def was_moved(self, body: str, which: str) -> bool:
        return self.model.messages[body].queue != which or body in self.model.returned

    def start_move(self, speed: int | None, named: bool) -> None:
        options: dict[str, Any] = {"max_number_of_messages_per_second": speed} if speed else {}
        if named:
            options["destination_arn"] = self.dead_arn.replace("dead", "jobs")
        try:
            started = self.queues["dead"].client.start_message_move_task(source_arn=self.dead_arn, **options)
        except InvalidParameterValue:
            assert self.task()["Status"] in ("RUNNING", "CANCELLING")
        else:
            self.model.moved, self.model.handle = 0, started["TaskHandle"]

    def task(self) -> dict[str, Any]:
        """The last task, as the batch that is open has it."""
        row = self.bench.writer.execute("SELECT state, moved, total FROM moves ORDER BY rowid DESC LIMIT 1").fetchone()
        return {"Status": row[0], "Moved": row[1], "Total": row[2]} if row else {}

    def move(self, _: None, __: None) -> None:
        running = self.task().get("Status") == "RUNNING"
        visible = self.model.visible("dead", self.now) if running else set()
        self.bench.run(self.bench.make_call(), carry_out)
        moved = self.follow(visible, "jobs")
        self.model.moved += len(moved)
        self.model.returned |= moved
        if self.task():
            assert self.task()["Moved"] == self.model.moved
        if running and self.task()["Status"] == "COMPLETED" and not self.suffix:
            assert moved == visible or self.model.moved == self.task()["Total"]

    def cancel(self, _: None, __: None) -> None:
        if self.model.handle is None:
            return
        try:
            self.queues["dead"].client.cancel_message_move_task(task_handle=self.model.handle)
        except ServiceError:
            assert self.task()["Status"] != "RUNNING"

    def purge(self, which: str, _: None) -> None:
        try:
            self.queues[which].client.purge_queue(queue_url=self.queues[which].url)
        except PurgeQueueInProgress:
            return
        kept = {body: message for body, message in self.model.messages.items() if message.queue != which}
        self.model.messages = kept

    def sweep(self, _: None, __: None) -> None:
        self.bench.run(self.bench.make_call(), sweep)

    def pass_time(self, milliseconds: int, _: None) -> None:
        self.bench.now = round(self.bench.now + milliseconds / 1000, 3)

    @rule(milliseconds=st.sampled_from(TIMES))
    def wait(self, milliseconds: int) -> None:
        self.pass_time(milliseconds, None)

    @rule()
    def crash(self) -> None:
        self.bench.restart()
        for message in self.model.messages.values() if not self.suffix else ():
            message.times, message.until = 0, 0.0

    @rule()
    def stop_and_start(self) -> None:
        """Nothing is forgotten; what was kept is believed once."""
        self.bench.run(self.bench.make_call(), leave)
        self.bench.restart()
        self.bench.writer.execute("DELETE FROM receives")

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "bench"):
            return
        self.follow(set(), "")
        for name in QUEUES:
            here = [message for message in self.model.messages.values() if message.queue == name]
            visible = len(self.model.visible(name, self.now))
            assert self.queues[name].counts() == (visible, len(here) - visible, 0)


class FifoDeadLetterMachine(DeadLetterMachine):
    """The same of FIFO queues, where a crash forgets nothing, and a message that is in flight holds up its group."""

    suffix = ".fifo"

    def check_taken(self, visible: set[str], poisoned: set[str], moved: set[str], got: list[str], count: int) -> None:
        """Something came, or moved, where a group has a first message that is visible; each group came in its order."""
        messages, stored = self.model.messages, self.stored()
        for group in "ab":
            numbers = [stored[body][1] for body in got if messages[body].group == group]
            assert numbers == sorted(numbers)
        if not got and not moved:
            (which,) = {messages[body].queue for body in visible} or {"none"}
            here = sorted((number, body) for body, (queue, number) in stored.items() if queue == which)
            firsts: dict[str, str] = {}
            for _, body in here:
                firsts.setdefault(messages[body].group, body)
            assert not visible.intersection(firsts.values())


DeadLetterMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
FifoDeadLetterMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
TestDeadLetters = DeadLetterMachine.TestCase
TestFifoDeadLetters = FifoDeadLetterMachine.TestCase
