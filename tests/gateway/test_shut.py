"""The daemon as a process over a store that cannot be had: refused aloud, and over by itself."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from contract.envelope import envelope_adapter
from contract.topics import Topics
from contract.transactions import Reading, Transaction
from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from gateway.outputs.tones import sound
from gateway.stations.job import SignalKind
from runtime.mqtt import Broker, Connection, connect
from tests.gateway.test_daemon import Daemon
from tests.mosquitto import Mosquitto, free_port
from tests.stopwatch import Stopwatch

ACK, NAK = b"\x06", b"\x15"
BUDGET = 1.5  # seconds in which an operator is answered, whatever the disk does
CEILING = 60.0
TOPICS = Topics("north", "dock-1")


class Desk:
    """A gateway with every way to tell the operator: screen, loudspeaker, the scanner's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "disk" / "outbox.db"
        self.scanner = ScannerSimulator(Pty(folder / "scanner"))
        self.scale = MtSicsSimulator(Pty(folder / "scale"))
        self.heard = folder / "heard"
        self.more = ""
        self.broker = f"mqtt://127.0.0.1:{free_port()}"

    def write(self) -> Path:
        config = self.folder / "gateway.toml"
        config.write_text(f"""
            site = "north"
            gateway = "dock-1"
            store.path = "{self.store}"
            broker.url = "{self.broker}"
            web.listen = "127.0.0.1:0"
            outputs.beep = "default"
            log.format = "json"
            log.level = "debug"
            {self.more}

            [[station]]
            name = "door-1"
            job = "pass_through"
            language = "de"

            [[station.device]]
            id = "scanner-1"
            url = "{self.scanner.url}"
            driver = "lines"
            feedback = "cr_ack_nak"

            [[station.device]]
            id = "scale-1"
            url = "{self.scale.url}"
            driver = "mt_sics"
            every = 0.1
        """)
        return config

    def daemon(self, **more: str) -> Daemon:
        """Return the daemon; what it plays is kept."""
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        player = programs / "aplay"
        player.write_text(f"#!/bin/sh\ncat > {self.heard}.$$ && mv {self.heard}.$$ {self.heard}\n")
        player.chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        return Daemon(self.write(), {"PATH": path, **more})

    def stored(self) -> list[str]:
        """Return the codes on disk, in order."""
        with contextlib.closing(sqlite3.connect(self.store)) as store:
            found = store.execute("SELECT body FROM outbox ORDER BY seq").fetchall()
        events = [Transaction.model_validate_json(body).event for (body,) in found]
        return [event.text for event in events if isinstance(event, Reading) and event.text]

    async def answered(self, daemon: Daemon, code: str) -> tuple[bytes, str]:
        """Scan; return what the scanner was told, and what signal was given at the station."""
        self.scanner.heard = b""
        daemon.log.clear()
        await self.scanner.send(code)
        async with asyncio.timeout(CEILING):
            while not self.scanner.heard:
                await asyncio.sleep(0.005)
        told = [each for each in daemon.log if each["event"].startswith("signal ")]
        while not told:
            await asyncio.sleep(0.005)
            told = [each for each in daemon.log if each["event"].startswith("signal ")]
        return self.scanner.heard, told[-1]["event"]

    async def until_played(self, kind: SignalKind) -> None:
        async with asyncio.timeout(CEILING):
            while not self.heard.exists() or self.heard.read_bytes() != sound(kind):
                await asyncio.sleep(0.01)


async def shut(daemon: Daemon) -> str:
    """Wait until it says that there is no store, and its devices are open; return why."""
    why = await daemon.until("the store cannot be used")
    daemon.url = (await daemon.until("listening without a store"))["address"]
    left = {"scanner-1", "scale-1"}
    while left:
        left.discard((await daemon.until("device open"))["device"])
    return str(why["why"])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    async with made.scanner, made.scale:
        yield made


