import argparse
import contextlib
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import first_day, registry, table
from bridge.connector import Call, Capabilities, Found
from bridge.connectors.sql import Config as SqlConfig
from bridge.errors import SourceFailed
from bridge.first_day import Sample, dry_run, probe, sample, self_test
from bridge.outcome import Outcome, Posted, Refused
from contract.envelope import encode
from contract.reference import ItemRecord
from contract.transactions import Transaction
from tests.bridge.connectors.test_shopify import TOKEN, config_of, stocked
from tests.bridge.connectors.test_webhook import config_of as webhook_of
from tests.bridge.streams import transaction
from tests.fakes.receiver import Receiver
from tests.fakes.shopify import Shop


class Shelf:
    """A target with a reading side, which books as often as it is told to."""

    CAPABILITIES = Capabilities(
        evidence="documentation",
        key="lookup",
        books=frozenset({"receipt"}),
        reads=frozenset({"items", "booked"}),
    )
    Config = SimpleNamespace
    settle = 0.0

    def __init__(self, *, forgets: bool = False, answers: bool = True) -> None:
        self.forgets = forgets
        self.answers = answers
        self.there: list[Found] = []

    def document(self, given: Transaction, config: Any) -> object:
        return f"receipt {given.id}"

    @contextlib.asynccontextmanager
    async def connect(self, config: Any) -> AsyncIterator["Shelf"]:
        yield self

    @contextlib.asynccontextmanager
    async def read(self, config: Any) -> AsyncIterator["Shelf"]:
        yield self

    async def deliver(self, given: Transaction, *, again: bool) -> Outcome:
        if self.forgets or not self.there:
            self.there.append(Found(str(given.id), "7", "booked"))
        return Posted("7")

    async def items(self) -> AsyncIterator[ItemRecord]:
        for number in range(9):
            if not self.answers:
                raise SourceFailed("the ERP is closed")
            yield ItemRecord(sku=f"S{number}")

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        assert since < datetime.now(UTC)
        for each in self.there:
            yield each


def in_registry(patch: pytest.MonkeyPatch, shelf: Shelf) -> None:
    patch.setattr(registry, "load", lambda _name: shelf)


# --- Probe ---


async def test_a_probe_says_what_the_shop_says_and_changes_nothing(tmp_path: Path) -> None:
    async with Shop(token=TOKEN).serving() as shop:
        found = await probe("shopify", config_of(shop.url, tmp_path))
        assert all(each.good for each in found)
        assert any("shop Bolts" in each.text for each in found)
        (tmp_path / "token").write_text("wrong-token")
        assert not all(each.good for each in await probe("shopify", config_of(shop.url, NOWHERE)))
        assert not shop.effects


NOWHERE = Path("/nonexistent")


async def test_a_probe_reads_some_of_what_a_target_lets_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_registry(monkeypatch, Shelf())
    texts = [each.text for each in await probe("shelf", None)]
    assert "items: S0, S1, S2, S3, S4 ..." in texts
    assert "booked: none" in texts


async def test_a_target_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    in_registry(monkeypatch, Shelf(answers=False))
    assert str((await probe("shelf", None))[-1]) == "FAIL SourceFailed: the ERP is closed"


# --- Dry run ---


def test_a_dry_run_says_every_call_and_sends_none() -> None:
    calls = dry_run("webhook", webhook_of("http://127.0.0.1:9/${event.type}"), transaction(1))
    assert isinstance(calls, list)
    [call] = calls
    assert isinstance(call, Call)
    assert (call.target, call.body) == ("http://127.0.0.1:9/receipt", encode(transaction(1)))


def test_a_dry_run_says_what_is_refused(tmp_path: Path) -> None:
    outcome = dry_run("shopify", config_of("http://x", tmp_path), sample("pick", Sample(sku="A")))
    assert isinstance(outcome, Refused)


@pytest.mark.parametrize("kind", sorted(first_day._SAMPLES))
def test_there_is_a_sample_of_every_movement(kind: str) -> None:
    made = sample(kind, Sample(sku="A", document="7", lot="L", quantity="2.50"))
    assert made.event.type == kind
    assert made != sample(kind, Sample(sku="A"))
    assert Transaction.model_validate_json(encode(made)) == made


def test_a_sample_that_makes_no_sense_is_said() -> None:
    with pytest.raises(ValueError, match="no sample of type"):
        sample("reversal", Sample())
    with pytest.raises(ValueError, match="decimal"):
        sample("receipt", Sample(quantity="many"))


