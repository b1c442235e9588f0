"""Rows that never came: a person gives them up, and what waited for them goes on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge import gaps
from bridge.ledger import Ledger, open_ledger
from contract.envelope import Ack
from tests.bridge.streams import EPOCH, OTHER_EPOCH, run_of, undigested

GATEWAY = "dock-1"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


async def states(ledger: Ledger) -> dict[int, tuple[str, str | None]]:
    return {row["seq"]: (row["state"], row["code"]) for row in await ledger.entries(limit=100)}


async def test_a_stream_that_stands_still_says_what_it_waits_for(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 2))
    assert await ledger.standstills() == []
    await ledger.apply(run_of(5, 6))
    [stands] = await ledger.standstills()
    assert (stands.gateway, stands.epoch, stands.upto) == (GATEWAY, EPOCH, 2)
    assert (stands.missing, stands.first_parked, stands.parked) == (2, 5, 2)
    assert stands.since is not None
    assert stands.conflict is None


async def test_a_closed_gap_is_dead_letters_and_the_rows_behind_it_go_on(ledger: Ledger) -> None:
    await ledger.apply(run_of(1, 2))
    await ledger.apply(run_of(5, 6))
    ledger.arrived.clear()
    closed = await ledger.close_gap(GATEWAY, EPOCH, "ann", "its card is broken")
    assert closed == gaps.Closed(3, 4, 0)
    assert await states(ledger) == {
        1: ("received", None),
        2: ("received", None),
        3: ("dead", "corrupt"),
        4: ("dead", "corrupt"),
        5: ("received", None),
        6: ("received", None),
    }
    assert ledger.arrived.is_set()
    assert await ledger.standstills() == []
    [dead, _] = await ledger.dead_letters()
    assert "ann" in dead["text"]
    assert "its card is broken" in dead["text"]
    [deed, *_] = await ledger.audit_trail()
    assert (deed["who"], deed["what"]) == ("ann", "close-gap")
    assert (await ledger.verify()).whole
    [ack] = await ledger.apply(run_of(7, 7))
    assert ack.upto == 7
    assert ack.conflict is None


async def test_a_row_that_comes_after_all_is_booked_as_if_nothing_had_been(ledger: Ledger) -> None:
    await ledger.apply(run_of(4, 4))
    assert await ledger.close_gap(GATEWAY, EPOCH, "ann", "gone") == gaps.Closed(1, 3, 0)
    [ack] = await ledger.apply(run_of(1, 4))
    assert ack.conflict is None
    assert await states(ledger) == dict.fromkeys((1, 2, 3, 4), ("received", None))


async def test_a_long_gap_takes_more_than_one_decision(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "MOST", 4)
    await ledger.apply(run_of(11, 11))
    assert await ledger.close_gap(GATEWAY, EPOCH, "ann", "gone") == gaps.Closed(1, 4, 6)
    # The row the watermark stands on never was: it must not pass for another one at the gateway.
    assert (await ledger.word(GATEWAY, EPOCH)).ack.digest is None
    assert await ledger.close_gap(GATEWAY, EPOCH, "ann", "gone") == gaps.Closed(5, 8, 2)
    assert await ledger.close_gap(GATEWAY, EPOCH, "ann", "gone") == gaps.Closed(9, 10, 0)
    assert undigested((await ledger.word(GATEWAY, EPOCH)).ack).upto == 11


async def test_where_nothing_waits_there_is_no_gap_to_close(ledger: Ledger) -> None:
    assert await ledger.close_gap(GATEWAY, EPOCH, "ann", "?") is None
    [ack] = await ledger.apply(run_of(1, 2))
    assert undigested(ack) == Ack(epoch=EPOCH, upto=2, posted=0)
    assert await ledger.close_gap(GATEWAY, EPOCH, "ann", "?") is None
    assert await ledger.close_gap(GATEWAY, OTHER_EPOCH, "ann", "?") is None
    assert await states(ledger) == {1: ("received", None), 2: ("received", None)}
