"""Two gateways of one name, and orders to send booked rows again, on a real broker."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.envelope import Ack
from gateway.health import alerts
from gateway.rows import Row
from runtime import manners as manners_module
from runtime.mqtt import Broker
from tests.gateway.rig import TurnedClock, scan
from tests.gateway.test_forwarder import (
    CEILING,
    TOPICS,
    Bridge,
    Ear,
    Whole,
    forwarding,
    office,
    until,
    whole,
)
from tests.mosquitto import Mosquitto

EAN = "5901234123457"


@pytest.fixture
def broker(mosquitto: Mosquitto) -> Broker:
    return Broker(url=mosquitto.url)


@contextlib.asynccontextmanager
async def battle(folder: Path, broker: Broker) -> AsyncIterator[tuple[Whole, Whole]]:
    """Yield who gave in first, and the other."""
    async with whole(folder / "one.db", broker) as one, whole(folder / "two.db", broker) as two:
        both = (one, two)
        await until(lambda: any(each.forwarder.manners.taken_over for each in both))
        gave_in = next(each for each in both if each.forwarder.manners.taken_over)
        yield gave_in, one if gave_in is two else two


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_of_two_gateways_with_one_name_one_gives_in_and_goes_on_taking_scans(
    tmp_path: Path, mosquitto: Mosquitto, protocol: str
) -> None:
    broker = Broker.model_validate({"url": mosquitto.url, "protocol": protocol})
    async with Bridge(broker).listening() as bridge, battle(tmp_path, broker) as (loser, winner):
        await until(lambda: winner.forwarder.connected and not loser.forwarder.connected)
        found = {alert.code: alert for alert in alerts(await loser.health.snapshot())}
        assert "one name" in found["session-taken-over"].todo
        for gateway in (loser, winner):
            await gateway.bench.accept("scanner-1", [scan("PO:4711"), scan(EAN)])
        await until(lambda: winner.forwarder._outbox.standing.upto == 1)
        assert loser.forwarder._outbox.standing.last == 1
        assert bridge.envelopes.count(1) >= 1
        assert not loser.forwarder.connected


async def test_the_alert_is_there_when_it_comes_back_and_is_emptied_when_the_other_is_gone(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manners_module, "SLOWLY", (0.5, 0.6))
    topic = TOPICS.alert("session-taken-over")
    clock = TurnedClock()
    async with office(broker, topic) as connection:
        person = Ear(connection)
        async with whole(tmp_path / "one.db", broker, clock) as one:
            async with whole(tmp_path / "two.db", broker):
                await until(lambda: one.forwarder.manners.taken_over)
                while not (payload := await person.hears()):
                    continue
                said = json.loads(payload)
                assert (said["code"], said["severity"]) == ("session-taken-over", "critical")
            await until(lambda: one.forwarder.connected)
            await connection.publish(topic, "the other one is gone")
            while await person.hears() != b"the other one is gone":
                continue
            clock.now += manners_module.CALM + 1
            assert not one.forwarder.manners.taken_over
            one.health.changed.set()
            while await person.hears():
                continue


async def test_a_gateway_that_restarts_is_not_its_own_rival(
    tmp_path: Path, broker: Broker, mosquitto: Mosquitto
) -> None:
    for _ in range(3):
        async with whole(tmp_path / "o.db", broker) as gateway:
            for _ in range(3):
                await until(lambda: gateway.forwarder.connected)
                await until(lambda: gateway.forwarder.manners._said)
                mosquitto.kill()
                await until(lambda: not gateway.forwarder.connected)
                await mosquitto.start()
            assert gateway.forwarder.manners._proofs == 0
            assert not gateway.forwarder.manners.taken_over


async def test_the_bridge_says_how_many_share_the_broker(tmp_path: Path, broker: Broker) -> None:
    async with office(broker) as bridge, forwarding(tmp_path / "o.db", broker) as line:
        word = Ack(epoch=uuid.uuid4(), upto=0).model_dump_json()
        await bridge.publish(TOPICS.ack, word, retain=True, about={"fleet": "200"})
        await until(lambda: line.forwarder.manners.fleet == 200)


# Booked rows once more


async def test_booked_rows_are_sent_again_when_a_person_wants_it(
    tmp_path: Path, broker: Broker
) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, rows=350) as line,
    ):
        await until(lambda: line.upto == 350)
        bridge.seqs.clear()
        assert line.forwarder.send_again(101) == (101, 350)
        await until(lambda: len(bridge.seqs) == 250)
        assert bridge.seqs == list(range(101, 351))
        await line.put("a scan after it")
        await until(lambda: line.upto == 351)
        assert bridge.seqs[250:] == [351]
        assert line.forwarder.resends == 0


async def test_what_is_scanned_meanwhile_goes_first(tmp_path: Path, broker: Broker) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, rows=2000) as line,
    ):
        await until(lambda: line.upto == 2000)
        bridge.seqs.clear()
        stored, after = asyncio.Event(), line.outbox.after

        async def held(seq: int, rows: int, octets: int) -> list[Row]:
            if seq >= 300:  # or else all is sent before a slow disk has stored the next scan
                await stored.wait()
            return await after(seq, rows, octets)

        line.outbox.after = held  # type: ignore[method-assign]
        line.forwarder.send_again(1)
        await line.put("live")
        stored.set()
        await until(lambda: len(bridge.seqs) == 2001)
        assert sorted(bridge.seqs) == list(range(1, 2002))
        assert bridge.seqs.index(2001) <= 300


async def test_a_ledger_that_was_restored_from_a_backup_gets_what_it_lacks(
    tmp_path: Path, broker: Broker
) -> None:
    async with forwarding(tmp_path / "o.db", broker, rows=20) as line:
        async with Bridge(broker).listening():
            await until(lambda: line.upto == 20)
        async with Bridge(broker, upto=12).listening() as restored:
            line.forwarder.send_again(10)
            await until(lambda: restored.upto == 20)
        assert line.upto == 20


async def test_an_order_that_is_given_offline_is_done_when_there_is_a_line(
    tmp_path: Path, broker: Broker, mosquitto: Mosquitto
) -> None:
    async with (
        Bridge(broker).listening() as bridge,
        forwarding(tmp_path / "o.db", broker, rows=5) as line,
    ):
        await until(lambda: line.upto == 5)
        mosquitto.kill()
        await until(lambda: not line.forwarder.connected)
        assert line.forwarder.send_again(4) == (4, 5)
        assert line.forwarder.send_again(2) == (2, 5)  # two orders are one
        bridge.seqs.clear()
        await mosquitto.start()
        async with asyncio.timeout(CEILING):
            while len(bridge.seqs) < 4:
                if line.forwarder.bridge_absent:  # it came back before the bridge: once more
                    line.forwarder.send_again(2)
                await asyncio.sleep(0.05)
        assert sorted(set(bridge.seqs)) == [2, 3, 4, 5]


async def test_there_is_nothing_to_send_again_where_nothing_is_booked(
    tmp_path: Path, broker: Broker
) -> None:
    async with forwarding(tmp_path / "o.db", broker, rows=3) as line:
        assert line.forwarder.send_again(1) is None
        line.outbox.confirm(Ack(epoch=line.outbox.standing.epoch, upto=2))
        assert line.forwarder.send_again(3) is None
        assert line.forwarder.send_again(-5) == (1, 2)
        line.outbox.confirm(Ack(epoch=line.outbox.standing.epoch, upto=2, conflict=1))
        assert line.forwarder.send_again(1) is None
