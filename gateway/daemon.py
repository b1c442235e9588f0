"""Wiring: the only file that knows every room of the gateway.

The outbox opens first and closes last by the shape of the `with`. Every task has a name and a
parent; one that dies takes the process with it, visibly, and systemd starts it again.
"""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from contract.topics import Topics
from gateway.bench import Bench
from gateway.book import Book
from gateway.commands import Commands
from gateway.config import Gateway, Store
from gateway.devices import Devices, Supervisor
from gateway.forwarder import Forwarder, OnConnected
from gateway.health import Health
from gateway.intake import Intake
from gateway.outbox import Outbox, Settings, open_outbox
from gateway.reference.subscription import Stream, Subscription
from gateway.reserve import give_up_room
from gateway.resuming import resume, say_what_ended
from gateway.shut import Knocks, Refusal, Shut, until_open
from gateway.signals import Signals, Told
from gateway.stations.job import SignalKind
from gateway.whereabouts import Whereabouts
from runtime.clock import Clock
from runtime.logs import event
from runtime.machine import this_machine
from runtime.mqtt import Connection, Message
from runtime.systemd import notify_ready, notify_stopping, watchdog

log = logging.getLogger(__name__)

_LEVELS: dict[SignalKind, int] = {
    # What went well is in the outbox: a line for each scan would wear the card as much as the scan.
    "ok": logging.DEBUG,
    "ignored": logging.DEBUG,
    "attention": logging.WARNING,
    "not_ok": logging.WARNING,
}
_STUCK = 15.0  # seconds a statement may take before the watchdog is left to bite


async def run(config: Gateway, clock: Clock | None = None) -> None:
    """Run the gateway until cancelled. Whatever was said to be OK is on disk by then.

    While the outbox cannot be opened every scan is refused, and it is tried again.

    Raises:
        ExceptionGroup: of `runtime.sqlite.StoreTooNew` or `StoreInUse`, when waiting would not
            help: the outbox was left as it is; of `StoreFailed`, when the disk failed while
            running.
    """
    clock = clock or Clock()
    signals = Signals()
    signals.listen(_log_signal)
    async with _outputs(config, signals), asyncio.TaskGroup() as attending:
        shut = _shut(config, signals, clock, attending)
        opening = partial(_opened, config, clock, signals, shut.devices)
        async with (
            until_open(opening, shut, partial(give_up_room, config.store.path)) as parts,
            _page(config, parts, signals),
            asyncio.TaskGroup() as tasks,
        ):
            _begin(tasks, parts, shut)
            _settle()
            outbox, health = parts.outbox, parts.health
            notify_ready(f"{len(health.benches)} stations, {len(health.supervisors)} devices")
            event(
                log,
                logging.INFO,
                "ready",
                gateway=config.gateway,
                epoch=str(outbox.standing.epoch),
                last=outbox.standing.last,
                waiting=outbox.standing.waiting,
            )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What there is once the store is open."""

    outbox: Outbox
    reference: Subscription | None
    forwarder: Forwarder
    commands: Commands
    health: Health


def _shut(config: Gateway, signals: Signals, clock: Clock, attending: asyncio.TaskGroup) -> Shut:
    """Return the gateway as it is without a store: its devices report to who refuses."""
    knocks = Knocks()
    refusals = [Refusal(station, signals, config.codes, knocks) for station in config.stations]
    supervisors = [
        Supervisor(device, refusal.accept, _nobody_looks)
        for refusal in refusals
        for device in refusal.station.devices
    ]

    @contextlib.asynccontextmanager
    async def page(shut: Shut) -> AsyncIterator[None]:
        if not config.web.enabled:
            yield
            return
        from gateway.web.shut import shown  # noqa: PLC0415 - as in `_page`

        async with shown(config, signals, shut, clock) as address:
            event(log, logging.INFO, "listening without a store", address=address)
            yield

    return Shut(refusals, knocks, Devices(supervisors, attending), page)


def _nobody_looks() -> None:
    """Take it that a device has changed: without a store nothing is published."""


@contextlib.asynccontextmanager
async def _opened(
    config: Gateway, clock: Clock, signals: Signals, devices: Devices
) -> AsyncIterator[_Parts]:
    """Open the store, and take up the shift from it.

    Raises:
        runtime.sqlite.StoreUnusable, StoreFailed: it cannot be had now.
    """
    topics = Topics(config.site, config.gateway)
    async with (
        open_outbox(config.store.path, _settings(config.store)) as outbox,
        _reference(config, topics, clock, outbox) as reference,
    ):
        forwarder = Forwarder(outbox, config.broker, topics, clock, ring=config.store.keep_rows)
        health = Health(
            topics,
            version("scanpost"),
            outbox,
            forwarder,
            signals,
            clock,
            str(config.store.path.parent),
        )
        commands = Commands(
            topics, version("scanpost"), outbox, forwarder, Whereabouts(outbox, forwarder)
        )
        health.reference = reference
        forwarder.overhear = _heard_by(reference, commands)
        intake = Intake(config.gateway, outbox, clock)
        changed = forwarder.changed = health.changed.set
        book = Book(reference.catalog if reference else None)
        health.benches = [
            Bench(
                station,
                intake,
                signals,
                config.codes,
                clock,
                changed,
                book=book,
                supervisors=config.supervisors,
            )
            for station in config.stations
        ]
        health.supervisors = devices.supervisors
        _let_command(health)
        if reference:
            reference.changed, reference.included = changed, book.movements.included
        await resume(health.benches, outbox, book, reference.includes if reference else 0)
        say_what_ended(outbox, signals, health.benches)
        yield _Parts(outbox, reference, forwarder, commands, health)


def _begin(tasks: asyncio.TaskGroup, parts: _Parts, shut: Shut) -> None:
    """Start what runs for as long as the store does, and let the devices report to the benches."""
    outbox, health, reference = parts.outbox, parts.health, parts.reference
    tasks.create_task(outbox.write(), name="write the outbox")
    beside = _beside(health, parts.commands, reference)
    tasks.create_task(parts.forwarder.run(health.birth, health.will, beside), name="forward")
    if reference:
        tasks.create_task(reference.run(), name="keep the reference copy")
    for bench in health.benches:
        for supervisor in shut.devices.of(bench.station):
            supervisor.report_to(bench.accept, health.changed.set)
    shut.over({bench.station.name: bench.accept for bench in health.benches})
    tasks.create_task(shut.devices.attend(), name="devices")
    tasks.create_task(watchdog(lambda: not _stuck(outbox)), name="watchdog")


async def run_until_told(config: Gateway) -> None:
    """`run`, ended by SIGTERM or SIGINT as a cancellation ends it."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run(config))

    def stop() -> None:
        notify_stopping()
        # A second signal must not cut the closing short: the store's thread would stay.
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        event(log, logging.INFO, "stopped", gateway=config.gateway)


