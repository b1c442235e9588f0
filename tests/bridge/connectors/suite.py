"""The one contract that every connector keeps. `test_<name>.py` has a class that brings the target.

What a new connector must bring:

- `bridge/connectors/<name>.py`, or a folder, with `Config`, `CAPABILITIES`, `document`, `connect`
  and, as far as it goes, `calls` (what it would send) and `read` (what it can read).
- `tests/fakes/<name>.py`: a `tests.fakes.vendor.Vendor` that keeps what the real one would keep,
  and holds each body against the vendor's own contract in `problems`; or the real product.
- `config/bridge-<name>.toml`: every setting, commented; `tests/house` holds it complete and true.
- `tests/bridge/connectors/test_<name>.py` with

      class TestOfName(ConnectorSuite):
          name = "..."
          secrets = ("what no log may show",)

          def config(self, url, folder): ...            # its Config for a target at `url`
          def serving(self, folder, faults): ...        # async context manager of a `Stage`
          def event(self, kind, rng): ...               # an event of that type the target takes
          def expected(self, transactions): ...         # what the target's totals must be

  and the tests of what is its own: how each type is mapped, each refusal, each odd answer.

`expected` is written from the transactions alone, without the connector: it is what a warehouse
clerk would say. Where it depends on order (counts, which are absolute), let each item have one
kind of event only. `python -m bridge.table --write` then brings the table of connectors up to date.
"""

import asyncio
import contextlib
import functools
import itertools
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from bridge import registry
from bridge.connector import BatchConnector, Connector
from bridge.dispatcher import Dispatcher
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.wire import Note, recording
from contract.canonical import canonical
from contract.envelope import Rows, plain
from contract.transactions import Event, Reading, Reversal, Transaction, Weighing
from runtime.backoff import Backoff
from tests.bridge.streams import EPOCH, envelope, lines, name
from tests.bridge.streams import transaction as transaction_of
from tests.bridge.transactions import EVERY_TYPE, transactions
from tests.fakes.vendor import Fault, Faults, Vendor

NOWHERE = Path("/nonexistent")
CLOSED = "http://127.0.0.1:9"
"""Nobody listens there: the port of the discard service."""
NEEDS_NO_POSTING = frozenset({"reading", "weighing"})
"""Types that move no stock: a connector may take them as posted without asking the ERP."""


def transaction(seq: int, event: Event) -> Transaction:
    """Return one that was scanned a moment ago: a key may be known for a day only."""
    made = transaction_of(seq, event)
    clock = made.clock.model_copy(update={"wall": datetime.now(UTC)})
    return made.model_copy(update={"clock": clock})


async def _at_once() -> None:
    """Of a fake nothing stays under way: what it is asked it does in one go."""


@dataclass
class Stage:
    """A target made ready for one test."""

    config: BaseModel
    effects: Callable[[], Mapping[str, int]]
    """How often each transaction has had its effect at the target, by `effect_of`."""
    totals: Callable[[], Mapping[str, Any]]
    """What the target has on hand, or whatever it adds up, by a name of the test's choice."""
    vendor: Vendor | None = None
    """The fake, where there is one: what it counts as a problem fails the test."""
    settled: Callable[[], Awaitable[None]] = _at_once
    """Waits until the target has done what it was asked, as `settle` seconds are to do."""


@dataclass
class Watched:
    """A connector, and all that it says on the wire."""

    inner: Connector
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        for each in dir(self.inner):
            if not each.startswith("_") and each not in {"deliver", "deliver_many"}:
                setattr(self, each, getattr(self.inner, each))
        if isinstance(self.inner, BatchConnector):
            many = self.inner.deliver_many

            async def deliver_many(
                given: Sequence[Transaction], *, again: bool
            ) -> Sequence[Outcome]:
                with recording() as notes:
                    try:
                        return await many(given, again=again)
                    finally:
                        self.notes += notes

            self.deliver_many = deliver_many

    settle: float = 0.0

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        with recording() as notes:
            try:
                return await self.inner.deliver(transaction, again=again)
            finally:
                self.notes += notes


