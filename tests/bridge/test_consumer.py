import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge import consumer as consumer_module
from bridge.consumer import Consumer
from bridge.errors import LedgerFailed
from bridge.ledger import Ledger, open_ledger
from bridge.metrics import Metrics
from bridge.outcome import Posted
from bridge.posting import Result
from contract.envelope import Ack, Rows
from contract.topics import Topics
from runtime.mqtt import Broker, Connection, connect
from tests.bridge.streams import EPOCH, OTHER_EPOCH, name, sealed, transaction, undigested
from tests.mosquitto import Mosquitto

TOPICS = Topics("north", "dock-1")
STATUS = Topics("north", "bridge-1").status
LONG = 60.0  # s: far beyond what any of it takes on a busy machine


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


async def until(true: Callable[[], bool]) -> None:
    """Wait for a state that lasts, and that no event tells of."""
    async with asyncio.timeout(LONG):
        while not true():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def consuming(
    ledger: Ledger, mosquitto: Mosquitto, **more: Any
) -> AsyncIterator[tuple[Consumer, Metrics]]:
    metrics = Metrics()
    broker = Broker(url=mosquitto.url, **more)
    consumer = Consumer(ledger, broker, site="north", name="1", metrics=metrics)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer, metrics
    finally:
        task.cancel()
        await asyncio.wait([task])


