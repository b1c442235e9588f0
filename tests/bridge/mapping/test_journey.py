"""A real bridge, a real broker: a dead letter nobody could place is mapped, and booked once."""

import asyncio
import contextlib
import json
import logging
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.__main__ import main
from bridge.mapping import folder
from contract.envelope import Ack
from contract.topics import Topics
from runtime.mqtt import Broker, Connection, connect
from tests.bridge.streams import name, receipt, sealed, transaction
from tests.mosquitto import Mosquitto, free_port

LONG = 100.0  # s: far beyond what any of it takes on a busy machine
pytestmark = pytest.mark.timeout(400)
TOPICS = Topics("north", "dock-1")
STRICT = '[unmapped]\nitems = "refuse"\n'


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command sends logs to the standard error of its test, which is closed after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Office:
    """A bridge as a process, the folder of its tables, and a person at a terminal."""

    def __init__(self, place: Path, broker: str) -> None:
        self.place = place
        self.tables = place / "mapping"
        self.tables.mkdir()
        self.port = free_port()
        self.config = place / "bridge.toml"
        self.config.write_text(
            f"""
            site = "north"
            ledger = "{place / "ledger.db"}"
            [broker]
            url = "{broker}"
            [mapping]
            folder = "{self.tables}"
            every = 0.2
            [target]
            connector = "sql"
            url = "sqlite+aiosqlite:///{place / "stock.db"}"
            [web]
            listen = "127.0.0.1:{self.port}"
            """
        )

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", *words, "--config", str(self.config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        process = await self.begin("run")
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(LONG):
                    _, said = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        assert process.returncode == 0, said.decode()

    async def page(self, path: str) -> str:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}{path}") as reply,
            ):
                return await reply.text()
        return ""

    async def until(self, path: str, true: Callable[[str], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not true(await self.page(path)):
                await asyncio.sleep(0.05)

    async def until_it_holds(self) -> str:
        """Wait until the bridge works with the tables that lie in the folder."""
        version = folder.read(self.tables).version
        await self.until("/metrics", lambda text: f'mapping_info{{version="{version}"}}' in text)
        return version

    def booked(self) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.place / "stock.db")) as database:
            return database.execute(
                "SELECT item, location, quantity FROM movements ORDER BY item"
            ).fetchall()


async def word(connection: Connection, posted: int) -> Ack:
    async for message in connection.messages:
        ack = Ack.model_validate_json(message.payload)
        if ack.posted >= posted:
            return ack
    raise AssertionError("the connection ended")


class Person:
    def __init__(self, office: Office, capsys: pytest.CaptureFixture[str]) -> None:
        self.office = office
        self.capsys = capsys

    async def asks(self, *words: str) -> tuple[int, Any]:
        self.capsys.readouterr()
        whole = [*words, "--json", "--config", str(self.office.config)]
        code = await asyncio.to_thread(main, whole)
        return code, json.loads(self.capsys.readouterr().out)


