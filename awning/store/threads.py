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
    completion: Completion[T] = Completion(asyncio.get_running_loop())
    executor.submit(_run, [(function, completion)])
    return completion


def _run(job: list[tuple[Callable[[], T], Completion[T]]]) -> None:
    # An error's traceback keeps this frame and its callers', and the completion keeps the error: what they held of both
    # would be a cycle that only the garbage collector takes apart, megabytes to be written among it.
    function, completion = job.pop()
    loop = completion.get_loop()
    try:
        result = function()
    except BaseException as error:
        loop.call_soon_threadsafe(completion.set_exception, error)
    else:
        loop.call_soon_threadsafe(completion.set_result, result)
    finally:
        del function, completion
