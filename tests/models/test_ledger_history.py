"""Any history of several gateways and epochs at one ledger, against a small model.

`tests/bridge/test_ledger_stateful.py` plays one stream with an ERP behind it; this one plays four
streams at once, clones, rejects, envelopes that come together, and a process that ends in between.
"""

import contextlib
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from bridge.ledger import Ledger, open_ledger
from contract.envelope import Row, Rows
from tests.bridge.streams import EPOCH, OTHER_EPOCH, envelope, name, receipt, row, transaction
from tests.models.steps import History, steady

STREAMS = [(gateway, epoch) for gateway in ("dock-1", "dock-2") for epoch in (EPOCH, OTHER_EPOCH)]


@dataclass
class Model:
    """One stream, in a few lines."""

    applied: list[str] = field(default_factory=list)
    parked: dict[int, str] = field(default_factory=dict)
    conflict: int | None = None

    def take(self, first: int, kinds: list[str]) -> None:
        """Take one envelope."""
        if self.conflict is not None:
            return
        for seq, kind in enumerate(kinds, first):
            known = self.applied[seq - 1] if seq <= len(self.applied) else self.parked.get(seq)
            if known is not None and known != kind:
                self.conflict = seq
                return
        if first > len(self.applied) + 1:
            self.parked |= dict(enumerate(kinds, first))
        else:
            self.applied += kinds[len(self.applied) + 1 - first :]

    def close(self) -> None:
        """Apply what a closed gap set free."""
        while self.conflict is None and (seq := len(self.applied) + 1) in self.parked:
            self.applied.append(self.parked.pop(seq))
        if self.conflict is None:
            self.parked = {
                seq: kind for seq, kind in self.parked.items() if seq > len(self.applied)
            }


class LedgerHistory(History):
    @initialize()
    def start(self) -> None:
        self.begin()
        self.models = {stream: Model() for stream in STREAMS}
        self.clones: set[tuple[int, int]] = set()
        self.run(self.open())

    async def open(self) -> None:
        self.stack = contextlib.AsyncExitStack()
        self.ledger: Ledger = await self.stack.enter_async_context(
            open_ledger(f"sqlite+aiosqlite:///{self.folder / 'ledger.db'}")
        )

    async def stop(self) -> None:
        await self.stack.aclose()

    def made(self, stream: int, seq: int, kind: str) -> Row:
        gateway, epoch = STREAMS[stream]
        if kind == "odd":
            return row({"odd": seq, "stream": stream})
        event = receipt("PO-CLONE" if kind == "clone" else None)
        # A clone's scan is another transaction; both streams of a gateway have ids of their own.
        salt = 1 + stream + (10 if kind == "clone" else 0)
        return row(transaction(seq, event, id=name(seq, salt), gateway=gateway, epoch=epoch))

    def rows(self, stream: int, first: int, kinds: list[str]) -> Rows:
        gateway, epoch = STREAMS[stream]
        made = [self.made(stream, seq, kind) for seq, kind in enumerate(kinds, first)]
        return envelope(first, made, gateway=gateway, epoch=epoch)

    def send(self, *envelopes: tuple[int, int, list[str]]) -> None:
        for stream, first, kinds in envelopes:
            self.models[STREAMS[stream]].take(first, kinds)
        for stream, _, _ in envelopes:
            self.models[STREAMS[stream]].close()
        acks = self.run(self.ledger.apply(*(self.rows(*each) for each in envelopes)))
        for (stream, _, _), ack in zip(envelopes, acks, strict=True):
            model = self.models[STREAMS[stream]]
            assert (ack.upto, ack.conflict) == (len(model.applied), model.conflict)

    def kinds(self, stream: int, first: int, count: int) -> list[str]:
        """Return what this gateway has at these numbers: every seventh row cannot be read."""
        return ["odd" if (seq + stream) % 7 == 0 else "good" for seq in range(first, first + count)]

    @rule(stream=st.integers(0, 3), first=st.integers(1, 14), count=st.integers(1, 5))
    def a_gateway_sends(self, stream: int, first: int, count: int) -> None:
        self.send((stream, first, self.kinds(stream, first, count)))

    @rule(stream=st.integers(0, 3), count=st.integers(1, 6))
    def a_gateway_goes_on(self, stream: int, count: int) -> None:
        first = len(self.models[STREAMS[stream]].applied) + 1
        self.send((stream, first, self.kinds(stream, first, count)))

    @rule(
        envelopes=st.lists(
            st.tuples(st.integers(0, 3), st.integers(1, 10), st.integers(1, 4)),
            min_size=2,
            max_size=5,
        )
    )
    def envelopes_come_together(self, envelopes: list[tuple[int, int, int]]) -> None:
        self.send(
            *(
                (stream, first, self.kinds(stream, first, count))
                for stream, first, count in envelopes
            )
        )

    @rule(stream=st.integers(0, 3), seq=st.integers(1, 10))
    def a_clone_sends(self, stream: int, seq: int) -> None:
        self.send((stream, seq, ["clone"]))

    @rule()
    def bridge_restarts(self) -> None:
        async def again() -> None:
            await self.stack.aclose()
            await self.open()

        self.run(again())

    @invariant()
    def the_ledger_is_what_the_models_are(self) -> None:
        if not hasattr(self, "ledger"):
            return
        found: dict[tuple[str, UUID], list[object]] = {}
        for entry in self.run(self.ledger.entries(limit=10_000))[::-1]:
            stream = (str(entry["gateway"]), UUID(str(entry["epoch"])))
            found.setdefault(stream, []).append(entry)
        for stream, model in self.models.items():
            entries: list[dict[str, object]] = found.get(stream, [])  # type: ignore[assignment]
            assert [entry["seq"] for entry in entries] == list(range(1, len(model.applied) + 1))
            number = STREAMS.index(stream)
            for kind, entry in zip(model.applied, entries, strict=True):
                salt = 1 + number + (10 if kind == "clone" else 0)
                wanted = None if kind == "odd" else str(name(int(str(entry["seq"])), salt))
                assert entry["id"] == wanted
                assert (entry["state"] == "dead") == (kind == "odd")
        assert self.run(self.ledger.standing()).parked == sum(
            len(model.parked) for model in self.models.values()
        )

    @invariant()
    def a_word_says_what_the_models_say(self) -> None:
        if not hasattr(self, "ledger"):
            return
        for gateway, epoch in self.run(self.ledger.recent_streams()):
            model = self.models[gateway, epoch]
            ack = self.run(self.ledger.word(gateway, epoch)).ack
            assert (ack.upto, ack.conflict) == (len(model.applied), model.conflict)
            odd = [seq for seq, kind in enumerate(model.applied, 1) if kind == "odd"]
            assert [each.seq for each in ack.rejected] == odd


TestLedgerHistory = LedgerHistory.TestCase
TestLedgerHistory.settings = steady(12, 25)
