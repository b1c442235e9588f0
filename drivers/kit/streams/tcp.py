"""Terminal servers and network scanners: ``tcp://192.0.2.7:4001``."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import SplitResult

from drivers.kit.errors import DeviceMisconfigured, StreamLost
from drivers.kit.streams import Stream, address

CONNECT_WITHIN = 5.0
"""Seconds to connect; a device that takes longer is not on this network."""
CLOSE_WITHIN = 1.0
CHUNK = 65536
"""Bytes of one read, and what the loop may hold before it lets the sender wait."""

_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # A pulled cable is found after 10 + 3 * 5 s of silence, not after two hours.
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


class _Connection(Stream):
    def __init__(
        self, description: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.description = description
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            data = await self._reader.read(CHUNK)
        except OSError as error:
            raise StreamLost(f"{self.description} went away: {error}") from error
        if not data:
            raise StreamLost(f"{self.description} hung up")
        return data

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise StreamLost(f"{self.description} went away: {error}") from error

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._writer.wait_closed()


def parts(url: SplitResult) -> tuple[str, int]:
    """Return host and port of `url`."""
    address.options(url, {})
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise DeviceMisconfigured(f"{address.text(url)}: {error}") from error
    if not host or not port or url.path.strip("/"):
        raise DeviceMisconfigured(f"{address.text(url)} must look like tcp://host:port")
    return host, port


async def open_url(url: SplitResult) -> Stream:
    """Connect to the host and port of `url`."""
    host, port = parts(url)
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            reader, writer = await asyncio.open_connection(host, port, limit=CHUNK)
    except OSError as error:
        raise StreamLost(f"{host}:{port} cannot be reached: {str(error) or 'no answer'}") from error
    plug: socket.socket = writer.get_extra_info("socket")
    for level, option, value in _KEEPALIVE:
        plug.setsockopt(level, option, value)
    return _Connection(f"{host}:{port}", reader, writer)
