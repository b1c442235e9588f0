"""What an ERP says it has done and what the ledger adds are one figure, never counted twice."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.errors import SourceFailed
from bridge.outcome import Posted, TryLater, Unknown
from bridge.posting import Result
from bridge.reference.copy import open_copy
from bridge.reference.source import Reader, Records
from contract.reference import (
    KINDS,
    Ask,
    DocumentLine,
    DocumentRecord,
    ItemRecord,
    LocationRecord,
    Page,
)
from tests.bridge.reference.room import Room, both, room
from tests.bridge.reference.test_keeper import post, receipt
from tests.bridge.streams import envelope, transaction

EVERYTHING = frozenset(KINDS)


async def nothing() -> None:
    """What happens while the documents are read, as a rule."""


@dataclass
class Erp:
    """One order, and how much of it is done there."""

    done: str = "0"
    ordered: str = "10"
    is_open: bool = True
    broken: bool = False
    lines: int = 1
    meanwhile: Callable[[], Awaitable[None]] = field(default=nothing)

    @property
    def reader(self) -> Reader:
        return Reader(self.opened, lambda: EVERYTHING)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Records]:
        yield self

    async def items(self) -> AsyncIterator[ItemRecord]:
        if self.broken:
            raise SourceFailed("no answer")
        yield ItemRecord(sku="BOLT-8")
        yield ItemRecord(sku="BOLT-8", name="again")

    async def locations(self) -> AsyncIterator[LocationRecord]:
        yield LocationRecord(name="A-1")

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        first = DocumentLine(line="1", sku="BOLT-8", quantity=self.ordered, done=self.done)
        await self.meanwhile()
        more = tuple(
            DocumentLine(line=str(number), sku=f"{number:0128}", quantity="1")
            for number in range(2, self.lines + 1)
        )
        if self.is_open:
            yield DocumentRecord(document="po", number="PO-1", lines=(first, *more))


@pytest.fixture
def erp() -> Erp:
    return Erp()


@pytest.fixture
async def bridge(ledger_url: str, erp: Erp) -> AsyncIterator[Room]:
    async with room(ledger_url, erp.reader) as made:
        await made.keeper.look()
        assert made.keeper.failure is None
        yield made


async def read(bridge: Room) -> bool:
    return await bridge.keeper.read(EVERYTHING)


async def test_what_the_erp_has_by_now_is_added_no_more(bridge: Room, erp: Erp) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    await bridge.keeper.look()
    assert await bridge.done("PO-1") == "4"
    await read(bridge)
    assert await bridge.done("PO-1") == "4"
    await post(bridge, 1)
    erp.done = "4"
    await read(bridge)
    assert await bridge.done("PO-1") == "4"
    erp.done = "6"  # somebody booked two by hand
    await read(bridge)
    assert await bridge.done("PO-1") == "6"


@both
async def test_a_document_with_a_delivery_in_flight_while_it_is_read_stays_what_it_was(
    bridge: Room, erp: Erp
) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))

    async def is_posted() -> None:
        erp.done = "4"
        await post(bridge, 1)

    erp.meanwhile = is_posted
    await read(bridge)
    assert await bridge.done("PO-1") == "4"
    erp.meanwhile = nothing
    await read(bridge)
    assert await bridge.done("PO-1") == "4"


async def test_what_may_have_been_booked_is_counted_once_whatever_comes_of_it(
    bridge: Room, erp: Erp
) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    [attempt] = await bridge.ledger.begin([1])
    await bridge.ledger.settle(Result(attempt, Unknown("no answer")))
    erp.done = "4"  # it was
    await read(bridge)
    assert await bridge.done("PO-1") == "4"
    [attempt] = await bridge.ledger.begin([1])
    await bridge.ledger.settle(Result(attempt, Posted("D-1")))
    await read(bridge)
    assert await bridge.done("PO-1") == "4"


async def test_what_was_certainly_not_booked_does_not_hold_a_document_up(
    bridge: Room, erp: Erp
) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    [attempt] = await bridge.ledger.begin([1])
    await bridge.ledger.settle(Result(attempt, TryLater("locked")))
    erp.ordered = "12"
    await read(bridge)
    record = await bridge.document("PO-1")
    assert record is not None
    assert record.lines[0].quantity == 12
    assert record.lines[0].done == 4


async def test_a_closed_document_is_gone_and_comes_back_with_what_is_open(
    bridge: Room, erp: Erp
) -> None:
    await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
    erp.is_open = False
    await read(bridge)
    assert await bridge.document("PO-1") is None
    erp.is_open = True
    await read(bridge)
    assert await bridge.done("PO-1") == "4"


async def test_a_source_that_fails_leaves_the_copy_as_it_is(bridge: Room, erp: Erp) -> None:
    before = await bridge.copy.state()
    erp.broken = True
    assert not await read(bridge)
    assert bridge.keeper.failure == "no answer"
    after = await bridge.copy.state()
    assert (after.version, after.read_at) == (before.version, before.read_at)
    erp.broken = False
    assert await read(bridge)
    assert bridge.keeper.failure is None


async def test_what_is_there_twice_or_too_large_is_left_out_and_said(
    bridge: Room, erp: Erp
) -> None:
    erp.lines = 1_000
    await read(bridge)
    assert (await bridge.copy.state()).problems == (
        "item BOLT-8: it is there twice; the first one counts",
        "document PO-1: it is too large for a message",
    )


async def test_a_person_s_wish_to_read_now_is_heard(bridge: Room, erp: Erp) -> None:
    before = (await bridge.copy.state()).round
    await bridge.keeper.look()
    assert (await bridge.copy.state()).round == before, "it is not due"
    await bridge.copy.want()
    await bridge.keeper.look()
    assert (await bridge.copy.state()).round == before + 1


async def test_of_two_bridges_one_reads(bridge: Room, erp: Erp) -> None:
    assert not await bridge.keeper.read(EVERYTHING, at_once=False), "one has read a moment ago"


async def test_what_was_posted_before_the_copy_began_is_not_added(tmp_path: Path, erp: Erp) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
    async with room(url, erp.reader) as made:
        await made.ledger.apply(
            envelope(1, [transaction(1, receipt("4")), transaction(2, receipt("1"))])
        )
        await post(made, 1)
        erp.done = "4"
        await made.keeper.look()
        assert await made.done("PO-1") == "5"


async def test_withdrawn_records_are_not_kept_for_ever(
    bridge: Room, erp: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.reference.copy.MAX_GONE", 0)
    before = await bridge.copy.state()
    erp.is_open = False
    await read(bridge)
    after = await bridge.copy.state()
    assert after.set != before.set
    asked = Ask(set=before.set, after=before.version)
    page = Page.model_validate_json(await bridge.copy.page("dock-1", asked))
    assert page.restart
    assert {each.key for each in page.changes} == {"BOLT-8", "A-1"}


async def test_the_copy_is_found_again_and_another_layout_is_made_anew(
    tmp_path: Path, erp: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    async with room(url, erp.reader) as made:
        await made.keeper.look()
        first = await made.copy.state()
    async with room(url, erp.reader) as made, open_copy(made.ledger._database.url) as again:
        assert await again.state() == first
    monkeypatch.setattr("bridge.reference.tables.LAYOUT", 99)
    async with room(url, erp.reader) as made:
        anew = await made.copy.state()
    assert (anew.set == first.set, anew.version) == (False, 0)
