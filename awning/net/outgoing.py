"""The sending half of a connection: bytes, files and blocks go out in order, as fast as the client takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from awning.net.files import FileSender
from awning.net.messages import FileSlice
from awning.net.stepper import Stepper, drive
from awning.net.stream import as_blocks, send_blocks
from awning.net.tls import TlsStream

if TYPE_CHECKING:
    from awning.net.server import Server

LARGE = 256 * 1024
"""Larger bodies are not joined to their head, nor written or encrypted at once."""


class Outgoing:
    """Writes to one transport. `sent(error)` is called once for each send_body().

    `begun`: something has been written since it was last set to False. `paused`: the client must take some of it first.
    """

    __slots__ = (
        "_loop",
        "_sender",
        "_sent",
        "_server",
        "_stepper",
        "_transport",
        "_unsent",
        "_unsent_since",
        "_writable",
        "begun",
        "paused",
        "tls",
    )

    def __init__(
        self, server: Server, transport: asyncio.Transport, sent: Callable[[BaseException | None], None]
    ) -> None:
        self._server = server
        self._loop = server.loop
        self._transport = transport
        self._sent = sent
        self._stepper: Stepper | None = None
        self._sender: FileSender | tuple[bytes, FileSlice] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._unsent: int | None = None
        self._unsent_since = 0.0
        self.tls: TlsStream | None = None
        self.begun = False
        self.paused = False
        transport.set_write_buffer_limits(server.limits.write_bytes)

    @property
    def busy(self) -> bool:
        """An iterator is still running, though the transport may be gone."""
        return self._stepper is not None

    def write(self, data: bytes) -> None:
        """Write a part of a response."""
        self.begun = True
        if self._transport.is_closing():
            return  # the client has gone, as connection_lost() is about to say
        if self.tls is not None:
            data = self.tls.encrypt(data)
        self._server.counters.bytes_out += len(data)
        self._transport.write(data)

    async def drained(self) -> None:
        """Return when the client has taken enough of what was written. Raises ConnectionError where it has gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("The client has gone.")
        if self.paused:
            self._writable = self._loop.create_future()
            try:
                await self._writable
            finally:
                self._writable = None

    def send_body(self, head: bytes, body: Any, length: int | None, chunked: bool) -> None:
        """Send a head and a body that is not at hand, or not to be written at once."""
        self.begun = False
        if isinstance(body, FileSlice) and self.tls is None:
            self._start_file(head, body)
            return
        blocks = as_blocks(body, self._server.executor)
        stepper = drive(send_blocks(self, head, blocks, length, chunked), self._blocks_sent, self._loop)
        if stepper is not None:
            self._stepper = stepper

    def _blocks_sent(self, _: Any, error: BaseException | None) -> None:
        self._stepper = None
        self._sent(error)

    def _start_file(self, head: bytes, file: FileSlice) -> None:
        """Send a file once the transport has nothing left to write, lest the file overtake it."""
        if self._transport.is_closing():
            self._sender = None
            file.close()
            self._sent(ConnectionResetError("The client has gone."))
            return
        if self._transport.get_write_buffer_size():
            self._sender = (head, file)
            self._transport.set_write_buffer_limits(0)
            return
        try:
            sender = FileSender(self._loop, self._transport, head, file, self._file_sent)
        except OSError as error:  # no file descriptor left
            self._sender = None
            file.close()
            self._sent(error)
            return
        self._sender = sender
        self.begun = True
        sender.start()

    def _file_sent(self, error: Exception | None) -> None:
        sender = self._sender
        assert isinstance(sender, FileSender)
        self._sender = None
        self._server.counters.bytes_out += sender.sent
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits(self._server.limits.write_bytes)
        self._sent(error)

    def pause(self) -> None:
        """The transport holds too much."""
        self.paused = True

    def resume(self) -> bool:
        """The transport holds little; return whether nobody here was waiting for that."""
        self.paused = False
        if isinstance(self._sender, tuple):
            self._start_file(*self._sender)
        elif self._writable is None:
            return self._sender is None
        elif not self._writable.done():
            self._writable.set_result(None)
        return False

    def stalled(self, now: float, closing: bool) -> bool:
        """Whether the client has taken nothing, of what waits for it, for too long. Called now and then."""
        progress: int | None = None
        if isinstance(self._sender, FileSender):
            progress = self._sender.sent
        elif self.paused or closing:
            progress = -self._transport.get_write_buffer_size() or None
        if progress is None or progress != self._unsent:
            self._unsent = progress
            self._unsent_since = now
        return now - self._unsent_since > self._server.limits.write_seconds

    def lost(self) -> None:
        """The transport is gone: close files, cancel iterators."""
        if isinstance(self._sender, FileSender):
            self._server.counters.bytes_out += self._sender.sent
            self._sender.abort()
        elif self._sender is not None:
            self._sender[1].close()
        self._sender = None
        if self._stepper is not None:
            self._stepper.cancel()

    def let_go(self) -> None:
        """Nothing is sent any more: drop TLS, and the way back to the connection."""
        self.tls = None
        self._sent = _ignore


def _ignore(_: BaseException | None) -> None:
    """Stands where nobody listens any more."""
