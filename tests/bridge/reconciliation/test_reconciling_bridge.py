"""A bridge that reconciles by itself, and a person at a terminal."""

import asyncio
import contextlib
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.__main__ import main
from runtime.mqtt import Broker, connect
from tests.bridge.streams import name, sealed, transaction
from tests.bridge.test_daemon import LONG, TOPICS, Bridge, until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.timeout(300)


async def reasons(bridge: Bridge) -> dict[str, str]:
    _, health = await bridge.ask("/healthz")
    return {reason["code"]: reason["text"] for reason in health["reasons"]}


async def until_said(bridge: Bridge, *codes: str) -> dict[str, str]:
    async with asyncio.timeout(LONG):
        while (found := await reasons(bridge)).keys() != set(codes):
            await asyncio.sleep(0.05)
    return found


def lose(path: Path, reference: str) -> None:
    """Take a booking out of the ERP at once: a round may read it at any moment."""
    with contextlib.closing(sqlite3.connect(path, timeout=LONG)) as database, database:
        for table in ("movements", "postings"):
            database.execute(f"DELETE FROM {table} WHERE transaction_id = ?", [reference])


def said(bridge: Bridge, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*words, "--config", str(bridge.config), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
async def bridge(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Bridge]:
    made = Bridge(tmp_path, mosquitto.url)
    table = '[reconciliation]\nevery = "1s"\nsettle = 0\nstock = true\n'
    made.config.write_text(made.config.read_text() + table)
    async with made.started():
        await made.until_healthy()
        yield made


async def test_a_bridge_finds_what_is_missing_and_a_person_closes_it(
    bridge: Bridge, tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connect(Broker(url=mosquitto.url), client_id="dock-1") as dock:
        await dock.subscribe(TOPICS.ack)
        dock.publish(TOPICS.tx, sealed(1, [transaction(1), transaction(2)]))
        await until(dock, posted=2)
    lost = str(name(2))
    lose(tmp_path / "stock.db", lost)
    found = await until_said(bridge, "reconciliation")
    assert "entry 2 is posted, and the ERP shows no document" in found["reconciliation"]
    code, shown = await asyncio.to_thread(said, bridge, capsys, "reconcile")
    assert code == 1
    [finding] = shown["findings"]
    assert (finding["kind"], finding["id or stock"]) == ("missing", lost)
    status, health = await bridge.ask("/healthz")
    assert (status, health["ok"]) == (200, False), "only a person is wanted"
    _, metrics = await bridge.ask("/metrics")
    assert 'scanpost_bridge_alert{code="reconciliation"} 1.0' in metrics
    assert 'scanpost_bridge_reconciliation_findings{kind="missing"} 1.0' in metrics
    number = str(finding["number"])
    code, shown = await asyncio.to_thread(said, bridge, capsys, "reconcile", "--close", number)
    assert (code, shown) == (1, {"error": "say --why it is right as it is"})
    why = ("--who", "anna", "--why", "a test")
    code, shown = await asyncio.to_thread(
        said, bridge, capsys, "reconcile", "--close", number, *why
    )
    assert (code, shown) == (0, {"closed": int(number)})
    code, shown = await asyncio.to_thread(said, bridge, capsys, "reconcile", "--close", "99", *why)
    assert (code, shown) == (1, {"error": "there is no open finding 99"})
    await until_said(bridge)
    code, shown = await asyncio.to_thread(said, bridge, capsys, "reconcile", "--latest")
    assert (code, shown["open"], shown["closed last"][0]["by"]) == (0, 0, "anna")
    _, shown = await asyncio.to_thread(said, bridge, capsys, "kpis", "--hours", "1")
    assert {each["name"]: each["value"] for each in shown["figures"]}["backlog"] == 0
    code, words = await bridge.end(signal.SIGTERM)
    assert code == 0, words
    assert "Traceback" not in words


def test_without_a_ledger_there_is_nothing_to_reconcile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge = Bridge(tmp_path, "mqtt://127.0.0.1:1")
    code = main(["reconcile", "--config", str(bridge.config)])
    assert code == 1
    assert "there is no ledger" in capsys.readouterr().err
