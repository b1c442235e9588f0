"""The warehouse floor: scanners at their cables, and operators who write down what they were told.

A scanner is a stream of the scheme `world`: bytes go in, and the verdict it hears ("+" stored, "-"
refused) is all an operator believes. No label is ever scanned twice, so that each mark in the books
can be traced to one scan.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult

from drivers.kit.errors import StreamLost
from drivers.kit.streams import Stream
from scanpost.demo.goods import DOCUMENTS, GOODS, label
from tests.worlds.erp import REFUSED
from tests.worlds.loop import HERE, Loop, Process

Verdict = Literal["ok", "bad", "unknown"]


@dataclass(slots=True)
class Offer:
    """One scan, and what the operator was told of it."""

    mark: str
    station: str
    gateway: str
    at: float
    verdict: Verdict = "unknown"
    told_at: float = 0.0
    run: int = 0
    """Which run of the gateway it was offered to."""
    gone: bool = False
    """It was on a card that died before it could be sent: nothing can bring it back."""
    doubtful: bool = False
    """The disk failed while it was stored, and may have stored it: not-OK means nobody knows."""


class Scanner:
    """One scanner on its cable."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.plugged = True
        self._stream: _Cable | None = None
        self.answer: asyncio.Future[bytes] | None = None
        self.unasked = 0
        """Verdicts nobody waited for: on documents, and on what was given up."""

    def open(self) -> "_Cable":
        """Open the port for the process that runs."""
        if not self.plugged:
            raise StreamLost("not plugged in")
        process = HERE.get()
        assert process is not None
        self._stream = _Cable(self, process)
        process.at_death.append(self._stream.drop)
        return self._stream

    @property
    def open_now(self) -> bool:
        """Whether somebody listens."""
        return self._stream is not None and not self._stream.lost

    @property
    def line(self) -> object:
        """The connection there is now."""
        return self._stream

    def type(self, data: bytes, line: object) -> None:
        """Send bytes over `line`; where that is gone, they are."""
        if self._stream is not None and self._stream is line:
            self._stream.arrive(data)

    def unplug(self) -> None:
        """Pull the cable."""
        self.plugged = False
        if self._stream is not None:
            self._stream.drop()

    def hear(self, data: bytes) -> None:
        """Hear a verdict."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(data)
        else:
            self.unasked += 1

    def give_up(self) -> None:
        """Let whoever waits for a verdict know that none will come."""
        if self.answer is not None and not self.answer.done():
            self.answer.cancel()


class _Cable(Stream):
    def __init__(self, scanner: Scanner, process: Process) -> None:
        self.description = "a scanner"
        self._scanner = scanner
        self._process = process
        self._bytes = b""
        self._bell = asyncio.Event()
        self.lost = False

    def arrive(self, data: bytes) -> None:
        if not self.lost:
            self._bytes += data
            self._bell.set()

    def drop(self) -> None:
        self.lost = True
        self._bell.set()
        self._scanner.give_up()

    async def read(self) -> bytes:
        while not self._bytes:
            if self.lost:
                raise StreamLost("unplugged")
            self._bell.clear()
            await self._bell.wait()
        data, self._bytes = self._bytes, b""
        return data

    async def write(self, data: bytes) -> None:
        if self.lost:
            raise StreamLost("unplugged")
        self._scanner.hear(data)

    async def close(self) -> None:
        self.drop()


SCANNERS: dict[str, Scanner] = {}


def parts(url: SplitResult) -> None:
    """Check an address of the scheme: every one is right."""


async def open_url(url: SplitResult) -> Stream:
    """Open `world://<scanner>`."""
    return SCANNERS[url.netloc].open()


@dataclass(eq=False)
class Operator:
    """Scans at one station for as long as the shift lasts."""

    loop: Loop
    seed: int
    gateway: str
    station: str
    scanner: Scanner
    offers: list[Offer]
    with_documents: bool
    over: bool = False
    run: int = 0
    odd: bool = True
    """Whether some labels are of goods the ERP does not know."""

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed}/{self.gateway}/{self.station}")
        self._number = 0

    async def work(self, pace: tuple[float, float]) -> None:
        """Scan one label after the other."""
        document_of = -1
        while not self.over:
            await asyncio.sleep(self.dice.uniform(*pace))
            while not self.scanner.open_now and not self.over:
                await asyncio.sleep(0.5)
            if self.with_documents and (document_of != self.run or self.dice.random() < 0.1):
                document_of = self.run
                await self._show(self.dice.choice(DOCUMENTS).encode())
            if (await self.scan()).verdict == "bad":
                document_of = -1

    async def scan(self) -> Offer:
        """Scan one new label, and write down what was heard."""
        self._number += 1
        odd = self.odd and self.dice.random() < 0.05
        mark = f"{REFUSED if odd else ''}{self.station.upper()}{self._number:04}"
        offer = Offer(mark, self.station, self.gateway, self.loop.time(), run=self.run)
        self.offers.append(offer)
        data = label(self.dice.choice(GOODS), mark).encode()
        match await self._show(data):
            case b"+":
                offer.verdict = "ok"
            case b"-":
                offer.verdict = "bad"
            case _:
                pass
        offer.told_at = self.loop.time()
        return offer

    async def _show(self, data: bytes) -> bytes | None:
        """Send one code, and return the verdict; None if the line broke before one came."""
        if not self.scanner.open_now:
            return None
        self.scanner.answer = self.loop.create_future()
        cut = self.dice.randrange(len(data)) if self.dice.random() < 0.3 else 0
        line = self.scanner.line
        self.scanner.type(data[:cut], line)
        if cut:
            await asyncio.sleep(self.dice.uniform(0, 0.2))
        self.scanner.type(data[cut:] + b"\r", line)
        try:
            return await self.scanner.answer
        except asyncio.CancelledError:
            return None
        finally:
            self.scanner.answer = None
