"""Drives a coroutine without a task: inline as far as it goes, then from the callbacks of what it waits for.

Nothing here knows about HTTP. The coroutine has no current task, so that asyncio.timeout and TaskGroup don't work in
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Done = Callable[[Any, BaseException | None], None]
"""Called once with the coroutine's result, or with None and what it raised."""


def drive(coroutine: Coroutine[Any, Any, Any], done: Done, loop: asyncio.AbstractEventLoop) -> Stepper | None:
    """Run the coroutine up to its first wait; return its Stepper, or None where it is already done.

    `done` is called from here when the coroutine never waits, else from the loop. A coroutine waits by yielding None
    (it goes on in the loop's next turn) or an object with asyncio.Future's `add_done_callback(function, *,
    context=None)` and
    `_asyncio_future_blocking`; one with a `cancel()` that returns True must then call its callbacks.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration as stop:
        done(stop.value, None)
        return None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        done(None, error)
        return None
    stepper = Stepper(coroutine, done, loop)
    stepper._wait(waits_for)
    return stepper


class Stepper:
    """A coroutine that waits."""

    __slots__ = ("_cancelling", "_coroutine", "_done", "_loop", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], done: Done, loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._done: Done | None = done
        self._loop = loop
        self._waits_for: Any = None
        self._cancelling = False

    def cancel(self) -> None:
        """Raise CancelledError at the coroutine's current wait; where that cannot be cancelled, at its next one that
        can.

        A wait without `cancel()`, or whose cancel() returns False, runs to its end: so a commit is never torn from its
        outcome. Nothing happens after the coroutine's end.
        """
        if self._done is not None:
            self._cancelling = not _cancelled(self._waits_for)

    def _wait(self, waits_for: Any) -> None:
        if waits_for is None:
            self._loop.call_soon(self._resume)
            return
        if getattr(waits_for, "_asyncio_future_blocking", None) is not True:
            error = RuntimeError(f"A coroutine may await futures and completions only, not {waits_for!r}.")
            self._loop.call_soon(self._step, error)
            return
        waits_for._asyncio_future_blocking = False
        self._waits_for = waits_for
        waits_for.add_done_callback(self._wake)
        if self._cancelling:
            self._cancelling = not _cancelled(waits_for)

    def _resume(self) -> None:
        if self._cancelling:
            self._cancelling = False
            self._step(asyncio.CancelledError())
        else:
            self._step(None)

    def _wake(self, _: Any) -> None:
        self._waits_for = None
        self._step(None)

    def _step(self, error: BaseException | None) -> None:
        done = self._done
        assert done is not None
        try:
            if error is None:
                waits_for = self._coroutine.send(None)
            else:
                waits_for = self._coroutine.throw(error)
        except StopIteration as stop:
            self._done = None
            done(stop.value, None)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as failure:
            self._done = None
            done(None, failure)
        else:
            self._wait(waits_for)


def _cancelled(waits_for: Any) -> bool:
    cancel = getattr(waits_for, "cancel", None)
    return cancel is not None and bool(cancel())
