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
from importlib.metadata import version

from pydantic import ValidationError

from contract.topics import Topics
from contract.transactions import Transaction
from gateway.bench import Bench
from gateway.book import Book
from gateway.commands import Commands
from gateway.config import Gateway, Store
from gateway.devices import Supervisor
from gateway.forwarder import Forwarder, OnConnected
from gateway.health import Health
from gateway.intake import Intake
from gateway.movements import MAX_KEPT
from gateway.outbox import Outbox, Settings, open_outbox
from gateway.phrases import say
from gateway.reference.subscription import Stream, Subscription
from gateway.signals import Signals, Told
from gateway.stations.job import Signal, SignalKind
from gateway.whereabouts import Whereabouts
from runtime.clock import Clock
from runtime.logs import event
from runtime.machine import this_machine
from runtime.mqtt import Connection, Message
from runtime.systemd import notify_ready, notify_stopping, watchdog

log = logging.getLogger(__name__)

_RESUMED = 500  # newest rows looked through for what each station did last
_COUNTED_AGAIN = 5_000  # rows counted again at least: serial numbers, what the copy leaves out
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

    Raises:
        runtime.sqlite.StoreUnusable: the outbox cannot be opened; it was left as it is.
        ExceptionGroup: of `StoreFailed`, when the disk failed while running.
    """
    clock = clock or Clock()
    topics = Topics(config.site, config.gateway)
    async with (
        open_outbox(config.store.path, _settings(config.store)) as outbox,
        _reference(config, topics, clock, outbox) as reference,
    ):
        signals = Signals()
        signals.listen(_log_signal)
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
        health.supervisors = [
            Supervisor(device, bench.accept, changed)
            for bench in health.benches
            for device in bench.station.devices
        ]
        _let_command(health)
        if reference:
            reference.changed, reference.included = changed, book.movements.included
        await _resume(health, outbox, book, reference.includes if reference else 0)
        _say_what_ended(outbox, signals, health)
        async with (
            _outputs(config, signals),
            _page(config, health, signals, forwarder, outbox),
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(outbox.write(), name="write the outbox")
            tasks.create_task(
                forwarder.run(health.birth, health.will, _beside(health, commands, reference)),
                name="forward",
            )
            if reference:
                tasks.create_task(reference.run(), name="keep the reference copy")
            for supervisor in health.supervisors:
                tasks.create_task(supervisor.run(), name=f"device {supervisor.state.id}")
            tasks.create_task(watchdog(lambda: not _stuck(outbox)), name="watchdog")
            _settle()
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


async def _resume(health: Health, outbox: Outbox, book: Book, includes: int) -> None:
    standing = outbox.standing
    rows = await outbox.newest(min(MAX_KEPT, max(_COUNTED_AGAIN, standing.last - includes)))
    if unread := book.movements.recount([(row.seq, row.body) for row in rows], includes):
        event(log, logging.WARNING, "rows that are not counted", seqs=unread[:10])
    newest = []
    for row in rows[-_RESUMED:]:
        try:
            newest.append(Transaction.model_validate_json(row.body))
        except ValidationError:
            # Of another version: the bridge will judge it. The shift goes on without.
            event(log, logging.WARNING, "a stored row cannot be read", seq=row.seq)
    stood = await outbox.sessions()
    for bench in health.benches:
        name = bench.station.name
        bench.resume([each for each in newest if each.station == name], stood.get(name))


def _settings(store: Store) -> Settings:
    return Settings(
        within=store.answer_within,
        reserve=store.reserve_mb * 1_000_000,
        floor=store.floor_mb * 1_000_000,
        machine=this_machine(),
        renews=store.new_stream == "by itself",
    )


def _say_what_ended(outbox: Outbox, signals: Signals, health: Health) -> None:
    """Tell every station of a damaged store, until a person has seen to it."""
    ended = outbox.unseen
    if ended is None or ended.cause != "damage":
        return
    text = say("The store was damaged: {taken} scans were saved", taken=ended.taken)
    todo = say("Go on. Support looks into what happened.")
    if ended.lost:
        text = say(
            "The store was damaged: {lost} scans are lost, {taken} were saved",
            lost=ended.lost,
            taken=ended.taken,
        )
        todo = say("Call support before you go on: what was scanned last must be checked.")
    for bench in health.benches:
        signals.tell(
            bench.station.name, Signal("not_ok" if ended.lost else "attention", text, todo)
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
async def _page(
    config: Gateway, health: Health, signals: Signals, forwarder: Forwarder, outbox: Outbox
) -> AsyncIterator[None]:
    if not config.web.enabled:
        yield
        return
    # Imported here: a gateway without a page starts in half the time.
    from gateway.web.server import Server, serve  # noqa: PLC0415

    server = Server(health, signals, outbox, forwarder, pin=config.web.pin, codes=config.codes)
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
