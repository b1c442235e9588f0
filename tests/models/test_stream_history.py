"""Any history of the line between outbox and ledger: what is lost, doubled or late on it.

Real outbox, real envelopes, real inspection, real ledger; only the pipe between them is a list that
messages are taken from in any order, any number of times.
"""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import uuid6
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from bridge.inspection import unpack
from bridge.ledger import Ledger, open_ledger
from contract.canonical import canonical
from contract.envelope import Ack, Rows, plain, seal
from contract.topics import Topics
from gateway.group import Write
from tests.bridge.streams import receipt, transaction
from tests.models.steps import History, steady
from tests.models.store import Store

TOPICS = Topics("north", "dock-1")
_ENVELOPE = 50_000  # bytes


def scan() -> Write:
    made = plain(transaction(1, receipt(), id=uuid6.uuid7()))

    def write(epoch: object, seq: int) -> str:
        return canonical(made | {"epoch": str(epoch), "seq": seq})

    return write


class StreamHistory(History):
    @initialize()
    def start(self) -> None:
        self.begin()
        self.store = Store(self.folder)
        self.told: list[str] = []
        """Bodies of every row that got its OK, in order."""
        self.up: list[bytes] = []
        self.down: list[str] = []
        self.sent = 0
        self.run(self.store.start())
        self.run(self.open_ledger())

    async def open_ledger(self) -> None:
        self.stack = contextlib.AsyncExitStack()
        self.ledger: Ledger = await self.stack.enter_async_context(
            open_ledger(f"sqlite+aiosqlite:///{self.folder / 'ledger.db'}")
        )

    async def stop(self) -> None:
        await self.stack.aclose()
        await self.store.stop()

    @rule(count=st.integers(1, 6))
    def scans_come(self, count: int) -> None:
        rows = self.run(self.store.outbox.put([scan() for _ in range(count)]))
        self.told += [row.body for row in rows]

    @rule(most=st.integers(1, 5))
    def gateway_sends_the_next(self, most: int) -> None:
        self.sent = max(self.sent, self.store.outbox.standing.upto)
        self.send(self.sent, most)

    @rule(most=st.integers(1, 8))
    def gateway_sends_again(self, most: int) -> None:
        self.send(self.store.outbox.standing.upto, most)

    def send(self, after: int, most: int) -> None:
        rows = self.run(self.store.outbox.after(after, most, _ENVELOPE))
        if rows:
            bodies = [row.body for row in rows]
            epoch = self.store.outbox.standing.epoch
            now = datetime.now(UTC)
            self.up.append(seal("north", "dock-1", epoch, rows[0].seq, bodies, now).encode())
            self.sent = max(self.sent, rows[-1].seq)

    @rule(where=st.floats(0, 0.999), twice=st.booleans())
    def an_envelope_arrives(self, where: float, twice: bool) -> None:
        self.arrive([where], twice)

    @rule(where=st.lists(st.floats(0, 0.999), min_size=2, max_size=4))
    def envelopes_arrive_together(self, where: Sequence[float]) -> None:
        self.arrive(where, twice=True)

    def arrive(self, where: Sequence[float], twice: bool) -> None:
        if not self.up:
            return
        found = [self.up[int(len(self.up) * share)] for share in where]
        if not twice:
            self.up.remove(found[0])
        envelopes = [unpack(TOPICS.tx, payload) for payload in found]
        assert all(isinstance(rows, Rows) for rows in envelopes)
        acks = self.run(self.ledger.apply(*(r for r in envelopes if isinstance(r, Rows))))
        self.down += [ack.model_dump_json() for ack in acks]

    @rule(where=st.floats(0, 0.999))
    def an_envelope_is_lost(self, where: float) -> None:
        if self.up:
            self.up.pop(int(len(self.up) * where))

    @rule(where=st.floats(0, 0.999), twice=st.booleans())
    def a_word_arrives(self, where: float, twice: bool) -> None:
        if self.down:
            number = int(len(self.down) * where)
            self.store.outbox.confirm(Ack.model_validate_json(self.down[number]))
            if not twice:
                self.down.pop(number)

    @rule(ring=st.sampled_from([0, 2, 100]))
    def gateway_writes_the_word_down(self, ring: int) -> None:
        self.run(self.store.outbox.keep(ring))

    @rule()
    def broker_forgets(self) -> None:
        self.up.clear()
        self.down.clear()

    @rule()
    def gateway_is_killed(self) -> None:
        self.run(self.store.kill())
        self.sent = 0

    @rule()
    def bridge_restarts(self) -> None:
        async def again() -> None:
            await self.stack.aclose()
            await self.open_ledger()

        self.run(again())

    async def entries(self) -> list[dict[str, object]]:
        return (await self.ledger.entries(limit=10_000))[::-1]

    @invariant()
    def the_ledger_is_a_prefix_of_what_was_told(self) -> None:
        if not hasattr(self, "ledger"):
            return
        entries = self.run(self.entries())
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        ids = [json.loads(body)["id"] for body in self.told]
        assert [entry["id"] for entry in entries] == ids[: len(entries)]

    @invariant()
    def the_watermark_says_nothing_that_is_not_so(self) -> None:
        if hasattr(self, "ledger"):
            standing = self.store.outbox.standing
            assert standing.upto <= len(self.run(self.entries()))
            assert standing.conflict is None
            assert standing.last == len(self.told)

    @precondition(lambda self: hasattr(self, "told") and len(self.told) > 3)
    @rule()
    def the_line_is_good_for_a_while(self) -> None:
        """Then everything arrives, whatever was before."""
        for _ in range(200):
            standing = self.store.outbox.standing
            if not standing.waiting:
                break
            self.up.clear()
            self.send(standing.upto, 5)
            self.arrive([0.0], twice=False)
            self.store.outbox.confirm(Ack.model_validate_json(self.down.pop()))
        assert self.store.outbox.standing.waiting == 0
        assert len(self.run(self.entries())) == len(self.told)


TestStreamHistory = StreamHistory.TestCase
TestStreamHistory.settings = steady(15, 30)
