"""A non-blocking file descriptor, read and written through the event loop, without a thread."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from drivers.kit.errors import StreamLost
from drivers.kit.streams import Stream

CHUNK = 4096
"""Bytes of one read: a terminal line holds no more, and 170 key events are a whole scan."""

_OUT_WITHIN = 0.2  # seconds for a few bytes: at 1200 baud a byte takes 8 ms
_OUT_LOOK = 0.005  # seconds between two looks
_SEVEN_BITS = bytes(value & 0x7F for value in range(256))


class Descriptor(Stream):
    """Bytes of one descriptor. At most one chunk is held; the kernel keeps the rest."""

    def __init__(
        self,
        fd: int,
        description: str,
        shut: Callable[[], None],
        *,
        seven_bits: bool = False,
        unsent: Callable[[], int] = lambda: 0,
    ) -> None:
        """Watch `fd`, which must be non-blocking.

        Args:
            fd: an open descriptor.
            description: for messages.
            shut: closes it; may block, so `close` calls it in a thread.
            seven_bits: bit 7 of what is read is parity, and is cleared.
            unsent: says how many bytes the kernel has still to send.
        """
        self.description = description
        self._fd = fd
        self._shut: Callable[[], None] | None = shut
        self._seven_bits = seven_bits
        self._unsent = unsent
        self._loop = asyncio.get_running_loop()
        self._watched = False
        self._chunk = b""
        self._lost: StreamLost | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """Wait for bytes and return them, 1 to `CHUNK`."""
        while not self._chunk:
            if self._lost is not None:
                raise self._lost
            if not self._watched:
                self._loop.add_reader(self._fd, self._fetch)
                self._watched = True
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk, self._chunk = self._chunk, b""
        return chunk

    def _fetch(self) -> None:
        if self._chunk:
            # Nobody has taken the last chunk: stop looking until `read` is called again.
            self._unwatch()
            return
        try:
            chunk = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"{self.description} went away: {error.strerror}")
            return
        if not chunk:
            self._lose(f"{self.description} was hung up")
            return
        self._chunk = chunk.translate(_SEVEN_BITS) if self._seven_bits else chunk
        self._wake()

    async def write(self, data: bytes) -> None:
        """Hand all of `data` to the kernel, waiting while its buffer is full."""
        rest = memoryview(data)
        while rest:
            if self._lost is not None:
                raise self._lost
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._writable()
            except OSError as error:
                raise StreamLost(f"{self.description} went away: {error.strerror}") from error

    async def _writable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(self._fd, _set, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(self._fd)

    def hang_up(self) -> None:
        """Close at once, on this thread; whoever waits in `read` gets `StreamLost`."""
        if (shut := self._let_go()) is not None:
            shut()

    async def close(self) -> None:
        """Give the descriptor back; whoever waits in `read` gets `StreamLost`.

        The last words, such as that nothing was saved, go out before.
        """
        if (shut := self._let_go()) is not None:
            try:
                await self._let_out()
            finally:
                await self._loop.run_in_executor(None, shut)

    async def _let_out(self) -> None:
        end = self._loop.time() + _OUT_WITHIN
        with suppress(OSError):
            while self._unsent() and self._loop.time() < end:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(_OUT_LOOK)

    def _let_go(self) -> Callable[[], None] | None:
        self._lose(f"{self.description} was closed")
        shut, self._shut = self._shut, None
        return shut

    def _lose(self, why: str) -> None:
        self._lost = self._lost or StreamLost(why)
        self._unwatch()
        self._wake()

    def _unwatch(self) -> None:
        if self._watched:
            self._loop.remove_reader(self._fd)
            self._watched = False

    def _wake(self) -> None:
        if self._waiter is not None:
            _set(self._waiter)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
