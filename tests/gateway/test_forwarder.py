"""The forwarder, against a real broker and a bridge that does as a test says."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from contract.canonical import canonical, digest
from contract.envelope import MAX_ENVELOPE, Ack, Rejected, envelope_adapter
from contract.topics import Topics
from gateway.bench import Bench
from gateway.devices import Supervisor
from gateway.forwarder import Forwarder
from gateway.group import Write
from gateway.health import Health
from gateway.intake import Intake
from gateway.outbox import Outbox, open_outbox
from gateway.signals import Signals
from runtime.clock import Clock
from runtime.mqtt import Broker, BrokerLost, Connection, Message, connect
from tests.gateway.rig import TurnedClock, gateway, scan
from tests.mosquitto import Mosquitto
from tests.stopwatch import Stopwatch

TOPICS = Topics("north", "dock-1")
CEILING = 30.0  # seconds for what takes well under one: the machine may be busy


def body(text: str) -> Write:
    return lambda epoch, seq: canonical({"epoch": str(epoch), "seq": seq, "text": text})


async def until(true: Callable[[], bool], within: float = CEILING) -> None:
    """Wait until something is true that no event tells of."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.01)


@dataclass
class Bridge:
    """Writes down what arrives, checks every envelope, and answers for as long as `answers`."""

    broker: Broker
    answers: bool = True
    upto: int = 0
    """The watermark: all rows to here have arrived."""
    most: int = 2**53
    """The watermark is not said to be beyond this."""
    seqs: list[int] = field(default_factory=list)
    """Every row that arrived, in order, twice if it came twice."""
    envelopes: list[int] = field(default_factory=list)
    """How many rows each envelope held."""
    connected: bool = False

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Bridge"]:
        task = asyncio.create_task(self._run())
        try:
            await until(lambda: self.connected)
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and task.exception():
                raise task.exception() or AssertionError

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(BrokerLost):
                async with connect(self.broker, client_id="bridge") as connection:
                    await connection.subscribe(TOPICS.tx)
                    self.connected = True
                    async for message in connection.messages:
                        self._take(connection, message.payload)
            self.connected = False
            await asyncio.sleep(0.05)

    def _take(self, connection: Connection, payload: bytes) -> None:
        assert len(payload) <= MAX_ENVELOPE
        envelope = envelope_adapter.validate_json(payload)
        data = envelope.data
        assert (data.site, data.gateway) == ("north", "dock-1")
        self.envelopes.append(len(data.rows))
        for seq, row in enumerate(data.rows, data.first):
            assert row.digest == digest(canonical(row.transaction))
            assert row.transaction["seq"] == seq
            self.seqs.append(seq)
            if seq == self.upto + 1:
                self.upto = seq
        if self.answers:
            self.say(connection, Ack(epoch=data.epoch, upto=min(self.upto, self.most)))

    def say(self, connection: Connection, ack: Ack | str) -> None:
        text = ack if isinstance(ack, str) else ack.model_dump_json()
        connection.publish(TOPICS.ack, text, retain=True)


class Line:
    """An outbox with its forwarder, running."""

    def __init__(self, outbox: Outbox, forwarder: Forwarder) -> None:
        self.outbox = outbox
        self.forwarder = forwarder
        self.connection: Connection | None = None

    async def serve(self, connection: Connection) -> None:
        self.connection = connection
        await asyncio.Event().wait()

    async def put(self, *texts: str) -> None:
        await self.outbox.put([body(text) for text in texts])

    @property
    def upto(self) -> int:
        return self.outbox.standing.upto


