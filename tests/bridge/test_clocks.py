"""A station without a clock of its own: its rows get their true time once the boot's is known."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from bridge.ledger import Ledger, open_ledger
from contract.transactions import Transaction
from contract.values import Clock
from tests.bridge.streams import envelope, transaction

BOOT, OTHER_BOOT = UUID(int=1), UUID(int=2)
TRUE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def at(seq: int, boot: UUID, monotonic: str, wall: datetime, synchronised: bool) -> Transaction:
    clock = Clock(wall=wall, boot=boot, monotonic=monotonic, synchronised=synchronised)
    return transaction(seq).model_copy(update={"clock": clock})


async def told(ledger: Ledger, number: int) -> tuple[datetime, str]:
    story = await ledger.explain(number)
    assert story is not None
    return story["occurred"]["at"], story["occurred"]["by"]


async def test_a_later_row_of_the_same_boot_corrects_earlier_ones(ledger: Ledger) -> None:
    unset = datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC)
    await ledger.apply(envelope(1, [at(1, BOOT, "20.5", unset, False)]))
    story = await ledger.explain(1)
    assert story is not None
    assert await told(ledger, 1) == (story["entry"]["received_at"], "received")
    rows = [
        at(2, BOOT, "80.25", TRUE, True),
        at(3, BOOT, "90.25", unset, False),
        at(4, OTHER_BOOT, "1", unset, False),
    ]
    await ledger.apply(envelope(2, rows))
    assert await told(ledger, 1) == (TRUE - timedelta(seconds=59.75), "corrected")
    assert await told(ledger, 2) == (TRUE, "synchronised")
    assert await told(ledger, 3) == (TRUE + timedelta(seconds=10), "corrected")
    assert (await told(ledger, 4))[1] == "received"
    story = await ledger.explain(1)
    assert story is not None
    assert story["came"]["clock"]["wall"].startswith("1970")  # what came stays as it came


async def test_a_boot_is_learned_once_and_over_restarts(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    async with open_ledger(url) as ledger:
        await ledger.apply(envelope(1, [at(1, BOOT, "80", TRUE, True)]))
    async with open_ledger(url) as ledger:
        later = TRUE + timedelta(seconds=3)  # a clock that was stepped a little meanwhile
        rows = [at(2, BOOT, "81", later, True), at(3, BOOT, "100", later, False)]
        await ledger.apply(envelope(2, rows))
        assert await told(ledger, 3) == (TRUE + timedelta(seconds=20), "corrected")
