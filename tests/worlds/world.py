"""One world: real daemons on simulated ground, a seeded list of faults, and a checker after it.

The daemons are `gateway.daemon.run` and `bridge.daemon.run`, unchanged. Below them the ground is
the world's: scanners (`floor`), broker and network (`broker`), disks (`disk`), ERP (`erp`) and time
(`loop`). A world is alone in its operating system process; `tests.worlds.__main__` forks one each.
"""

import asyncio
import contextlib
import functools
import logging
import random
import shutil
import sqlite3
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uuid6

import bridge.consumer
import bridge.daemon
import bridge.dispatcher
import bridge.health
import drivers.kit.hotplug
import gateway.daemon
import gateway.forwarder
from bridge import registry
from bridge.config import Config as BridgeConfig
from bridge.errors import LedgerFailed, LedgerUnusable
from bridge.ledger import open_ledger
from bridge.terms import Terms
from drivers.kit.streams import SCHEMES
from gateway.config import Gateway, parse
from gateway.errors import StoreFailed
from gateway.renewal import note_renewal
from runtime.clock import Clock
from runtime.sqlite import StoreUnusable
from tests.worlds.books import Books
from tests.worlds.broker import KEEPALIVE, Broker, Line
from tests.worlds.disk import Disk, Locks, install
from tests.worlds.erp import Target, erp
from tests.worlds.floor import SCANNERS, Offer, Operator, Scanner
from tests.worlds.loop import HERE, Loop, Process

FAULTS = 12
_SHIFT = 30.0  # seconds in which faults happen and operators work
_PACES = ((0.2, 3.0), (1.0, 8.0), (1.0, 12.0), (2.0, 12.0))  # seconds between an operator's scans
_PATIENCE = 120.0  # seconds after which a person looks at an alarm
_DRAIN = 1500.0  # seconds for the backlog after the last fault: some of the longest retries
_START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
_UUID7 = (0x0190B7A0 << 96) + (7 << 76) + (1 << 63)

_EXPECTED = (StoreFailed, StoreUnusable, LedgerUnusable, LedgerFailed, sqlite3.OperationalError)
"""What a daemon may end with when its disk fails: systemd starts it again."""


@dataclass
class Outcome:
    """What became of one world."""

    seed: int
    wrong: list[str]
    seen: dict[str, int]
    """How often what happened: faults, and what they caused."""
    story: list[str]
    seconds: float
    """Of the world's own time."""


SCHEMES["world"] = "tests.worlds.floor"


@dataclass(eq=False)
class Daemon:
    """One daemon, started again whenever it ends, as systemd does."""

    world: "World"
    name: str
    make: Callable[[], Coroutine[Any, Any, None]]
    disk: Disk
    process: Process | None = None
    runs: int = 0
    down: bool = True
    main: asyncio.Task[Any] | None = None
    again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.process is not None and not self.process.dead:
            return
        self.world.books.close()  # the file may be another one now
        self.runs += 1
        self.process = Process(self.name)
        self.main = self.world.loop.start(self.process, self.make())
        self.main.add_done_callback(self._ended)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.world.loop.kill(self.process)
            self.world.locks.end(self.process)
            self.world.books.look()
            self.world.books.doubt_at_death(self.world.loop.time())

    def dies_for_good(self) -> bool:
        """SIGKILL, and no restart until `start`; False if it is down for another reason."""
        if self.process is None or self.process.dead or self.process.frozen:
            return False
        self.kill()
        return True

    def _ended(self, main: asyncio.Task[Any]) -> None:
        assert self.process is not None
        self.world.locks.end(self.process)
        self.world.books.doubt_at_death(self.world.loop.time())
        self.process.dead = True
        for close in self.process.at_death:
            close()
        error = None if main.cancelled() else main.exception()
        self.world.story(f"{self.name} ended: {error!r}")
        self.world.seen[f"{self.name} ended by itself"] += 1
        for leaf in _leaves(error):
            if not isinstance(leaf, _EXPECTED):
                self.world.wrong.append(f"{self.name} ended with {leaf!r}")
        self.again = self.world.loop.call_later(self.world.dice.uniform(1, 3), self.start)


def _leaves(error: BaseException | None) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error or RuntimeError("returned")]


class _Config(BridgeConfig):
    def connect(self) -> Any:
        return World.this.target.open()

    def source(self) -> None:
        """Read nothing from the ERP: reference data is not what a world is about."""

    def terms(self, translation: Any = None) -> Terms:
        del translation
        return Terms(name="world")


