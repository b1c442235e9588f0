"""A network cable that can be pulled: a relay between the gateway and the broker."""

import asyncio
import contextlib
from typing import Self

_CHUNK = 65536


class NetworkCable:
    """Relays a loopback port to another one, while it is plugged in."""

    def __init__(self, to_port: int) -> None:
        self.plugged = True
        self.host = "127.0.0.1"
        self.port = 0
        """Where to connect to; the same for as long as the cable exists."""
        self._to_port = to_port
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await self.pull()

    async def pull(self) -> None:
        """Pull it: every connection breaks, and new ones are hung up on."""
        self.plugged = False
        for line in list(self._lines):
            line.cancel()
        if self._lines:
            await asyncio.wait(self._lines)

    def plug(self) -> None:
        """Put it back in."""
        self.plugged = True

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        if line is None or not self.plugged:
            writer.transport.abort()
            return
        self._lines.add(line)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # pulled, or one end hung up: both ends are closed below
        finally:
            writer.transport.abort()
            self._lines.discard(line)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            ways = [
                asyncio.ensure_future(_copy(reader, far_writer)),
                asyncio.ensure_future(_copy(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)
        finally:
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