# --- Self-test ---


async def test_a_self_test_sends_three_times_and_finds_one_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_registry(monkeypatch, Shelf())
    found = await self_test("shelf", None, transaction(1))
    assert all(each.good for each in found)
    assert found[-1].text == "the target shows it 1 times"


async def test_a_self_test_finds_a_target_that_books_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_registry(monkeypatch, Shelf(forgets=True))
    found = await self_test("shelf", None, transaction(1))
    assert str(found[-1]) == "FAIL the target shows it 3 times"


async def test_a_self_test_of_a_shop_moves_its_stock_once(tmp_path: Path) -> None:
    async with Shop(token=TOKEN).serving() as shop:
        stocked(shop)
        given = sample("receipt", Sample(sku="BOLT-8", quantity="3"))
        found = await self_test("shopify", config_of(shop.url, tmp_path), given)
        assert all(each.good for each in found), found
        assert list(shop.stock.values()) == [3]
        refused = await self_test(
            "shopify", config_of(shop.url, tmp_path), sample("pick", Sample())
        )
        assert not any(each.good for each in refused)


async def test_a_self_test_finds_a_receiver_that_does_not_know_keys(tmp_path: Path) -> None:
    """Each message gets a number of its own there."""

    class Forgetful(Receiver):
        async def take(self, request: Any) -> Any:
            from aiohttp import web  # noqa: PLC0415 - only this fake

            self.effects["all"] += 1
            return web.json_response({"id": self.effects["all"]})

    async with Forgetful().serving() as vendor:
        config = webhook_of(vendor.url + "/in/x", document="id")
        found = await self_test("webhook", config, transaction(1))
    assert str(found[-2]) == "FAIL not the same"


# --- At the command line ---


def said(words: list[str], target: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    first_day.add_commands(parser.add_subparsers(dest="action", required=True))
    options = parser.parse_args(words)
    code: int = options.first_day(options, target)
    return code, capsys.readouterr().out


@pytest.fixture
def stock(tmp_path: Path) -> SqlConfig:
    url = f"sqlite+aiosqlite:///{tmp_path / 'stock.db'}"
    return SqlConfig.model_validate({"connector": "sql", "url": url})


def test_the_commands_answer_a_person_and_a_machine(
    stock: SqlConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(["probe"], stock, capsys)
    assert code == 0
    assert text.startswith("ok   sql: evidence real, once by unique")
    code, text = said(["probe", "--json"], stock, capsys)
    assert all(each["good"] for each in json.loads(text))
    code, text = said(["self-test", "--sku", "A"], stock, capsys)
    assert code == 1
    assert "--sandbox" in text
    code, text = said(["self-test", "--sandbox", "--sku", "A", "--json"], stock, capsys)
    assert code == 0, text
    code, text = said(["dry-run", "--type", "count", "--sku", "A"], stock, capsys)
    assert code == 0
    assert '"counted": "1"' in text
    code, text = said(["dry-run", "--quantity", "x"], stock, capsys)
    assert code == 1


def test_a_dry_run_takes_a_transaction_from_a_file_or_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = webhook_of("http://x/", headers={"X-Station": "${station}"})
    path = tmp_path / "transaction.json"
    path.write_text(encode(transaction(1)))
    code, text = said(["dry-run", str(path)], target, capsys)
    assert code == 0
    assert "POST http://x/" in text
    assert "X-Station: bench" in text
    monkeypatch.setattr("sys.stdin", io.StringIO(encode(transaction(2))))
    code, text = said(["dry-run", "-", "--json"], target, capsys)
    assert json.loads(text)[0]["body"] == encode(transaction(2))
    code, text = said(["dry-run", str(tmp_path / "nothing")], target, capsys)
    assert code == 1


# --- The table of connectors ---


def test_the_table_names_every_connector_with_its_evidence_and_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "README", tmp_path / "README.md")
    assert table.main(["--check"]) == 1
    assert "--write" in capsys.readouterr().err
    assert table.main(["--write"]) == 0
    assert table.main(["--check"]) == 0
    text = (tmp_path / "README.md").read_text()
    for name in registry.names():
        assert f"| `{name}` |" in text
        for limit in registry.load(name).CAPABILITIES.limits:
            assert f"- {limit}" in text
