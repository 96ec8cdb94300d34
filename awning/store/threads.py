"""Work in threads for coroutines that may not be tasks: the outcome comes back as a Completion."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from awning.store.completion import Completion

T = TypeVar("T")


def in_thread(executor: ThreadPoolExecutor, function: Callable[[], T]) -> Completion[T]:
    """Start `function()` in a thread of the pool; what it returns or raises comes back on the running loop.

    Cancelling the completion does not stop the thread.
    """
    loop = asyncio.get_running_loop()
    completion: Completion[T] = Completion(loop)

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            loop.call_soon_threadsafe(completion.set_exception, error)
        else:
            loop.call_soon_threadsafe(completion.set_result, result)

    executor.submit(run)
    return completion
