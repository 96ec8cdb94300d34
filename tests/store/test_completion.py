"""A completion serves our own stepper and asyncio's tasks alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from awning.store.completion import Completion
from tests.store.support import step


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_task_waits_for_it(run: Any) -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        first: Completion[int] = Completion(loop)
        second: Completion[int] = Completion(loop)

        async def wait(completion: Completion[int]) -> Any:
            try:
                return await completion
            except ValueError as error:
                return str(error)

        tasks = [loop.create_task(wait(first)), loop.create_task(wait(first)), loop.create_task(wait(second))]
        await asyncio.sleep(0)
        first.set_result(7)  # inside a running task: the others may not be entered here
        second.set_exception(ValueError("no"))
        return list(await asyncio.gather(*tasks))

    assert run(main()) == [7, 7, "no"]


def test_the_stepper_is_called_by_set_result_itself() -> None:
    async def main() -> None:
        completion: Completion[int] = Completion(asyncio.get_running_loop())
        seen: list[int] = []

        async def wait() -> int:
            return await completion + await completion

        step(wait(), seen.append)
        assert seen == []
        completion.set_result(4)
        assert seen == [8]

    asyncio.run(main())


def test_wait_for_gives_up_and_a_late_outcome_is_dropped() -> None:
    async def main() -> None:
        completion: Completion[int] = Completion(asyncio.get_running_loop())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(completion, 0.001)
        assert completion.cancelled()
        completion.set_result(1)
        with pytest.raises(asyncio.CancelledError):
            completion.result()

    asyncio.run(main())


def test_cancelling_a_task_that_waits() -> None:
    async def main() -> None:
        completion: Completion[int] = Completion(asyncio.get_running_loop())

        async def wait() -> int:
            return await completion

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_failing_callback_goes_to_the_loop_and_the_next_is_called() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reported: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: reported.append(context))
        completion: Completion[int] = Completion(loop)
        seen: list[int] = []
        completion.add_done_callback(lambda _: seen.append(1 // 0))
        completion.add_done_callback(lambda done: seen.append(done.result()))
        completion.set_result(5)
        assert seen == [5]
        assert isinstance(reported[0]["exception"], ZeroDivisionError)

    asyncio.run(main())


def test_one_outcome_only() -> None:
    async def main() -> None:
        completion: Completion[int] = Completion(asyncio.get_running_loop())
        with pytest.raises(asyncio.InvalidStateError):
            completion.result()
        completion.set_result(1)
        with pytest.raises(asyncio.InvalidStateError):
            completion.set_result(2)
        assert not completion.cancel()
        assert completion.remove_done_callback(print) == 0

    asyncio.run(main())
