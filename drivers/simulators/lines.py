"""A scanner that sends lines."""

from collections.abc import Iterable

from drivers.simulators.device import Device


class ScannerSimulator(Device):
    """A serial scanner, with the faults real ones have."""

    async def take(self, text: str) -> None:
        """Scan `text` as it stands."""
        await self.send(text)

    async def send(
        self,
        code: bytes | str,
        *,
        terminator: bytes = b"\r",
        aim: str = "",
        prefix: bytes | str = "",
    ) -> None:
        """Scan one `code`; `aim` is an AIM identifier such as ``]C1``."""
        await self.say(_bytes(prefix) + aim.encode() + _bytes(code) + terminator)

    async def cut(self, code: bytes | str, *, after: int, terminator: bytes = b"\r") -> None:
        """Send only the first `after` bytes of a scan: the battery died."""
        await self.say((_bytes(code) + terminator)[:after])

    async def glued(self, codes: Iterable[bytes | str], *, terminator: bytes = b"\r") -> None:
        """Send several scans in one write: the host was slow to read."""
        await self.say(b"".join(_bytes(code) + terminator for code in codes))

    async def noise(self, data: bytes = bytes(range(0x80, 0xC0))) -> None:
        """Send bytes that are no scan: a wrong speed, a bad cable."""
        await self.say(data)


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


Simulator = ScannerSimulator
