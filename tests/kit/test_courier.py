"""The courier: exactly once and in order between rooms, whatever fails; each destination outside on its own."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning import contracts
from awning.contracts import Deliver
from awning.kit.call import Call
from awning.kit.courier import Courier, Slots
from awning.kit.deliveries import TryAgain, Undeliverable
from awning.kit.room import Room
from awning.store.outbox import Patience
from tests.kit.conftest import Workshop, facts, get, put, run


@dataclass(frozen=True, slots=True)
class DeliverNote(Deliver):
    """A delivery for these tests, to a room."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class CarryNote(Deliver):
    """A delivery for these tests, out of the region."""

    text: str = ""


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "DeliverNote", DeliverNote, raising=False)
    monkeypatch.setattr(contracts, "CarryNote", CarryNote, raising=False)


def take_note(call: Call, delivery: DeliverNote) -> None:
    put(call, delivery.text, delivery.arn)


def post(call: Call, *notes: Deliver) -> None:
    for note in notes:
        call.send(note)


async def send(room: Room, *notes: Deliver) -> None:
    for start in range(0, len(notes), 1000):
        await room.write(room.call(facts()), post, notes[start : start + 1000])


def names(room: Room) -> list[str]:
    return [name for (name,) in room.database.reader.execute("SELECT name FROM notes ORDER BY rowid")]


def waiting(room: Room) -> int:
    return room.outbox.waiting(room.database.reader)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


@dataclass
class Scene:
    """A sender, a taker, and what was reported."""

    workshop: Workshop
    sender: Room
    taker: Room
    reports: list[str] = field(default_factory=list)
    courier: Courier = None  # type: ignore[assignment]
    carrying: asyncio.Task[None] = None  # type: ignore[assignment]

    def start(self, **given: Any) -> None:
        targets = dict.fromkeys(self.taker.service.accepts, self.taker)
        self.courier = Courier(self.sender, targets.get, self.reports.append, **given)
        self.workshop.around.on_sent = lambda room: self.courier.kick() if room is self.sender else None
        self.carrying = asyncio.create_task(self.courier.run())

    async def stop(self) -> None:
        self.courier.stop()
        await self.carrying

    async def kill(self) -> None:
        self.carrying.cancel()
        await asyncio.gather(self.carrying, return_exceptions=True)

    def advance(self, seconds: float) -> None:
        self.workshop.clock.advance(seconds)
        self.courier.kick()


@asynccontextmanager
async def scene(
    workshop: Workshop, accept: Callable[..., None] = take_note, start: bool = True, **sender: Any
) -> AsyncIterator[Scene]:
    slots = sender.pop("slots", Slots())
    made = Scene(workshop, workshop.room("sender", **sender), workshop.room("taker", accepts={DeliverNote: accept}))
    if start:
        made.start(slots=slots)
    yield made
    await made.kill()
    await workshop.close()


def test_what_was_sent_arrives_once_and_what_failed_leaves_nothing(workshop: Workshop) -> None:
    def fail(call: Call) -> None:
        call.send(DeliverNote("never", text="never"))
        raise ValueError("no")

    async def scenario() -> None:
        async with scene(workshop) as it:
            with pytest.raises(ValueError, match="no"):
                await it.sender.write(it.sender.call(facts()), fail)
            await send(it.sender, *(DeliverNote("q", text=f"n{number}") for number in range(3000)))
            await until(lambda: not waiting(it.sender))
            await it.stop()
            assert names(it.taker) == [f"n{number}" for number in range(3000)]
            assert it.taker.memory.count == 3000
            assert it.reports == []

    run(scenario())


def test_a_letter_that_fails_takes_only_itself_back(workshop: Workshop) -> None:
    def accept(call: Call, delivery: DeliverNote) -> None:
        take_note(call, delivery)
        if delivery.text.startswith("bad") and call.attempts < 2:
            call.after(lambda: pytest.fail("this was taken back"))
            call.send(DeliverNote("q", text="taken back"))
            raise ValueError("not yet")

    async def scenario() -> None:
        async with scene(workshop, accept) as it:
            await send(it.sender, *(DeliverNote("q", text=text) for text in ("a", "bad1", "b", "bad2", "c")))
            await until(lambda: waiting(it.sender) == 2)
            assert names(it.taker) == ["a", "b", "c"]
            assert it.taker.memory.count == 3
            for _ in range(2):
                await asyncio.sleep(0.02)
                it.advance(2)
            await until(lambda: not waiting(it.sender))
            assert sorted(names(it.taker)) == ["a", "b", "bad1", "bad2", "c"]
            assert waiting(it.taker) == 0
            assert it.reports == ["outbox of sender: DeliverNote to q: ValueError: not yet"]
            await until(lambda: len(it.courier.retries) == 0)

    run(scenario())