@contextlib.asynccontextmanager
async def forwarding(
    path: Path,
    broker: Broker,
    *,
    stall: float = 20.0,
    ceiling: float | None = None,
    clock: Clock | None = None,
    rows: int = 0,
) -> AsyncIterator[Line]:
    """Run a forwarder; unless `stall` is short, no row is sent twice on one connection."""
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        for start in range(0, rows, 500):
            await outbox.put([body(f"row {n}") for n in range(start, min(rows, start + 500))])
        forwarder = Forwarder(
            outbox,
            broker,
            TOPICS,
            clock or Clock(),
            stall=stall,
            stall_ceiling=ceiling or stall * 2,
        )
        line = Line(outbox, forwarder)
        running = asyncio.create_task(forwarder.run('{"online":true}', "{}", line.serve))
        try:
            yield line
        finally:
            for task in (running, writer):
                task.cancel()
            await asyncio.gather(running, writer, return_exceptions=True)
            if not running.cancelled() and running.exception():
                raise running.exception() or AssertionError


@contextlib.asynccontextmanager
async def office(broker: Broker, *topics: str) -> AsyncIterator[Connection]:
    """Another client of the broker."""
    async with connect(broker, client_id=f"office-{uuid.uuid4()}") as connection:
        for topic in topics:
            await connection.subscribe(topic)
        yield connection


@pytest.fixture
def broker(mosquitto: Mosquitto) -> Broker:
    return Broker(url=mosquitto.url)


async def test_rows_arrive_once_in_their_order_and_are_booked(
    tmp_path: Path, broker: Broker
) -> None:
    async with Bridge(broker).listening() as bridge, forwarding(tmp_path / "o.db", broker) as line:
        for n in range(30):
            await line.put(f"scan {n}")
        await until(lambda: line.upto == 30)
        assert bridge.seqs == list(range(1, 31))
        assert line.forwarder.resends == 0
        assert line.forwarder.at_broker == 30
        assert line.forwarder.connected


async def test_a_lone_scan_does_not_wait_for_others(tmp_path: Path, broker: Broker) -> None:
    async with Bridge(broker).listening() as bridge, forwarding(tmp_path / "o.db", broker) as line:
        for n in range(1, 4):
            await line.put("scan")
            await until(lambda n=n: line.upto == n)  # type: ignore[misc]
        assert bridge.envelopes == [1, 1, 1]


async def test_a_scan_after_a_quiet_hour_is_sent_once(tmp_path: Path, broker: Broker) -> None:
    clock = TurnedClock()
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, clock=clock) as line,
    ):
        await line.put("before")
        await until(lambda: line.upto == 1)
        clock.now += 3600
        await line.put("after")
        await until(lambda: line.upto == 2)
        assert bridge.seqs == [1, 2]
        assert line.forwarder.resends == 0


async def test_what_the_bridge_does_not_confirm_is_sent_again_from_its_watermark(
    tmp_path: Path, broker: Broker
) -> None:
    clock = TurnedClock()
    async with (
        Bridge(broker, most=2).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, stall=0.2, clock=clock, rows=5) as line,
    ):
        await until(lambda: line.upto == 2)
        for resends in (1, 2):
            clock.now += 1  # longer than a silence may be: twice 0.2 s at most
            await until(lambda times=resends + 1: bridge.seqs.count(5) == times)  # type: ignore[misc]
            assert line.forwarder.resends == resends
        assert line.upto == 2
        assert bridge.seqs == [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5]
        bridge.most = 5
        clock.now += 1
        await until(lambda: line.upto == 5)


async def test_a_lost_ack_heals_itself(tmp_path: Path, broker: Broker) -> None:
    async with (
        Bridge(broker, answers=False).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, stall=0.2, rows=3) as line,
    ):
        await until(lambda: bridge.upto == 3)
        assert line.upto == 0
        bridge.answers = True
        await until(lambda: line.upto == 3)


async def test_a_bridge_that_is_slow_is_not_buried_under_what_it_has(
    tmp_path: Path, broker: Broker
) -> None:
    clock = TurnedClock()
    async with (
        Bridge(broker, answers=False).listening() as bridge,
        forwarding(
            tmp_path / "o.db", broker, stall=0.1, ceiling=10.0, clock=clock, rows=40
        ) as line,
    ):
        await until(lambda: bridge.upto == 40)
        for upto in range(1, 21):  # a word takes longer than it is waited for, again and again
            clock.now += 0.25
            await looked(line)
            line.outbox.confirm(Ack(epoch=line.outbox.standing.epoch, upto=upto))
            await looked(line)
        assert 1 <= line.forwarder.resends <= 12, "sent again as often as it spoke"


