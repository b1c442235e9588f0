"""A virtual operator: scans, waits for the signal, and does what a person would do without one."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed, Heard
from scanpost.demo.goods import DOCUMENTS, GOODS, label

_PATIENCE = 3.0  # seconds without a signal before the operator looks at the screen
_EMPTY_WITHIN = 3.0  # seconds; it is asked ten times a second
_LOOKS = 1.0  # seconds at the screen of a gateway that is back, for what it says of a scan
_OUTAGE = 60.0  # seconds a dead gateway may take to come back


@dataclass(slots=True)
class Offer:
    """One thing an operator did: a scan or a weight, and what came of it."""

    number: int
    station: str
    mark: str
    """What is unique in it: a serial number, or the digits of a weight."""
    told: Heard | None = None
    seconds: float | None = None
    """From the last byte sent to the OK heard, where no outage lay between."""
    tries: int = 0


@dataclass(slots=True)
class Operator:
    """Works at one station."""

    station: str
    scanner: ScannerSimulator
    feed: Feed
    pace: tuple[float, float] = (0.05, 0.15)
    """Seconds between two scans, from and to."""
    scale: MtSicsSimulator | None = None
    seed: int = 0
    offers: list[Offer] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def work(self, until: asyncio.Event) -> None:
        """Work until told to stop; the scan under way is finished first."""
        dice = random.Random(f"{self.seed}/{self.station}")  # noqa: S311 - a shift to replay
        document_at = -1
        while not until.is_set():
            if self.scale is not None and self.feed.connections != document_at:
                # After a restart the dock asks for the document again, as the screen says.
                document_at = self.feed.connections
                await self._show(dice.choice(DOCUMENTS))
            if self.scale is not None and dice.random() < 0.1:
                await self.weigh(dice)
            else:
                await self.scan(dice)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(*self.pace)):
                    await until.wait()

    async def ready(self) -> None:
        """Wait until what is done next can be taken. Who works here does not look, and does it."""

    async def scan(self, dice: random.Random) -> Offer:
        """Scan one item until it is told to be saved."""
        number = next(self._numbers)
        mark = f"{self.station.upper()}{self.seed}X{number:06}"
        offer = Offer(number, self.station, mark)
        self.offers.append(offer)
        text = label(dice.choice(GOODS), mark)
        while offer.told is None and offer.tries < 20:
            offer.tries += 1
            await self.ready()
            since, opened = len(self.feed.heard), self.feed.connections
            sent = time.monotonic()
            await self.scanner.send(text)
            heard = await self._answer(mark, since, opened)
            if heard is None:
                continue
            if heard.kind == "not_ok" and "document" in heard.text:
                await self._show(dice.choice(DOCUMENTS))
            elif heard.booked:
                offer.told = heard
                if offer.tries == 1 and self.feed.connections == opened:
                    offer.seconds = heard.at - sent
        return offer

    async def weigh(self, dice: random.Random) -> Offer | None:
        """Put a load nobody weighed before on the scale, wait for the OK, take it off."""
        if self.scale is None:
            return None
        number = next(self._numbers)
        load = Decimal(100_000 + number * 10 + dice.randrange(10)).scaleb(-3)
        offer = Offer(number, self.station, str(load))
        self.offers.append(offer)
        await self.ready()
        since, opened = len(self.feed.heard), self.feed.connections
        offer.tries = 1
        async with self._on_the_scale(load):
            heard = await self._answer(str(load), since, opened)
            if heard is not None and heard.booked:
                offer.told = heard
        return offer

    @contextlib.asynccontextmanager
    async def _on_the_scale(self, load: Decimal) -> AsyncIterator[None]:
        assert self.scale is not None  # noqa: S101 - checked by `weigh`
        self.scale.load = load
        try:
            yield
        finally:
            self.scale.load = Decimal("0.000")
            # It must be seen empty; where the gateway is gone, it will be when that is back.
            await self.scale.spoken_to(3, _EMPTY_WITHIN)

    async def _show(self, document: str) -> None:
        """Scan a document until a signal of any kind answers."""
        for _ in range(20):
            await self.ready()
            since, opened = len(self.feed.heard), self.feed.connections
            await self.scanner.send(document)
            if await self._answer(document, since, opened) is not None:
                return

    async def _answer(self, mark: str, since: int, opened: int) -> Heard | None:
        """Return the signal for `mark`; after an outage, what the screen says of it."""

        def about(heard: Heard) -> bool:
            return heard.station == self.station and (mark in heard.said or mark in heard.text)

        heard = await self.feed.wait_for(about, since, _PATIENCE)
        if heard is None and not self.feed.open:
            await self.feed.wait_open(_OUTAGE)
            heard = await self.feed.wait_for(about, since, _LOOKS)
        return heard
