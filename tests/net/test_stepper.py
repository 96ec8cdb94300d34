"""A coroutine without a task: inline while it can, then by callbacks; cancelled where that can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from awning.net.stepper import Stepper, drive
from tests.net.harness import settle


class Commit:
    """A wait that nothing can cancel, settled by hand; its callbacks run at once."""

    def __init__(self, cancels: bool | None = None) -> None:
        self._asyncio_future_blocking = False
        self.callbacks: list[Callable[[Any], Any]] = []
        self.asked = 0
        if cancels is not None:
            self.cancel = self._refuse

    def _refuse(self) -> bool:
        self.asked += 1
        return False

    def add_done_callback(self, function: Callable[[Any], Any], *, context: Any = None) -> None:
        self.callbacks.append(function)

    def settle(self) -> None:
        for callback in self.callbacks:
            callback(self)

    def __await__(self) -> Generator[Any, None, str]:
        self._asyncio_future_blocking = True
        yield self
        return "committed"


class Run:
    """drive(), and what it said in the end."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.outcome: list[tuple[Any, BaseException | None]] = []
        self.stepper: Stepper | None = drive(
            coroutine, lambda result, error: self.outcome.append((result, error)), asyncio.get_running_loop()
        )

    def cancel(self) -> None:
        assert self.stepper is not None
        self.stepper.cancel()

    @property
    def error(self) -> BaseException | None:
        [(_, error)] = self.outcome
        return error


def test_what_never_waits_is_done_at_once(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async def works() -> int:
            return 7

        async def fails() -> int:
            raise KeyError("x")

        working, failing = Run(works()), Run(fails())
        assert working.outcome == [(7, None)]
        assert isinstance(failing.error, KeyError)
        assert working.stepper is failing.stepper is None

    run(main())


def test_futures_sleeps_threads_tasks_and_queues_are_waited_for(run: Callable[..., Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[int] = asyncio.Queue()
        lock = asyncio.Lock()

        async def works() -> list[Any]:
            future = loop.create_future()
            loop.call_soon(future.set_result, 1)
            loop.call_soon(queue.put_nowait, 4)
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            async with lock:
                return [
                    await future,
                    await loop.run_in_executor(None, lambda: 2),
                    await asyncio.create_task(asyncio.sleep(0, 3)),
                    await queue.get(),
                    await asyncio.gather(asyncio.sleep(0, 5), asyncio.sleep(0.001, 6)),
                ]

        driven = Run(works())
        while not driven.outcome:
            await asyncio.sleep(0.001)
        assert driven.outcome == [([1, 2, 3, 4, [5, 6]], None)]

    run(main())


def test_a_futures_error_reaches_the_coroutine(run: Callable[..., Any]) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()

        async def works() -> str:
            try:
                await future
            except OSError as error:
                return str(error)
            return "no error"

        driven = Run(works())
        future.set_exception(OSError("disk"))
        await settle()
        assert driven.outcome == [("disk", None)]

    run(main())


def test_cancel_ends_a_wait_on_a_future(run: Callable[..., Any]) -> None:
    async def main() -> None:
        cleaned = []

        async def works() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                cleaned.append(True)

        driven = Run(works())
        driven.cancel()
        await settle()
        assert isinstance(driven.error, asyncio.CancelledError)
        assert cleaned
        driven.cancel()

    run(main())


def test_cancel_reaches_a_coroutine_that_only_yields(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async def works() -> None:
            while True:
                await asyncio.sleep(0)

        driven = Run(works())
        await settle()
        driven.cancel()
        await settle()
        assert isinstance(driven.error, asyncio.CancelledError)

    run(main())


@pytest.mark.parametrize("cancels", [None, False])
def test_a_commit_is_waited_for_and_the_cancellation_comes_after_it(run: Callable[..., Any], cancels: bool) -> None:
    async def main() -> None:
        commit, seen = Commit(cancels), []

        async def works() -> None:
            seen.append(await commit)
            await asyncio.sleep(1000)

        driven = Run(works())
        driven.cancel()
        await settle()
        assert not driven.outcome
        commit.settle()
        await settle()
        assert seen == ["committed"]
        assert isinstance(driven.error, asyncio.CancelledError)

    run(main())


def test_a_commit_may_be_the_last_wait_of_what_is_cancelled(run: Callable[..., Any]) -> None:
    async def main() -> None:
        commit = Commit()

        async def works() -> str:
            return await commit

        driven = Run(works())
        driven.cancel()
        commit.settle()
        assert driven.outcome == [("committed", None)]

    run(main())


def test_what_swallows_its_cancellation_goes_on(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async def works() -> str:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                return "cleaned"
            return "slept"

        driven = Run(works())
        driven.cancel()
        await settle()
        assert driven.outcome == [("cleaned", None)]

    run(main())


def test_awaiting_something_else_is_an_error_in_the_coroutine(run: Callable[..., Any]) -> None:
    class Odd:
        def __await__(self) -> Generator[Any, None, None]:
            yield "odd"

    async def main() -> None:
        async def works() -> None:
            await Odd()

        driven = Run(works())
        await settle()
        assert isinstance(driven.error, RuntimeError)

    run(main())