async def test_a_killed_broker_costs_nothing(
    tmp_path: Path, broker: Broker, mosquitto: Mosquitto
) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, stall=0.3) as line,
    ):
        await line.put("before")
        await until(lambda: line.upto == 1)
        mosquitto.kill()
        await until(lambda: not line.forwarder.connected)
        await line.put(*(f"offline {n}" for n in range(250)))
        assert line.outbox.standing.waiting == 250
        await mosquitto.start()
        await until(lambda: line.upto == 251)
        assert sorted(set(bridge.seqs)) == list(range(1, 252))
        assert bridge.upto == 251


async def test_a_broker_that_loses_what_it_acknowledged_costs_nothing(
    tmp_path: Path, broker: Broker, mosquitto: Mosquitto
) -> None:
    """No bridge is there: the broker says PUBACK and forgets."""
    async with forwarding(tmp_path / "o.db", broker, stall=0.3, rows=120) as line:
        await until(lambda: line.forwarder.at_broker == 120)
        mosquitto.kill()
        await until(lambda: not line.forwarder.connected)
        await mosquitto.start()
        async with Bridge(broker).listening() as bridge:
            await until(lambda: line.upto == 120)
            assert bridge.upto == 120


async def test_a_broker_that_hangs_and_goes_on_costs_nothing(
    tmp_path: Path, broker: Broker, mosquitto: Mosquitto
) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, stall=0.2) as line,
    ):
        await line.put("before")
        await until(lambda: line.upto == 1)
        mosquitto.freeze()
        await line.put(*(f"frozen {n}" for n in range(5)))
        await until(lambda: line.forwarder.resends > 0)
        assert line.upto == 1
        mosquitto.thaw()
        await until(lambda: line.upto == 6)
        assert bridge.upto == 6


async def test_a_broker_that_hangs_for_good_is_left(tmp_path: Path, mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url, keepalive=5)
    async with Bridge(broker).listening(), forwarding(tmp_path / "o.db", broker) as line:
        await until(lambda: line.forwarder.connected)
        mosquitto.freeze()
        await line.put("scan")
        await until(lambda: not line.forwarder.connected)
        mosquitto.thaw()
        await until(lambda: line.upto == 1)


