"""A recorded shift again: captures of its devices go through its stations, at once and offline.

The stations, their jobs and the outbox are the gateway's own; time is what the captures say. It
begins with nobody signed in, nothing in hand and nothing moved: at the beginning of a shift, so
should the captures.
"""

import asyncio
import contextlib
import heapq
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from bridge.reference.files import Files
from contract.reference import DocumentRecord, ItemRecord, LocationRecord
from drivers.kit.captures import Chunk, play
from drivers.kit.readings import Reading
from gateway.bench import Bench
from gateway.book import Book
from gateway.config import Device, Gateway
from gateway.intake import Intake
from gateway.outbox import Outbox, open_outbox
from gateway.signals import Signals
from gateway.stations.job import Trade
from runtime.clock import Clock

_PAGE, _OCTETS = 500, 8_000_000  # rows and bytes read back at once


@dataclass(frozen=True, slots=True)
class Tape:
    """What one device said in a shift."""

    began: datetime
    chunks: Sequence[Chunk]


class ReadCopy:
    """Reference data of a folder of CSV files, in memory: see `gateway.stations.job.Copy`."""

    def __init__(self) -> None:
        self.ready = True
        self._items: dict[str, ItemRecord] = {}
        self._codes: dict[str, ItemRecord] = {}
        self._trades: dict[str, set[tuple[str, Decimal]]] = {}
        self._documents: dict[str, DocumentRecord] = {}
        self._locations: dict[str, LocationRecord] = {}

    @classmethod
    async def of(cls, folder: Path) -> "ReadCopy":
        """Read a folder.

        Raises:
            bridge.errors.SourceFailed: with the file and the line.
        """
        copy, files = cls(), Files(folder)
        async for item in files.items():
            copy._items[item.sku] = item
            copy._codes |= dict.fromkeys(item.codes, item)
            for pack in item.packs:
                copy._trades.setdefault(pack.gtin, set()).add((item.sku, pack.quantity))
        copy._documents = {each.number: each async for each in files.documents()}
        copy._locations = {each.name: each async for each in files.locations()}
        return copy

    def by_gtin(self, gtin: str) -> Trade | None:
        """Return the item that carries a GTIN-14; None also where two do."""
        found = self._trades.get(gtin, set())
        if len(found) != 1:
            return None
        [(sku, quantity)] = found
        return Trade(self._items[sku], quantity)

    def by_code(self, code: str) -> ItemRecord | None:
        """Return the item of that SKU, or with that code on it."""
        return self._items.get(code) or self._codes.get(code)

    def document(self, number: str) -> DocumentRecord | None:
        """Return an open document."""
        return self._documents.get(number)

    def location(self, name: str) -> LocationRecord | None:
        """Return a location by its name."""
        return self._locations.get(name)


class _Then(Clock):
    """The time of the recording."""

    def __init__(self, began: datetime) -> None:
        super().__init__()
        self._began = began
        self.at = began

    def utc(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - self._began).total_seconds()

    def monotonic_us(self) -> int:
        return (self.at - self._began) // timedelta(microseconds=1)

    def synchronised(self) -> bool:
        return True


async def again(
    config: Gateway, tapes: Mapping[str, Tape], reference: Path | None
) -> list[dict[str, Any]]:
    """Play a shift, and return the transactions it makes, in the form they have on disk.

    Args:
        config: of the gateway.
        tapes: by device id of the configuration.
        reference: a folder as `bridge.reference.files` reads it; None for no copy.

    Raises:
        bridge.errors.SourceFailed: the folder cannot be read.
    """
    clock = _Then(min(tape.began for tape in tapes.values()))
    book = Book(None if reference is None else await ReadCopy.of(reference))
    with tempfile.TemporaryDirectory(prefix="scanpost-replay-") as folder:
        async with open_outbox(Path(folder) / "outbox.db") as outbox:
            writing = asyncio.create_task(outbox.write(), name="write the outbox")
            try:
                intake, signals = Intake(config.gateway, outbox, clock), Signals()
                benches = {
                    device.id: bench
                    for station in config.stations
                    for bench in [
                        Bench(
                            station,
                            intake,
                            signals,
                            config.codes,
                            clock,
                            _nobody,
                            book=book,
                            supervisors=config.supervisors,
                        )
                    ]
                    for device in station.devices
                }
                for at, device, group in _merged(config, tapes):
                    clock.at = at
                    await benches[device].accept(device, group)
                return await _stored(outbox)
            finally:
                writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writing


def _nobody() -> None:
    """There is nobody to wake."""


def _merged(
    config: Gateway, tapes: Mapping[str, Tape]
) -> Iterator[tuple[datetime, str, list[Reading]]]:
    """Yield what the devices said, in the order of time; what came at once is one group."""
    devices = {device.id: device for station in config.stations for device in station.devices}
    ways = [_said(devices[name], tape) for name, tape in tapes.items()]
    return heapq.merge(*ways, key=lambda said: (said[0], said[1]))


def _said(device: Device, tape: Tape) -> Iterator[tuple[datetime, str, list[Reading]]]:
    readings = play(tape.chunks, device.module.dialogue(device.settings))
    for seconds, group in groupby(readings, key=lambda each: each[0]):
        yield tape.began + timedelta(seconds=seconds), device.id, [each for _, each in group]


async def _stored(outbox: Outbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while rows := await outbox.after(len(found), _PAGE, _OCTETS):
        found += [json.loads(row.body) for row in rows]
    return found


def comparable(transactions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each as one line without what is new each time: ids, seqs, clocks, evidence.

    What a reversal reverses is named by its place, or `earlier` where it is not among them.
    """
    place = {each["id"]: f"#{number}" for number, each in enumerate(transactions, 1)}
    lines = []
    for each in transactions:
        event = dict(each["event"])
        if event["type"] == "reversal":
            event["reverses"] = place.get(event["reverses"], "earlier")
        said = {"station": each["station"], "operator": each.get("operator"), "event": event}
        lines.append(json.dumps(said, sort_keys=True, ensure_ascii=False))
    return lines


def began(text: str) -> datetime:
    """Return when a capture began, as its heading says it.

    Raises:
        ValueError: it is no time.
    """
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