class Listener:
    """A gateway's ear: what was said on some topics, in order."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.heard: list[tuple[str, dict[str, Any]]] = []

    async def until(self, true: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(LONG):
            async for message in self.connection.messages:
                value: dict[str, Any] = json.loads(message.payload)
                self.heard.append((message.topic, value))
                if true(message.topic, value):
                    return value
        raise AssertionError("the connection ended")

    async def word(self) -> Ack:
        """Return the retained ack, whenever it came."""
        known = [value for topic, value in self.heard if topic == TOPICS.ack]
        if known:
            return Ack.model_validate_json(json.dumps(known[-1]))
        return await self.ack(lambda _: True)

    async def ack(self, true: Callable[[Ack], bool]) -> Ack:
        def fits(topic: str, value: dict[str, Any]) -> bool:
            return topic == TOPICS.ack and true(Ack.model_validate_json(json.dumps(value)))

        return Ack.model_validate_json(json.dumps(await self.until(fits)))


@contextlib.asynccontextmanager
async def gateway(mosquitto: Mosquitto, client_id: str = "dock-1") -> AsyncIterator[Listener]:
    async with connect(Broker(url=mosquitto.url), client_id=client_id) as connection:
        await connection.subscribe(TOPICS.ack)
        await connection.subscribe(STATUS)
        listener = Listener(connection)
        await listener.until(lambda topic, value: topic == STATUS and value["online"])
        yield listener


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_an_envelope_is_in_the_ledger_when_its_ack_comes(
    ledger: Ledger, mosquitto: Mosquitto, protocol: str
) -> None:
    async with consuming(ledger, mosquitto, protocol=protocol), gateway(mosquitto) as dock:
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1), transaction(2)]))
        assert undigested(await dock.ack(lambda ack: ack.upto > 0)) == Ack(epoch=EPOCH, upto=2)
    assert len(await ledger.entries()) == 2


async def test_a_pure_repeat_is_answered_too(ledger: Ledger, mosquitto: Mosquitto) -> None:
    async with consuming(ledger, mosquitto), gateway(mosquitto) as dock:
        for _ in range(3):
            dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
            await dock.ack(lambda ack: ack.upto == 1)
    assert len(await ledger.entries()) == 1


async def test_the_ack_waits_for_who_comes_later(ledger: Ledger, mosquitto: Mosquitto) -> None:
    async with consuming(ledger, mosquitto):
        async with gateway(mosquitto) as dock:
            dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
            await dock.ack(lambda ack: ack.upto == 1)
        async with gateway(mosquitto) as dock:
            assert undigested(await dock.word()) == Ack(epoch=EPOCH, upto=1)


async def test_a_flood_is_applied_whole_and_acks_are_fewer_than_envelopes(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    real = ledger.apply
    flooded = asyncio.Event()

    async def waits_for_the_flood(*envelopes: Rows) -> list[Ack]:
        await flooded.wait()
        return await real(*envelopes)

    ledger.apply = waits_for_the_flood  # type: ignore[method-assign]
    async with consuming(ledger, mosquitto) as (_, metrics), gateway(mosquitto) as dock:
        await asyncio.gather(
            *(
                dock.connection.publish(TOPICS.tx, sealed(seq, [transaction(seq)]))
                for seq in range(1, 301)
            )
        )
        flooded.set()
        await dock.ack(lambda ack: ack.upto == 300)
        acks = sum(topic == TOPICS.ack for topic, _ in dock.heard)
        assert acks < 200
        # Who is owed a word may be given it between a commit and its being counted.
        await until(lambda: b"rows_received_total 300.0" in metrics.text())


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPICS.tx, b"not json"),
        (TOPICS.tx, b""),
        (TOPICS.tx, b"[" * 50_000),
        (Topics("north", "dock-2").tx, sealed(1, [transaction(1)]).encode()),
        ("scanpost/v1/NORTH/x y/tx", sealed(1, [transaction(1)]).encode()),
    ],
)
async def test_what_cannot_be_read_is_kept_and_holds_up_nobody(
    ledger: Ledger, mosquitto: Mosquitto, topic: str, payload: bytes
) -> None:
    async with consuming(ledger, mosquitto) as (_, metrics), gateway(mosquitto) as dock:
        dock.connection.publish(topic, payload)
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
        await dock.ack(lambda ack: ack.upto == 1)
    assert (await ledger.standing()).poison == 1
    assert b"messages_poisoned_total 1.0" in metrics.text()
    assert len(await ledger.entries()) == 1


async def test_a_rejection_is_told_with_its_reason(ledger: Ledger, mosquitto: Mosquitto) -> None:
    async with consuming(ledger, mosquitto), gateway(mosquitto) as dock:
        bad = transaction(2, epoch=OTHER_EPOCH)
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1), bad]))
        ack = await dock.ack(lambda ack: ack.upto == 2)
        assert [(entry.seq, entry.code) for entry in ack.rejected] == [(2, "contract")]


async def test_who_scans_fast_is_answered_a_few_times_a_second(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    async with consuming(ledger, mosquitto) as (_, metrics), gateway(mosquitto) as dock:
        began = asyncio.get_running_loop().time()
        for seq in range(1, 41):
            await dock.connection.publish(TOPICS.tx, sealed(seq, [transaction(seq)]))
        await dock.ack(lambda ack: ack.upto == 40)
        took = asyncio.get_running_loop().time() - began
        acks = sum(topic == TOPICS.ack for topic, _ in dock.heard)
        assert acks <= 2 + took / consumer_module.ANSWERS_APART
        await until(lambda: b"envelopes_received_total 40.0" in metrics.text())


async def test_a_full_envelope_is_answered_however_short_ago_the_last_was(
    ledger: Ledger, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "ANSWERS_APART", 3600.0)
    async with consuming(ledger, mosquitto) as _, gateway(mosquitto) as dock:
        rows = [transaction(seq) for seq in range(1, 2 + consumer_module.ENOUGH)]
        dock.connection.publish(TOPICS.tx, sealed(1, rows[:1]))
        await dock.ack(lambda ack: ack.upto == 1)
        dock.connection.publish(TOPICS.tx, sealed(2, rows[1:51]))
        dock.connection.publish(TOPICS.tx, sealed(52, rows[51:]))
        await dock.ack(lambda ack: ack.upto == len(rows))
        assert sum(topic == TOPICS.ack for topic, _ in dock.heard) == 2


async def test_progress_at_the_erp_is_told_without_a_flood(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    async with consuming(ledger, mosquitto) as (consumer, _), gateway(mosquitto) as dock:
        rows = [transaction(seq) for seq in range(1, 31)]
        dock.connection.publish(TOPICS.tx, sealed(1, rows))
        await dock.ack(lambda ack: ack.upto == 30)
        before, began = len(dock.heard), asyncio.get_running_loop().time()
        for waiting in await ledger.undecided(0, 100):
            [attempt] = await ledger.begin([waiting.number])
            await ledger.settle(Result(attempt, Posted("")))
            consumer.progress("dock-1", EPOCH)
        await dock.ack(lambda ack: ack.posted == 30)
        took = asyncio.get_running_loop().time() - began
        assert len(dock.heard) - before <= 2 + took / consumer_module.PROGRESS_EVERY


async def test_a_stream_that_repeats_an_older_one_hears_when_that_is_posted(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    async with consuming(ledger, mosquitto) as (consumer, _), gateway(mosquitto) as dock:
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
        await dock.ack(lambda ack: ack.upto == 1)
        again = transaction(1, epoch=OTHER_EPOCH)
        dock.connection.publish(TOPICS.tx, sealed(1, [again], epoch=OTHER_EPOCH))
        await dock.ack(lambda ack: (ack.epoch, ack.upto, ack.posted) == (OTHER_EPOCH, 1, 0))
        [waiting] = await ledger.undecided(0, 100)
        [attempt] = await ledger.begin([waiting.number])
        await ledger.settle(Result(attempt, Posted("")))
        consumer.progress("dock-1", EPOCH)
        await dock.ack(lambda ack: (ack.epoch, ack.posted) == (OTHER_EPOCH, 1))


async def test_an_older_stream_does_not_overwrite_the_newest_word(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    async with consuming(ledger, mosquitto) as (consumer, _), gateway(mosquitto) as dock:
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
        await dock.ack(lambda ack: ack.upto == 1)
        new = transaction(1, epoch=OTHER_EPOCH, id=name(1, salt=1))
        dock.connection.publish(TOPICS.tx, sealed(1, [new], epoch=OTHER_EPOCH))
        await dock.ack(lambda ack: ack.epoch == OTHER_EPOCH)
        consumer.progress("dock-1", EPOCH)
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
        await dock.ack(lambda ack: ack.epoch == EPOCH)
        async with gateway(mosquitto, "dock-1-again") as later:
            assert (await later.word()).epoch == OTHER_EPOCH


async def test_a_broker_that_forgot_everything_is_told_again(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    async with consuming(ledger, mosquitto):
        async with gateway(mosquitto) as dock:
            dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
            await dock.ack(lambda ack: ack.upto == 1)
        mosquitto.kill()
        await mosquitto.start()
        async with gateway(mosquitto) as dock:
            assert (await dock.word()).upto == 1
            dock.connection.publish(TOPICS.tx, sealed(2, [transaction(2)]))
            await dock.ack(lambda ack: ack.upto == 2)


async def test_nothing_is_acknowledged_while_the_ledger_fails(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    real = ledger.apply
    failed = 0
    full = True

    async def fails(*envelopes: Rows) -> list[Ack]:
        nonlocal failed
        if full:
            failed += 1
            raise LedgerFailed("disk full")
        return await real(*envelopes)

    ledger.apply = fails  # type: ignore[method-assign]
    async with consuming(ledger, mosquitto) as (_, metrics), gateway(mosquitto) as dock:
        for _ in range(2):
            dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
            await dock.until(lambda topic, value: topic == STATUS and value["online"])
        assert await ledger.entries() == []
        assert not any(topic == TOPICS.ack for topic, _ in dock.heard)
        full = False
        dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
        await dock.ack(lambda ack: ack.upto == 1)
        assert failed == 2
        assert b"ledger_failures_total 2.0" in metrics.text()


async def test_the_last_will_and_a_clean_end_both_say_gone(
    ledger: Ledger, mosquitto: Mosquitto
) -> None:
    async with consuming(ledger, mosquitto) as (consumer, _), gateway(mosquitto) as dock:
        assert consumer.connected
        stopping = asyncio.create_task(
            dock.until(lambda topic, value: topic == STATUS and not value["online"])
        )
        async with connect(Broker(url=mosquitto.url), client_id="bridge-north-1"):
            await stopping  # a second of our name ended the first: the broker said its will


async def test_a_bridge_that_stops_says_goodbye(ledger: Ledger, mosquitto: Mosquitto) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with consuming(ledger, mosquitto):
            dock = await stack.enter_async_context(gateway(mosquitto))
        await dock.until(lambda topic, value: topic == STATUS and not value["online"])


async def test_a_broker_that_hangs_is_left(
    ledger: Ledger, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consuming(ledger, mosquitto) as (consumer, metrics):
        async with gateway(mosquitto) as dock:
            dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
            await dock.ack(lambda ack: ack.upto == 1)
        mosquitto.freeze()
        with monkeypatch.context() as patience:  # only a broker that hangs gets so little of it
            patience.setattr(consumer_module, "CONFIRM_WITHIN", 0.3)
            patience.setattr(consumer_module, "GOODBYE_WITHIN", 0.1)
            consumer.progress("dock-1", EPOCH)
            await until(lambda: not consumer.connected)
        mosquitto.thaw()
        await until(lambda: consumer.connected)  # its topic may still tell of its earlier life
        async with gateway(mosquitto) as dock:
            dock.connection.publish(TOPICS.tx, sealed(2, [transaction(2)]))
            await dock.ack(lambda ack: ack.upto == 2)
        assert b"broker_connections_total 2.0" in metrics.text()


async def test_two_bridges_of_one_broker_share_the_work(
    tmp_path: Path, ledger: Ledger, mosquitto: Mosquitto
) -> None:
    # Two consumers on one ledger stand for two workers on one PostgreSQL.
    second = Consumer(ledger, Broker(url=mosquitto.url), site="north", name="2", metrics=Metrics())
    async with consuming(ledger, mosquitto) as (_, metrics), gateway(mosquitto) as dock:
        task = asyncio.create_task(second.run())
        try:
            await until(lambda: second.connected)
            for seq in range(1, 101):
                dock.connection.publish(TOPICS.tx, sealed(seq, [transaction(seq)]))
            await dock.ack(lambda ack: ack.upto == 100)
            received = metrics.registry.get_sample_value("scanpost_bridge_rows_received_total")
            assert received is not None
            assert 0 < received < 100
        finally:
            task.cancel()
            await asyncio.wait([task])
    assert [entry["seq"] for entry in await ledger.entries()] == list(range(100, 0, -1))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_of_two_bridges_with_one_name_one_gives_in(
    ledger: Ledger, mosquitto: Mosquitto, protocol: str
) -> None:
    rival = Consumer(
        ledger,
        Broker.model_validate({"url": mosquitto.url, "protocol": protocol}),
        site="north",
        name="1",
        metrics=Metrics(),
    )
    async with consuming(ledger, mosquitto, protocol=protocol) as (consumer, _):
        task = asyncio.create_task(rival.run())
        try:
            both = (consumer, rival)
            await until(lambda: any(each.manners.taken_over for each in both))
            await until(lambda: sum(each.connected for each in both) == 1)
            async with gateway(mosquitto) as dock:
                dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
                await dock.ack(lambda ack: ack.upto == 1)
        finally:
            task.cancel()
            await asyncio.wait([task])
    assert (await ledger.standing()).poison == 0  # what it hears of itself is no envelope


async def test_a_gateway_is_told_how_many_there_are(ledger: Ledger, mosquitto: Mosquitto) -> None:
    async with consuming(ledger, mosquitto), gateway(mosquitto) as dock:
        for number in range(1, 4):
            other = f"dock-{number}"
            mine = [transaction(1, gateway=other, id=name(number, salt=number))]
            topic = Topics("north", other).tx
            dock.connection.publish(topic, sealed(1, mine, gateway=other))
        await dock.ack(lambda ack: ack.upto == 1)
        async with asyncio.timeout(LONG):
            while True:
                dock.connection.publish(TOPICS.tx, sealed(1, [transaction(1)]))
                heard = await dock.connection.receive()
                if {"fleet": "3"} in [dict(each.about) for each in heard]:
                    break
