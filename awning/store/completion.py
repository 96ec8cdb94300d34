"""Completion: a future without the loop's overhead, for what the store settles thousands of times a second.

A callback added without a context is called by set_result itself; one with a context (asyncio's tasks) by the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Callback = Callable[[Any], object]

_PENDING = 0
_DONE = 1
_CANCELLED = 2


class Completion(Generic[T]):
    """What will be known once something is on disk. Awaitable once or more, on the loop's thread only.

    cancel() gives up waiting; what it stands for goes on, and its outcome is dropped.
    """

    __slots__ = ("_asyncio_future_blocking", "_callbacks", "_error", "_loop", "_state", "_value")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = asyncio.get_running_loop() if loop is None else loop
        self._state = _PENDING
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[tuple[Callback, Context | None]] | None = None
        self._asyncio_future_blocking = False

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return self._state != _PENDING

    def cancelled(self) -> bool:
        return self._state == _CANCELLED

    def result(self) -> T:
        """Return the result or raise the error. Raises InvalidStateError before there is one."""
        if self._state == _PENDING:
            raise asyncio.InvalidStateError("The outcome is not known yet.")
        if self._state == _CANCELLED:
            raise asyncio.CancelledError
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # else the error's traceback would keep what keeps the error
        return self._value  # type: ignore[return-value]

    def exception(self) -> BaseException | None:
        """Return the error, None where there was none."""
        if self._state == _PENDING:
            raise asyncio.InvalidStateError("The outcome is not known yet.")
        if self._state == _CANCELLED:
            raise asyncio.CancelledError
        return self._error

    def set_result(self, value: T) -> None:
        """Settle; ignored after cancel(). Raises InvalidStateError the second time."""
        if self._state == _DONE:
            raise asyncio.InvalidStateError("The outcome is known already.")
        if self._state == _PENDING:
            self._value = value
            self._settle(_DONE)

    def set_exception(self, error: BaseException) -> None:
        """Settle with an error; ignored after cancel(). Raises InvalidStateError the second time."""
        if self._state == _DONE:
            raise asyncio.InvalidStateError("The outcome is known already.")
        if self._state == _PENDING:
            self._error = error
            self._settle(_DONE)

    def cancel(self, msg: object = None) -> bool:
        """Stop waiting. False where the outcome was known already."""
        if self._state != _PENDING:
            return False
        self._settle(_CANCELLED)
        return True

    def add_done_callback(self, fn: Callback, *, context: Context | None = None) -> None:
        """Call `fn(self)` once settled: at once by whoever settles, or through the loop where a context is given."""
        if self._state != _PENDING:
            self._loop.call_soon(fn, self, context=context)
        elif self._callbacks is None:
            self._callbacks = [(fn, context)]
        else:
            self._callbacks.append((fn, context))

    def remove_done_callback(self, fn: Callback) -> int:
        """Forget a callback; return how often it was there."""
        before = self._callbacks or []
        self._callbacks = [entry for entry in before if entry[0] != fn]
        return len(before) - len(self._callbacks)

    def __await__(self) -> Generator[Any, None, T]:
        if self._state == _PENDING:
            self._asyncio_future_blocking = True
            yield self
        try:
            return self.result()
        finally:
            del self

    __iter__ = __await__

    def _settle(self, state: int) -> None:
        self._state = state
        callbacks = self._callbacks
        if callbacks is None:
            return
        self._callbacks = None
        for fn, context in callbacks:
            if context is not None:
                # A task may not be entered while another one runs: only the loop can step it safely.
                self._loop.call_soon(fn, self, context=context)
                continue
            try:
                fn(self)
            except Exception as error:
                self._loop.call_exception_handler({"message": "A completion's callback failed.", "exception": error})
