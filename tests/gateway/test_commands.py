"""Questions and orders over MQTT, on a real broker."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contract.commands import MAX_COMMAND
from contract.envelope import Ack, Rejected
from contract.topics import Topics
from gateway.commands import _WAITING, Commands
from gateway.forwarder import Forwarder
from gateway.whereabouts import Whereabout, Whereabouts
from runtime.mqtt import Broker, Connection, Message
from tests.gateway.rig import Rig, rigged
from tests.gateway.test_forwarder import CEILING, TOPICS, Bridge, Line, forwarding, office, until
from tests.mosquitto import Mosquitto

EAN = "5901234123457"
OTHERS = Topics("north", "dock-2")


class Office:
    """A person with an MQTT tool."""

    def __init__(self, line: Line, connection: Connection) -> None:
        self.line = line
        self.connection = connection

    async def ask(self, command: str, cid: str = "q-1", **more: Any) -> dict[str, Any]:
        await self.say(TOPICS.command(command), {"command": command, "cid": cid, **more})
        return await self.answer(cid)

    async def say(self, topic: str, words: Any, *, retain: bool = False) -> None:
        text = words if isinstance(words, bytes) else json.dumps(words)
        await self.connection.publish(topic, text, retain=retain)

    async def answer(self, cid: str) -> dict[str, Any]:
        """Return the next answer there is, which must be this one."""
        async with asyncio.timeout(CEILING):
            [message] = await self.connection.receive()
        assert message.topic == TOPICS.response(cid)
        words: dict[str, Any] = json.loads(message.payload)
        assert words["cid"] == cid
        return words


@contextlib.asynccontextmanager
async def asking(path: Path, broker: Broker, rows: int = 0) -> AsyncIterator[Office]:
    async with (
        office(broker, "scanpost/v1/+/+/rsp/+", "elsewhere") as person,
        forwarding(path, broker, rows=rows) as line,
    ):
        forwarder = line.forwarder
        whereabouts = Whereabouts(line.outbox, forwarder)
        commands = Commands(TOPICS, "1.2.3", line.outbox, forwarder, whereabouts)
        forwarder.overhear = commands.hear
        await until(lambda: line.connection is not None)
        assert line.connection is not None
        serving = asyncio.create_task(commands.serve(line.connection))
        try:
            async with asyncio.timeout(CEILING):  # until it has subscribed nobody hears a command
                while not await person.publish(TOPICS.command("nothing"), "{}"):
                    await asyncio.sleep(0.01)
            yield Office(line, person)
        finally:
            serving.cancel()
            await asyncio.wait([serving])


@pytest.fixture
def broker(mosquitto: Mosquitto) -> Broker:
    return Broker(url=mosquitto.url)


async def test_a_ping_says_how_far_it_is(tmp_path: Path, broker: Broker) -> None:
    async with asking(tmp_path / "o.db", broker, rows=3) as person:
        standing = person.line.outbox.standing
        assert await person.ask("ping") == {
            "cid": "q-1",
            "command": "ping",
            "pong": {
                "version": "1.2.3",
                "epoch": str(standing.epoch),
                "last": 3,
                "upto": 0,
                "posted": 0,
            },
        }


async def test_booked_rows_are_sent_again_by_order(tmp_path: Path, broker: Broker) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        asking(tmp_path / "o.db", broker, rows=120) as person,
    ):
        await until(lambda: person.line.upto == 120)
        bridge.seqs.clear()
        answer = await person.ask("resend-recent", last=20)
        assert answer["resending"] == {"first": 101, "last": 120}
        await until(lambda: bridge.seqs == list(range(101, 121)))
        await person.ask("resend-recent", first=119)
        await until(lambda: bridge.seqs[20:] == [119, 120])
        assert "no row" in (await person.ask("resend-recent", first=500))["error"]


async def test_where_is_my_scan_has_an_answer_for_every_state(
    tmp_path: Path, broker: Broker
) -> None:
    async with asking(tmp_path / "o.db", broker, rows=5) as person:
        outbox = person.line.outbox
        await until(lambda: person.line.forwarder.at_broker == 5)
        rejected = (Rejected(seq=1, code="unknown_sku", text="no such item"),)
        epoch = outbox.standing.epoch
        outbox.confirm(Ack(epoch=epoch, upto=3, posted=2, rejected=rejected))
        person.line.forwarder.at_broker = 4
        found = [(await person.ask("where", seq=seq))["place"] for seq in range(1, 6)]
        assert [place["state"] for place in found] == [
            "rejected", "posted", "booked", "at broker", "saved",
        ]  # fmt: skip
        assert found[0] == {
            "epoch": str(epoch),
            "seq": 1,
            "state": "rejected",
            "code": "unknown_sku",
            "why": "no such item",
        }
        assert "not among" in (await person.ask("where", seq=6))["error"]
        assert "not among" in (await person.ask("where", id=str(uuid.uuid4())))["error"]


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        (TOPICS.command("ping"), b""),
        (TOPICS.command("ping"), b"no json"),
        (TOPICS.command("ping"), b"[" * 4_000),
        (TOPICS.command("ping"), {"command": "ping"}),
        (TOPICS.command("ping"), {"command": "ping", "cid": "../../x"}),
        (TOPICS.command("ping"), {"command": "ping", "cid": "#"}),
        (TOPICS.command("ping"), {"command": "ping", "cid": "q", "more": "x" * MAX_COMMAND}),
        (TOPICS.command("ping"), {"command": "ping", "cid": "q", "more": 1}),
        (TOPICS.command("ping"), {"command": "ping", "cid": "q", "reply_to": "elsewhere"}),
        (
            TOPICS.command("ping"),
            {"command": "ping", "cid": "q", "reply_to": OTHERS.response("q")},
        ),
        (TOPICS.command("ping"), {"command": "ping", "cid": "q", "reply_to": TOPICS.ack}),
        (TOPICS.command("where"), {"command": "ping", "cid": "q"}),
        (TOPICS.command("where"), {"command": "where", "cid": "q"}),
        (TOPICS.command("where"), {"command": "where", "cid": "q", "seq": 0}),
        (TOPICS.command("where"), {"command": "where", "cid": "q", "seq": "first"}),
        (
            TOPICS.command("where"),
            {"command": "where", "cid": "q", "seq": 1, "id": str(uuid.UUID(int=0))},
        ),
        (TOPICS.command("resend-recent"), {"command": "resend-recent", "cid": "q", "last": 10**6}),
        (TOPICS.command("restart"), {"command": "restart", "cid": "q"}),
        (OTHERS.command("ping"), {"command": "ping", "cid": "q"}),
    ],
)
async def test_what_is_no_command_is_not_answered(
    tmp_path: Path, broker: Broker, topic: str, words: Any
) -> None:
    async with asking(tmp_path / "o.db", broker) as person:
        await person.say(topic, words)
        assert "pong" in await person.ask("ping", "after")  # and nothing came before this


async def test_a_command_that_was_retained_is_not_obeyed_at_each_connection(
    tmp_path: Path, broker: Broker
) -> None:
    async with office(broker) as careless:
        words = json.dumps({"command": "ping", "cid": "q"})
        await careless.publish(TOPICS.command("ping"), words, retain=True)
    async with asking(tmp_path / "o.db", broker) as person:
        assert "pong" in await person.ask("ping", "after")


async def test_the_answer_brings_back_the_correlation_of_mqtt_5(
    tmp_path: Path, broker: Broker
) -> None:
    async with asking(tmp_path / "o.db", broker) as person:
        words = json.dumps({"command": "ping", "cid": "q"})
        topic = TOPICS.command("ping")
        await person.connection.publish(topic, words, correlation=b"\x00mine")
        async with asyncio.timeout(CEILING):
            [message] = await person.connection.receive()
        assert message.correlation == b"\x00mine"


async def test_a_flood_of_commands_is_bounded_and_logged_once(
    tmp_path: Path,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looking, done = asyncio.Event(), asyncio.Event()
    by_id = Whereabouts.by_id

    async def slowly(self: Whereabouts, wanted: uuid.UUID) -> Whereabout | None:
        looking.set()
        await done.wait()
        return await by_id(self, wanted)

    monkeypatch.setattr(Whereabouts, "by_id", slowly)
    async with asking(tmp_path / "o.db", broker, rows=1000) as person:
        caplog.clear()
        hear, came = person.line.forwarder.overhear, []

        def count(message: Message) -> None:
            came.append(message)
            hear(message)

        person.line.forwarder.overhear = count
        for number in range(500):
            words = {"command": "where", "cid": f"q-{number}", "id": str(uuid.uuid4())}
            person.connection.publish(TOPICS.command("where"), json.dumps(words))
            if number == 0:  # the others wait for the answer to this one
                async with asyncio.timeout(CEILING):
                    await looking.wait()
        await until(lambda: len(came) == 500)
        await person.line.put("a scan meanwhile")
        await until(lambda: person.line.forwarder.at_broker == 1001)
        done.set()
        heard: list[str] = []
        async with asyncio.timeout(CEILING):
            while len(heard) < 1 + _WAITING:
                heard += [each.topic for each in await person.connection.receive()]
        assert heard == [TOPICS.response(f"q-{number}") for number in range(1 + _WAITING)]
        assert "pong" in await person.ask("ping", "last")  # and no other was answered
        assert sum("dropped" in each.message for each in caplog.records) == 1


# Where things are, by their id


async def _id_of(rig: Rig, seq: int) -> uuid.UUID:
    return next(each.id for each in rig.stored() if each.seq == seq)


async def test_a_transaction_is_found_by_its_id_however_many_came_after_it(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db") as rig:
        forwarder = Forwarder(rig.outbox, Broker(), TOPICS, rig.clock)
        whereabouts = Whereabouts(rig.outbox, forwarder)
        await rig.scan("PO:1", EAN)
        wanted = await _id_of(rig, 1)
        await rig.outbox.put([lambda _, seq: json.dumps({"seq": seq})] * 1200)
        found = await whereabouts.by_id(wanted)
        assert found is not None
        assert (found.seq, found.state) == (1, "saved")
        assert found.transaction is not None
        assert found.transaction["id"] == str(wanted)


async def test_what_is_no_longer_kept_still_has_a_state(tmp_path: Path, broker: Broker) -> None:
    async with forwarding(tmp_path / "o.db", broker, rows=300) as line:
        whereabouts = Whereabouts(line.outbox, line.forwarder)
        line.outbox.confirm(Ack(epoch=line.outbox.standing.epoch, upto=250))
        await line.outbox.keep(100)
    async with forwarding(tmp_path / "o.db", broker) as line:  # nothing is in memory any more
        whereabouts = Whereabouts(line.outbox, line.forwarder)
        found = await whereabouts.by_seq(20)
        assert found is not None
        assert (found.state, found.transaction) == ("booked", None)
        assert await whereabouts.by_id(uuid.uuid4()) is None
        assert await whereabouts.by_seq(301) is None
        assert await whereabouts.by_seq(0) is None
