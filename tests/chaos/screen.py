"""What an operator sees of the devices on the station's screen: the gateway's own status."""

import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

_WITHIN = aiohttp.ClientTimeout(total=5)  # seconds; who is stopped for a while answers after it


@dataclass(frozen=True, slots=True)
class Shown:
    """One device."""

    open: bool
    times: int
    """How often the gateway has opened it since its start."""


class Screen:
    """Use as a context."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/status"
        self._session = aiohttp.ClientSession(timeout=_WITHIN)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def device(self, id_: str) -> Shown | None:
        """Return how a device is; None where nobody answers."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.get(self._url) as answer:
                for each in (await answer.json())["devices"]:
                    if each["id"] == id_:
                        return Shown(each["state"] == "open", each["opened"])
        return None
