"""Any history of sends, repeats, reorderings, gaps, clones and restarts, against a small model."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.ledger import Ledger, open_ledger
from bridge.outcome import Posted, Refused
from bridge.posting import Result
from contract.envelope import Ack, Row
from tests.bridge.streams import EPOCH, envelope, receipt, row, run_of, transaction

T = TypeVar("T")


class Model:
    """What a ledger is meant to be, in a few lines."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        """Kind of each row applied: "good", "clone" or "odd"."""
        self.parked: dict[int, str] = {}
        self.conflict: int | None = None

    def send(self, *envelopes: tuple[int, list[str]]) -> None:
        """Take envelopes that come together: gaps are closed after the last of them."""
        for first, kinds in envelopes:
            self._take(first, kinds)
        if self.conflict is None:
            while (following := len(self.applied) + 1) in self.parked:
                self.applied.append(self.parked[following])
            self.parked = {
                seq: kind for seq, kind in self.parked.items() if seq > len(self.applied)
            }

    def _take(self, first: int, kinds: list[str]) -> None:
        if self.conflict is not None:
            return
        rows = dict(enumerate(kinds, start=first))
        for seq, kind in rows.items():
            known = self.applied[seq - 1] if seq <= len(self.applied) else self.parked.get(seq)
            if known is not None and known != kind:
                self.conflict = seq
                return
        if first > len(self.applied) + 1:
            self.parked |= rows
            return
        self.applied += [kind for seq, kind in rows.items() if seq > len(self.applied)]


def made(seq: int, kind: str) -> Row:
    if kind == "odd":
        return row({"odd": seq})
    return row(transaction(seq, receipt("PO-CLONE" if kind == "clone" else None)))


class LedgerHistory(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.model = Model()
        self.decided: set[int] = set()
        self.odd: set[int] = set()
        self.run(self.open())

    def run(self, work: Coroutine[None, None, T]) -> T:
        return self.runner.run(work)

    async def open(self) -> None:
        self.stack = AsyncExitStack()
        path = self.folder / "ledger.db"
        self.ledger: Ledger = await self.stack.enter_async_context(
            open_ledger(f"sqlite+aiosqlite:///{path}")
        )

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.stack.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)

    def send(self, first: int, kinds: list[str]) -> None:
        rows = envelope(first, [made(seq, kind) for seq, kind in enumerate(kinds, start=first)])
        self.model.send((first, kinds))
        [ack] = self.run(self.ledger.apply(rows))
        assert ack.upto == len(self.model.applied)
        assert ack.conflict == self.model.conflict

    @rule(first=st.integers(1, 12), count=st.integers(1, 5), odd=st.integers(0, 20))
    def gateway_sends(self, first: int, count: int, odd: int) -> None:
        self.odd |= (
            {odd} if odd > len(self.model.applied) and odd not in self.model.parked else set()
        )
        self.send(
            first, ["odd" if seq in self.odd else "good" for seq in range(first, first + count)]
        )

    @rule(count=st.integers(1, 4))
    def gateway_goes_on(self, count: int) -> None:
        first = len(self.model.applied) + 1
        self.send(
            first, ["odd" if seq in self.odd else "good" for seq in range(first, first + count)]
        )

    @rule(seq=st.integers(1, 12))
    def clone_sends(self, seq: int) -> None:
        if seq not in self.odd:
            self.send(seq, ["clone"])

    @rule(first=st.integers(1, 8), other=st.integers(1, 8))
    def two_envelopes_come_at_once(self, first: int, other: int) -> None:
        if self.odd:
            return
        self.model.send((first, ["good"] * 3), (other, ["good"] * 3))
        acks = self.run(self.ledger.apply(run_of(first, first + 2), run_of(other, other + 2)))
        assert {ack.upto for ack in acks} == {len(self.model.applied)}

    @rule()
    def bridge_restarts(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.open())

    @rule(refused=st.booleans())
    def erp_decides_one(self, refused: bool) -> None:
        async def decide() -> None:
            for waiting in await self.ledger.undecided(after=0, limit=1):
                [attempt] = await self.ledger.begin([waiting.number])
                outcome = Refused("refused", "no") if refused else Posted("D")
                await self.ledger.settle(Result(attempt, outcome))
                self.decided.add(attempt.transaction.seq)

        self.run(decide())

    @rule()
    def a_person_decides(self) -> None:
        if self.model.conflict is None:
            return
        known = self.model.conflict
        assert self.run(self.ledger.forgive("dock-1", EPOCH))
        self.model.parked = {}
        self.model.conflict = None
        # What was forgiven may differ for ever, which this model does not follow: start a new one.
        assert known <= len(self.model.applied) + 12
        self.teardown()
        self.start()

    @invariant()
    def the_ledger_is_what_the_model_is(self) -> None:
        if not hasattr(self, "ledger"):
            return
        entries = self.run(self.ledger.entries(limit=1_000))[::-1]
        assert [entry["seq"] for entry in entries] == list(range(1, len(self.model.applied) + 1))
        for kind, entry in zip(self.model.applied, entries, strict=True):
            assert (entry["id"] is None) == (kind == "odd")
        assert self.run(self.ledger.standing()).parked == (len(self.model.parked))
        open_ = [entry["seq"] for entry in entries if entry["decided_at"] is None]
        if entries:
            ack: Ack = self.run(self.ledger.word("dock-1", EPOCH)).ack
            assert ack.posted == (min(open_) - 1 if open_ else len(entries))
            assert [r.seq for r in ack.rejected] == [
                entry["seq"] for entry in entries if entry["state"] == "dead"
            ]
        for entry in entries:
            assert (entry["decided_at"] is not None) == (
                entry["seq"] in self.decided or entry["id"] is None
            )


TestLedgerHistory = LedgerHistory.TestCase
TestLedgerHistory.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
