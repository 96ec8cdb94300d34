"""The request log: one line per request, as text or JSON. Lines are gathered and written a few times a second.

A thread of its own writes them: who reads the log (a pipe, a stopped terminal) must not hold up the region.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import Any, TextIO

from awning.net.messages import Request

_EVERY = 0.1
_MOST_HELD = 4000
_MOST_WAITING = 64
"""Gathered pieces that wait for a slow reader; beyond these, lines are dropped and counted."""


class Journal:
    """Writes log lines to a stream, without making a request wait for it.

    json_lines: one JSON object per line. colour: status codes in colour (a terminal). level: "info" writes each request,
    "error" only what failed with 5xx, "off" nothing but notices.
    """

    def __init__(self, stream: TextIO | None = None, *, json_lines: bool = False, level: str = "info") -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._json = json_lines
        self._lowest = {"info": 0, "error": 500, "off": 1000}[level]
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stamp = ""
        self._stamp_at = -1
        self._colour = not json_lines and self._stream.isatty()
        self._waiting: queue.Queue[tuple[str, int]] = queue.Queue(_MOST_WAITING)
        self._dropped = 0
        self._writer: threading.Thread | None = None

    def request(
        self, request_id: str, account: str, operation: str, status: int, seconds: float, detail: str | None = None
    ) -> None:
        """Note a request: `operation` is `sqs.SendMessage`; `detail` says why it was refused."""
        if status < self._lowest:
            return
        if self._json:
            entry: dict[str, Any] = {
                "time": time.time(),
                "request_id": request_id,
                "account": account,
                "operation": operation,
                "status": status,
                "ms": round(seconds * 1000, 3),
            }
            if detail:
                entry["detail"] = detail
            self._put(json.dumps(entry))
            return
        shown = f"\x1b[{_colour(status)}m{status}\x1b[0m" if self._colour else str(status)
        line = f"{self._now()} {shown} {operation or '-'} {account or '-'} {seconds * 1000:.2f}ms {request_id}"
        self._put(f"{line} {_one_line(detail)}" if detail else line)

    def notice(self, text: str, **facts: Any) -> None:
        """Note something that is no request; written at once."""
        if self._json:
            self._put(json.dumps({"time": time.time(), "notice": text, **facts}))
        else:
            self._put(f"{self._now()} {text}")
        self.flush()

    def failure(self, request_id: str, error: BaseException) -> None:
        """Note a fault of our own, with its traceback under the request's id."""
        text = "".join(traceback.format_exception(error))
        self.notice(f"internal error in request {request_id}\n{text}", request_id=request_id)

    def connection_failure(self, request: Request | None, error: BaseException) -> None:
        """Note a fault that reached the HTTP layer: the gateway answers all others itself."""
        self.failure("-" if request is None else f"{request.method} {request.path.decode('latin-1')}", error)

    def flush(self) -> None:
        """Hand on what is held, without waiting for its reader."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
            self._writer.start()
        piece = ("\n".join(self._lines) + "\n", self._dropped)
        try:
            self._waiting.put_nowait(piece)
            self._dropped = 0
        except queue.Full:
            self._dropped += len(self._lines)
        self._lines.clear()

    def close(self, seconds: float = 2.0) -> None:
        """Write what is left; wait for its reader no longer than this."""
        self.flush()
        until = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)

    def _write(self) -> None:
        """The writer's thread."""
        while True:
            text, dropped = self._waiting.get()
            try:
                if dropped:
                    said = f"{dropped} lines were dropped here: the log's reader was too slow."
                    self._pour((json.dumps({"notice": said, "dropped": dropped}) if self._json else said) + "\n")
                self._pour(text)
            except (OSError, ValueError):
                # The log's reader went away (a closed pipe): the region goes on without it, and says so where it still can.
                self._lowest = 1000
                if self._stream is not sys.stderr:
                    self._stream = sys.stderr
            finally:
                self._waiting.task_done()

    def _pour(self, text: str) -> None:
        """Write to the stream's file itself: a lock on its buffer, held for a stopped reader, would break the process's end."""
        try:
            fd = self._stream.fileno()
        except io.UnsupportedOperation:
            self._stream.write(text)
            return
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        while left:
            left = left[os.write(fd, left) :]

    def _put(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= _MOST_HELD:
            self.flush()
        elif self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(_EVERY, self.flush)
            except RuntimeError:
                self.flush()

    def _now(self) -> str:
        second = int(time.time())
        if second != self._stamp_at:
            self._stamp_at = second
            self._stamp = time.strftime("%H:%M:%S", time.localtime(second))
        return self._stamp


def _colour(status: int) -> int:
    return 32 if status < 400 else 33 if status < 500 else 31


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r"}


def _one_line(text: str) -> str:
    """Text that may hold a client's words, for a terminal: without line ends and what terminals obey."""
    return text if text.isprintable() else text.translate(_CONTROLS)
