"""Operators with clumsy hands: now and then the scanner's cable comes out in mid-scan.

They have an eye on their screen, or they would spend a shift of very many restarts waiting for what
nobody will answer any more: they scan where the gateway is there and listens to the scanner, and
after a restart they believe at once what it says was recorded last.
"""

import asyncio
import random

from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed, Heard
from scanpost.demo.operator import Offer, Operator
from tests.chaos.screen import Screen

_PACE = (0.0, 0.05)  # seconds between two scans
_OUT = 0.2  # seconds the cable is out
_LOOK = 0.02  # seconds between two looks at the screen
_SAYS = 10.0  # seconds after which a gateway that is back has long said what it recorded last
_BACK_WITHIN = 180.0  # seconds without a gateway that listens, after which something is broken
_PATIENCE = 60.0
"""Seconds without an answer of a gateway that is there. Who scans again while it is only slow books
twice what was meant once; a restart, which is what loses a scan, is told at once."""


class ClumsyOperator(Operator):
    """Pulls a cable while the label is on its way, puts it back, and scans again."""

    share = 0.02

    def __init__(
        self,
        station: str,
        scanner: ScannerSimulator,
        feed: Feed,
        screen: Screen,
        scale: MtSicsSimulator | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(station, scanner, feed, _PACE, scale, seed)
        self.torn = 0
        """Scans that were cut off in mid-frame."""
        self._screen = screen
        self._restarted = 0
        """The connection on which the gateway last said what it had recorded."""
        self.recorded = False
        """Whether anything of this station is on disk."""
        self._at = 0
        """The connection on which the scanner was last seen to be listened to."""
        self._opened = 0
        """How often it was open then."""
        self._pulled = 0
        """The connection on which its cable was pulled last."""
        feed.listen(self._hear)

    def _hear(self, heard: Heard) -> None:
        if heard.station == self.station:
            self.recorded = self.recorded or bool(heard.booked)
            if _is_restart(heard):
                self._restarted = self.feed.connections

    async def scan(self, dice: random.Random) -> Offer:
        """Scan one item; before it, maybe half of one that never counts."""
        if dice.random() < self.share:
            await self.ready()
            self.torn += 1
            text = f"]C1010400638133393121TORN{self.station.upper()}{self.torn:04}"
            await self.scanner.cut(text, after=dice.randrange(4, len(text)))
            self.scanner.unplug()
            self._pulled, self._at = self._at, 0
            await asyncio.sleep(_OUT)
            self.scanner.replug()
        return await super().scan(dice)

    async def ready(self) -> None:
        """Wait until the gateway of now has said what it recorded last, and hears the scanner.

        A scan into an older one's ear is lost for certain, and so may be done again.

        Raises:
            TimeoutError: nobody comes back.
        """
        async with asyncio.timeout(_BACK_WITHIN):
            came = asyncio.get_running_loop().time()
            looking = 0
            while not (self.feed.open and self._at == self.feed.connections):
                await asyncio.sleep(_LOOK)
                if looking != self.feed.connections:
                    looking, came = self.feed.connections, asyncio.get_running_loop().time()
                if not self.feed.open or not self._caught_up(came):
                    continue
                shown = await self._screen.device(f"{self.station}-scanner")
                new = looking != self._pulled or (shown is not None and shown.times > self._opened)
                if shown is not None and shown.open and new:
                    self._at, self._opened = looking, shown.times

    def _caught_up(self, came: float) -> bool:
        late = asyncio.get_running_loop().time() - came > _SAYS
        return self._restarted == self.feed.connections or not self.recorded or late

    async def _answer(self, mark: str, since: int, opened: int) -> Heard | None:
        """Return the signal for `mark`; None when a gateway that is back does not know of it."""
        del opened

        def of_it(heard: Heard) -> bool:
            return heard.station == self.station and (mark in heard.said or mark in heard.text)

        def final(heard: Heard) -> bool:
            return of_it(heard) or (heard.station == self.station and _is_restart(heard))

        heard = await self.feed.wait_for(final, since, _PATIENCE)
        return heard if heard is not None and of_it(heard) else None


def _is_restart(heard: Heard) -> bool:
    return heard.kind == "attention" and heard.text.startswith("Restarted")
