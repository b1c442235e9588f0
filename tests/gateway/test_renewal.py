"""Copies of a store: restored backups, cloned cards, cards carried to another machine."""

import asyncio
import json
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.ledger import Ledger, open_ledger
from contract.envelope import Ack, Row, Rows, encode
from contract.transactions import Transaction
from gateway.errors import StoreSuperseded
from gateway.group import Write
from gateway.outbox import Outbox, Settings, open_outbox
from gateway.renewal import past_at, see, unseen_of
from runtime.machine import other_machine, this_machine
from tests.bridge.streams import transaction

RENEWS = Settings(renews=True, machine="aa.bb")


class Gateway:
    """One store, its scans, and its line to a ledger."""

    def __init__(self, path: Path, settings: Settings = RENEWS) -> None:
        self.path = path
        self.settings = settings
        self.outbox: Outbox
        self.told: list[uuid.UUID] = []
        """Ids of scans that were OK."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        async with open_outbox(self.path, self.settings) as self.outbox:
            writer = asyncio.create_task(self.outbox.write())
            try:
                yield self
            finally:
                if self.outbox._ending is None:
                    writer.cancel()
                [end] = await asyncio.gather(writer, return_exceptions=True)
                self.end = end

    async def scan(self, count: int = 1) -> None:
        for _ in range(count):
            value = transaction(1, id=uuid.uuid4())
            await self.outbox.put([self._write(value)])
            self.told.append(value.id)

    def _write(self, value: Transaction) -> Write:
        return lambda epoch, seq: encode(value.model_copy(update={"epoch": epoch, "seq": seq}))

    async def send(self, ledger: Ledger) -> Ack:
        """Send all that waits, and hear the bridge's word."""
        standing = self.outbox.standing
        rows = await self.outbox.after(standing.upto, 100, 10_000_000)
        if rows:
            sent = tuple(Row(digest=row.digest, transaction=json.loads(row.body)) for row in rows)
            await ledger.apply(
                Rows(
                    site="north",
                    gateway="dock-1",
                    epoch=standing.epoch,
                    first=rows[0].seq,
                    rows=sent,
                )
            )
        ack = (await ledger.word("dock-1", standing.epoch)).ack
        self.outbox.confirm(ack)
        return ack


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


async def booked(ledger: Ledger) -> list[str]:
    return sorted(str(entry["id"]) for entry in await ledger.entries(1000))


def copy(one: Path, two: Path) -> Path:
    """Copy a store that is closed, as a backup or a card copier would."""
    two.parent.mkdir(exist_ok=True)
    shutil.copy(one, two)
    return two


async def test_a_restored_backup_takes_a_new_epoch_and_books_every_scan_once(
    tmp_path: Path, ledger: Ledger
) -> None:
    gateway = Gateway(tmp_path / "gw" / "o.db")
    async with gateway.running():
        await gateway.scan(3)
        await gateway.send(ledger)
        await gateway.scan(2)
    backup = copy(gateway.path, tmp_path / "backup.db")
    async with gateway.running():
        await gateway.send(ledger)
        await gateway.scan(4)
        await gateway.send(ledger)
    copy(backup, gateway.path)
    async with gateway.running():
        old = gateway.outbox.standing.epoch
        await gateway.scan(2)  # accepted safely, whatever becomes of the stream
        await gateway.send(ledger)
        with pytest.raises(StoreSuperseded, match="this store is a copy"):
            await gateway.scan()
    assert isinstance(gateway.end, StoreSuperseded)
    async with gateway.running():
        assert gateway.outbox.standing.epoch != old
        await gateway.scan(1)
        ack = await gateway.send(ledger)
        assert (ack.conflict, ack.rejected) == (None, ())
        assert gateway.outbox.standing.waiting == 0
        [ended] = gateway.outbox.past
        assert (ended.cause, ended.missing) == ("copy", ())
        assert ended.aside.startswith("o.db.ended-")
    assert await booked(ledger) == sorted(str(each) for each in gateway.told)


async def test_a_backup_that_hears_of_rows_it_never_had_does_not_wait_for_a_conflict(
    tmp_path: Path, ledger: Ledger
) -> None:
    gateway = Gateway(tmp_path / "gw" / "o.db")
    async with gateway.running():
        await gateway.scan(2)
    backup = copy(gateway.path, tmp_path / "backup.db")
    async with gateway.running():
        await gateway.scan(3)
        await gateway.send(ledger)
    copy(backup, gateway.path)
    async with gateway.running():
        ack = await gateway.send(ledger)
        assert (ack.upto, ack.conflict) == (5, None)
    assert isinstance(gateway.end, StoreSuperseded)
    async with gateway.running():
        await gateway.scan(1)
        await gateway.send(ledger)
    assert await booked(ledger) == sorted(str(each) for each in gateway.told)