def _settle() -> None:
    """Let the collector leave alone what stays for good: a look at all of it takes milliseconds."""
    gc.collect()
    gc.freeze()


def _let_command(health: Health) -> None:
    """Let each bench command its own scales."""
    by_id = {supervisor.state.id: supervisor for supervisor in health.supervisors}
    for bench in health.benches:
        bench.command = lambda device, word: by_id[device].command(word)


@contextlib.asynccontextmanager
async def _reference(
    config: Gateway, topics: Topics, clock: Clock, outbox: Outbox
) -> AsyncIterator[Subscription | None]:
    if not config.reference.enabled:
        yield None
        return
    reference = Subscription(
        config.reference_folder,
        topics,
        clock,
        stream=lambda: Stream(outbox.standing.epoch, outbox.standing.last),
        floor=config.store.floor_mb * 1_000_000,
        stale_after=config.reference.stale_after * 3600,
    )
    reference.open()
    try:
        yield reference
    finally:
        reference.close()


def _heard_by(reference: Subscription | None, commands: Commands) -> Callable[[Message], None]:
    def hear(message: Message) -> None:
        if reference is None or not reference.hear(message):
            commands.hear(message)

    return hear


def _settings(store: Store) -> Settings:
    return Settings(
        within=store.answer_within,
        reserve=store.reserve_mb * 1_000_000,
        floor=store.floor_mb * 1_000_000,
        machine=this_machine(),
        renews=store.new_stream == "by itself",
    )


def _beside(health: Health, commands: Commands, reference: Subscription | None) -> OnConnected:
    """Return what runs beside the sending of rows while there is a connection."""

    async def serve(connection: Connection) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(health.publish(connection), name="report state")
            tasks.create_task(commands.serve(connection), name="answer commands")
            if reference:
                tasks.create_task(reference.serve(connection), name="ask for reference data")

    return serve


@contextlib.asynccontextmanager
async def _page(config: Gateway, parts: _Parts, signals: Signals) -> AsyncIterator[None]:
    if not config.web.enabled:
        yield
        return
    # Imported here: a gateway without a page starts in half the time.
    from gateway.web.server import Server, serve  # noqa: PLC0415

    server = Server(
        parts.health,
        signals,
        parts.outbox,
        parts.forwarder,
        pin=config.web.pin,
        codes=config.codes,
    )
    async with serve(server.app(), config.web.listen) as address:
        event(log, logging.INFO, "listening", address=address)
        yield


@contextlib.asynccontextmanager
async def _outputs(config: Gateway, signals: Signals) -> AsyncIterator[None]:
    if config.outputs.beep is None and config.outputs.light is None:
        yield
        return
    # Imported here: most gateways have neither loudspeaker nor lamps.
    from gateway.outputs.attached import attached  # noqa: PLC0415

    async with attached(config.outputs, signals):
        yield


def _stuck(outbox: Outbox) -> bool:
    since = outbox.writing_since
    return since is not None and asyncio.get_running_loop().time() - since > _STUCK


def _log_signal(told: Told) -> None:
    event(
        log,
        _LEVELS[told.signal.kind],
        f"signal {told.signal.kind}",
        station=told.station,
        text=told.signal.text,
        seq=[booked.seq for booked in told.booked],
    )
