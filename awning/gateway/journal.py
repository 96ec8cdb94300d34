"""The request log: one line per request, as text or JSON. Lines are gathered and written a few times a second."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from typing import Any, TextIO

from awning.net.messages import Request

_EVERY = 0.1
_MOST_HELD = 4000


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
        """Write what is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            text = "\n".join(self._lines) + "\n"
            self._lines.clear()
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                # The log's reader went away (a closed pipe): the region goes on without it, and says so where it still can.
                self._lowest = 1000
                if self._stream is not sys.stderr:
                    self._stream = sys.stderr

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


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