class ConnectorSuite(ABC):
    """Subclass it as `Test...`; see the head of this file."""

    name: ClassVar[str]
    secrets: ClassVar[tuple[str, ...]] = ()
    """Texts that stand in the target's credentials and may be seen nowhere else."""
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Types it books that make no sense alone, such as a reversal of something booked before."""
    many: ClassVar[int] = 60
    """Transactions of the long test."""
    faults: ClassVar[dict[str, float]] = {
        "lost": 0.1,
        "throttled": 0.05,
        "unavailable": 0.02,
        "doubled": 0.05,
    }
    """How often each befalls a request there: 10 % done and not answered, as it must be."""

    @abstractmethod
    def config(self, url: str, folder: Path) -> BaseModel:
        """Return the connector's config for a target at `url`, with its secrets in `folder`.

        Let `http.settle` be short, and `http.timeout` long enough for a machine under load.
        """

    @abstractmethod
    def serving(self, folder: Path, faults: Faults) -> AbstractAsyncContextManager[Stage]:
        """Bring up a target of this test's own."""

    @abstractmethod
    def event(self, kind: str, rng: random.Random) -> Event:
        """Return an event of a type the connector books, which the target takes as it is."""

    @abstractmethod
    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        """Return what `Stage.totals` must say when `given` were booked in order, each once."""

    def effect_of(self, value: Transaction) -> str:
        """Return what names its effect in `Stage.effects`; most targets keep the id."""
        return str(value.id)

    # --- What all have in common ---

    @property
    def module(self) -> Any:
        return _load(self.name)

    @property
    def books(self) -> list[str]:
        """The types to send, each of which `event` can make."""
        return sorted(self.module.CAPABILITIES.books - self.left_out)

    def unsupported(self) -> list[Event]:
        """One event of each type it does not book."""
        found: dict[str, Event] = {}
        for event in plain_events():
            if event.type not in self.module.CAPABILITIES.books:
                found.setdefault(event.type, event)
        return list(found.values())

    @contextlib.asynccontextmanager
    async def staged(
        self, folder: Path, *next_faults: Fault
    ) -> AsyncIterator[tuple[Stage, Watched]]:
        faults = Faults(next=list(next_faults))
        async with (
            self.serving(folder, faults) as stage,
            self.module.connect(stage.config) as inner,
        ):
            yield stage, Watched(inner)
            self._is_sound(stage)

    def _is_sound(self, stage: Stage) -> None:
        if stage.vendor is not None:
            assert not stage.vendor.problems, stage.vendor.problems[:5]

    def _shows_no_secret(self, *texts: str) -> None:
        for secret, text in itertools.product(self.secrets, texts):
            assert secret not in text, f"{secret!r} is shown: {text[:2000]}"

    # --- What it says of itself ---

    def test_it_says_what_it_can_do(self) -> None:
        can = self.module.CAPABILITIES
        assert can.books <= EVERY_TYPE
        assert can.books
        assert all(limit.endswith(".") for limit in can.limits)
        assert can.key_days is None or can.key != "unique"
        if can.reads:
            assert hasattr(self.module, "read")

    def test_its_config_shows_no_secret(self, tmp_path: Path) -> None:
        config = self.config(CLOSED, tmp_path)
        self._shows_no_secret(repr(config), str(config), config.model_dump_json())
        assert type(config).model_config.get("frozen") is True

    @settings(
        max_examples=60,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )
    @given(value=transactions)
    def test_planning_is_pure_and_never_raises(self, value: Transaction) -> None:
        module, config = self.module, self.config(CLOSED, NOWHERE)
        before = canonical(plain(value))
        first = module.document(value, config)
        assert module.document(value, config) == first
        if value.event.type not in module.CAPABILITIES.books:
            assert _is_said(value.event, first), first
        elif isinstance(first, Refused):
            assert first.text
        if hasattr(module, "calls"):
            planned = list(module.calls(value, config))
            assert planned == list(module.calls(value, config))
            if isinstance(first, Posted | Refused):
                assert not planned
        assert canonical(plain(value)) == before

    # --- What it does ---

    async def test_each_type_is_booked_once_however_often_it_is_sent(self, tmp_path: Path) -> None:
        rng = random.Random(5)
        async with self.staged(tmp_path) as (stage, connector):
            made = [transaction(n, self.event(k, rng)) for n, k in enumerate(self.books, start=1)]
            for value in made:
                first = await connector.deliver(value, again=False)
                assert isinstance(first, Posted), (value.event.type, first)
                assert await connector.deliver(value, again=True) == first
                assert await connector.deliver(value, again=False) == first
            assert stage.effects() == {self.effect_of(value): 1 for value in made}
            assert dict(stage.totals()) == dict(self.expected(made))

    async def test_what_it_does_not_book_is_refused_and_nothing_is_sent(
        self, tmp_path: Path
    ) -> None:
        async with self.staged(tmp_path) as (stage, connector):
            for seq, event in enumerate(self.unsupported(), start=1):
                outcome = await connector.deliver(transaction(seq, event), again=False)
                assert _is_said(event, outcome), (event.type, outcome)
            assert not connector.notes
            assert not stage.effects()

    async def test_it_sends_what_it_said_it_would(self, tmp_path: Path) -> None:
        if not hasattr(self.module, "calls"):
            pytest.skip("it does not say beforehand what it would send")
        rng = random.Random(6)
        async with self.staged(tmp_path) as (stage, connector):
            for seq, kind in enumerate(self.books, start=1):
                value = transaction(seq, self.event(kind, rng))
                planned = list(self.module.calls(value, stage.config))
                assert planned
                self._shows_no_secret(repr(planned))
                connector.notes.clear()
                assert isinstance(await connector.deliver(value, again=False), Posted)
                said = "\n".join(note.text for note in connector.notes if note.way == "sent")
                for call in planned:
                    asks = call.what.startswith("look up")  # it may know the answer by now
                    if call.body and "<" not in call.body and not asks:
                        assert call.body in said, (call.body, said)

    async def test_what_was_booked_and_never_answered_is_booked_once(self, tmp_path: Path) -> None:
        rng = random.Random(7)
        async with self.staged(tmp_path) as (stage, connector):
            vendor = self._vendor(stage)
            for seq, kind in enumerate(self.books, start=1):
                value = transaction(seq, self.event(kind, rng))
                vendor.faults.next = ["lost"]
                outcome = await connector.deliver(value, again=False)
                assert isinstance(outcome, Unknown), (kind, outcome)
                assert isinstance(await connector.deliver(value, again=True), Posted)
                assert stage.effects()[self.effect_of(value)] == 1

    async def test_what_is_answered_too_late_is_booked_once(self, tmp_path: Path) -> None:
        async with self.staged(tmp_path) as (stage, connector):
            vendor = self._vendor(stage)
            value = transaction(1, self.event(self.books[0], random.Random(7)))
            vendor.faults.next = ["slow"]
            async with self.module.connect(_hurried(stage.config)) as impatient:
                # Later only where a machine under load was too slow for a look-up before it
                outcome = await impatient.deliver(value, again=False)
                assert isinstance(outcome, Unknown | TryLater), outcome
            vendor.faults.next = []
            await stage.settled()
            assert isinstance(await connector.deliver(value, again=True), Posted)
            assert stage.effects() == {self.effect_of(value): 1}

    @pytest.mark.parametrize(
        "fault", ["throttled", "unavailable", "expired", "broken", "refused_with_200"]
    )
    async def test_a_target_that_has_no_time_is_left_alone_and_tried_again(
        self, tmp_path: Path, fault: Fault
    ) -> None:
        rng = random.Random(8)
        async with self.staged(tmp_path) as (stage, connector):
            vendor = self._vendor(stage)
            if fault == "refused_with_200" and type(vendor).refused_with_200 is _NONE:
                pytest.skip("this vendor does not answer 200 for what it did not do")
            value = transaction(1, self.event(self.books[0], rng))
            vendor.faults.next = [fault]
            vendor.faults.retry_after = 7
            outcome = await connector.deliver(value, again=False)
            match fault:
                case "throttled":
                    assert isinstance(outcome, TryLater), outcome
                    assert outcome.after == 7
                case "broken":
                    assert isinstance(outcome, TryLater | Unknown), outcome
                case _:
                    assert isinstance(outcome, TryLater), outcome
            assert not stage.effects()
            again = isinstance(outcome, Unknown)
            assert isinstance(await connector.deliver(value, again=again), Posted)
            assert stage.effects() == {self.effect_of(value): 1}

    async def test_a_target_that_is_not_there_is_tried_later(self, tmp_path: Path) -> None:
        async with self.staged(tmp_path) as (stage, _):
            self._vendor(stage)  # or skips
        value = transaction(1, self.event(self.books[0], random.Random(9)))
        async with self.module.connect(self.config(CLOSED, tmp_path)) as connector:
            assert isinstance(await connector.deliver(value, again=False), TryLater)

    async def test_no_secret_is_shown_whatever_happens(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        rng = random.Random(10)
        said: list[str] = []
        async with self.staged(tmp_path) as (stage, connector):
            value = transaction(1, self.event(self.books[0], rng))
            fates: list[Fault | None] = ["expired", "throttled", "broken", "lost", None]
            for fault in fates:
                if stage.vendor is not None and fault is not None:
                    stage.vendor.faults.next = [fault]
                said.append(repr(await connector.deliver(value, again=True)))
            said += [note.text for note in connector.notes]
            said.append(repr(stage.config))
        assert connector.notes or not self.secrets
        self._shows_no_secret(*said, caplog.text)

    async def test_a_day_of_trouble_leaves_exact_totals(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Duplicates, reordering, throttling, lost answers, and a restart, all at once."""
        monkeypatch.setattr("bridge.dispatcher.Backoff", _Impatient, raising=False)
        rng = random.Random(11)
        kinds = itertools.islice(itertools.cycle(self.books), self.many)
        events = [self.event(kind, rng) for kind in kinds]
        for event in self.unsupported():
            events.insert(rng.randrange(len(events)), event)
        made = [transaction(seq, event) for seq, event in enumerate(events, start=1)]
        post = list(_in_the_post(made, rng))
        faults = Faults(seed=12, **self.faults)  # type: ignore[arg-type]
        async with (
            self.serving(tmp_path, faults) as stage,
            open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as ledger,
        ):
            day = _Day(self.module, stage, ledger)
            noon = len(post) // 2
            await day.work(post[:noon], until=len(made) // 3)  # and ends in the middle of something
            await day.work(post[noon:], until=len(made))
            booked = [value for value in made if value.event.type in self.books]
            assert stage.effects() == {self.effect_of(value): 1 for value in booked}
            assert dict(stage.totals()) == dict(self.expected(booked))
            self._is_sound(stage)
            entries = await ledger.entries(limit=len(made) + 1)
            refused = [row for row in entries if row["state"] == "dead"]
            assert {row["code"] for row in refused} <= {"unsupported"}
            silent = sum(value.event.type in NEEDS_NO_POSTING for value in made)
            assert len(made) - len(booked) - silent <= len(refused) <= len(made) - len(booked)
            self._shows_no_secret(*(note.text for note in day.notes))
            if stage.vendor is not None:
                assert stage.vendor.faults.seen["lost"]

    def _vendor(self, stage: Stage) -> Vendor:
        if stage.vendor is None:
            pytest.skip("this target has no line that could be cut")
        return stage.vendor


_NONE = Vendor.refused_with_200
_load = functools.cache(registry.load)
"""To look for entry points takes 3 ms each time, and the suite asks hundreds of times."""


def _hurried(config: BaseModel) -> BaseModel:
    """Return a config that gives a request up soon."""
    settings: BaseModel = config.http  # type: ignore[attr-defined]
    return config.model_copy(update={"http": settings.model_copy(update={"timeout": 0.3})})


class _Impatient(Backoff):
    """The dispatcher's waits, so short that a day of trouble is over in seconds."""

    def next(self) -> float:
        return super().next() / 20


class _Day:
    """A bridge at work on one ledger, which can be ended in the middle."""

    def __init__(self, module: Any, stage: Stage, ledger: Ledger) -> None:
        self._module = module
        self._stage = stage
        self._ledger = ledger
        self.notes: list[Note] = []

    @contextlib.asynccontextmanager
    async def _target(self) -> AsyncIterator[Connector]:
        async with self._module.connect(self._stage.config) as inner:
            watched = Watched(inner, self.notes)
            yield watched

    async def work(self, post: Iterable[Rows], until: int) -> None:
        """Take the post in while delivering, and stop as soon as so many are decided."""
        news = asyncio.Event()
        dispatcher = Dispatcher(
            self._ledger,
            self._target,
            metrics=Metrics(),
            progress=lambda _gateway, _epoch: news.set(),
        )
        task = asyncio.create_task(dispatcher.run())
        try:
            for rows in post:
                await self._ledger.apply(rows)
            async with asyncio.timeout(100):
                while await self._decided() < until:
                    news.clear()
                    if await self._decided() < until:
                        await news.wait()
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self._stage.settled()

    async def _decided(self) -> int:
        ack = (await self._ledger.word("dock-1", EPOCH)).ack
        return ack.upto - (await self._ledger.standing()).undecided


def plain_events() -> list[Event]:
    """One ordinary event of those types that no target has to know anything for."""
    from contract.transactions import (  # noqa: PLC0415 - all of them, only here
        Adjustment,
        Assembly,
        Count,
        Pack,
        Package,
        Pick,
        Putaway,
        Receipt,
        Return,
        Shipment,
        Transfer,
    )

    some = lines()
    return [
        Receipt(lines=some),
        Putaway(lines=some, to_location="B"),
        Pick(lines=some),
        Pack(lines=some),
        Shipment(packages=(Package(),)),
        Transfer(lines=some, from_location="A", to_location="B"),
        Count(lines=some, location="A"),
        Adjustment(lines=some, direction="increase", reason="found"),
        Return(lines=some),
        Assembly(produced=some, consumed=some),
        Weighing(weight={"value": "1.5"}),
        Reading(text="?"),
        Reversal(reverses=name(999)),
    ]


def _is_said(event: Event, outcome: object) -> bool:
    """Whether what is not booked was refused as such, or needs no booking."""
    match outcome:
        case Refused(code="unsupported", text=text):
            return bool(text)
        case Posted(""):
            return event.type in NEEDS_NO_POSTING
    return False


def _in_the_post(made: list[Transaction], rng: random.Random) -> Iterable[Rows]:
    """Cut a stream into envelopes, of which 5 % come twice and 5 % too late."""
    envelopes: list[Rows] = []
    place = 0
    while place < len(made):
        size = rng.randint(1, 5)
        envelopes.append(envelope(made[place].seq, made[place : place + size]))
        place += size
    twice = max(1, len(envelopes) // 20)
    for _ in range(twice):
        envelopes.insert(rng.randrange(len(envelopes)), rng.choice(envelopes))
    for _ in range(twice):
        at = rng.randrange(len(envelopes) - 1)
        envelopes[at], envelopes[at + 1] = envelopes[at + 1], envelopes[at]
    return envelopes
