"""What a simulated device is plugged in with: a pseudo-terminal, or a TCP port."""

import asyncio
import os
import tty
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, Self

from drivers.kit.errors import StreamLost
from drivers.kit.streams.descriptor import Descriptor

CHUNK = 65536
"""Bytes a TCP host may send ahead."""


class Cable(Protocol):
    """The device's end of a cable."""

    @property
    def url(self) -> str:
        """Where the other end is, for `drivers.kit.streams.open_stream`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def read(self) -> bytes:
        """Wait for bytes from the host; outlasts being unplugged."""
        ...

    async def write(self, data: bytes) -> None:
        """Send `data` to the host, as fast as it takes it. Unplugged, the bytes are lost."""
        ...

    def unplug(self) -> None:
        """Pull the cable. Twice is once."""
        ...

    def replug(self) -> None:
        """Put the cable back in. Twice is once."""
        ...


class Pty:
    """A real pseudo-terminal; the host opens it like any serial port."""

    def __init__(self, link: Path | None = None) -> None:
        """Prepare a cable.

        Args:
            link: a name that stays the same when the cable is put back in, as `/dev/serial/by-path`
                has them. Without one each plugging in has a name of its own.
        """
        self._link = link
        self._path = ""
        self._device: Descriptor | None = None
        self._plugged = asyncio.Event()

    @property
    def path(self) -> str:
        """The host's device node."""
        return str(self._link) if self._link else self._path

    @property
    def url(self) -> str:
        """The host's address of this device."""
        return f"serial://{self.path}"

    async def __aenter__(self) -> Self:
        self.replug()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unplug()

    async def read(self) -> bytes:
        """Wait for bytes from the host."""
        while True:
            await self._plugged.wait()
            try:
                return await self._end().read()
            except StreamLost:
                if self._plugged.is_set():
                    raise

    async def write(self, data: bytes) -> None:
        """Send `data`; a host that does not read makes this wait."""
        with suppress(StreamLost):
            if self._plugged.is_set():
                await self._end().write(data)

    def _end(self) -> Descriptor:
        if self._device is None:
            raise RuntimeError("a cable is used inside `async with`")
        return self._device

    def unplug(self) -> None:
        """Pull the cable: the host sees its port hang up, and the node is gone."""
        if not self._plugged.is_set():
            return
        self._plugged.clear()
        if self._link:
            self._link.unlink(missing_ok=True)
        self._end().hang_up()

    def replug(self) -> None:
        """Put the cable in: a new node, under the same link if there is one."""
        if self._plugged.is_set():
            return
        device, host = os.openpty()
        # The host's end stays open here too: else the device sees a hang-up at each close.
        tty.setraw(host)
        os.set_blocking(device, False)
        self._path = os.ttyname(host)
        self._device = Descriptor(device, f"device at {self._path}", partial(_close, device, host))
        if self._link:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self._path)
        self._plugged.set()


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class TcpPort:
    """A port on this machine, as a terminal server has; the last host to connect is served."""

    def __init__(self) -> None:
        """Prepare a cable; entering the context opens the port."""
        self._server: asyncio.Server | None = None
        self._host: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._plugged = True
        self._connected = asyncio.Event()

    @property
    def url(self) -> str:
        """The host's address of this device."""
        if self._server is None:
            raise RuntimeError("a cable is used inside `async with`")
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", 0, limit=CHUNK)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unplug()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._plugged:
            writer.close()
            return
        self._hang_up()
        self._host = reader, writer
        self._connected.set()

    async def connected(self) -> None:
        """Wait for a host."""
        await self._connected.wait()

    def _hang_up(self) -> None:
        if self._host is not None:
            self._host[1].close()
        self._host = None
        self._connected.clear()

    async def read(self) -> bytes:
        """Wait for bytes from the host, and for a host."""
        while True:
            await self._connected.wait()
            host = self._host
            data = b""
            with suppress(OSError):
                data = await host[0].read(CHUNK) if host else b""
            if data:
                return data
            if host is self._host:
                self._hang_up()

    async def write(self, data: bytes) -> None:
        """Send `data`; a host that does not read makes this wait, and without one it is lost."""
        with suppress(OSError):
            if self._host is not None:
                self._host[1].write(data)
                await self._host[1].drain()

    def unplug(self) -> None:
        """Hang up on the host, and on all who come."""
        self._plugged = False
        self._hang_up()

    def replug(self) -> None:
        """Serve hosts again."""
        self._plugged = True
