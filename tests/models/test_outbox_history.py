"""Any history of puts, words, restarts, kills and full disks of an outbox, against a model."""

import asyncio
import json
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from contract.envelope import Ack, Rejected
from gateway.errors import StoreFull
from tests.models.steps import History, steady
from tests.models.store import Store, body

OTHER = UUID("0190b7a0-0000-7000-8000-00000000000f")


class OutboxHistory(History):
    @initialize()
    def start(self) -> None:
        self.begin()
        self.marks: list[str] = []
        """What is stored: row n has mark n - 1."""
        self.upto = self.posted = 0
        self.gone = 0
        """Confirmed rows that may have been deleted."""
        self.full = False
        self.offered = 0
        self.store = Store(self.folder)
        self.run(self.store.start())
        self.epoch = self.store.outbox.standing.epoch

    async def stop(self) -> None:
        await self.store.stop()

    def fresh(self, count: int) -> list[str]:
        self.offered += count
        return [f"m{self.offered - n}" for n in range(count)][::-1]

    @rule(count=st.integers(0, 12))
    def scans_come(self, count: int) -> None:
        marks = self.fresh(count)
        try:
            rows = self.run(self.store.outbox.put([body(mark) for mark in marks]))
        except StoreFull:
            assert self.full
            return
        assert [row.seq for row in rows] == list(
            range(len(self.marks) + 1, len(self.marks) + 1 + count)
        )
        self.marks += marks

    @rule(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=5))
    def scans_come_at_once(self, sizes: list[int]) -> None:
        groups = [self.fresh(size) for size in sizes]

        async def together() -> list[object]:
            puts = [self.store.outbox.put([body(mark) for mark in group]) for group in groups]
            return await asyncio.gather(*puts, return_exceptions=True)

        for group, outcome in zip(groups, self.run(together()), strict=True):
            if isinstance(outcome, list):
                assert outcome[0].seq == len(self.marks) + 1
                self.marks += group
            else:
                assert isinstance(outcome, StoreFull)
                assert self.full

    @rule(count=st.integers(1, 5), turns=st.integers(0, 6))
    def the_power_goes_while_scans_are_stored(self, count: int, turns: int) -> None:
        marks = self.fresh(count)

        async def cut() -> bool:
            put = asyncio.ensure_future(self.store.outbox.put([body(mark) for mark in marks]))
            for _ in range(turns):
                await asyncio.sleep(0)
            told = put.done() and put.exception() is None
            await self.store.kill()
            put.cancel()
            await asyncio.gather(put, return_exceptions=True)
            return told

        kept, said = self.written(), (self.upto, self.posted)
        told = self.run(cut())
        self.after_the_end(kept, said)  # the word may have gone along with the scans
        last = self.store.outbox.standing.last
        assert last in {len(self.marks), len(self.marks) + count}, "all of them or none"
        if last > len(self.marks):
            self.marks += marks
        else:
            assert not told, "told OK, and gone"

    def after_the_end(self, *possible: tuple[int, int]) -> None:
        standing = self.store.outbox.standing
        self.upto, self.posted = standing.upto, standing.posted
        assert (self.upto, self.posted) in possible
        self.full = False

    @rule()
    def the_power_goes(self) -> None:
        kept = self.written()
        self.run(self.store.kill())
        self.after_the_end(kept)

    @rule()
    def the_daemon_restarts(self) -> None:
        async def again() -> None:
            await self.store.stop()
            await self.store.start()

        kept, said = self.written(), (self.upto, self.posted)
        full = self.full
        self.run(again())
        self.after_the_end(said, *((kept,) if full else ()))

    @rule(share=st.floats(0, 1), behind=st.integers(0, 3))
    def the_bridge_speaks(self, share: float, behind: int) -> None:
        upto = int(len(self.marks) * share)
        posted = max(0, upto - behind)
        ack = Ack(epoch=self.epoch, upto=upto, posted=posted)
        new = (max(self.upto, upto), max(self.posted, posted))
        assert self.store.outbox.confirm(ack) == (new != (self.upto, self.posted))
        self.upto, self.posted = new

    @rule()
    def a_word_comes_that_is_not_ours(self) -> None:
        assert not self.store.outbox.confirm(Ack(epoch=OTHER, upto=1))
        assert not self.store.outbox.confirm(Ack(epoch=self.epoch, upto=len(self.marks) + 1))

    @rule(share=st.floats(0, 1))
    def the_bridge_rejects(self, share: float) -> None:
        if not self.marks:
            return  # no precondition: whether a kill left rows is for the disk to say
        seq = 1 + int((len(self.marks) - 1) * share)
        ack = Ack(
            epoch=self.epoch,
            upto=max(self.upto, seq),
            posted=self.posted,
            rejected=(Rejected(seq=seq, code="unknown_sku", text="no such item"),),
        )
        self.store.outbox.confirm(ack)
        self.upto = max(self.upto, seq)
        known = self.run(self.store.outbox.rejections(100))
        assert (seq, "unknown_sku", "no such item") in known

    @rule(ring=st.sampled_from([0, 1, 5, 100]))
    def the_word_is_written_down(self, ring: int) -> None:
        self.run(self.store.outbox.keep(ring))
        self.gone = max(self.gone, self.written()[0] - ring)

    def written(self) -> tuple[int, int]:
        """What is written down of the bridge's word, and survives a kill."""
        written = self.store.outbox._written
        return written.upto, written.posted

    @rule(full=st.booleans())
    def the_disk_is_full_or_not(self, full: bool) -> None:
        self.run(self.store.fill(full=full))
        self.full = full

    @invariant()
    def nothing_unconfirmed_is_ever_missing(self) -> None:
        if not hasattr(self, "store"):
            return
        standing = self.store.outbox.standing
        assert standing.epoch == self.epoch
        assert (standing.last, standing.upto) == (len(self.marks), self.upto)
        rows = self.run(self.store.rows())
        assert [row.seq for row in rows] == list(range(self.upto + 1, len(self.marks) + 1))
        for row in rows:
            said = json.loads(row.body)
            assert (said["seq"], said["mark"]) == (row.seq, self.marks[row.seq - 1])
            assert said["epoch"] == str(self.epoch)

    @invariant()
    def what_is_kept_for_people_is_the_newest(self) -> None:
        if not hasattr(self, "store"):
            return
        newest = self.run(self.store.outbox.newest(1000))
        seqs = [row.seq for row in newest]
        assert seqs == list(range(len(self.marks) - len(seqs) + 1, len(self.marks) + 1))
        assert len(seqs) >= len(self.marks) - self.gone


TestOutboxHistory = OutboxHistory.TestCase
TestOutboxHistory.settings = steady(25, 30)