async def forwarded(bridge: Connection, codes: set[str]) -> list[str]:
    """Return the texts of the rows that came, when all of `codes` are among them."""
    came: dict[str, str] = {}
    async with asyncio.timeout(CEILING):
        while not codes <= set(came.values()):
            for message in await bridge.receive():
                for row in envelope_adapter.validate_json(message.payload).data.rows:
                    came[row.transaction["id"]] = row.transaction["event"]["text"]
    return list(came.values())


async def test_a_store_that_is_not_there_is_said_in_every_way_and_used_when_it_is(
    desk: Desk, mosquitto: Mosquitto
) -> None:
    desk.broker = mosquitto.url
    desk.store.parent.write_text("no folder")
    async with (
        desk.daemon() as daemon,
        connect(Broker(url=mosquitto.url), client_id="bridge") as bridge,
    ):
        await bridge.subscribe(TOPICS.tx)
        why = await shut(daemon)
        assert "its folder cannot be used" in why
        await desk.until_played("not_ok")
        desk.heard.unlink()
        async with daemon.events() as following:
            assert (await following())["past"], "who looks later is told too"
            with Stopwatch(daemon.pid) as stopwatch:
                assert await desk.answered(daemon, "FIRST-SCAN") == (NAK, "signal not_ok")
            assert stopwatch.waited < BUDGET
            told = await following()
        assert (told["kind"], told["said"], told["booked"]) == ("not_ok", "FIRST-SCAN", [])
        assert told["text"].startswith("NICHT GESPEICHERT")
        await desk.until_played("not_ok")
        status = await daemon.json("/api/status")
        [station] = status["stations"]
        assert station["latched"]["number"] == told["number"]
        assert station["headline"].startswith("NICHT GESPEICHERT")
        assert station["facts"] == [["Grund", why]]
        assert (status["waiting"], status["broker"]) == (None, "offline")
        health = await daemon.json("/healthz")
        assert [each["code"] for each in health["alerts"]] == ["store-unusable"]
        assert why in health["alerts"][0]["text"]

        desk.store.parent.unlink()
        await daemon.until("the store can be used again")
        await daemon.until("ready")
        assert await desk.answered(daemon, "AGAIN-SCAN") == (ACK, "signal ok")
        assert await desk.answered(daemon, "OTHER-SCAN") == (ACK, "signal ok")
        assert desk.stored() == ["AGAIN-SCAN", "OTHER-SCAN"]
        assert await forwarded(bridge, {"OTHER-SCAN"}) == ["AGAIN-SCAN", "OTHER-SCAN"]


# What keeps a store from being had


