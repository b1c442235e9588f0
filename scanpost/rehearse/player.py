"""Plays a script through a scanner and a scale, and writes down what was heard and what is true."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from contract.identifiers import command_card
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed, Heard
from scanpost.demo.network import NetworkCable
from scanpost.demo.processes import Process
from scanpost.rehearse.acts import Act, Effect, Load, Scan, Trouble, Undo
from scanpost.rehearse.scripts import Script

PATIENCE = 15.0
"""Seconds without a signal after which a scan counts as not answered."""
BOUNCE = 0.5
"""Seconds between two scans of one code that are two: more than the gateway's bounce window."""
MAX_MISMATCHES = 20
"""After so many the shift is broken off: what follows is only their echo."""


@dataclass(slots=True)
class Played:
    """What came of a shift."""

    scans: int = 0
    heard: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    """From the last byte of a scan to its signal."""
    groups: list[tuple[Effect, ...]] = field(default_factory=list)
    """What is true: the transactions that stand, newest last."""
    mismatches: list[str] = field(default_factory=list)
    cuts: int = 0
    outages: int = 0


class Player:
    """One operator at one station."""

    def __init__(
        self,
        station: str,
        scanner: ScannerSimulator,
        scale: MtSicsSimulator,
        feed: Feed,
        gateway: Process,
        network: NetworkCable,
        devices_open: Callable[[], Awaitable[None]],
    ) -> None:
        """Take what it works with.

        Args:
            station: its name.
            scanner: in the operator's hand.
            scale: on the bench.
            feed: what the screen shows.
            gateway: dies at a power cut.
            network: between the gateway and the broker.
            devices_open: returns when the gateway listens to scanner and scale: before, no scanner
                beeps, and nobody would think that a scan was taken.
        """
        self.played = Played()
        self._station = station
        self._scanner = scanner
        self._scale = scale
        self._feed = feed
        self._gateway = gateway
        self._network = network
        self._devices_open = devices_open
        self._last = ("", 0.0)

    async def play(self, script: Script, scans: int) -> Played:
        """Play until so many scans were made, or too much went wrong."""
        for act in script:
            await self._do(act)
            if len(self.played.mismatches) >= MAX_MISMATCHES or self.played.scans >= scans:
                break
        return self.played

    async def _do(self, act: Act) -> None:
        match act:
            case Scan():
                await self._scan(act)
            case Undo():
                heard = await self._send(command_card("UNDO"), ["ok"], "UNDO")
                if act.booked and heard and self.played.groups:
                    self.played.groups.pop()
            case Load():
                await self._load(act)
            case Trouble():
                await self._suffer(act)

    async def _scan(self, act: Scan) -> None:
        expected = [act.expect, "ignored"] if act.twice else [act.expect]
        heard = await self._send(act.text, expected, act.text, twice=act.twice)
        if heard and act.books:
            self.played.groups.append(act.books)

    async def _send(
        self, text: str, expected: Sequence[str], what: str, *, twice: bool = False
    ) -> bool:
        """Scan `text`; return whether what was heard is what must be."""
        loop = asyncio.get_running_loop()
        last, at = self._last
        if last == text:
            await asyncio.sleep(max(0.0, at + BOUNCE - loop.time()))
        since = len(self._feed.heard)
        self.played.scans += 1
        await self._scanner.send(f"{text}\r{text}" if twice else text)
        sent = loop.time()
        heard = await self._hear(since, len(expected))
        self._last = (text, loop.time())
        if heard:
            self.played.seconds.append(heard[0].at - sent)
        return self._compare(what, expected, heard)

    async def _hear(self, since: int, count: int) -> list[Heard]:
        """Return the next `count` signals of the station, or those that came in time."""
        found: list[Heard] = []
        for _ in range(count):

            def ours(heard: Heard, known: tuple[Heard, ...] = tuple(found)) -> bool:
                mine = heard.station == self._station and "Restarted" not in heard.text
                return mine and not any(heard is each for each in known)

            heard = await self._feed.wait_for(ours, since, PATIENCE)
            if heard is None:
                break
            found.append(heard)
        return found

    def _compare(self, what: str, expected: Sequence[str], heard: list[Heard]) -> bool:
        for each in heard:
            self.played.heard[each.kind] = self.played.heard.get(each.kind, 0) + 1
        kinds = [each.kind for each in heard]
        if kinds == list(expected):
            return True
        said = "; ".join(each.text for each in heard) or "nothing"
        self.played.mismatches.append(
            f"scan {self.played.scans} ({what}): expected {' and '.join(expected)},"
            f" heard {' and '.join(kinds) or 'nothing'}: {said}"
        )
        return False

    async def _load(self, act: Load) -> None:
        since = len(self._feed.heard)
        self._scale.load = act.grams.scaleb(-3)
        heard = await self._hear(since, 1)
        if self._compare(f"{act.grams} g", [act.expect], heard) and act.books:
            self.played.groups.append(act.books)
        self._scale.load = Decimal("0.000")
        # The scale must be seen empty before the next load counts: when it is asked for the third
        # time, the answer to the second has been taken.
        await self._scale.spoken_to(3, PATIENCE)

    async def _suffer(self, act: Trouble) -> None:
        match act.what:
            case "power cut":
                self.played.cuts += 1
                opened = self._feed.connections
                await self._gateway.kill()
                await self._gateway.start()
                await self._back(opened)
                await self._devices_open()
                self._last = ("", 0.0)
            case "network gone":
                self.played.outages += 1
                await self._network.pull()
            case "network back":
                self._network.plug()

    async def _back(self, opened: int) -> None:
        """Wait until the screen is connected anew."""
        async with asyncio.timeout(PATIENCE):
            while not (self._feed.open and self._feed.connections > opened):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