async def test_the_goodbye_to_a_broker_that_hangs_is_short(
    tmp_path: Path, broker: Broker, mosquitto: Mosquitto
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        line = await stack.enter_async_context(forwarding(tmp_path / "o.db", broker))
        await until(lambda: line.forwarder.connected)
        mosquitto.freeze()
        with Stopwatch() as stopwatch:
            await stack.aclose()
    assert stopwatch.waited < 4


async def looked(line: Line) -> None:
    """Wake the sender, and return when it has seen how late it is and waits again."""
    changed = line.outbox.changed
    changed.set()
    async with asyncio.timeout(CEILING):
        while changed.is_set():
            await asyncio.sleep(0)
        for _ in range(10):  # it reads what it sends again from memory
            await asyncio.sleep(0)


# The bridge's word


async def test_a_retained_word_about_an_earlier_store_is_not_ours(
    tmp_path: Path, broker: Broker
) -> None:
    async with office(broker) as bridge:
        old = Ack(epoch=uuid.uuid4(), upto=3, conflict=2).model_dump_json()
        await bridge.publish(TOPICS.ack, old, retain=True)
        async with forwarding(tmp_path / "o.db", broker, rows=3) as line:
            await until(lambda: line.forwarder.at_broker == 3)
            await settled(bridge, line)
            assert line.upto == 0
            assert line.outbox.standing.conflict is None


async def settled(bridge: Connection, line: Line) -> None:
    """Return when all that was said on the ack topic has been heard: this is said last."""
    heard = asyncio.Event()
    hear = line.forwarder._hear

    async def note(message: Any) -> None:
        await hear(message)
        if message.payload == b"the end":
            heard.set()

    line.forwarder._hear = note  # type: ignore[method-assign]
    await bridge.publish(TOPICS.ack, "the end")
    async with asyncio.timeout(CEILING):
        await heard.wait()
    line.forwarder._hear = hear  # type: ignore[method-assign]


HOSTILE = [
    b"",
    b"no json",
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b"{" + b" " * 300_000 + b"}",
    b"null",
    b"[]",
    b'"upto"',
    b'{"upto": 3}',
    b'{"epoch": "EPOCH", "upto": "three"}',
    b'{"epoch": "EPOCH", "upto": -1}',
    b'{"epoch": "EPOCH", "upto": 1e400}',
    b'{"epoch": "EPOCH", "upto": 3, "extra": 1}',
    b'{"epoch": "EPOCH", "upto": 3, "conflict": 0}',
    b'{"epoch": "EPOCH", "upto": 3, "rejected": [{"seq": 1, "code": "me", "text": ""}]}',
    b'{"epoch": "EPOCH", "upto": NaN}',
    b'{"epoch": "EPOCH", "upto": 99999999999999999999999999}',
    b'{"epoch": "EPOCH", "upto": 3' + b" " * 70_000 + b"}",
]


async def test_nonsense_on_the_ack_topic_is_not_believed(tmp_path: Path, broker: Broker) -> None:
    async with (
        office(broker) as bridge,
        forwarding(tmp_path / "o.db", broker, rows=3) as line,
    ):
        await until(lambda: line.forwarder.at_broker == 3)
        epoch = str(line.outbox.standing.epoch).encode()
        for payload in HOSTILE:
            await bridge.publish(TOPICS.ack, payload.replace(b"EPOCH", epoch))
        await settled(bridge, line)
        assert line.upto == 0
        assert line.outbox.standing.conflict is None
        await bridge.publish(
            TOPICS.ack, Ack(epoch=line.outbox.standing.epoch, upto=3).model_dump_json()
        )
        await until(lambda: line.upto == 3)


async def test_a_word_about_rows_that_never_were_is_not_believed(
    tmp_path: Path, broker: Broker
) -> None:
    path = tmp_path / "o.db"
    async with office(broker) as bridge, forwarding(path, broker, rows=3) as line:
        await until(lambda: line.forwarder.at_broker == 3)
        epoch = line.outbox.standing.epoch
        rejected = (Rejected(seq=4, code="refused", text="never was"),)
        for ack in (
            Ack(epoch=epoch, upto=4),
            Ack(epoch=epoch, upto=3, posted=4),
            Ack(epoch=epoch, upto=0, rejected=rejected),
        ):
            await bridge.publish(TOPICS.ack, ack.model_dump_json())
        await settled(bridge, line)
        assert line.upto == 0
        assert line.outbox.standing.posted == 0
    async with forwarding(path, broker) as line:
        assert await line.outbox.rejections(10) == []


async def test_rejections_are_written_down(tmp_path: Path, broker: Broker) -> None:
    path = tmp_path / "o.db"
    async with office(broker) as bridge, forwarding(path, broker, rows=3) as line:
        await until(lambda: line.forwarder.at_broker == 3)
        ack = Ack(
            epoch=line.outbox.standing.epoch,
            upto=3,
            posted=3,
            rejected=(Rejected(seq=2, code="unknown_sku", text="no such item"),),
        )
        await bridge.publish(TOPICS.ack, ack.model_dump_json())
        await until(lambda: line.upto == 3)
    async with open_outbox(path) as outbox:
        assert await outbox.rejections(10) == [(2, "unknown_sku", "no such item")]
        assert (outbox.standing.upto, outbox.standing.posted) == (3, 3)


async def test_after_a_conflict_nothing_more_is_sent_until_it_is_over(
    tmp_path: Path, broker: Broker
) -> None:
    async with (
        Bridge(broker, answers=False).listening() as bridge,
        office(broker) as person,
        forwarding(
            tmp_path / "o.db", broker, stall=0.1, clock=(clock := TurnedClock()), rows=3
        ) as line,
    ):
        await until(lambda: bridge.upto == 3)
        epoch = line.outbox.standing.epoch
        await person.publish(TOPICS.ack, Ack(epoch=epoch, upto=1, conflict=2).model_dump_json())
        await until(lambda: line.outbox.standing.conflict == 2)
        await line.put("after the conflict")
        clock.now += 60
        await looked(line)
        with pytest.raises(TimeoutError):
            await until(lambda: 4 in bridge.seqs or line.forwarder.resends > 0, within=1)
        assert bridge.seqs == [1, 2, 3]
        bridge.answers = True
        await person.publish(TOPICS.ack, Ack(epoch=epoch, upto=1).model_dump_json())
        await until(lambda: line.upto == 4)


async def test_a_store_that_is_an_old_copy_hears_of_the_conflict(
    tmp_path: Path, broker: Broker
) -> None:
    """The bridge has 100 rows, the restored copy has 3."""
    async with office(broker) as bridge, forwarding(tmp_path / "o.db", broker, rows=3) as line:
        epoch = line.outbox.standing.epoch
        ack = Ack(epoch=epoch, upto=100, conflict=3).model_dump_json()
        await bridge.publish(TOPICS.ack, ack, retain=True)
        await until(lambda: line.outbox.standing.conflict == 3)
        assert line.upto == 0
        # A later word without it, still about rows that are not ours, does not lift it.
        await bridge.publish(TOPICS.ack, Ack(epoch=epoch, upto=100).model_dump_json())
        await settled(bridge, line)
        assert line.outbox.standing.conflict == 3


async def test_a_broker_without_a_bridge_is_told_from_one_with(
    tmp_path: Path, broker: Broker
) -> None:
    async with forwarding(tmp_path / "o.db", broker, stall=0.2, rows=1) as line:
        await until(lambda: line.forwarder.bridge_absent)
        assert line.upto == 0
        async with Bridge(broker).listening():
            await until(lambda: line.upto == 1)
            assert not line.forwarder.bridge_absent


async def test_a_refused_publish_is_shown_until_it_is_allowed(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic read #\ntopic write {TOPICS.status}\n")
    acl.chmod(0o600)
    mosquitto = Mosquitto(tmp_path, extra=f"acl_file {acl}\n")
    await mosquitto.start()
    broker = Broker(url=mosquitto.url)
    try:
        async with forwarding(tmp_path / "o.db", broker, stall=0.2, rows=1) as line:
            await until(lambda: line.forwarder.refusal is not None)
            assert TOPICS.tx in str(line.forwarder.refusal)
            assert "Not authorized" in str(line.forwarder.refusal)
            assert line.forwarder.at_broker == 0
            acl.write_text("topic readwrite #\n")
            os.kill(mosquitto.pid, signal.SIGHUP)
            async with Bridge(broker).listening():
                await until(lambda: line.upto == 1)
                assert line.forwarder.refusal is None
    finally:
        mosquitto.kill()


async def test_a_broker_that_says_no_is_asked_again(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    mosquitto = Mosquitto(tmp_path, extra=f"password_file {passwords}\nallow_anonymous false\n")
    await mosquitto.start()
    try:
        async with forwarding(tmp_path / "o.db", Broker(url=mosquitto.url), rows=1) as line:
            await until(lambda: line.forwarder.refusal is not None)
            assert "uthori" in str(line.forwarder.refusal)
            assert not line.forwarder.connected
    finally:
        mosquitto.kill()


# Packing


async def test_a_backlog_leaves_packed(tmp_path: Path, broker: Broker) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, rows=5000) as line,
    ):
        await until(lambda: line.upto == 5000, within=60)
        assert bridge.seqs == list(range(1, 5001))
        assert len(bridge.envelopes) <= 60
        assert line.forwarder.resends == 0


async def test_long_rows_leave_in_envelopes_of_bounded_size(tmp_path: Path, broker: Broker) -> None:
    """The bridge checks each envelope's size."""
    async with Bridge(broker).listening() as bridge, forwarding(tmp_path / "o.db", broker) as line:
        longest = 60_000 - len(canonical({"epoch": str(uuid.uuid4()), "seq": 1, "text": ""}))
        await line.outbox.put(
            [
                body("x" * longest),
                *(body("é" * 1500) for _ in range(200)),
                body("y" * longest),
                body("short"),
            ]
        )
        await until(lambda: line.upto == 203)
        assert bridge.seqs == list(range(1, 204))
        assert bridge.envelopes[0] == 1
        assert len(bridge.envelopes) < 20


async def test_words_are_taken_in_their_order_though_the_first_needs_the_disk(
    tmp_path: Path, broker: Broker
) -> None:
    path = tmp_path / "o.db"
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        rows = await outbox.put([body(str(n)) for n in range(3)])
        writer.cancel()
        await asyncio.wait([writer])
    async with office(broker) as bridge, forwarding(path, broker) as line:
        epoch = line.outbox.standing.epoch
        seen: list[tuple[int, int | None]] = []

        def look() -> None:
            seen.append((line.outbox.standing.upto, line.outbox.standing.conflict))

        line.forwarder.changed = look
        await until(lambda: line.connection is not None)
        # The row is not in memory: this is another life of the outbox.
        first = Ack(epoch=epoch, upto=2, digest=rows[1].digest, conflict=2)
        assert line.outbox.agrees_from_memory(first) is None
        for word in (first, Ack(epoch=epoch, upto=3)):
            bridge.publish(TOPICS.ack, word.model_dump_json())
        await until(lambda: {(2, 2), (3, None)} <= set(seen))
        assert seen.index((2, 2)) < seen.index((3, None))


# What is retained


async def test_the_status_says_whether_it_is_there(tmp_path: Path, broker: Broker) -> None:
    async with office(broker, TOPICS.status) as connection:
        person = Ear(connection)
        async with forwarding(tmp_path / "o.db", broker) as line:
            assert await person.hears() == b'{"online":true}'
            await until(lambda: line.connection is not None)
            assert line.connection is not None
            plug = line.connection._client.plug
            assert plug is not None
            plug.sock.shutdown(socket.SHUT_RDWR)
            assert await person.hears() == b"{}"
            assert await person.hears() == b'{"online":true}'
        assert await person.hears() == b"{}"  # the goodbye of one who leaves on purpose
    async with office(broker, TOPICS.status) as late:
        async with asyncio.timeout(CEILING):
            [message] = await late.receive()
        assert (message.payload, message.retain) == (b"{}", True)


class Ear:
    """Hears one message after the other, however many arrive at once on a busy machine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: deque[Message] = deque()

    async def hears(self) -> bytes:
        """Wait for the next payload."""
        async with asyncio.timeout(CEILING):
            while not self._heard:
                self._heard.extend(await self._connection.receive())
        return self._heard.popleft().payload


class Whole:
    """Forwarder and health over one bench, as the daemon wires them."""

    def __init__(self, outbox: Outbox, broker: Broker, clock: Clock) -> None:
        config = gateway()
        self.signals, self.clock = Signals(), clock
        self.forwarder = Forwarder(outbox, broker, TOPICS, self.clock, stall=0.2)
        self.health = Health(TOPICS, "0", outbox, self.forwarder, self.signals, self.clock, "/")
        changed = self.forwarder.changed = self.health.changed.set
        [station] = config.stations
        intake = Intake("dock-1", outbox, self.clock)
        self.bench = Bench(station, intake, self.signals, config.codes, self.clock, changed)
        self.health.benches = [self.bench]
        self.health.supervisors = [
            Supervisor(device, self.bench.accept, changed) for device in station.devices
        ]

    async def run(self) -> None:
        await self.forwarder.run(self.health.birth, self.health.will, self.health.publish)


@contextlib.asynccontextmanager
async def whole(path: Path, broker: Broker, clock: Clock | None = None) -> AsyncIterator[Whole]:
    async with open_outbox(path) as outbox:
        made = Whole(outbox, broker, clock or Clock())
        tasks = [asyncio.create_task(outbox.write()), asyncio.create_task(made.run())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in outcomes), outcomes


async def retained(
    broker: Broker, topic: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True
) -> dict[str, Any]:
    """Return what is found there, then or as soon as it fits: state is said now and then."""
    async with office(broker, topic) as connection:
        late = Ear(connection)
        while True:
            words: dict[str, Any] = json.loads(await late.hears() or "{}")
            if words and fits(words):
                return words


async def test_state_devices_stations_and_alerts_are_there_for_who_comes_late(
    tmp_path: Path, broker: Broker
) -> None:
    async with whole(tmp_path / "o.db", broker) as gw:
        await gw.bench.accept("scanner-1", [scan("PO:4711"), scan("5901234123457")])
        await until(lambda: gw.forwarder.bridge_absent)
        device = gw.health.supervisors[0]
        device.state = replace(device.state, state="open")
        gw.health.changed.set()
        status = await retained(broker, TOPICS.status)
        assert status["online"] is True
        alert = await retained(broker, TOPICS.alert("bridge-absent"))
        assert (alert["severity"], bool(alert["todo"])) == ("critical", True)
        state = await retained(broker, TOPICS.state, lambda words: words["last"] == 1)
        assert (state["last"], state["upto"], state["waiting"]) == (1, 0, 1)
        await retained(broker, TOPICS.device("scanner-1"), lambda words: words["state"] == "open")
        station = await retained(broker, TOPICS.station("door-1"), lambda words: words["document"])
        assert (station["job"], station["document"]) == ("receiving", "4711")
        [line] = station["lines"]
        assert (line["label"], line["done"]) == ("05901234123457", "1 EA")


async def test_an_alert_is_emptied_when_it_is_over(tmp_path: Path, broker: Broker) -> None:
    topic = TOPICS.alert("bridge-absent")
    async with office(broker, topic) as connection, whole(tmp_path / "o.db", broker) as gw:
        person = Ear(connection)
        await gw.bench.accept("scanner-1", [scan("PO:4711"), scan("5901234123457")])
        async with asyncio.timeout(CEILING):
            while not (payload := await person.hears()):
                continue
            assert json.loads(payload)["code"] == "bridge-absent"
            async with Bridge(broker).listening():
                while payload := await person.hears():  # with how long it has been waiting
                    assert json.loads(payload)["code"] == "bridge-absent"
    async with office(broker, topic, "after") as late:
        await late.publish("after", "nothing was retained before this")
        assert await Ear(late).hears() == b"nothing was retained before this"


async def test_a_conflict_is_an_alert_at_once(tmp_path: Path, broker: Broker) -> None:
    topic = TOPICS.alert("stream-conflict")
    async with office(broker, topic) as connection, whole(tmp_path / "o.db", broker) as gw:
        person = Ear(connection)
        await gw.bench.accept("scanner-1", [scan("PO:4711"), scan("5901234123457")])
        await until(lambda: gw.forwarder.at_broker == 1)
        epoch = gw.forwarder._outbox.standing.epoch
        await connection.publish(TOPICS.ack, Ack(epoch=epoch, upto=0, conflict=1).model_dump_json())
        async with asyncio.timeout(15):  # less than the 30 s at which state is said anyway
            while not (payload := await person.hears()):
                continue
        assert json.loads(payload)["severity"] == "critical"