@contextlib.contextmanager
def held(store: Path) -> Iterator[Callable[[], None]]:
    """Let somebody else be in the middle of a transaction."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def end() -> None:
            other.execute("ROLLBACK")

        yield end


@contextlib.contextmanager
def read_only(store: Path) -> Iterator[Callable[[], None]]:
    """Let the disk be mounted read-only, as the kernel does after errors."""
    mounted("-o", "remount,ro", str(store.parent))
    yield lambda: mounted("-o", "remount,rw", str(store.parent))


@contextlib.contextmanager
def full(store: Path) -> Iterator[Callable[[], None]]:
    """Let another program take all the room there is."""
    junk = store.with_name("junk")
    with junk.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield junk.unlink


@contextlib.contextmanager
def hanging(store: Path) -> Iterator[Callable[[], None]]:
    """Let a read of the log never end: what waits for a pipe waits as for a dead disk."""
    log = store.with_name(f"{store.name}-wal")
    os.mkfifo(log)

    def go_on() -> None:
        end = os.open(log, os.O_WRONLY)
        log.unlink()
        os.close(end)

    yield go_on


def mounted(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


@pytest.fixture
def disk(desk: Desk) -> Iterator[Path]:
    """A disk of its own under the store."""
    folder = desk.store.parent
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    try:
        mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder))
    except subprocess.CalledProcessError:
        pytest.skip("a disk of its own needs mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


FAULTS = {
    "somebody is in a transaction": (held, "database is locked"),
    "the disk is mounted read-only": (read_only, "Read-only file system"),
    "the disk is full": (full, "disk"),
    "the disk does not answer": (hanging, "the disk has not answered yet"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_keeps_the_store_each_scan_is_refused_until_it_is_over(
    fault: str, desk: Desk, disk: Path
) -> None:
    async with desk.daemon() as daemon:
        await daemon.ready_for("scanner-1", "scale-1")
        assert await desk.answered(daemon, "BEFORE-SCAN") == (ACK, "signal ok")
        daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0
    caused, said = FAULTS[fault]
    with caused(desk.store) as end:
        async with desk.daemon() as daemon:
            assert said in await shut(daemon)
            for code in ("ONE-SCAN", "TWO-SCAN", "TWO-SCAN"):
                with Stopwatch(daemon.pid) as stopwatch:
                    assert await desk.answered(daemon, code) == (NAK, "signal not_ok")
                assert stopwatch.waited < BUDGET
            desk.scale.load += 2
            assert (await daemon.until("signal not_ok"))["text"].startswith("NOT SAVED")
            desk.scale.load -= 2
            end()
            await daemon.until("ready")
            assert await desk.answered(daemon, "TWO-SCAN") == (ACK, "signal ok")
    assert desk.stored() == ["BEFORE-SCAN", "TWO-SCAN"]
    assert not list(disk.glob("*.corrupt-*")), "a store that cannot be had is not damaged"


async def test_a_start_on_a_full_disk_takes_the_room_put_by(desk: Desk, disk: Path) -> None:
    desk.more = "store.reserve_mb = 1"
    async with desk.daemon() as daemon:
        await daemon.until("room put by")
        daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0
    with full(desk.store):
        async with desk.daemon() as daemon:
            await daemon.ready_for("scanner-1")
            assert await desk.answered(daemon, "FULL-SCAN") == (ACK, "signal ok")
            assert not (disk / "outbox.db.reserve").exists()
            codes = {each["code"] for each in (await daemon.json("/healthz"))["alerts"]}
            assert "disk-full" in codes
    assert desk.stored() == ["FULL-SCAN"]


async def test_it_ends_when_it_is_told_to_while_there_is_no_store(desk: Desk) -> None:
    desk.store.parent.write_text("no folder")
    async with desk.daemon() as daemon:
        await shut(daemon)
        with Stopwatch(daemon.pid) as stopwatch:
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert stopwatch.waited < 2
        assert daemon.other == []


async def test_systemd_need_not_start_it_again_for_want_of_a_store(
    desk: Desk, tmp_path: Path
) -> None:
    desk.store.parent.write_text("no folder")
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(address))
        ear.setblocking(False)

        async def heard(start: bytes) -> bytes:
            async with asyncio.timeout(CEILING):
                while True:
                    word = await asyncio.get_running_loop().sock_recv(ear, 4096)
                    if word.startswith(start):
                        return word

        async with desk.daemon(NOTIFY_SOCKET=str(address), WATCHDOG_USEC="200000"):
            assert b"no scan is taken" in await heard(b"READY=1")
            for _ in range(2):
                await heard(b"WATCHDOG=1")
            desk.store.parent.unlink()
            assert b"1 stations, 2 devices" in await heard(b"READY=1")
            for _ in range(2):
                await heard(b"WATCHDOG=1")


async def test_a_newer_store_is_refused_untouched_at_once(desk: Desk) -> None:
    desk.store.parent.mkdir()
    with contextlib.closing(sqlite3.connect(desk.store)) as store, store:
        store.execute("CREATE TABLE outbox (seq INTEGER PRIMARY KEY)")
        store.execute("PRAGMA user_version = 99")
    before = desk.store.read_bytes()
    async with desk.daemon() as daemon:
        assert await daemon.ended() == 1
        assert daemon.log[-1]["event"] == "the gateway ends"
        assert "written by a newer version" in daemon.log[-1]["why"]
        assert "the store cannot be used" not in {each["event"] for each in daemon.log}
    assert desk.store.read_bytes() == before