class World:
    """Everything, and what goes wrong with it."""

    this: "World"

    def __init__(self, seed: int, folder: Path, kinds: tuple[str, ...] = (), talk: bool = False):
        World.this = self
        self.seed = seed
        self.folder = folder
        self.dice = random.Random(f"{seed}/world")
        self.loop = Loop(seed)
        self.talk = talk
        self.kinds = kinds
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.told: list[str] = []
        self.offsets: dict[str, timedelta] = {}
        self.locks = Locks()
        self.broker = Broker(self.loop, seed)
        keyed = self.dice.random() < 0.3
        self.target: Target = erp(self.loop, seed, keyed=keyed, batches=self.dice.random() < 0.5)
        self.target.tell = self.story
        self.offers: list[Offer] = []
        self.scanners = {name: Scanner(self.loop) for name in ("dock", "bench")}
        SCANNERS.update(self.scanners)
        self.books = Books(folder, self.offers, self.wrong)
        self.gateway = self._daemon("gateway", self._run_gateway)
        self.bridge = self._daemon("bridge", self._run_bridge)
        self.gateway.disk.doubted = self.books.doubt
        self.daemons = {"gateway": self.gateway, "bridge": self.bridge}
        self.operators = [
            Operator(
                self.loop,
                seed,
                "dock-1",
                name,
                scanner,
                self.offers,
                with_documents=name == "dock",
            )
            for name, scanner in self.scanners.items()
        ]
        self.broker.said.append(self._overhear)
        self._lay_ground()

    def _daemon(self, name: str, make: Callable[[], Coroutine[Any, Any, None]]) -> Daemon:
        self.broker.lines[name] = Line(name)
        self.offsets[name] = timedelta()
        return Daemon(self, name, make, Disk(name, self.seed))

    def _lay_ground(self) -> None:
        """Put the world where the daemons expect the real one. There is no way back."""
        random.seed(f"{self.seed}/daemons")
        random.Random = _Dice  # type: ignore[assignment,misc]
        install(lambda process: self.daemons[process.name.partition(" ")[0]].disk, self.locks)
        made = random.Random(f"{self.seed}/names")
        uuid.uuid4 = lambda: uuid.UUID(int=made.getrandbits(128), version=4)
        numbers = iter(range(1, 1_000_000))
        uuid6.uuid7 = lambda: uuid6.UUID(
            int=(0x0190B7A0 << 96) + (7 << 76) + (1 << 63) + next(numbers)
        )
        clock: Any = Clock
        clock.utc = lambda _: _START + timedelta(seconds=self.loop.time()) + self._offset()
        clock.monotonic = lambda _: 1000.0 + self.loop.time()
        clock.monotonic_us = lambda _: int((1000.0 + self.loop.time()) * 1e6)
        clock.synchronised = lambda _: not self._offset()
        hotplug: Any = drivers.kit.hotplug.Hotplug
        hotplug.__aenter__ = _itself
        hotplug.look = _nothing
        hotplug.changed = _waits
        for module in (gateway.forwarder, bridge.consumer):
            module.connect = self.broker.connect  # type: ignore[attr-defined]

    def _offset(self) -> timedelta:
        process = HERE.get()
        return self.offsets[process.name] if process is not None else timedelta()

    def _run_gateway(self) -> Coroutine[Any, Any, None]:
        for operator in self.operators:
            operator.run += 1
        return gateway.daemon.run(gateway_config(self.folder / "outbox.db"))

    def _run_bridge(self) -> Coroutine[Any, Any, None]:
        return bridge.daemon.run(bridge_config(self.folder))

    def story(self, text: str) -> None:
        """Write down what happened when."""
        self.told.append(f"{self.loop.time():9.3f} {text}")
        if self.talk:
            print(self.told[-1], flush=True)

    def _overhear(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/ack"):
            self.seen["words of the bridge"] += 1
            self.books.hear(payload)

    # --- a shift

    async def play(self) -> None:
        """A shift with faults, and a time after it without."""
        self.bridge.start()
        self.gateway.start()
        working = [
            self.loop.create_task(operator.work(self.dice.choice(_PACES)))
            for operator in self.operators
        ]
        nemesis = Nemesis(self)
        await nemesis.work()
        for operator in self.operators:
            operator.over = True
        await asyncio.wait(working, timeout=120)
        if unfinished := [task for task in working if not task.done()]:
            self.wrong.append(f"{len(unfinished)} operators wait for a verdict for ever")
        self.story("no more faults")
        await self._drained("the backlog")
        for operator in self.operators:
            operator.odd = False
            await self._probe(operator)
        await self._drained("the probe")
        self.books.close()

    async def _probe(self, operator: Operator) -> None:
        """One more scan each: what survived must work."""
        for _ in range(60):  # a daemon that is starting is given a minute
            if operator.scanner.open_now:
                break
            await asyncio.sleep(1)
        if operator.with_documents:
            await operator._show(b"PO:PO-1001")
        offer = await operator.scan()
        if offer.verdict != "ok":
            self.wrong.append(f"a scan after the faults was not taken: {offer}")

    async def _drained(self, what: str) -> None:
        began = self.loop.time()
        while self.loop.time() - began < _DRAIN:
            # Nobody asks where no ledger came from a backup: there it must not be needed.
            if self.seen["fault: older ledger"] and (self.loop.time() - began) % 20 < 1:
                self.ask_for_more()
            if self.loop.time() - began > _PATIENCE and (epoch := self.books.in_conflict()):
                self.begin_a_new_stream(epoch)
            if self.books.complete():
                self.story(f"{what} was booked after {self.loop.time() - began:.1f} s")
                return
            await asyncio.sleep(1)
        self.wrong.append(f"{what} was not booked within {_DRAIN:g} s: {self.books.open()}")

    def begin_a_new_stream(self, epoch: str) -> None:
        """Do what the alarm of a conflict asks a person to do, where the gateway may not.

        That is where the store of a stream that began as a copy's is a copy again.
        """
        if self.gateway.dies_for_good():
            self.seen["new streams a person began"] += 1
            note_renewal(self.folder / "outbox.db", uuid.UUID(epoch), "asked", "a person wants it")
            self.gateway.start()

    def ask_for_more(self) -> None:
        """Do what the alarm of a gap asks a person to do: have booked rows sent once more."""
        if not self.books.behind():
            return
        self.seen["booked rows asked for again"] += 1
        asked = b'{"command":"resend-recent","cid":"person","last":1000}'
        self.broker.stranger("scanpost/v1/north/dock-1/cmd/resend-recent", asked)

    def run(self) -> Outcome:
        """Play, and audit."""
        try:
            self.loop.run_until_complete(self.play())
            self.books.audit(self.target)
            self._sum_up()
        except Exception as error:  # a world that cannot be played is wrong, and says how
            logging.getLogger(__name__).exception("world %d", self.seed)
            self.wrong.append(f"the world ended: {error!r}")
        return Outcome(self.seed, self.wrong, dict(self.seen), self.told, self.loop.time())

    def _sum_up(self) -> None:
        for daemon in self.daemons.values():
            for what, count in daemon.disk.counts.items():
                self.seen[f"{daemon.name} disk {what}"] += count
        for what, count in self.broker.counts.items():
            self.seen[f"messages {what}"] += count
        for what, count in self.target.counts.items():
            self.seen[f"deliveries {what}"] += count
        for offer in self.offers:
            self.seen[f"scans told {offer.verdict}"] += 1
        self.seen["second bridges refused"] += self.locks.refused
        self.seen.update(self.books.seen)


class _Dice(random.Random):
    """Dice that fall alike in every run, also where no seed is given."""

    def __init__(self, seed: Any = None) -> None:
        super().__init__(random.random() if seed is None else seed)


async def _itself(self: Any) -> Any:
    return self


async def _nothing(self: Any, url: str) -> Any:
    del self, url
    return drivers.kit.hotplug.Trace()


async def _waits(self: Any, url: str, before: Any, within: float) -> bool:
    del self, url, before
    await asyncio.sleep(within)
    return False


def gateway_config(store: Path) -> Gateway:
    """Return the gateway of a world."""
    read = _gateway_as_read()
    return replace(read, store=read.store.model_copy(update={"path": store}))


@functools.cache
def _gateway_as_read() -> Gateway:
    """Read a gateway of two stations: goods-in by document, and a bench without a job."""
    device = {"driver": "lines", "feedback": "own", "good": "+", "bad": "-"}
    tables: dict[str, Any] = {
        "site": "north",
        "gateway": "dock-1",
        "store": {"path": "/nowhere/outbox.db", "keep_rows": 1000},
        "web": {"enabled": False},
        "station": [
            {
                "name": "dock",
                "job": "receiving",
                "to_location": "DOCK-1",
                "device": [{"id": "dock-scanner", "url": "world://dock", **device}],
            },
            {
                "name": "bench",
                "job": "pass_through",
                "device": [{"id": "bench-scanner", "url": "world://bench", **device}],
            },
        ],
    }
    problems: list[str] = []
    config = parse(tables, problems)
    assert config is not None, problems
    return config


def bridge_config(folder: Path) -> BridgeConfig:
    """Return a bridge whose target is the world's."""
    table = {"connector": "sql", "url": "sqlite+aiosqlite:////nowhere/books.db"}
    config = _Config(
        site="north",
        ledger={"path": str(folder / "ledger.db")},
        target=table,
        web={"enabled": False},
    )
    # Never opened: the target is the world's own.
    return config.model_copy(update={"target": registry.load("sql").Config.model_validate(table)})


@dataclass
class Nemesis:
    """What goes wrong, when and for how long."""

    world: World
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    async def work(self) -> None:
        """Let `FAULTS` things go wrong during the shift, and mend everything after it."""
        world, dice = self.world, self.world.dice
        # With ledger and card both gone nobody could know: one kind of disaster for each world.
        spared = set(_DISASTERS) - {dice.choice(_DISASTERS)}
        kinds = world.kinds or tuple(sorted(KINDS.keys() - spared))
        times = sorted(dice.uniform(1, _SHIFT) for _ in range(FAULTS))
        for at in times:
            await asyncio.sleep(max(0.0, at - world.loop.time()))
            kind = dice.choice(kinds)
            world.seen[f"fault: {kind}"] += 1
            world.story(f"fault: {kind}")
            self._running.append(world.loop.create_task(self._happen(KINDS[kind])))
        await asyncio.gather(*self._running)
        await asyncio.sleep(max(0.0, _SHIFT + 2 - world.loop.time()))
        for daemon in world.daemons.values():
            daemon.start()

    async def _happen(self, fault: "Fault") -> None:
        await fault(self.world)


_DISASTERS = ("new card", "older ledger", "older outbox")
Fault = Callable[[World], Awaitable[None]]
KINDS: dict[str, Fault] = {}


def _fault(name: str) -> Callable[[Fault], Fault]:
    def known(fault: Fault) -> Fault:
        KINDS[name] = fault
        return fault

    return known


def _either(world: World) -> Daemon:
    return world.dice.choice([world.gateway, world.bridge])


async def _kill(daemon: Daemon) -> None:
    daemon.kill()
    await asyncio.sleep(daemon.world.dice.choice((0.1, 1.0, 5.0)))
    daemon.start()


@_fault("gateway killed")
async def _gateway_killed(world: World) -> None:
    await _kill(world.gateway)


@_fault("bridge killed")
async def _bridge_killed(world: World) -> None:
    await _kill(world.bridge)


@_fault("frozen")
async def _frozen(world: World) -> None:
    daemon = _either(world)
    process = daemon.process
    if process is None or process.dead or process.frozen:
        return
    world.loop.freeze(process)
    since = world.loop.time()
    span = world.dice.uniform(0.5, 60)
    await asyncio.sleep(min(span, KEEPALIVE))
    if span > KEEPALIVE:
        world.broker.give_up(world.broker.lines[daemon.name])
        await asyncio.sleep(span - KEEPALIVE)
    if daemon is world.gateway:
        world.books.frozen(since, world.loop.time())
    world.loop.thaw(process)


@_fault("broker restarted")
async def _broker_restarted(world: World) -> None:
    world.broker.die()
    await asyncio.sleep(world.dice.choice((0.5, 3.0, 15.0)))
    world.broker.up = True


@_fault("broker forgets")
async def _broker_forgets(world: World) -> None:
    for _ in range(20):
        world.broker.forget_queues()
        await asyncio.sleep(0.1)


@_fault("partition")
async def _partition(world: World) -> None:
    line = world.broker.lines[_either(world).name]
    line.cut = True
    span = world.dice.choice((1.0, 10.0, 50.0))
    await asyncio.sleep(min(span, KEEPALIVE))
    if span > KEEPALIVE:
        world.broker.give_up(line)
        await asyncio.sleep(span - KEEPALIVE)
    line.mend()


@_fault("delay")
async def _delay(world: World) -> None:
    line = world.broker.lines[_either(world).name]
    line.delay = (0.1, world.dice.uniform(0.5, 8))
    await asyncio.sleep(world.dice.uniform(5, 20))
    line.delay = (0.001, 0.03)


@_fault("messages twice")
async def _twice(world: World) -> None:
    world.broker.twice += 8


@_fault("messages overtake")
async def _overtake(world: World) -> None:
    world.broker.shuffled += 6


@_fault("a stranger publishes")
async def _stranger(world: World) -> None:
    topic = world.dice.choice(("scanpost/v1/north/dock-1/tx", "scanpost/v1/north/dock-9/tx"))
    world.broker.stranger(topic, world.dice.randbytes(40))


@_fault("erp loses answers")
async def _erp_ambiguous(world: World) -> None:
    world.target.trouble += [
        world.dice.choice(("late", "lost", "broken", "")) for _ in range(world.dice.randint(2, 6))
    ]


@_fault("erp throttles")
async def _erp_throttles(world: World) -> None:
    world.target.trouble += ["throttled"] * world.dice.randint(1, 3)


@_fault("erp down")
async def _erp_down(world: World) -> None:
    world.target.down = True
    await asyncio.sleep(world.dice.uniform(2, 15))
    world.target.down = False


@_fault("clock stepped")
async def _clock_stepped(world: World) -> None:
    hours = world.dice.choice((-1, 2, -30, 12 * 365 * 24, -50 * 365 * 24, 24))
    world.offsets[_either(world).name] += timedelta(hours=hours)


@_fault("disk full")
async def _disk_full(world: World) -> None:
    disk = _either(world).disk
    disk.full = True
    await asyncio.sleep(world.dice.uniform(2, 15))
    disk.full = False


@_fault("disk fails")
async def _disk_fails(world: World) -> None:
    _either(world).disk.failing += world.dice.choice((1, 1, 3))


@_fault("disk slow")
async def _disk_slow(world: World) -> None:
    disk = _either(world).disk
    disk.slow = world.dice.choice((0.05, 0.5, 2.0))
    await asyncio.sleep(world.dice.uniform(3, 12))
    disk.slow = 0.0


@_fault("cable pulled")
async def _cable_pulled(world: World) -> None:
    scanner = world.scanners[world.dice.choice(("dock", "bench"))]
    scanner.unplug()
    await asyncio.sleep(world.dice.uniform(0.1, 5))
    scanner.plugged = True


@_fault("second bridge")
async def _second_bridge(world: World) -> None:
    process = Process("bridge")
    main = world.loop.start(process, world._run_bridge())
    await asyncio.wait([main], timeout=world.dice.uniform(1, 10))
    world.loop.kill(process)
    world.locks.end(process)


@_fault("older ledger")
async def _older_ledger(world: World) -> None:
    """The bridge's disk is replaced, and its ledger comes from a backup."""
    # What was posted since is not known any more: only a target that knows its keys can be right.
    world.target.keyed = True
    backup = world.books.backup("ledger.db")
    await asyncio.sleep(world.dice.uniform(1, 10))
    if backup is None or not world.bridge.dies_for_good():
        return
    world.books.restore("ledger.db", backup)
    await asyncio.sleep(world.dice.uniform(0, 3))
    world.bridge.start()


@_fault("older outbox")
async def _older_outbox(world: World) -> None:
    """The gateway's card dies, and its outbox comes from a backup: numbers are given twice."""
    backup = world.books.backup("outbox.db")
    made = world.loop.time()
    await asyncio.sleep(world.dice.uniform(1, 10))
    if backup is None or not world.gateway.dies_for_good():
        return
    world.books.doubt_at_death(made)  # the backup may hold what was being taken back
    world.books.gone_with("outbox.db", backup)
    world.books.restore("outbox.db", backup)
    await asyncio.sleep(world.dice.uniform(0, 3))
    world.gateway.start()


@_fault("new card")
async def _new_card(world: World) -> None:
    """The gateway's card dies, and an empty one takes its place."""
    if not world.gateway.dies_for_good():
        return
    world.books.gone_with("outbox.db", None)
    world.books.restore("outbox.db", None)
    await asyncio.sleep(world.dice.uniform(0, 3))
    world.gateway.start()


def play(seed: int, folder: Path, kinds: tuple[str, ...] = (), *, talk: bool = False) -> Outcome:
    """Play one world in this operating system process, which is of no use for anything after it."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(folder.parent / "ledger-template.db", folder / "ledger.db")
    return World(seed, folder, kinds, talk).run()


def prepare() -> None:
    """Do once what every world would do alike: read the configuration, import what it needs."""
    _gateway_as_read()
    # What only shows, or is news from other programs, of which there are none: each look costs
    # this machine a millisecond.
    bridge.health.LOOK_EVERY = 20.0
    bridge.dispatcher.NEWS_EVERY = 20.0


def make_template(folder: Path) -> None:
    """Write an empty ledger once, by the real migrations: each world starts with a copy."""
    file = folder / "ledger-template.db"

    async def make() -> None:
        async with open_ledger(f"sqlite+aiosqlite:///{file}"):
            pass

    asyncio.run(make())
    with contextlib.closing(sqlite3.connect(file)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
