"""Mapping tables that change while entries are on their way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Outcome, Refused, Unknown
from bridge.terms import Terms
from contract.transactions import Transaction
from tests.bridge.running import running
from tests.bridge.streams import envelope, transaction
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
