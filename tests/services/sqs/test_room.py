"""The room on a real store: batches with COMMIT in their thread, long polling, restarts, and a hundred thousand messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from awning.auth.principal import root_of
from awning.kit.call import Facts
from awning.kit.clock import Clock
from awning.kit.room import Room
from awning.services.sqs import SERVICE
from awning.services.sqs.memory import build
from awning.services.sqs.work import forget_receives
from awning.store.folder import DataFolder

ACCOUNT = "111122223333"
URL = f"http://localhost:4566/{ACCOUNT}/jobs"


class Around:
    """A region with nothing else in it."""

    def ask(self, question: Any, facts: Facts) -> Any:
        raise LookupError(question)

    def sent(self, room: Room) -> None:
        raise AssertionError("sqs sends nothing")

    def broken(self, room: Room, error: BaseException) -> None:
        raise error


class Sqs:
    """The room's operations as coroutines."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.operations = SERVICE.operations()

    def __getattr__(self, name: str) -> Any:
        operation = self.operations[name]

        def run(**params: Any) -> Coroutine[Any, Any, Any]:
            call = self.room.call(Facts("r", root_of(ACCOUNT), ACCOUNT, "us-east-1"))
            return self.room.run(operation, call, {"queue_url": URL, **params} if name != "create_queue" else params)

        return run

    async def bodies(self, **params: Any) -> list[str]:
        result = await self.receive_message(**params)
        return [message["Body"] for message in result.get("Messages", [])]


@asynccontextmanager
async def running(path: Path, clock: Clock | None = None) -> AsyncIterator[Sqs]:
    folder = DataFolder.open(path)
    room = Room(SERVICE, folder, clock or Clock(), Around())
    try:
        yield Sqs(room)
    finally:
        await room.close()
        folder.close()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


async def turns(count: int = 20) -> None:
    """Let the loop, and a commit, go on for a while."""
    for _ in range(count):
        await asyncio.sleep(0.001)


def test_a_waiting_receiver_gets_what_is_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            await sqs.create_queue(queue_name="jobs")
            waiting = asyncio.ensure_future(sqs.bodies(wait_time_seconds=20))
            await turns()
            assert not waiting.done()
            await sqs.send_message(message_body="hi")
            assert await waiting == ["hi"]

    run(test())


