"""A scanner hears of its scan when it is stored, or refused, and none is left waiting."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.simulators.device import Device
from drivers.simulators.hid_pos import HidPosSimulator
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.ssi import SsiSimulator
from gateway.config import parse
from gateway.devices import Supervisor
from gateway.errors import StoreFailed
from tests.gateway.rig import Rig, rigged

CEILING = 30.0
EAN, OTHER_EAN, UNKNOWN = "5901234123457", "4006381333931", "what is this"
ACK, NAK = b"\x06", b"\x15"

WORDS = {
    "honeywell_host_ack": (b"\x1b7,", b"\x1b8,"),
    "cr_ack_nak": (ACK, NAK),
    "datalogic": (b"\x1b[6q\x1b[3q\x1b[7q", b"\x1b[4q"),
    "datalogic_pos": (b"B", b"F"),
    "cipherlab": (b"#@////\r", b""),
}
WAITING = ["honeywell_host_ack", "cr_ack_nak"]


class Bench:
    """A scanner at a receiving station, with everything between it and the disk."""

    def __init__(self, rig: Rig, scanner: Device, running: asyncio.Task[None]) -> None:
        self.rig = rig
        self.scanner = scanner
        self.running = running

    async def scan(self, *labels: str) -> None:
        """Scan each label a second after the one before, when that was told."""
        for label in labels:
            before = len(self.rig.told)
            self.rig.clock.now += 1
            await self.scanner.take(label if self.packed else f"{label}\r")
            await self.until(lambda before=before: len(self.rig.told) > before)

    @property
    def packed(self) -> bool:
        return not isinstance(self.scanner, ScannerSimulator)

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(CEILING):
            while not true():
                await asyncio.sleep(0.005)

    async def hears(self, wanted: bytes) -> None:
        """Wait for as many bytes as are wanted, and check that they are those and no more."""
        await self.until(lambda: len(self.scanner.heard) >= len(wanted))
        assert self.scanner.heard == wanted


@contextlib.asynccontextmanager
async def at_a_bench(
    folder: Path,
    scanner: Device,
    driver: str = "lines",
    *,
    write: bool = True,
    job: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """Put `scanner` at a receiving station; `job` are settings of the station, the rest its own."""
    async with scanner:
        problems: list[str] = []
        table = {"id": "scanner-1", "url": scanner.url, "driver": driver, **settings}
        station = {"name": "door-1", "job": "receiving", "device": [table], **(job or {})}
        config = parse({"site": "north", "gateway": "dock-1", "station": [station]}, problems)
        assert config is not None, problems
        async with rigged(folder / "o.db", config, write=write) as rig:
            supervisor = Supervisor(config.stations[0].devices[0], rig.bench.accept, lambda: None)
            running = asyncio.create_task(supervisor.run())
            bench = Bench(rig, scanner, running)
            try:
                await bench.until(lambda: supervisor.state.state == "open")
                yield bench
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as store:
        [(number,)] = store.execute("SELECT count(*) FROM outbox").fetchall()
    return int(number)


@pytest.mark.parametrize("feedback", WORDS)
async def test_each_scanner_is_told_in_its_words(tmp_path: Path, feedback: str) -> None:
    good, bad = WORDS[feedback]
    async with at_a_bench(tmp_path, ScannerSimulator(), feedback=feedback) as bench:
        await bench.scan("PO:1", EAN, UNKNOWN, OTHER_EAN)
        await bench.hears(good + good + bad + good)


async def test_a_scanner_without_feedback_is_told_nothing(tmp_path: Path) -> None:
    async with at_a_bench(tmp_path, ScannerSimulator()) as bench:
        await bench.scan("PO:1", EAN, UNKNOWN, EAN)
        assert bench.scanner.heard == b""


async def test_good_is_heard_only_when_the_row_is_on_disk(tmp_path: Path) -> None:
    async with at_a_bench(
        tmp_path, ScannerSimulator(), feedback="cr_ack_nak", write=False
    ) as bench:
        await bench.scanner.take("PO:1\r")
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.scanner.heard == b"", "nothing is on disk yet"
        writing = asyncio.create_task(bench.rig.outbox.write())
        await bench.hears(ACK)
        await bench.scanner.take(f"{EAN}\r")
        await bench.hears(ACK + ACK)
        assert rows(bench.rig.path) == 1
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@pytest.mark.parametrize("feedback", ["cr_ack_nak", "datalogic"])
async def test_not_saved_is_bad(tmp_path: Path, feedback: str) -> None:
    good, bad = WORDS[feedback]
    async with at_a_bench(tmp_path, ScannerSimulator(), feedback=feedback) as bench:
        await bench.scan("PO:1")
        await bench.rig.fill_the_disk()
        while bench.rig.told[-1].signal.kind == "ok":
            await bench.scan(EAN)
        assert bench.rig.told[-1].signal.text.startswith("NOT SAVED")
        await bench.hears(good * (1 + rows(bench.rig.path)) + bad)
        await bench.rig.make_room()
        await bench.scan(EAN)
        await bench.hears(good * rows(bench.rig.path) + bad + good)


async def test_a_scanner_that_waits_is_told_even_of_a_store_that_fails(tmp_path: Path) -> None:
    async with at_a_bench(tmp_path, ScannerSimulator(), feedback="cr_ack_nak") as bench:
        await bench.scan("PO:1", EAN)
        with contextlib.closing(sqlite3.connect(bench.rig.path)) as vandal:
            vandal.execute("DROP TABLE outbox")
        await bench.scan(OTHER_EAN)
        await bench.hears(ACK + ACK + NAK)
        with pytest.raises(StoreFailed):
            await asyncio.wait_for(bench.running, CEILING)


@pytest.mark.parametrize("feedback", WAITING)
async def test_a_scanner_that_waits_is_let_go_after_a_bounce_with_the_word_before(
    tmp_path: Path, feedback: str
) -> None:
    good, bad = WORDS[feedback]
    async with at_a_bench(tmp_path, ScannerSimulator(), feedback=feedback) as bench:
        await bench.scan("PO:1")
        for label in (EAN, EAN, UNKNOWN, UNKNOWN):
            await bench.scanner.take(f"{label}\r")
        await bench.until(lambda: len(bench.rig.told) == 5)
        kinds = [told.signal.kind for told in bench.rig.told]
        assert kinds == ["ok", "ok", "ignored", "not_ok", "ignored"]
        await bench.hears(good * 3 + bad * 2)


async def test_a_bounce_is_no_second_good_for_one_that_does_not_wait(tmp_path: Path) -> None:
    async with at_a_bench(tmp_path, ScannerSimulator(), feedback="datalogic_pos") as bench:
        await bench.scan("PO:1")
        for label in (EAN, EAN, OTHER_EAN):
            await bench.scanner.take(f"{label}\r")
        await bench.until(lambda: len(bench.rig.told) == 4)
        await bench.hears(b"BBB")


@pytest.mark.parametrize("feedback", WAITING)
@pytest.mark.parametrize("said", [b"40063", b"\xff" * 9000 + b"\r", b"NR\r"])
async def test_a_scanner_that_waits_is_told_of_what_is_no_scan(
    tmp_path: Path, feedback: str, said: bytes
) -> None:
    _, bad = WORDS[feedback]
    async with at_a_bench(
        tmp_path,
        ScannerSimulator(),
        feedback=feedback,
        gap=5 if said.endswith(b"\r") else 0.05,
        no_read="NR",
    ) as bench:
        await bench.scanner.say(said)
        await bench.hears(bad)


async def test_an_item_that_waits_for_its_weight_was_taken(tmp_path: Path) -> None:
    async with at_a_bench(
        tmp_path, ScannerSimulator(), job={"book": "weight"}, feedback="cr_ack_nak"
    ) as bench:
        await bench.scan("PO:1", EAN)
        assert bench.rig.told[-1].signal.kind == "attention"
        await bench.hears(ACK + ACK)


async def test_a_zebra_scanner_beeps_for_the_store_and_is_acknowledged_at_once(
    tmp_path: Path,
) -> None:
    scanner = SsiSimulator()
    async with at_a_bench(tmp_path, scanner, "ssi") as bench:
        await bench.scan("PO:1", EAN, UNKNOWN)
        await bench.until(lambda: len(scanner.beeps) == 3)
        assert scanner.beeps == [0x00, 0x00, 0x10]
        assert scanner.acknowledged == 3


async def test_a_honeywell_hid_scanner_beeps_once_for_good_and_three_times_for_bad(
    tmp_path: Path,
) -> None:
    scanner = HidPosSimulator(honeywell=True)
    beep = b"\xfd\x03\x16\x07\x0d"
    async with at_a_bench(tmp_path, scanner, "hid_pos", profile="honeywell") as bench:
        await bench.scan("PO:1", UNKNOWN)
        await bench.until(lambda: len(scanner.reports) == 5)
        assert scanner.reports == [b"\xfe\x01", beep, beep, beep, beep]