def test_a_group_waits_for_what_failed_and_nobody_else_does(workshop: Workshop) -> None:
    closed = {"g"}

    def accept(call: Call, delivery: DeliverNote) -> None:
        if delivery.group in closed:
            raise TryAgain("later", 5)
        take_note(call, delivery)

    async def scenario() -> None:
        async with scene(workshop, accept) as it:
            notes = [DeliverNote("q", group, text=f"{group}{number}") for number in range(200) for group in "gh"]
            await send(it.sender, *notes[:200])
            await until(lambda: waiting(it.sender) == 100)
            await send(it.sender, *notes[200:])
            await until(lambda: waiting(it.sender) == 200)
            assert names(it.taker) == [f"h{number}" for number in range(200)]
            await it.kill()
            it.start()
            await asyncio.sleep(0.02)
            closed.clear()
            it.advance(4)
            await asyncio.sleep(0.02)
            assert waiting(it.sender) == 200
            await send(it.sender, DeliverNote("q", "g", text="g200"))
            it.advance(2)
            await until(lambda: not waiting(it.sender))
            assert [name for name in names(it.taker) if name[0] == "g"] == [f"g{number}" for number in range(201)]
            await until(lambda: len(it.courier.retries) == 0)

    run(scenario())


def test_a_sheaf_that_came_before_a_crash_is_void_the_second_time(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        async with scene(workshop, start=False) as it:
            await send(it.sender, *(DeliverNote("q", text=f"n{number}") for number in range(300)))
            with monkeypatch.context() as patched:
                patched.setattr(Courier, "_file", die)
                it.start()
                await until(lambda: it.taker.memory.count > 0)
                await asyncio.sleep(0.01)
                await it.kill()
            came = it.taker.memory.count
            assert (waiting(it.sender), came < 300) == (300, True)
            it.start()
            await until(lambda: not waiting(it.sender))
            assert len(set(names(it.taker))) == it.taker.memory.count == 300

    run(scenario())


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_exactly_once_and_in_order_however_often_it_dies(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Letters fail at random, some for good; the courier dies at random between its transactions."""
    chance = random.Random(seed)

    def accept(call: Call, delivery: DeliverNote) -> None:
        if chance.random() < 0.2:
            raise TryAgain("not now", chance.random())
        take_note(call, delivery)

    async def scenario() -> None:
        workshop = Workshop(tmp_path_factory.mktemp("x") / "data")
        async with scene(workshop, accept) as it:
            sent: dict[str, list[str]] = defaultdict(list)
            number = 0
            while number < 120 or waiting(it.sender):
                if number < 120:
                    batch = [DeliverNote("q", chance.choice(["", "g", "h"]), text=str(number + k)) for k in range(6)]
                    for note in batch:
                        sent[note.group].append(note.text)
                    await send(it.sender, *batch)
                    number += 6
                for _ in range(chance.randrange(12)):
                    await asyncio.sleep(0)
                it.advance(0.3)
                if chance.random() < 0.3:
                    await it.kill()
                    it.start()
                await asyncio.sleep(0.001)
            got = defaultdict(list)
            groups = {text: group for group, texts in sent.items() for text in texts}
            for text in names(it.taker):
                got[groups[text]].append(text)
            assert (got["g"], got["h"], sorted(got[""])) == (sent["g"], sent["h"], sorted(sent[""]))
        workshop.folder.close()

    run(scenario())


def test_what_is_given_up_is_heard_of_in_the_same_transaction_and_may_send_on(workshop: Workshop) -> None:
    broken = [True]

    def accept(call: Call, delivery: DeliverNote) -> None:
        if delivery.arn == "gone":
            raise Undeliverable("there is no such queue")
        take_note(call, delivery)

    def given_up(call: Call, delivery: DeliverNote, reason: str) -> None:
        assert reason == "Undeliverable: there is no such queue"
        call.send(DeliverNote("dead-letters", text=f"dead {delivery.text}"))
        if broken[0]:
            raise ValueError("no dead-letter queue now")

    async def scenario() -> None:
        async with scene(workshop, accept, given_up=given_up) as it:
            await send(it.sender, DeliverNote("gone", text="a"), DeliverNote("q", text="b"))
            await until(lambda: bool(it.reports))
            assert (names(it.taker), waiting(it.sender)) == (["b"], 1)
            assert "could not be given up (ValueError: no dead-letter queue now)" in it.reports[0]
            broken.clear()
            broken.append(False)
            it.advance(2)
            await until(lambda: not waiting(it.sender))
            assert names(it.taker) == ["b", "dead a"]

    run(scenario())


def test_patience_ends_and_what_nobody_accepts_is_reported_and_kept(workshop: Workshop) -> None:
    ended: list[str] = []

    async def scenario() -> None:
        async with scene(workshop, start=False, given_up=lambda call, note, reason: ended.append(reason)) as it:
            workshop.room("taker", accepts={})
            it.taker = workshop.around.rooms["taker"]
            await send(it.sender, DeliverNote("n", text="x"))
            it.start(patience=Patience(first=1, longest=1, tries=2))
            await until(lambda: bool(it.reports))
            assert "No room accepts DeliverNote" in it.reports[0]
            assert waiting(it.sender) == 1
            it.advance(2)
            await until(lambda: not waiting(it.sender))
            assert ended == ["LookupError: No room accepts DeliverNote."]

    run(scenario())


def test_a_room_that_is_full_gets_what_it_missed_later(workshop: Workshop) -> None:
    async def scenario() -> None:
        async with scene(workshop) as it:
            (pages,) = it.taker.database.writer.execute("PRAGMA page_count").fetchone()
            it.taker.database.writer.execute(f"PRAGMA max_page_count = {pages}")
            await send(it.sender, *(DeliverNote("q", text=f"{number}{'x' * 2000}") for number in range(50)))
            await until(lambda: bool(it.reports))
            assert it.taker.memory.count < 50
            it.taker.database.writer.execute("PRAGMA max_page_count = 100000")
            for _ in range(3):
                await asyncio.sleep(0.02)
                it.advance(5)
            await until(lambda: not waiting(it.sender))
            assert it.taker.memory.count == len(names(it.taker)) == 50

    run(scenario())


class Outside:
    """What carriers reach: "dead" hangs, "deaf" refuses and then hangs, all others take what comes."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.hanging = 0
        self.tries: list[tuple[str, int]] = []
        self.most: dict[str, int] = defaultdict(int)
        self.now: dict[str, int] = defaultdict(int)

    async def carry(self, call: Call, delivery: CarryNote) -> None:
        arn = delivery.arn
        self.tries.append((delivery.text, call.attempts))
        self.now[arn] += 1
        self.most[arn] = max(self.most[arn], self.now[arn])
        try:
            if arn.startswith("dead") or (arn.startswith("deaf") and call.attempts):
                self.hanging += 1
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(0)
            if arn.startswith("deaf"):
                raise ConnectionRefusedError("no")
            self.came.append(delivery.text)
        finally:
            self.now[arn] -= 1


def test_a_dead_web_hook_with_50000_letters_costs_a_healthy_one_nothing(workshop: Workshop) -> None:
    outside = Outside()

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}) as it:
            await send(it.sender, *(CarryNote("dead", text=f"d{number}") for number in range(50_000)))
            await until(lambda: outside.hanging == Slots().each and it.courier._cursor == 50_000)
            await asyncio.sleep(0.01)
            statements: list[str] = []
            it.sender.database.reader.set_trace_callback(statements.append)
            steps = [0]

            def count() -> int:
                steps[0] += 1
                return 0

            it.sender.database.reader.set_progress_handler(count, 100)
            for number in range(10):
                await send(it.sender, CarryNote("healthy", text=f"h{number}"))
                await until(lambda number=number: len(outside.came) == number + 1)  # type: ignore[misc]
            it.sender.database.reader.set_progress_handler(None, 0)
            it.sender.database.reader.set_trace_callback(None)
            assert outside.came == [f"h{number}" for number in range(10)]
            assert outside.most == {"dead": Slots().each, "healthy": 1}
            assert len(statements) < 10 * 12
            assert steps[0] < 100  # hundreds of SQLite's instructions: nothing goes through the dead one's letters
            assert it.reports == []

    run(scenario())


