"""The daemon as a process, over a store that is damaged, a copy, or on a disk that fails."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from contract.envelope import Ack
from contract.topics import Topics
from runtime.mqtt import Broker, connect
from tests.gateway.test_daemon import EAN, Daemon, Place
from tests.mosquitto import Mosquitto

CEILING = 60.0


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    async with made.scanner, made.scale:
        made.write()
        yield made


async def scanned(place: Place, daemon: Daemon, *codes: str) -> list[str]:
    """Scan one after the other, and return what the operator was told."""
    kinds = []
    async with daemon.events() as following:
        for code in codes:
            await place.scanner.send(code)
            while (told := await following())["past"]:
                continue
            kinds.append(told["kind"])
    return kinds


def epoch_of(place: Place) -> str:
    with contextlib.closing(sqlite3.connect(place.store)) as store:
        [(epoch,)] = store.execute("SELECT epoch FROM stream")
    return str(epoch)


async def test_a_damaged_store_is_told_at_the_station_and_to_who_watches(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace('book = "weight"', ""))
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        await scanned(place, daemon, "PO:4711", EAN, "4006381333931", "4012345123456")
        daemon.send(signal.SIGTERM)
        await daemon.ended()
    old, rows = epoch_of(place), place.rows()
    assert len(rows) == 3
    with contextlib.closing(sqlite3.connect(place.store)) as store, store:
        store.execute("UPDATE outbox SET body = 'rotten' WHERE seq = 2")
    async with Daemon(place.config) as daemon:
        begun = await daemon.until("a new stream was begun")
        assert begun["missing"] == [[2, 2]]
        await daemon.ready_for("scanner-1")
        health = await daemon.json("/healthz")
        [alert] = [each for each in health["alerts"] if each["code"] == "store-damaged"]
        assert alert["severity"] == "critical"
        assert f"1 are lost (seq 2-2 of epoch {old})" in alert["text"]
        [station] = (await daemon.json("/api/status"))["stations"]
        assert station["latched"]["kind"] == "not_ok"
        assert "1 scans are lost, 2 were saved" in station["latched"]["text"]
        assert await scanned(place, daemon, "5012345678900") == ["ok"]
    assert epoch_of(place) != old
    kept = [row.id for row in place.rows()]
    assert kept[:2] == [rows[0].id, rows[2].id]
    assert len(kept) == 3
    place.store.with_name("outbox.db.seen").write_text("1")
    async with Daemon(place.config) as daemon:
        await daemon.ready()
        health = await daemon.json("/healthz")
        assert "store-damaged" not in {each["code"] for each in health["alerts"]}


async def test_a_copy_that_runs_ends_and_its_next_start_goes_on(place: Place) -> None:
    """What systemd does with it: start again, and the new stream is there."""
    broker = Mosquitto(place.folder)
    place.broker = broker.url
    topics = Topics("north", "dock-1")
    place.write()
    place.config.write_text(place.config.read_text().replace('book = "weight"', ""))
    await broker.start()
    try:
        async with (
            Daemon(place.config) as daemon,
            connect(Broker(url=broker.url), client_id="bridge") as bridge,
        ):
            await daemon.ready_for("scanner-1")
            await scanned(place, daemon, "PO:4711", EAN)
            old = epoch_of(place)
            ack = Ack(epoch=UUID(old), upto=7, posted=7)
            await bridge.publish(topics.ack, ack.model_dump_json(), retain=True)
            assert await daemon.ended() == 1
            assert "this store is a copy" in (await daemon.until("the gateway ends"))["why"]
            await daemon.start()
            await daemon.ready_for("scanner-1")
            assert epoch_of(place) != old
            codes = {each["code"] for each in (await daemon.json("/healthz"))["alerts"]}
            assert "stream-ended" in codes
            assert await scanned(place, daemon, "4006381333931") == ["ok"]
        assert len(place.rows()) == 2
    finally:
        broker.kill()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own under the store, which a test may fill."""
    folder = tmp_path / "store"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk that can be filled needs root and mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(junk: Path) -> None:
    """Take all the room there is."""
    with junk.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_a_full_disk_is_not_ok_and_is_over_when_there_is_room(
    disk: Path, place: Place
) -> None:
    text = place.config.read_text().replace('book = "weight"', "")
    place.config.write_text(text.replace("store.path", "store.reserve_mb = 1\nstore.path"))
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        assert await scanned(place, daemon, "PO:4711", EAN) == ["ok", "ok"]
        junk = disk / "junk"
        fill(junk)
        saved = 1
        kinds = ["ok"]
        while kinds == ["ok"]:
            kinds = await scanned(place, daemon, "4006381333931" if saved % 2 else EAN)
            saved += kinds == ["ok"]
            if not (disk / "outbox.db.reserve").exists():
                fill(junk)  # another program takes what was put by
        assert kinds == ["not_ok"]
        assert not (disk / "outbox.db.reserve").exists()
        assert len(place.rows()) == saved
        codes = {each["code"] for each in (await daemon.json("/healthz"))["alerts"]}
        assert "disk-full" in codes
        junk.unlink()
        assert await scanned(place, daemon, "4012345123456") == ["ok"]
        assert len(place.rows()) == saved + 1
