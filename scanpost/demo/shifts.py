"""Shifts of every job at one station: scans and loads as bytes, and what came of them."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from contract.identifiers import Rules
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed
from scanpost.demo.network import NetworkCable
from scanpost.demo.processes import Process
from scanpost.rehearse.acts import Act, Load, Scan, Trouble, Undo
from scanpost.rehearse.player import Player
from scanpost.rehearse.scripts import SCRIPTS
from scanpost.rehearse.world import World

SCANS = 40
"""Of one shift; it goes on to the end of the document it is at."""
PACE = 0.25
"""Seconds between two scans: what a person can follow on the screen."""
_BACK_WITHIN = 60.0  # seconds a gateway that was killed may take to be there again
_DOCUMENTS = tuple(Rules().documents)


class Busy(Exception):
    """A shift is played already: there is one scanner."""


@dataclass(slots=True)
class Shift:
    """What came of the shifts of one job."""

    scans: int = 0
    heard: dict[str, int] = field(default_factory=dict)
    """Signals by their kind."""
    saved: list[int] = field(default_factory=list)
    """Seqs of the transactions that are on disk."""
    trouble: str = ""
    """Why it was broken off; such a job is not played again."""


@dataclass(slots=True)
class AnyJob:
    """The station that can do every job, with what is in its operator's hands."""

    name: str
    scanner: ScannerSimulator
    scale: MtSicsSimulator
    worlds: dict[str, World]
    ready: Callable[[], Awaitable[None]]
    """Returns when the gateway listens to scanner and scale, and knows the documents.

    Raises:
        TimeoutError: it took too long.
    """


class Script:
    """A script without its troubles, those a person at the page makes, and one act ahead."""

    def __init__(self, acts: Iterator[Act]) -> None:
        self._acts = (act for act in acts if not isinstance(act, Trouble))
        self.next: Act | None = next(self._acts, None)
        self._last: Act | None = None
        self._of_documents = _is_document(self.next)

    def advance(self) -> None:
        """Go on to the next act; None where there is none."""
        self._last, self.next = self.next, next(self._acts, None)

    @property
    def at_an_end(self) -> bool:
        """Whether another job may be done before the next act."""
        if self._of_documents:
            return _is_document(self.next)
        booked = isinstance(self._last, Scan | Load) and bool(self._last.books)
        # UNDO takes back what the station did last, whatever job that was.
        return booked and not isinstance(self.next, Undo)


class Shifts:
    """Plays one shift after the other. A job goes on where its last shift ended."""

    def __init__(
        self,
        station: AnyJob,
        feed: Feed,
        gateway: Process,
        network: NetworkCable,
    ) -> None:
        self.scans, self.pace = SCANS, PACE
        self.played: dict[str, Shift] = {}
        self.playing: str | None = None
        """The job that is played now."""
        self.hands = asyncio.Lock()
        """Held from a scan to its signal: a gateway that dies in between leaves the operator with
        a question that only a person can answer."""
        self._station = station
        self._feed = feed
        self._player = Player(
            station.name, station.scanner, station.scale, feed, gateway, network, station.ready
        )
        self._scripts: dict[str, Script] = {}
        self._task: asyncio.Task[None] | None = None
        self._opened = -1

    @property
    def jobs(self) -> list[str]:
        """What can be played."""
        return list(SCRIPTS)

    def start(self, job: str) -> None:
        """Begin to play a shift.

        Raises:
            KeyError: there is no such job.
            Busy: one is played already.
        """
        if self.playing is not None:
            raise Busy(Busy.__doc__)
        world, (_, script) = self._station.worlds[job], SCRIPTS[job]
        dice = random.Random(f"demo {job}")  # noqa: S311 - a shift, not a secret
        self._scripts.setdefault(job, Script(script(world, dice)))
        self.playing = job
        self._task = asyncio.create_task(self._play(job), name=f"a shift of {job}")

    async def over(self) -> None:
        """Wait until the shift that is played is over."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """Break off what is played."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _play(self, job: str) -> None:
        shift = self.played.setdefault(job, Shift())
        try:
            if not shift.trouble:
                card = Scan(f"MODE:{job.replace('_', '-').upper()}")
                shift.trouble = await self._act(shift, card) or await self._work(
                    shift, self._scripts[job]
                )
        except TimeoutError:
            shift.trouble = "the gateway does not answer"
        finally:
            self.playing = None

    async def _work(self, shift: Shift, script: Script) -> str:
        """Play to the next end of the script behind `scans`; return why it was broken off."""
        begun = shift.scans
        while (act := script.next) is not None:
            if shift.scans - begun >= self.scans and script.at_an_end:
                return ""
            await asyncio.sleep(self.pace)
            if trouble := await self._act(shift, act):
                return trouble
            script.advance()
        return "all documents are worked off: begin the demo anew"

    async def _act(self, shift: Shift, act: Act) -> str:
        """Do one thing; return what was heard and should not have been."""
        async with self.hands:
            await self._there()
            played, since = self._player.played, len(self._feed.heard)
            scans, wrong = played.scans, len(played.mismatches)
            await self._player.play(iter((act,)), scans + 1)
            shift.scans += played.scans - scans
            for heard in self._feed.heard[since:]:
                if heard.station == self._station.name:
                    shift.heard[heard.kind] = shift.heard.get(heard.kind, 0) + 1
                    shift.saved += [seq for _, seq in heard.booked]
            return "; ".join(played.mismatches[wrong:])

    async def _there(self) -> None:
        """Wait for a gateway that was killed, as an operator would."""
        async with asyncio.timeout(_BACK_WITHIN):
            if self._feed.open and self._feed.connections == self._opened:
                return
            await self._feed.wait_open(_BACK_WITHIN)
            await self._station.ready()
            self._opened = self._feed.connections


def _is_document(act: Act | None) -> bool:
    return isinstance(act, Scan) and act.text.startswith(_DOCUMENTS)
