import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.__main__ import main
from contract.envelope import Ack
from contract.topics import Topics
from runtime.mqtt import Broker, Connection, connect
from tests.bridge.streams import EPOCH, envelope, sealed, transaction, undigested
from tests.mosquitto import Mosquitto, free_port
from tests.stopwatch import Stopwatch

TOPICS = Topics("north", "dock-1")
LONG = 90.0  # s: far beyond what any of it takes on a busy machine
pytestmark = pytest.mark.timeout(300)


class Bridge:
    """`python -m bridge run` as a process of the test's own."""

    def __init__(self, folder: Path, broker: str, **more: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "bridge.toml"
        self.config.write_text(
            f"""
            site = "north"
            ledger = "{folder / "ledger.db"}"
            [broker]
            url = "{broker}"
            [target]
            connector = "sql"
            url = "sqlite+aiosqlite:///{folder / "stock.db"}"
            [web]
            listen = "127.0.0.1:{self.port}"
            """
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, **environment: str) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bridge", "run", "--config", str(self.config)),
            env={**os.environ, **environment},
            stderr=asyncio.subprocess.PIPE,
        )

    @contextlib.asynccontextmanager
    async def started(self, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start, and leave no process behind however the test ends."""
        await self.start(**environment)
        assert self.process is not None
        try:
            yield self.process
        finally:
            if self.process.returncode is None:
                await self.end(signal.SIGKILL)

    async def end(self, number: signal.Signals) -> tuple[int, str]:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> tuple[int, str]:
        assert self.process is not None
        async with asyncio.timeout(LONG):
            _, said = await self.process.communicate()
        return self.process.returncode or 0, said.decode()

    async def ask(self, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", **more) as reply,
        ):
            text = await reply.text()
            kind = reply.content_type
            return reply.status, json.loads(text) if kind == "application/json" else text

    async def until_healthy(self) -> None:
        assert self.process is not None
        async with asyncio.timeout(LONG):
            while True:
                assert self.process.returncode is None, await self.ended()
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    status, _ = await self.ask("/healthz")
                    if status == 200:
                        return
                await asyncio.sleep(0.05)

    def stock(self) -> list[tuple[str, str]]:
        with contextlib.closing(sqlite3.connect(self.folder / "stock.db")) as database:
            return database.execute("SELECT location, quantity FROM stock_on_hand").fetchall()


@pytest.fixture
async def bridge(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Bridge]:
    made = Bridge(tmp_path, mosquitto.url)
    async with made.started():
        yield made


async def until(connection: Connection, posted: int) -> Ack:
    async with asyncio.timeout(LONG):
        async for message in connection.messages:
            ack = Ack.model_validate_json(message.payload)
            if ack.posted >= posted:
                return ack
    raise AssertionError("the connection ended")


def send_two_hundred(dock: Connection) -> None:
    for first in range(1, 201, 50):
        rows = [transaction(seq) for seq in range(first, first + 50)]
        dock.publish(TOPICS.tx, sealed(first, rows))


async def test_a_scan_goes_all_the_way_and_the_bridge_ends_when_told(
    bridge: Bridge, mosquitto: Mosquitto
) -> None:
    await bridge.until_healthy()
    async with connect(Broker(url=mosquitto.url), client_id="dock-1") as dock:
        await dock.subscribe(TOPICS.ack)
        dock.publish(TOPICS.tx, sealed(1, [transaction(1), transaction(2)]))
        assert undigested(await until(dock, posted=2)) == Ack(epoch=EPOCH, upto=2, posted=2)
    assert bridge.stock() == [("DOCK", "4")]
    status, stock = await bridge.ask("/api/stock")
    assert (status, stock[0]["quantity"]) == (200, "4")
    assert bridge.process is not None
    with Stopwatch(bridge.process.pid) as watch:
        code, said = await bridge.end(signal.SIGTERM)
    assert code == 0, said
    assert watch.waited < 5.0
    assert "stopped" in said
    assert "Traceback" not in said


async def test_a_killed_bridge_goes_on_where_it_was(bridge: Bridge, mosquitto: Mosquitto) -> None:
    await bridge.until_healthy()
    async with connect(Broker(url=mosquitto.url), client_id="dock-1") as dock:
        await dock.subscribe(TOPICS.ack)
        for first in range(1, 201, 50):
            dock.publish(
                TOPICS.tx, sealed(first, [transaction(n) for n in range(first, first + 50)])
            )
        await until(dock, posted=1)
        await bridge.end(signal.SIGKILL)
        await bridge.start()
        await bridge.until_healthy()
        for first in range(1, 201, 50):
            dock.publish(
                TOPICS.tx, sealed(first, [transaction(n) for n in range(first, first + 50)])
            )
        await until(dock, posted=200)
    assert bridge.stock() == [("DOCK", "400")]


async def test_a_bridge_without_a_broker_is_up_and_says_so(tmp_path: Path) -> None:
    lonely = Bridge(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    async with lonely.started():
        async with asyncio.timeout(LONG):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    status, health = await lonely.ask("/healthz")
                    if [reason["code"] for reason in health["reasons"]] == ["broker"]:
                        break
                await asyncio.sleep(0.05)
        assert status == 503
        code, said = await lonely.end(signal.SIGTERM)
    assert code == 0
    assert "broker lost" in said


async def test_systemd_hears_when_it_is_ready(tmp_path: Path, mosquitto: Mosquitto) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(address))
        sock.setblocking(False)
        heard: list[bytes] = []

        async def until_heard(*words: bytes) -> None:
            async with asyncio.timeout(LONG):
                while not set(words) <= {said.partition(b"\n")[0] for said in heard}:
                    heard.append(await asyncio.get_running_loop().sock_recv(sock, 4096))

        signs = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000"}
        made = Bridge(tmp_path, mosquitto.url)
        async with made.started(**signs) as process:
            await until_heard(b"READY=1", b"WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            await until_heard(b"STOPPING=1")  # it cannot end before: it waits for who does not read
            code, said = await made.ended()
    assert code == 0, said


async def test_a_person_decides_by_the_web(bridge: Bridge, mosquitto: Mosquitto) -> None:
    await bridge.until_healthy()
    async with connect(Broker(url=mosquitto.url), client_id="dock-1") as dock:
        await dock.subscribe(TOPICS.ack)
        dock.publish(TOPICS.tx, sealed(1, [transaction(1)]))
        await until(dock, posted=1)
        clone = transaction(1).model_copy(update={"station": "elsewhere"})
        dock.publish(TOPICS.tx, sealed(1, [clone]))
        async with asyncio.timeout(LONG):
            async for message in dock.messages:
                if Ack.model_validate_json(message.payload).conflict == 1:
                    break
        status, health = await bridge.ask("/healthz")
        assert (status, [reason["code"] for reason in health["reasons"]]) == (200, ["conflict"])
        assert not health["ok"]
        assert 'scanpost_bridge_alert{code="conflict"} 1.0' in (await bridge.ask("/metrics"))[1]
        path = f"/api/streams/dock-1/{EPOCH}/forgive"
        assert (await bridge.ask(path, "POST"))[0] == 415
        assert (await bridge.ask(path, "POST", json={}, headers={"Host": "evil.example"}))[0] == 403
        assert await bridge.ask(path, "POST", json={}) == (200, {"done": True})
        assert await bridge.ask(path, "POST", json={}) == (409, {"done": False})
        assert await bridge.ask("/healthz") == (200, {"ok": True, "reasons": []})
        assert 'scanpost_bridge_alert{code="conflict"} 0.0' in (await bridge.ask("/metrics"))[1]
        dock.publish(TOPICS.tx, json.dumps(_odd()))
        async with asyncio.timeout(LONG):
            async for message in dock.messages:
                if Ack.model_validate_json(message.payload).rejected:
                    break
    assert await bridge.ask("/api/entries/2/retry", "POST", json={}) == (409, {"done": False})
    _, entries = await bridge.ask("/api/entries?limit=1")
    assert [(e["seq"], e["state"], e["code"]) for e in entries["entries"]] == [
        (2, "dead", "schema_too_new")
    ]
    _, state = await bridge.ask("/api/status")
    assert state["standing"]["dead"] == 1
    assert state["streams"][0]["upto"] == 2
    _, text = await bridge.ask("/metrics")
    assert "scanpost_bridge_dead_entries 1.0" in text
    assert (await bridge.ask("/api/entries?limit=x"))[0] == 400


def _odd() -> dict[str, Any]:
    """An envelope with one row of a type that only a newer program knows."""
    value: dict[str, Any] = json.loads(transaction(2).model_dump_json())
    value["event"] = {"type": "teleport"}
    sealed_one = json.loads(sealed(2, [transaction(2)]))
    sealed_one["data"]["rows"] = [
        json.loads(row.model_dump_json()) for row in envelope(2, [value]).rows
    ]
    return dict(sealed_one)


def test_check_says_what_is_configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Bridge(tmp_path, "mqtt://127.0.0.1:1883")
    assert main(["check", "--config", str(made.config)]) == 0
    assert "target sql" in capsys.readouterr().out
    made.config.write_text('sight = "north"')
    assert main(["check", "--config", str(made.config)]) == 2
    assert "bridge.toml: site: Field required" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_opened_ends_it_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Bridge(tmp_path, "mqtt://127.0.0.1:1883")
    (tmp_path / "ledger.db").write_bytes(b"Dear diary" * 100)
    assert main(["run", "--config", str(made.config)]) == 1
    assert "not a database" in capsys.readouterr().err
