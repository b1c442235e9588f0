"""What the operators are told, as their screen shows it: the gateway's event stream, kept."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

_RETRY = 0.05  # seconds; the gateway is on this machine
_SILENCE = 20.0  # seconds without a sign of life: the stream is dead, open a new one


@dataclass(frozen=True, slots=True)
class Heard:
    """One signal, and when it was heard."""

    at: float
    """`time.monotonic` seconds."""
    station: str
    kind: str
    text: str
    said: str
    booked: tuple[tuple[str, int], ...]
    """(transaction id, seq) of what is on disk behind it."""


class Feed:
    """Keeps the event stream of a gateway open, through every restart. `run` it as a task."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/events"
        self.heard: list[Heard] = []
        self.saved: dict[str, int] = {}
        """What the operators were told is saved: transaction id to seq."""
        self.connections = 0
        """How often the stream was opened; grows when the gateway came back."""
        self.open = False
        self._news = asyncio.Event()
        self._listeners: list[Callable[[Heard], None]] = []

    def listen(self, listener: Callable[[Heard], None]) -> None:
        """Call `listener` with every signal."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Listen until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=_SILENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(self._url) as response:
                        await self._listen(response)
                self.open = False
                await asyncio.sleep(_RETRY)

    async def _listen(self, response: aiohttp.ClientResponse) -> None:
        self.connections += 1
        self.open = True
        self._wake()
        async for line in response.content:
            if line.startswith(b"data: "):
                self._take(json.loads(line[6:]))

    def _take(self, told: dict[str, Any]) -> None:
        booked = tuple((each["id"], each["seq"]) for each in told["booked"])
        heard = Heard(
            time.monotonic(), told["station"], told["kind"], told["text"], told["said"], booked
        )
        self.saved.update(booked)
        self.heard.append(heard)
        for listener in self._listeners:
            listener(heard)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def wait_for(
        self, test: Callable[[Heard], bool], since: int, within: float
    ) -> Heard | None:
        """Return the first signal from number `since` on that passes; None after `within` s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    for heard in self.heard[since:]:
                        if test(heard):
                            return heard
                    since = len(self.heard)
                    await self._news.wait()
        return None

    async def wait_open(self, within: float) -> bool:
        """Return whether the stream is open within `within` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self.open:
                    await self._news.wait()
        return self.open