async def test_two_of_one_card_both_get_everything_through(tmp_path: Path, ledger: Ledger) -> None:
    one = Gateway(tmp_path / "one" / "o.db")
    async with one.running():
        await one.scan(4)
        await one.send(ledger)
        await one.scan(2)
    two = Gateway(copy(one.path, tmp_path / "two" / "o.db"))
    async with one.running(), two.running():
        await one.scan(3)
        await two.scan(2)
        for gateway in (one, two, one, two):
            await gateway.send(ledger)
    for _ in range(2):
        async with one.running(), two.running():
            for gateway in (one, two):
                if gateway.outbox.standing.waiting:
                    await gateway.send(ledger)
    async with one.running(), two.running():
        assert one.outbox.standing.waiting == two.outbox.standing.waiting == 0
        assert one.outbox.standing.epoch != two.outbox.standing.epoch
    assert await booked(ledger) == sorted(str(each) for each in {*one.told, *two.told})


async def test_a_card_in_another_machine_begins_a_new_stream_before_it_sends_anything(
    tmp_path: Path, ledger: Ledger
) -> None:
    one = Gateway(tmp_path / "one" / "o.db")
    async with one.running():
        await one.scan(2)
        await one.send(ledger)
        await one.scan(1)
        old = one.outbox.standing.epoch
    two = Gateway(copy(one.path, tmp_path / "two" / "o.db"), Settings(renews=True, machine="aa.cc"))
    async with two.running():
        assert two.outbox.standing.epoch != old
        assert [each.cause for each in two.outbox.past] == ["moved"]
        await two.scan(1)
        assert (await two.send(ledger)).conflict is None
        epoch = two.outbox.standing.epoch
    async with two.running():
        assert two.outbox.standing.epoch == epoch
    async with one.running():
        assert one.outbox.standing.epoch == old
        assert (await one.send(ledger)).conflict is None
    assert await booked(ledger) == sorted(str(each) for each in {*one.told, *two.told})


async def test_a_store_that_knew_no_machine_learns_it(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    for machine in ("", "aa.bb", "aa.bb"):
        async with open_outbox(path, Settings(renews=True, machine=machine)) as outbox:
            assert outbox.past == ()
    async with open_outbox(path, Settings(renews=True, machine="aa.cc")) as outbox:
        assert [each.cause for each in outbox.past] == ["moved"]


async def test_told_to_wait_for_a_person_it_goes_on_storing(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "o.db", Settings())
    async with gateway.running():
        await gateway.scan(2)
        epoch = gateway.outbox.standing.epoch
        assert gateway.outbox.confirm(Ack(epoch=epoch, upto=1, conflict=2))
        await gateway.scan(2)
        await gateway.outbox.keep(ring=10)
    async with gateway.running():
        assert gateway.outbox.standing.epoch == epoch
        assert gateway.outbox.standing.conflict == 2


async def test_a_new_stream_that_never_got_through_does_not_end_by_itself_again(
    tmp_path: Path,
) -> None:
    """Whatever says so, a bridge gone mad or a forger: there is one new stream and no more."""
    gateway = Gateway(tmp_path / "o.db")
    conflicts: list[int | None] = []
    for _ in range(3):
        async with gateway.running():
            await gateway.scan()
            epoch = gateway.outbox.standing.epoch
            gateway.outbox.confirm(Ack(epoch=epoch, upto=0, conflict=1))
            conflicts.append(gateway.outbox.standing.conflict)
    assert len(past_at(gateway.path)) == 1
    assert conflicts == [1, 1, 1]


async def test_what_ended_is_told_until_somebody_has_seen_it(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with open_outbox(path, RENEWS) as outbox:
        assert outbox.unseen is None
    async with open_outbox(path, Settings(renews=True, machine="aa.cc")) as outbox:
        assert outbox.unseen == outbox.past[0]
        see(path, past_at(path))  # by another process
        assert unseen_of(path, outbox.past) is None
    async with open_outbox(path, RENEWS) as outbox:
        assert len(outbox.past) == 2
        assert unseen_of(path, outbox.past) == outbox.past[1]


def test_a_machine_is_the_same_as_itself_and_an_unknown_one_is_no_other() -> None:
    assert this_machine() == this_machine()
    assert not other_machine(this_machine(), this_machine())
    assert other_machine("aa.bb", "cc.bb")
    assert other_machine("aa.bb", "aa.cc")
    assert not other_machine("aa.-", "aa.cc")
    assert not other_machine("-.-", "aa.cc")
    assert not other_machine("", "aa.cc")
