"""A room: batches, waiting, memory that follows the tables, questions and deliveries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from awning.kit.call import Call
from awning.kit.errors import ServiceError
from awning.net.stepper import drive
from tests.kit.conftest import Workshop, facts, get, put, run, wait_for


class NoteExists(ServiceError):
    """Said by a test's operation."""


def test_a_write_is_seen_by_reads_and_by_the_next_start(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        assert await room.write(room.call(facts()), put, ("a", "first")) == "a"
        assert get(room.call(facts()), "a") == "first"
        assert room.memory.count == 1
        await workshop.close()
        again = workshop.room()
        assert get(again.call(facts()), "a") == "first"
        assert again.memory.count == 1
        await workshop.close()

    run(scenario())


def test_a_call_that_fails_takes_only_itself_back(workshop: Workshop) -> None:
    def fail(call: Call) -> None:
        put(call, "b", "not to be")
        raise NoteExists("no")

    async def scenario() -> None:
        room = workshop.room()
        outcomes = await asyncio.gather(
            room.write(room.call(facts()), put, ("a", "1")),
            room.write(room.call(facts()), fail),
            room.write(room.call(facts()), put, ("c", "3")),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [str, NoteExists, str]
        assert [get(room.call(facts()), name) for name in "abc"] == ["1", None, "3"]
        assert room.memory.count == 2
        assert room.writer.stats.batches == 1
        await workshop.close()

    run(scenario())


def test_memory_follows_when_the_whole_batch_fails(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        await room.write(room.call(facts()), put, ("a", "1"))
        (pages,) = room.database.writer.execute("PRAGMA page_count").fetchone()
        room.database.writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Exception, match="full"):
            await room.write(room.call(facts()), put, ("big", "x" * 100_000))
        assert room.memory.count == 1
        room.database.writer.execute("PRAGMA max_page_count = 100000")
        await room.write(room.call(facts()), put, ("big", "x" * 100_000))
        assert room.memory.count == 2
        await workshop.close()

    run(scenario())


def test_a_waiting_call_runs_again_when_its_key_is_woken(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        waiting = asyncio.ensure_future(room.write(room.call(facts()), wait_for, ("a", 20)))
        await asyncio.sleep(0.01)
        assert len(room.waiters) == 1
        await room.write(room.call(facts()), put, ("a", "came"))
        assert await waiting == "came"
        assert len(room.waiters) == 0
        await workshop.close()

    run(scenario())


def test_a_wake_in_the_same_batch_is_not_lost(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        waiting = asyncio.ensure_future(room.write(room.call(facts()), wait_for, ("a", 20)))
        putting = asyncio.ensure_future(room.write(room.call(facts()), put, ("a", "came")))
        assert await waiting == "came"
        await putting
        await workshop.close()

    run(scenario())


def test_a_waiting_call_answers_when_the_clock_is_moved_past_its_time(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        waiting = asyncio.ensure_future(room.write(room.call(facts()), wait_for, ("a", 20)))
        await asyncio.sleep(0.01)
        workshop.clock.advance(21)
        room.tick()
        assert await waiting is None
        await workshop.close()

    run(scenario())


def test_a_waiting_call_looks_again_at_its_own_time(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        looks: list[float] = []

        def look(call: Call) -> str:
            looks.append(call.now)
            if len(looks) < 2:
                call.wait("notes", 20, retry_at=call.now + 0.05)
            return "seen"

        assert await room.write(room.call(facts()), look) == "seen"
        assert looks[1] >= looks[0] + 0.05
        await workshop.close()

    run(scenario())


def test_a_waiting_call_whose_client_went_away_is_never_run_again(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        runs: list[str] = []

        def look(call: Call, name: str) -> str | None:
            runs.append(name)
            return wait_for(call, "a", 20)

        gone = asyncio.ensure_future(room.write(room.call(facts()), look, ("gone",)))
        await asyncio.sleep(0.01)
        here = asyncio.ensure_future(room.write(room.call(facts()), look, ("here",)))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        await room.write(room.call(facts()), put, ("a", "came"))
        assert await here == "came"
        assert runs == ["gone", "here", "here"]
        await workshop.close()

    run(scenario())


def test_a_call_whose_client_goes_as_it_is_woken_leaves_its_turn_to_the_next(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        runs: list[str] = []

        def look(call: Call, name: str) -> str | None:
            runs.append(name)
            return wait_for(call, "a", 20)

        gone = asyncio.ensure_future(room.write(room.call(facts()), look, ("gone",)))
        await asyncio.sleep(0.01)
        here = asyncio.ensure_future(room.write(room.call(facts()), look, ("here",)))
        await asyncio.sleep(0.01)
        woken: list[None] = []
        room.waiters._submit, resubmit = (
            (lambda unit: (resubmit(unit), gone.cancel(), woken.append(None))),
            room.resubmit,
        )
        await room.write(room.call(facts()), put, ("a", "came"))
        assert await here == "came"
        assert gone.cancelled()
        assert len(woken) == 2
        assert runs == ["gone", "here", "here"]
        await workshop.close()

    run(scenario())


def test_a_call_that_fails_as_it_is_woken_leaves_its_turn_to_the_next(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()

        def fail(call: Call) -> None:
            wait_for(call, "a", 20)
            raise NoteExists("no")

        fails = asyncio.ensure_future(room.write(room.call(facts()), fail))
        await asyncio.sleep(0.01)
        here = asyncio.ensure_future(room.write(room.call(facts()), wait_for, ("a", 20)))
        await asyncio.sleep(0.01)
        await room.write(room.call(facts()), put, ("a", "came"))
        with pytest.raises(NoteExists):
            await fails
        assert await asyncio.wait_for(here, 10) == "came"
        await workshop.close()

    run(scenario())


def test_a_client_that_goes_while_its_call_is_in_a_batch_does_not_tear_the_call_from_its_outcome(
    workshop: Workshop,
) -> None:
    async def scenario() -> None:
        room = workshop.room()
        done: asyncio.Future[tuple[Any, BaseException | None]] = asyncio.get_running_loop().create_future()
        coroutine = room.write(room.call(facts()), put, ("a", "kept"))
        stepper = drive(coroutine, lambda *outcome: done.set_result(outcome), asyncio.get_running_loop())
        assert stepper is not None
        stepper.cancel()
        assert await done == ("a", None)
        assert get(room.call(facts()), "a") == "kept"
        await workshop.close()

    run(scenario())


def test_a_stop_answers_who_waits(workshop: Workshop) -> None:
    async def scenario() -> None:
        room = workshop.room()
        waiting = asyncio.ensure_future(room.write(room.call(facts()), wait_for, ("a", 20)))
        await asyncio.sleep(0.01)
        await workshop.close()
        assert await waiting is None

    run(scenario())


@dataclass(frozen=True, slots=True)
class FindNote:
    name: str


def test_a_room_asks_another(workshop: Workshop) -> None:
    async def scenario() -> None:
        asking = workshop.room("asking")
        answering = workshop.room("answering", answers={FindNote: lambda call, question: get(call, question.name)})
        await answering.write(answering.call(facts()), put, ("a", "known"))
        assert asking.call(facts()).ask(FindNote("a")) == "known"
        with pytest.raises(LookupError):
            asking.call(facts()).ask("nobody")
        await workshop.close()

    run(scenario())


def test_a_stranger_question_or_call_is_an_error_of_ours(workshop: Workshop) -> None:
    async def scenario() -> Any:
        room = workshop.room()
        with pytest.raises(RuntimeError):
            room.call(facts()).allowed("s3:GetObject", "*")
        await workshop.close()

    run(scenario())


def test_what_is_kept_of_committed_state_is_forgotten_after_the_commit_only(workshop: Workshop) -> None:
    done: list[str] = []

    def change(call: Call, name: str, fail: bool = False) -> None:
        put(call, name, "text")
        assert not call.sees_committed
        call.after(lambda: done.append(f"{name} {get(call, name)}"))
        assert done == []
        if fail:
            raise NoteExists("no")

    async def scenario() -> None:
        room = workshop.room()
        with pytest.raises(NoteExists):
            await room.write(room.call(facts()), change, ("b", True))
        assert done == []
        call = room.call(facts())
        await room.write(call, change, ("a",))
        assert done == ["a text"]
        assert call.sees_committed
        await workshop.close()

    run(scenario())


def test_a_room_takes_leave_after_all_other_calls_and_closes_though_that_fails(workshop: Workshop) -> None:
    seen: list[list[str]] = []

    def leave(call: Call) -> None:
        seen.append([name for (name,) in call.db.execute("SELECT name FROM notes ORDER BY name")])
        put(call, f"left {len(seen)}", "stored")
        if len(seen) == 2:
            raise NoteExists("no")

    async def scenario() -> None:
        room = workshop.room(leave=leave)
        waiting = asyncio.ensure_future(room.write(room.call(facts()), wait_for, ("b", 60.0)))
        queued = asyncio.ensure_future(room.write(room.call(facts()), put, ("a", "queued")))
        await asyncio.sleep(0)
        await workshop.close()
        assert (await queued, await waiting) == ("a", None)
        again = workshop.room(leave=leave)
        assert get(again.call(facts()), "left 1") == "stored"
        with pytest.raises(NoteExists):
            await again.close()
        assert again.writer.queued == 0
        last = workshop.room()
        assert seen == [["a"], ["a", "left 1"]]
        assert last.memory.count == 2
        await workshop.close()

    run(scenario())
