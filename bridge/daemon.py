"""Wiring: the only file that knows every room of the bridge.

The ledger opens first and closes last by the shape of the `with`. Every task has a name and a
parent; one that dies takes the process with it, visibly, and systemd starts it again.
"""

import asyncio
import contextlib
import functools
import logging
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from bridge import registry
from bridge.allowance import Allowance, Opens
from bridge.config import Config
from bridge.consumer import Consumer
from bridge.dispatcher import Dispatcher
from bridge.health import Health, Others
from bridge.ledger import Ledger, open_ledger
from bridge.mapping.tables import Mapping as Tables
from bridge.mapping.watch import Watched
from bridge.metrics import Metrics
from bridge.reconciliation.keeper import Keeper
from bridge.reconciliation.opening import target_of
from bridge.reconciliation.uptime import Uptime
from bridge.reference.opening import Place, Reference, reader_of
from bridge.upkeep import tidy
from bridge.web.door import Door
from bridge.web.people import User
from bridge.web.server import application, door_of, serve
from bridge.web.staff import Staff
from bridge.web.visit import House
from runtime.clock import Clock
from runtime.logs import event
from runtime.systemd import notify_ready, notify_stopping, watchdog

log = logging.getLogger(__name__)


async def run(config: Config) -> None:
    """Run the bridge until cancelled. Whatever was acknowledged is in the ledger by then.

    Raises:
        ConfigError: the mapping tables are wrong, or the users' file is.
        LedgerUnusable: the ledger cannot be opened; it was left as it is.
        OSError: the web address cannot be had.
    """
    clock = Clock()
    metrics = Metrics()
    users = config.web.users()
    first = config.mapping.read()
    async with open_ledger(config.ledger.full_url, clock) as ledger:
        consumer = Consumer(
            ledger, config.broker, site=config.site, name=config.name, metrics=metrics
        )
        allowance = Allowance(ledger, config.target.connector, config.limits, clock)
        opens = allowance.counted(config.source)
        reference = _reference(config, opens, clock, metrics)
        tables = await _tables(config, first, ledger, metrics)
        terms = config.terms() if tables is None else config.terms(tables.current)
        if reference is not None:
            terms = replace(terms, check=reference.check)
        dispatcher = Dispatcher(
            ledger,
            config.connect,
            metrics=metrics,
            progress=consumer.progress,
            clock=clock,
            stuck_after=config.stuck_after,
            terms=terms,
        )
        await ledger.note(f"bridge {config.name}", "config", {"digest": config.digest})
        staff = _staff(config, users, ledger, metrics)
        keeper = Keeper(
            ledger,
            target_of(config, opens),
            config.reconciliation,
            terms.opening.zone,
            clock,
            metrics,
            lambda: not dispatcher.stands_by,
        )
        uptime = Uptime(ledger, config.name, lambda: dispatcher.connector is not None, clock)
        others = Others(reconciliation=keeper.trouble)
        if reference is not None:
            others = replace(others, reference=reference.failure)
        if tables is not None:
            others = replace(others, mapping=tables.failure)
        if staff is not None:
            others = replace(others, users=staff.failure)
        health = Health(ledger, consumer, dispatcher, metrics, clock, others)
        house = House(
            config, ledger, consumer, dispatcher, health, clock.monotonic, terms.translation
        )
        door = None if staff is None else door_of(house, staff)
        async with _served(house, metrics, door), asyncio.TaskGroup() as tasks:
            tasks.create_task(consumer.run(), name="consume")
            tasks.create_task(dispatcher.run(), name="dispatch")
            tasks.create_task(health.run(), name="look after health")
            tasks.create_task(tidy(ledger, clock, config.keep_days), name="tidy up")
            tasks.create_task(watchdog(health.alive), name="watchdog")
            tasks.create_task(keeper.run(), name="reconcile")
            tasks.create_task(uptime.run(), name="count uptime")
            if reference is not None:
                tasks.create_task(reference.run(), name="reference data")
            if tables is not None:
                tasks.create_task(tables.run(), name="watch mapping tables")
            if door is not None:
                tasks.create_task(door.watch(), name="watch the door")
            notify_ready(f"site {config.site}, bridge {config.name}")
            event(log, logging.INFO, "ready", site=config.site, name=config.name)


async def run_until_told(config: Config) -> None:
    """`run`, ended by SIGTERM or SIGINT as a cancellation ends it."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run(config))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        event(log, logging.INFO, "stopped", site=config.site, name=config.name)
    finally:
        notify_stopping()


async def _tables(
    config: Config, first: Tables | None, ledger: Ledger, metrics: Metrics
) -> Watched | None:
    place = config.mapping.folder
    if first is None or place is None:
        return None
    note = functools.partial(ledger.note, f"bridge {config.name}", "mapping")
    tables = Watched(place, config.mapping.every, first, note, metrics)
    await tables.begin()
    return tables


def _staff(
    config: Config, users: Mapping[str, User], ledger: Ledger, metrics: Metrics
) -> Staff | None:
    file = config.web.users_file
    if file is None or not config.web.enabled:
        return None
    return Staff(
        file, users, functools.partial(ledger.note, f"bridge {config.name}", "users"), metrics
    )


def _reference(config: Config, opens: Opens, clock: Clock, metrics: Metrics) -> Reference | None:
    can = registry.load(config.target.connector).CAPABILITIES
    reader = reader_of(config.reference, opens, can)
    if reader is None:
        return None
    client_id = f"bridge-{config.site}-{config.name}-ref"
    place = Place(config.ledger.full_url, config.broker, client_id)
    return Reference(place, config.reference, reader, clock, metrics)


@contextlib.asynccontextmanager
async def _served(house: House, metrics: Metrics, door: Door | None) -> AsyncIterator[None]:
    table = house.config.web
    if not table.enabled:
        yield
        return
    async with serve(application(house, metrics, door), *table.address) as (at, bound):
        event(log, logging.INFO, "listening", address=f"{at}:{bound}")
        yield