async def test_a_dead_letter_is_mapped_by_editing_a_table_and_booked_once(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(tmp_path, mosquitto.url)
    person = Person(office, capsys)
    (office.tables / "mapping.toml").write_text(STRICT)
    items = office.tables / "items.csv"
    items.write_text("sku,code\nBOLT-8,100-1\n")
    dock = connect(Broker(url=mosquitto.url), client_id="dock-1")
    async with office.open(), asyncio.timeout(LONG), dock as connection:
        await connection.subscribe(TOPICS.ack)
        first = await office.until_it_holds()
        await office.until("/healthz", lambda text: json.loads(text)["ok"])  # at the broker, too
        sent = [transaction(1), transaction(2, receipt(sku="NEW-1", quantity="24"))]
        connection.publish(TOPICS.tx, sealed(1, sent))
        ack = await word(connection, posted=2)
        assert [(row.seq, row.code) for row in ack.rejected] == [(2, "unknown_sku")]
        assert office.booked() == [("100-1", "DOCK", "2")]
        code, [letter] = await person.asks("dead-letters")
        assert (code, letter["text"]) == (0, "items.csv has no SKU NEW-1")
        assert "map" in letter["actions"]

        items.write_text("sku,code\nBOLT-8,100-1\nNEW-1,\n")
        await office.until("/healthz", lambda text: "items.csv:3: code must not be empty" in text)
        assert "mapping_refused_total 1.0" in await office.page("/metrics")
        assert f'version="{first}"' in await office.page("/metrics"), "those before hold"

        (office.tables / "units.csv").write_text("sku,from,to,factor\n100-2,EA,CT,1/12\n")
        items.write_text("sku,code\nBOLT-8,100-1\nNEW-1,100-2\n")
        _, tried = await person.asks("test-scan", "--entry", str(letter["number"]))
        assert tried["mapped"]["lines"][0]["quantity"] == {"unit": "CT", "value": "2"}
        second = await office.until_it_holds()
        await office.until("/healthz", lambda text: json.loads(text)["ok"])
        assert len(office.booked()) == 1, "nothing is sent before a person says so"
        _, done = await person.asks("retry", "--code", "unknown_sku", "--who", "Ada")
        assert done["numbers"] == [letter["number"]]
        async with asyncio.timeout(LONG):
            while len(office.booked()) < 2:
                await asyncio.sleep(0.05)
        assert office.booked() == [("100-1", "DOCK", "2"), ("100-2", "DOCK", "2")]
        await person.asks("replay", str(letter["number"]), "--why", "is it really once?")
        await office.until("/metrics", lambda text: "bridge_undecided_entries 0.0" in text)
    assert len(office.booked()) == 2

    _, story = await person.asks("explain", str(name(2)))
    assert [each["mapping"] for each in story["attempts"]] == [first, second, second]
    assert story["attempts"][0]["translated"] is None
    given = json.loads(story["attempts"][1]["translated"])
    assert given["id"] == story["came"]["id"] == str(name(2))
    assert given["event"]["lines"][0]["item"]["sku"] == "100-2"
    assert story["came"]["event"]["lines"][0]["item"]["sku"] == "NEW-1", "what came stays"
    _, trail = await person.asks("audit", "show")
    noted = [row["detail"]["version"] for row in trail if row["what"] == "mapping"]
    assert noted == [second, first]
    assert (await person.asks("audit", "verify"))[1]["whole"]


async def test_broken_tables_are_told_all_at_once_and_no_bridge_starts_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(tmp_path, "mqtt://127.0.0.1:1")
    (office.tables / "mapping.toml").write_text('[unmapped]\nitems = "drop"\n')
    (office.tables / "items.csv").write_text("sku,code\nA,1\nA,2\n")
    process = await office.begin("run")
    try:
        async with asyncio.timeout(LONG):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    answers = [(process.returncode, err.decode())]
    for words in (["check"], ["mapping", "check"]):
        code = await asyncio.to_thread(main, [*words, "--config", str(office.config)])
        answers.append((code, capsys.readouterr().err))
    assert [code for code, _ in answers] == [2, 2, 1]
    for _, said in answers:
        assert "mapping.toml:2: unmapped.items: Input should be 'pass' or 'refuse'" in said
        assert "items.csv:3: SKU A is 2 here and 1 on line 2" in said
        assert "Traceback" not in said
    assert not (tmp_path / "ledger.db").exists()
    (office.tables / "mapping.toml").write_text(STRICT)
    (office.tables / "items.csv").write_text("sku,code\nA,1\n")
    person = Person(office, capsys)
    code, shown = await person.asks("mapping", "show")
    assert (code, shown["skus"], shown["rules"]) == (0, 1, {"unmapped": {"items": "refuse"}})
    assert (await person.asks("mapping", "check"))[1]["version"] == shown["version"]
    code, tried = await person.asks("test-scan", "B", "PO:4711")
    assert (code, tried["refused"]["code"]) == (1, "unknown_sku")
    code, tried = await person.asks("test-scan", "A", "PO:4711", "--quantity", "3")
    assert (code, tried["refused"]) == (0, None)
    assert tried["mapped"]["lines"][0]["item"] == {"sku": "1"}
    code, tried = await person.asks("test-scan", "--type", "count")
    assert (code, tried) == (
        1,
        {
            "error": "a count needs location: give it with --location; a count needs lines: give it"
            " with --sku, --gtin or a label"
        },
    )
