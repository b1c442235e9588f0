"""Mapping tables that change while entries are on their way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.ledger import Ledger, open_ledger
from bridge.mapping import folder
from bridge.outcome import Outcome, Refused, Unknown
from bridge.terms import Terms
from contract.transactions import Transaction
from tests.bridge.running import running
from tests.bridge.streams import envelope, receipt, transaction
from tests.bridge.targets import ScriptedTarget


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


class Changing:
    """Tables that refuse everything for a while."""

    version = "1"

    def __init__(self) -> None:
        self.refuses = False

    def apply(self, transaction: Transaction) -> Transaction | Refused:
        return Refused("unmapped", "no row") if self.refuses else transaction


async def test_what_may_be_booked_is_not_refused_by_tables_that_were_edited_since(
    ledger: Ledger,
) -> None:
    tables = Changing()

    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        if len(target.calls) == 1:
            tables.refuses = True
            return Unknown("the answer was lost")
        return target.book(tx)

    target = ScriptedTarget(script)
    await ledger.apply(envelope(1, [transaction(1)]))
    async with running(ledger, target, Terms(translation=lambda: tables)) as at_work:

        async def withheld() -> bool:
            [row] = await ledger.entries(10)
            return "it may be booked" in (row["text"] or "")

        await at_work.until(withheld)
        tables.refuses = False
        await at_work.until_posted(1)
    assert [call.again for call in target.calls] == [False, True]


async def test_a_document_the_erp_does_not_know_is_mapped_and_booked(
    ledger: Ledger, tmp_path: Path
) -> None:
    """An order of a form that no table knew: a row for that form does, with the same id."""

    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        [document] = tx.event.documents  # type: ignore[union-attr]
        if document.number != "PO-4711":
            return Refused("unknown_document", f"there is no order {document.number}")
        return target.book(tx)

    target = ScriptedTarget(script)
    tables = tmp_path / "mapping"
    tables.mkdir()
    rules = tables / "mapping.toml"
    rules.write_text("")
    held = [folder.read(tables)]
    await ledger.apply(envelope(1, [transaction(1, receipt("BEST-4711"))]))
    async with running(ledger, target, Terms(translation=lambda: held[-1])) as at_work:
        await at_work.until_posted(1)
        [letter] = await ledger.dead_letters()
        assert letter["code"] == "unknown_document"
        assert "map" in letter["actions"]
        rules.write_text('[[document]]\nprefix = "BEST-"\nkind = "po"\nnumber = "PO-{number}"\n')
        held.append(folder.read(tables))
        await ledger.retry(1, "ann", "the form is in the table now")
        await at_work.until_posted(1)
    assert list(target.booked.values()) == [1]
    assert await ledger.dead_letters() == []
