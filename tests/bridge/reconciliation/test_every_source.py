"""Every connector that says what is booked shows just what it booked: no round finds anything."""

import importlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import registry
from bridge.connectors import files
from bridge.ledger import open_ledger
from bridge.outcome import Posted
from bridge.posting import Result
from bridge.reconciliation.config import ReconciliationTable
from bridge.reconciliation.rounds import Target, reconcile
from contract.transactions import Reading
from runtime.clock import Clock
from tests.bridge.connectors.suite import ConnectorSuite, transaction
from tests.bridge.streams import envelope
from tests.fakes.vendor import Faults

FOLDER = Path(__file__).parent.parent / "connectors"
SERVERS = {"lambda_erp", "tryton"}
"""Connectors whose tests run the product itself: it takes too long to start another here."""
AT_ONCE = ReconciliationTable(every=60.0, settle=0.0)


def suites() -> Iterator[type[ConnectorSuite]]:
    """Yield the suites of connectors that read what is booked, and bring their own target."""
    for name in registry.names():
        if name in SERVERS or "booked" not in registry.load(name).CAPABILITIES.reads:
            continue
        for path in (FOLDER / f"test_{name}.py", FOLDER / f"test_{name}_suite.py"):
            if path.exists():
                module = importlib.import_module(f"tests.bridge.connectors.{path.stem}")
                yield from (each for each in vars(module).values() if _is_suite(each, name))


def _is_suite(each: object, name: str) -> bool:
    is_one = isinstance(each, type) and issubclass(each, ConnectorSuite)
    return is_one and getattr(each, "name", "") == name


def test_every_connector_that_shows_what_is_booked_is_here() -> None:
    shows = {
        name for name in registry.names() if "booked" in registry.load(name).CAPABILITIES.reads
    }
    assert {suite.name for suite in suites()} == shows - SERVERS


@pytest.mark.parametrize("suite", list(dict.fromkeys(suites())), ids=lambda suite: suite.__name__)
async def test_a_round_finds_nothing_of_what_was_just_booked(
    suite: type[ConnectorSuite], tmp_path: Path
) -> None:
    mine = suite()
    getattr(mine, "setup_method", lambda: None)()
    rng = random.Random(5)
    clock = Clock()
    made = [transaction(n, mine.event(k, rng)) for n, k in enumerate(mine.books, start=1)]
    async with (
        open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as ledger,
        mine.serving(tmp_path, Faults()) as stage,
        mine.module.connect(stage.config) as connector,
    ):
        await ledger.apply(envelope(1, made))
        for attempt in await ledger.begin(list(range(1, len(made) + 1))):
            outcome = await connector.deliver(attempt.transaction, again=False)
            assert isinstance(outcome, Posted), (attempt.transaction.event.type, outcome)
            await ledger.settle(Result(attempt, outcome))
        target = Target(mine.name, mine.module.CAPABILITIES, lambda: mine.module.read(stage.config))
        now = await reconcile(ledger, target, AT_ONCE, clock)
    assert now.errors == ()
    types = {value.seq: value.event.type for value in made}
    assert [(types[each.entry or 0], each.text) for each in now.findings] == []
    assert now.run is not None
    assert now.run.documents, "it shows something"


async def test_an_index_of_files_that_was_deleted_is_an_error_and_then_everything_is_missing(
    tmp_path: Path,
) -> None:
    clock = Clock()
    config = files.Config.model_validate({"connector": "files", "folder": tmp_path})
    target = Target("files", files.CAPABILITIES, lambda: files.read(config))
    given = [transaction(seq, Reading(text="x")) for seq in (1, 2)]
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", clock) as ledger:
        async with files.connect(config) as connector:
            await ledger.apply(envelope(1, given))
            for attempt in await ledger.begin([1, 2]):
                outcome = await connector.deliver(attempt.transaction, again=False)
                await ledger.settle(Result(attempt, outcome))
            assert (await reconcile(ledger, target, AT_ONCE, clock)).findings == ()
        shutil.rmtree(tmp_path / ".scanpost")
        now = await reconcile(ledger, target, AT_ONCE, clock)
        assert now.findings == ()
        assert "is not there" in now.errors[0]
        async with files.connect(config):
            now = await reconcile(ledger, target, AT_ONCE, clock)
        assert [each.kind for each in now.findings] == ["missing", "missing"]