def test_each_message_goes_to_one_waiter_and_none_waits_beside_a_message(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            await sqs.create_queue(queue_name="jobs")
            waiting = [asyncio.ensure_future(sqs.bodies(wait_time_seconds=20)) for _ in range(20)]
            await turns()
            entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
            await asyncio.gather(*(sqs.send_message_batch(entries=entries) for _ in range(2)))
            received = await asyncio.gather(*waiting)
            assert sorted(received) == sorted([[str(number)] for number in range(10)] * 2)

    run(test())


def test_waiters_see_messages_that_become_visible_while_they_wait(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            clock = sqs.room.clock
            await sqs.create_queue(queue_name="jobs")
            both = {asyncio.ensure_future(sqs.bodies(wait_time_seconds=20, visibility_timeout=5)) for _ in range(2)}
            await turns()
            await sqs.send_message(message_body="late", delay_seconds=3)
            await turns()
            assert not any(waiting.done() for waiting in both)
            clock.advance(3)
            sqs.room.tick()
            (first,), (second,) = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            assert first.result() == ["late"]
            await turns()
            assert not second.done()
            clock.advance(5)
            sqs.room.tick()
            assert await second == ["late"]

    run(test())


def test_a_long_poll_ends_with_its_queue(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            await sqs.create_queue(queue_name="jobs")
            waiting = [asyncio.ensure_future(sqs.bodies(wait_time_seconds=20)) for _ in range(3)]
            await turns()
            await sqs.delete_queue()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(result).__name__ for result in results] == ["QueueDoesNotExist"] * 3

    run(test())


def test_a_stop_ends_long_polls_empty(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            await sqs.create_queue(queue_name="jobs")
            waiting = asyncio.ensure_future(sqs.bodies(wait_time_seconds=20))
            await turns()
        assert await waiting == []

    run(test())


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            await sqs.create_queue(queue_name="jobs", attributes={"VisibilityTimeout": "7"}, tags={"a": "b"})
            await sqs.send_message(message_body="kept")
            await sqs.send_message(message_body="deleted")
            result = await sqs.receive_message(max_number_of_messages=10)
            await sqs.delete_message(receipt_handle=result["Messages"][1]["ReceiptHandle"])
        async with running(tmp_path / "data") as sqs:
            attributes = (await sqs.get_queue_attributes(attribute_names=["All"]))["Attributes"]
            assert attributes["VisibilityTimeout"] == "7"
            assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"
            assert (await sqs.list_queue_tags()) == {"Tags": {"a": "b"}}
            sqs.room.clock.advance(7)
            assert await sqs.bodies() == ["kept"]
            await sqs.delete_message(receipt_handle=result["Messages"][0]["ReceiptHandle"])
            assert (await sqs.get_queue_attributes(attribute_names=["All"]))["Attributes"][
                "ApproximateNumberOfMessagesNotVisible"
            ] == "0"

    run(test())


def test_a_clean_stop_keeps_what_is_in_flight_and_how_often_it_was_received(tmp_path: Path) -> None:
    async def test() -> None:
        names = {"message_system_attribute_names": ["ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"]}
        clock = Clock()
        async with running(tmp_path / "data", clock) as sqs:
            await sqs.create_queue(queue_name="jobs")
            for body in ("flying", "back", "late and flying", "gone", "waiting", "late"):
                await sqs.send_message(message_body=body, delay_seconds=900 if body == "late" else 5 * ("late" in body))
            clock.advance(10)
            first = (await sqs.receive_message(max_number_of_messages=4, visibility_timeout=43_000, **names))[
                "Messages"
            ]
            assert [message["Body"] for message in first] == ["flying", "back", "gone", "waiting"]
            handles = {message["Body"]: message["ReceiptHandle"] for message in first}
            await sqs.delete_message(receipt_handle=handles["gone"])
            for body in ("back", "waiting"):
                await sqs.change_message_visibility(receipt_handle=handles[body], visibility_timeout=0)
            assert await sqs.bodies(visibility_timeout=43_000) == ["late and flying"]
        async with running(tmp_path / "data", clock) as sqs:
            assert await counts(sqs) == ("2", "2", "1")
            await sqs.room.write(sqs.room.call(Facts("r", root_of(ACCOUNT), ACCOUNT, "us-east-1")), forget_receives)
            again = (await sqs.receive_message(max_number_of_messages=10, **names))["Messages"]
            assert [message["Body"] for message in again] == ["back", "waiting"]
            assert again[0]["Attributes"] == {**first[1]["Attributes"], "ApproximateReceiveCount": "2"}
            await sqs.change_message_visibility(receipt_handle=handles["flying"], visibility_timeout=0)
            assert await sqs.bodies() == ["flying"]
        async with running(tmp_path / "data", clock) as sqs:
            assert await counts(sqs) == ("0", "4", "1")
            clock.advance(100)
            assert sorted(await sqs.bodies(max_number_of_messages=10)) == ["back", "flying", "waiting"]
            clock.advance(43_000)
            assert "late and flying" in await sqs.bodies(max_number_of_messages=10)

    run(test())


async def counts(sqs: Sqs) -> tuple[str, ...]:
    """Visible, in flight, delayed."""
    values = (await sqs.get_queue_attributes(attribute_names=["All"]))["Attributes"]
    return tuple(values["ApproximateNumberOfMessages" + state] for state in ("", "NotVisible", "Delayed"))


def test_a_hundred_thousand_messages(tmp_path: Path) -> None:
    """Rebuilt from the table, received once each; a waiting message costs the memory of one integer."""
    count = 100_000

    async def test() -> None:
        async with running(tmp_path / "data") as sqs:
            await sqs.create_queue(queue_name="jobs")
            await sqs.room.write(sqs.room.call(Facts("r", root_of(ACCOUNT), ACCOUNT, "us-east-1")), fill, (count,))
            sqs.room.memory = memory = build(sqs.room.database.writer)
            line = next(iter(memory.queues.values())).line
            assert line.total == len(line._ready) == count
            assert line._ready._items.itemsize == 8
            assert (line._seen, line._flight, line._removed, line._delayed) == ({}, {}, {}, [])
            seen: list[str] = []
            for _ in range(count // 2_000):
                batches = [sqs.bodies(max_number_of_messages=10) for _ in range(200)]
                for bodies in await asyncio.gather(*batches):
                    seen += bodies
            assert sorted(map(int, seen)) == list(range(1, count + 1))
            assert await sqs.bodies() == []

    run(test())


def fill(call: Any, count: int) -> None:
    """Put many messages into the table at once, as if they had been sent."""
    rows = ((number, round(call.now * 1000), str(number)) for number in range(1, count + 1))
    call.db.executemany(
        "INSERT INTO messages (number, queue, sent, id, sender, md5, body) VALUES (?, 1, ?, 'id', 'me', x'00', ?)", rows
    )


def test_a_receiver_that_waits_hands_poison_over_and_goes_on_waiting(tmp_path: Path) -> None:
    async def test() -> None:
        clock = Clock()
        async with running(tmp_path, clock) as sqs:
            await sqs.create_queue(queue_name="dead")
            policy = f'{{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:{ACCOUNT}:dead", "maxReceiveCount": 1}}'
            await sqs.create_queue(queue_name="jobs", attributes={"RedrivePolicy": policy})
            await sqs.send_message(message_body="poison")
            assert await sqs.bodies(visibility_timeout=0) == ["poison"]
            dead = asyncio.create_task(sqs.bodies(queue_url=URL.replace("jobs", "dead"), wait_time_seconds=20))
            await turns()
            waiting = asyncio.create_task(sqs.bodies(wait_time_seconds=20))
            assert await dead == ["poison"]
            await turns()
            assert not waiting.done()
            await sqs.send_message(message_body="good")
            assert await waiting == ["good"]

    run(test())


def test_thousands_who_wait_cost_nothing_meanwhile(tmp_path: Path) -> None:
    """While nobody sends, no call is run again, no batch is made, and the loop sets no timer but the one for their end."""
    many = 2_000

    async def test() -> None:
        async with running(tmp_path) as sqs:
            await sqs.create_queue(queue_name="jobs")
            waiting = [asyncio.create_task(sqs.receive_message(wait_time_seconds=20)) for _ in range(many)]
            while len(sqs.room.waiters) < many:
                await asyncio.sleep(0.01)
            runs: list[object] = []
            submit, sqs.room.writer.submit = sqs.room.writer.submit, lambda unit: (runs.append(unit), submit(unit))[1]
            tick, sqs.room.tick = sqs.room.tick, lambda: (runs.append("tick"), tick())[1]
            await asyncio.sleep(0.5)
            assert runs == []
            for number in range(many):
                await sqs.send_message(message_body=str(number))
            answers = await asyncio.gather(*waiting)
            assert sorted(int(answer["Messages"][0]["Body"]) for answer in answers) == list(range(many))
            assert len(runs) == 2 * many
            assert len(sqs.room.waiters) == 0

    run(test())
