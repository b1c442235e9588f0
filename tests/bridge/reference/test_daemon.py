"""The whole bridge with reference data on: from a file and two docks to one dead letter."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.__main__ import main
from bridge.config import load
from bridge.daemon import run
from bridge.errors import ConfigError
from contract.envelope import Ack
from contract.reference import DocumentRecord
from contract.topics import Topics
from runtime.mqtt import Broker, Connection, connect
from tests.bridge.reference.room import LONG, dock
from tests.bridge.reference.test_keeper import receipt
from tests.bridge.streams import name, sealed, transaction
from tests.mosquitto import Mosquitto


def configured(folder: Path, broker: str, reference: str) -> Path:
    path = folder / "bridge.toml"
    path.write_text(
        f"""
        site = "north"
        ledger = "{folder / "ledger.db"}"
        [broker]
        url = "{broker}"
        [target]
        connector = "sql"
        url = "sqlite+aiosqlite:///{folder / "stock.db"}"
        [web]
        enabled = false
        [reference]
        {reference}
        """
    )
    return path


@contextlib.asynccontextmanager
async def daemon(config: Path) -> AsyncIterator[None]:
    task = asyncio.create_task(run(load(config)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def rejected(url: str, gateway: str, sent: str) -> Ack:
    """Send an envelope until a bridge hears it; return the word once all of it is decided."""
    topics = Topics("north", gateway)
    async with (
        asyncio.timeout(LONG),
        connect(Broker(url=url), client_id=f"{gateway}-tx") as connection,
    ):
        await connection.subscribe(topics.ack)
        while True:
            connection.publish(topics.tx, sent)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    return await decided(connection)


async def decided(connection: Connection) -> Ack:
    async for message in connection.messages:
        ack = Ack.model_validate_json(message.payload)
        if ack.posted >= 1:
            return ack
    raise AssertionError("the connection ended")


async def test_two_docks_that_did_not_know_of_each_other_make_one_booking_and_one_question(
    tmp_path: Path,
    folder: Path,
    mosquitto: Mosquitto,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configured(tmp_path, mosquitto.url, f'source = "files"\nfolder = "{folder}"')
    async with daemon(config), dock(mosquitto.url, "dock-2") as two:
        await two.until(lambda two: two.done("PO-1") == "0")
        first = sealed(1, [transaction(1, receipt("10"))])
        assert not (await rejected(mosquitto.url, "dock-1", first)).rejected
        await two.until(lambda two: two.done("PO-1") == "10")
        again = transaction(1, receipt("10"), gateway="dock-2", id=name(1, 2))
        [word] = (await rejected(mosquitto.url, "dock-2", sealed(1, [again], "dock-2"))).rejected
        assert word.code == "over_receipt"
        assert "dock-1/bench" in word.text
        assert "dock-2/bench" in word.text
        with contextlib.closing(sqlite3.connect(tmp_path / "stock.db")) as stock:
            assert stock.execute("SELECT quantity FROM stock_on_hand").fetchall() == [("10",)]
        assert await asyncio.to_thread(main, ["reference", "--json", "--config", str(config)]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["records"] == {"item": 2, "document": 1}
    assert said["gateways"] == ["dock-2"]


async def test_a_database_of_one_s_own_is_read_when_a_person_asks(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    config = configured(tmp_path, mosquitto.url, 'source = "target"\nevery = "1h"')
    async with daemon(config), dock(mosquitto.url) as one:
        await one.until(lambda one: one.whole())
        with contextlib.closing(sqlite3.connect(tmp_path / "stock.db")) as stock, stock:
            stock.execute("INSERT INTO documents (number, document) VALUES ('PO-9', 'po')")
            stock.execute(
                "INSERT INTO document_lines (number, line, sku, quantity)"
                " VALUES ('PO-9', '1', 'BOLT-8', '10')"
            )
        words = ["reference", "--now", "--config", str(config)]
        assert await asyncio.to_thread(main, words) == 0
        await one.until(lambda one: one.done("PO-9") == "0")
        assert isinstance(one.records["document", "PO-9"], DocumentRecord)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ('source = "files"', 'source = "files" needs a folder'),
        ('source = "target"\nevery = "1s"', "reference.every"),
        ("colour = 1", "reference.colour"),
    ],
)
def test_a_table_that_cannot_work_is_refused(tmp_path: Path, reference: str, said: str) -> None:
    with pytest.raises(ConfigError) as failed:
        load(configured(tmp_path, "mqtt://127.0.0.1:1", reference))
    assert said in str(failed.value)


def test_a_target_that_does_not_read_is_refused(tmp_path: Path) -> None:
    path = configured(tmp_path, "mqtt://127.0.0.1:1", 'source = "target"')
    text = path.read_text().replace(
        f'connector = "sql"\n        url = "sqlite+aiosqlite:///{tmp_path / "stock.db"}"',
        f'connector = "files"\n        folder = "{tmp_path}"',
    )
    path.write_text(text)
    with pytest.raises(ConfigError, match="files does not read"):
        load(path)
