"""A network that is worse than a pulled cable: it goes silent, or late, and tells nobody.

Without a network namespace or `tc`: a relay in this process holds the bytes back, which is what a
router does that has lost its way. What was held is delivered when the silence ends, as TCP would.
"""

import asyncio
import contextlib
import random

from scanpost.demo.network import NetworkCable

_CHUNK = 65536


class BadLine(NetworkCable):
    """A cable that can also be silent or slow while it is plugged in."""

    def __init__(self, to_port: int) -> None:
        super().__init__(to_port)
        self.delay = 0.0
        """Seconds each piece is late, each way, at most."""
        self._sound = asyncio.Event()
        self._sound.set()
        self._far = to_port
        self._dice = random.Random(to_port)

    def silence(self) -> None:
        """Let nothing pass, and nobody know."""
        self._sound.clear()

    def end_silence(self) -> None:
        """Let pass what was held back, and everything after it."""
        self._sound.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
        ways = [
            asyncio.ensure_future(self._copy(reader, far_writer)),
            asyncio.ensure_future(self._copy(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            far_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self._dice.uniform(0, self.delay))
                await self._sound.wait()
                writer.write(data)
                await writer.drain()