def test_destinations_that_fail_leave_slots_to_the_others(workshop: Workshop) -> None:
    outside = Outside()
    slots = Slots(total=8, each=2, ailing=1, ailing_total=4)

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}, slots=slots) as it:
            dead = [f"deaf{number}" for number in range(10)]
            await send(it.sender, *(CarryNote(arn, text=arn) for arn in dead))
            await until(lambda: len(outside.tries) == 10)
            await asyncio.sleep(0.02)
            assert len(it.reports) == 10
            it.advance(2)  # now they hang
            await until(lambda: outside.hanging == 4)
            await send(it.sender, *(CarryNote("fine", text=f"f{number}") for number in range(50)))
            await until(lambda: len(outside.came) == 50)
            assert outside.hanging == 4
            assert outside.most["fine"] <= 2

    run(scenario())


def test_destinations_that_never_reply_give_their_slots_back_before_they_are_given_up(workshop: Workshop) -> None:
    outside = Outside()
    slots = Slots(total=8, each=2, ailing=1, ailing_total=4, slow=0.02)

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}, slots=slots) as it:
            dead = [f"dead{number}" for number in range(20)]
            await send(it.sender, *(CarryNote(arn, text=arn) for arn in dead for _ in range(3)))
            await until(lambda: outside.hanging >= 20)  # more than all slots: every one of them was tried
            await send(it.sender, *(CarryNote("fine", text=f"f{number}") for number in range(50)))
            await until(lambda: len(outside.came) == 50)
            assert outside.most["fine"] <= 2

    run(scenario())


