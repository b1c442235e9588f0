"""The wire between a bridge and Tryton, which a test can cut at a chosen request."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Literal, Self

When = Literal["before", "after"]
"""The request is lost before it reaches Tryton, or its answer after Tryton has given it."""


@dataclass
class Fault:
    """What befalls one request; if `when` is None its answer is lost with the server."""

    pattern: re.Pattern[str]
    when: When | None
    held: bool = False
    answer: bytes = b""
    struck: asyncio.Event = field(default_factory=asyncio.Event)


class Line:
    """A TCP proxy on a free port that reads one request at a time and keeps a list of them."""

    def __init__(self, port: int) -> None:
        self.requests: list[str] = []
        self._upstream = port
        self._faults: list[Fault] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self, pattern: str, when: When, *, held: bool = False) -> asyncio.Event:
        """Lose the next request that matches, or its answer; return what is set when it happened.

        Args:
            pattern: of the request line, such as `POST .*/receive`.
            when: "before" the request reaches Tryton, or "after" Tryton has answered it.
            held: leave the connection open and silent, instead of closing it.
        """
        fault = Fault(re.compile(pattern), when, held)
        self._faults.append(fault)
        return fault.struck

    def refuse(self, pattern: str, status: int, header: str = "X-From: a proxy") -> asyncio.Event:
        """Answer the next request that matches in Tryton's stead, as a proxy would."""
        answer = f"HTTP/1.1 {status} No\r\n{header}\r\nConnection: close\r\n\r\n<h1>No</h1>"
        fault = Fault(re.compile(pattern), "before", answer=answer.encode())
        self._faults.append(fault)
        return fault.struck

    def watch(self, pattern: str) -> asyncio.Event:
        """Return what is set when the next request that matches has been passed on to Tryton.

        That is for who kills it then. No answer comes back, even from one that was faster.
        """
        fault = Fault(re.compile(pattern), None)
        self._faults.append(fault)
        return fault.struck

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            await self._call(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either end went away, or the test is over
        finally:
            self._calls.discard(task)
            writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        length = re.search(rb"(?im)^content-length: ([0-9]+)", rest)
        body = await reader.readexactly(int(length[1])) if length else b""
        request = first.decode()
        self.requests.append(request)
        fault = next((each for each in self._faults if each.pattern.search(request)), None)
        if fault is not None:
            self._faults.remove(fault)
            if fault.when == "before":
                writer.write(fault.answer)
                await self._strike(fault)
                return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            up_writer.write(first + b"\r\nConnection: close\r\n" + rest + body)
            if fault is not None and fault.when is None:
                await up_writer.drain()
                fault.struck.set()
            answer = await up_reader.read(-1)
        finally:
            up_writer.close()
        if fault is not None:
            await self._strike(fault)
            return
        writer.write(answer)
        await writer.drain()

    async def _strike(self, fault: Fault) -> None:
        fault.struck.set()
        if fault.held:
            await asyncio.Event().wait()
