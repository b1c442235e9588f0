"""The daemon with a copy: fetched, used without a network, and counted on after a restart."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from contract.codes.cards import command_card
from contract.envelope import Ack, encode
from contract.reference import ItemRecord, Pack
from contract.transactions import Receipt, Transaction
from contract.values import Document, Item, Line, Quantity
from gateway.__main__ import main
from gateway.movements import Movements
from gateway.outbox import open_outbox
from gateway.reference.binder import new_binder
from runtime.mqtt import Broker
from tests.gateway.reference.stock import order, pages, put
from tests.gateway.reference.test_catalog import NOW
from tests.gateway.reference.test_subscription import CEILING, serving
from tests.gateway.test_daemon import Daemon, Place
from tests.gateway.test_movements import CLOCKED
from tests.mosquitto import Mosquitto

EAN = "4012345678901"
BOLT = ItemRecord(sku="ITEM-000008", name="Bolt", packs=(Pack(gtin="0" + EAN),))
PO = order(1, lines=3)  # ten of ITEM-000008 on line 1


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    async with made.scanner, made.scale:
        yield made


async def _line(daemon: Daemon) -> tuple[str, str]:
    status = await daemon.json("/api/status")
    line = next(line for line in status["stations"][0]["lines"] if line["label"] == BOLT.sku)
    return line["done"], line["expected"]


async def _at(daemon: Daemon, version: int) -> None:
    async with asyncio.timeout(CEILING):
        while (await daemon.json("/api/status"))["reference"]["version"] != version:
            await asyncio.sleep(0.02)


async def test_a_copy_is_fetched_used_offline_and_not_counted_twice(
    place: Place, mosquitto: Mosquitto
) -> None:
    place.broker = mosquitto.url
    place.write()
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        async with serving(Broker(url=mosquitto.url)) as office, daemon.events() as following:
            office.epoch = None
            await office.tell(put(BOLT), put(PO))
            await _at(daemon, 2)
            await place.scanner.send("PO:PO-1")
            assert (await following())["kind"] == "ok"
            await place.scanner.send(EAN)
            assert (await following())["kind"] == "ok"
            assert await _line(daemon) == ("1", "10")
            [row] = place.rows()
            # The ERP has it: one more is done there, and none is counted here.
            office.epoch, office.includes = row.epoch, 1
            await office.tell(put(order(1, lines=3, done=1)))
            await _at(daemon, 3)
            assert await _line(daemon) == ("1", "10")
            # It is taken back: the copy does not have that yet.
            await place.scanner.send(command_card("UNDO"))
            assert (await following())["kind"] == "ok"
            assert await _line(daemon) == ("0", "10")
        mosquitto.kill()
        daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0
        await daemon.start()
        await daemon.ready_for("scanner-1")
        assert await _line(daemon) == ("0", "10")
        reference = (await daemon.json("/api/status"))["reference"]
        assert (reference["items"], reference["documents"], reference["trouble"]) == (1, 1, None)
        async with daemon.events() as following:
            assert (await following())["kind"] == "attention"  # restarted
            await place.scanner.send("5901234123457")
            unknown = await following()
            assert unknown["kind"] != "ok"  # the house does not know it
            assert "5901234123457" in unknown["text"], unknown
            await place.scanner.send(command_card("CANCEL"))
            await following()
            await place.scanner.send(EAN)
            assert (await following())["kind"] == "ok"
        assert await _line(daemon) == ("1", "10")
        assert daemon.http is not None
        async with daemon.http.get(daemon.url + "/metrics") as response:
            assert "reference_records" in await response.text()


def test_a_person_at_a_terminal_is_told_what_the_copy_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f"""
        site = "north"
        gateway = "dock-1"
        store.path = "{tmp_path / "outbox.db"}"
        station = [{{ name = "door-1", job = "pass_through" }}]
    """)
    assert main(["reference", "--config", str(config)]) == 1
    assert "no copy yet" in capsys.readouterr().out
    binder = new_binder(tmp_path / "outbox.reference", "s1")
    binder.take(next(pages([put(BOLT), put(PO)])), NOW)
    assert main(["reference", "--config", str(config)]) == 0  # while it is in use
    said = capsys.readouterr().out
    assert "1 items, 1 documents, 0 locations" in said
    assert "2026-11-23 00:00:00 UTC" in said
    binder.close()


async def test_without_the_copy_no_question_is_asked(place: Place, mosquitto: Mosquitto) -> None:
    place.broker = mosquitto.url
    config = place.write()
    config.write_text("reference.enabled = false\n" + config.read_text())
    async with serving(Broker(url=mosquitto.url)) as office:
        await office.tell(put(BOLT))
        async with Daemon(config) as daemon:
            await daemon.ready_for("scanner-1")
            async with asyncio.timeout(30):
                # Not by the log: the connection may have been there before the scanner was.
                while (status := await daemon.json("/api/status"))["broker"] != "online":
                    await asyncio.sleep(0.02)
            assert status["reference"]["set"] is None
        assert office.asks == []


def received(seq: int, epoch: object) -> str:
    event = Receipt(
        documents=(Document(kind="po", number=f"PO-{seq % 50}"),),
        lines=(
            Line(
                item=Item(sku=BOLT.sku, gtin="0" + EAN),
                quantity=Quantity(value=Decimal(1)),
                document_line="1",
            ),
        ),
    )
    return encode(
        Transaction.model_validate(
            {
                **CLOCKED,
                "id": f"00000000-0000-7000-8000-{seq:012}",
                "epoch": epoch,
                "seq": seq,
                "event": event.model_dump(),
                "evidence": [{"kind": "scan", "device": "scanner-1", "raw": "30" * 13}],
            }
        )
    )


async def test_a_long_time_offline_does_not_make_the_start_long(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    rows = 20_000
    place.store.parent.mkdir()
    async with open_outbox(place.store) as outbox:
        writing = asyncio.create_task(outbox.write())
        for start in range(0, rows, 500):
            await outbox.put([lambda epoch, seq: received(seq, epoch)] * 500)
            assert outbox.standing.last == start + 500
        writing.cancel()
        await asyncio.wait([writing])
        epoch = outbox.standing.epoch
        began = time.process_time()  # not the clock: this machine has company
        found = await outbox.newest(rows)
        movements = Movements()
        with caplog.at_level(logging.WARNING):
            assert movements.recount([(row.seq, row.body) for row in found], 0) == []
        counted = time.process_time() - began
        assert movements.of("PO-7", "receipt").lines == {"1": rows // 50}
        assert not outbox.confirm(Ack(epoch=epoch, upto=0))
    print(f"{rows} rows read and counted in {counted:.2f} s of processor time")
    place.write()
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        async with daemon.events() as following:
            await place.scanner.send("PO:PO-7")
            await following()
            status = await daemon.json("/api/status")
            assert status["stations"][0]["lines"][0]["done"].startswith("400")
    assert counted < 2
