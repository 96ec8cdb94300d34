"""Sends a slice of a file: by sendfile from the loop, or in blocks read by a thread. Always closes the file."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import Executor

from awning.net.messages import FileSlice

_QUANTUM = 1024 * 1024
_BLOCK = 256 * 1024


class FileTooShort(Exception):
    """The file ended before the slice did; the response cannot be completed."""


class FileSender:
    """Sends a head and a slice on a duplicate of the connection's socket, whose transport must have nothing left to
    write.

    A megabyte at a time, so that other connections have their turn. `done(error)` is called once, unless it is aborted.
    """

    __slots__ = ("_done", "_file", "_head", "_loop", "_registered", "_socket", "_whole", "sent")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.BaseTransport,
        head: bytes,
        file: FileSlice,
        done: Callable[[Exception | None], None],
    ) -> None:
        original = transport.get_extra_info("socket")
        self._loop = loop
        self._head = head
        self._file = FileSlice(file.fd, file.offset, file.length, file.closed)
        self._whole = file.length
        self._done = done
        self._registered = False
        self.sent = 0
        self._socket: socket.socket | None = socket.socket(
            original.family, original.type, original.proto, fileno=os.dup(original.fileno())
        )
        self._socket.setblocking(False)

    def start(self) -> None:
        """Send what the socket takes now; go on from the loop."""
        self._step()

    def abort(self) -> None:
        """Stop, close the file and the duplicate."""
        if self._socket is not None:
            if self._registered:
                self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
            self._file.close(self._whole - self._file.length)

    def _step(self) -> None:
        if self._socket is None:
            return
        try:
            finished = self._send(self._socket)
        except BlockingIOError:
            if not self._registered:
                self._registered = True
                self._loop.add_writer(self._socket.fileno(), self._step)
            return
        except (OSError, FileTooShort) as error:
            self.abort()
            self._done(error)
            return
        if finished:
            self.abort()
            self._done(None)
        elif not self._registered:
            self._loop.call_soon(self._step)

    def _send(self, to: socket.socket) -> bool:
        file = self._file
        if self._head:
            count = to.send(self._head, socket.MSG_MORE if file.length else 0)
            self.sent += count
            self._head = self._head[count:]
            if self._head:
                return False
        if file.length:
            count = os.sendfile(to.fileno(), file.fd, file.offset, min(file.length, _QUANTUM))
            if count == 0:
                raise FileTooShort(f"{file.length} bytes are missing at offset {file.offset}.")
            self.sent += count
            file.offset += count
            file.length -= count
        return not file.length


class FileBlocks:
    """The slice as an iterator of blocks, for TLS; each is read in a thread, so that a slow disk holds nobody up."""

    def __init__(self, file: FileSlice, executor: Executor) -> None:
        self._file = file
        self._fd = file.fd
        self._offset = file.offset
        self._length = file.length
        self._executor = executor
        self._closed = False

    def __aiter__(self) -> FileBlocks:
        return self

    async def __anext__(self) -> bytes:
        if not self._length:
            raise StopAsyncIteration
        reading = self._executor.submit(os.pread, self._fd, min(self._length, _BLOCK), self._offset)
        try:
            block = await asyncio.wrap_future(reading)
        except asyncio.CancelledError:
            # A thread may still read from the file: close it after that, lest its number be another file's by then.
            self._closed = True
            reading.add_done_callback(lambda _: os.close(self._fd))
            if self._file.closed is not None:
                self._file.closed(self._file.length - self._length)
            raise
        if not block:
            raise FileTooShort(f"{self._length} bytes are missing at offset {self._offset}.")
        self._offset += len(block)
        self._length -= len(block)
        return block

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._close()

    def _close(self) -> None:
        self._file.close(self._file.length - self._length)