def test_slow_destinations_are_not_carried_to_beyond_measure(workshop: Workshop) -> None:
    outside = Outside()
    slots = Slots(total=4, each=1, ailing=1, ailing_total=4, most=12, slow=0.005)

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}, slots=slots) as it:
            await send(it.sender, *(CarryNote(f"dead{number}", text="x") for number in range(40)))
            await until(lambda: outside.hanging == 12)
            await asyncio.sleep(0.05)
            assert outside.hanging == 12

    run(scenario())


def test_a_moved_clock_acts_at_once_and_tries_are_counted(workshop: Workshop) -> None:
    outside = Outside()

    async def carry(call: Call, delivery: CarryNote) -> None:
        if call.attempts < 2:
            outside.tries.append((delivery.text, call.attempts))
            raise TryAgain("busy", 3600)
        outside.came.append(delivery.text)

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: carry}) as it:
            await send(it.sender, CarryNote("hook", text="a"))
            for tries in (1, 2):
                await until(lambda tries=tries: len(outside.tries) == tries)  # type: ignore[misc]
                await asyncio.sleep(0.02)
                it.advance(3601)
            await until(lambda: outside.came == ["a"])
            await until(lambda: not waiting(it.sender))
            assert outside.tries == [("a", 0), ("a", 1)]
            await until(lambda: len(it.courier.leaving) == 0)

    run(scenario())


def test_a_group_that_leaves_the_region_goes_one_by_one(workshop: Workshop) -> None:
    outside = Outside()

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}) as it:
            await send(it.sender, *(CarryNote("hook", "g", text=str(number)) for number in range(40)))
            await until(lambda: not waiting(it.sender))
            assert outside.came == [str(number) for number in range(40)]
            assert outside.most["hook"] == 1
            await until(lambda: len(it.courier.leaving) == 0)

    run(scenario())


def test_a_stop_breaks_off_what_hangs_and_its_letter_stays(workshop: Workshop) -> None:
    outside = Outside()

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}) as it:
            await send(it.sender, CarryNote("dead", text="a"), CarryNote("fine", text="b"))
            await until(lambda: outside.hanging == 1 and waiting(it.sender) == 1)
            it.courier.stop()
            _, pending = await asyncio.wait([it.carrying], timeout=0.05)
            assert pending
            await it.kill()
            assert (outside.now["dead"], waiting(it.sender), it.reports) == (0, 1, [])
            assert get(it.taker.call(facts()), "a") is None

    run(scenario())


def test_a_carrier_has_its_time(workshop: Workshop) -> None:
    outside = Outside()

    async def scenario() -> None:
        async with scene(workshop, carries={CarryNote: outside.carry}, slots=Slots(seconds=0.01)) as it:
            await send(it.sender, CarryNote("dead", text="a"))
            await until(lambda: bool(it.reports))
            assert "CarryNote to dead: TimeoutError" in it.reports[0]
            assert waiting(it.sender) == 1

    run(scenario())
