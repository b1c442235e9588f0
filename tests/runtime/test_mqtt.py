"""MQTT as the house needs it, against a real mosquitto."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime.mqtt import Broker, BrokerLost, PublishRefused, Will, connect
from tests.mosquitto import Mosquitto, free_port
from tests.stopwatch import Stopwatch

CEILING = 60.0


async def test_a_publish_is_done_when_the_broker_has_it(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url)
    async with (
        connect(broker, client_id="reader") as reader,
        connect(broker, client_id="writer") as writer,
    ):
        assert writer.protocol == "5"
        await reader.subscribe("a/b")
        async with asyncio.timeout(CEILING):
            assert await writer.publish("a/b", "beep") is True
            [message] = await reader.receive()
    assert (message.topic, message.payload) == ("a/b", b"beep")


async def test_a_publish_nobody_hears_says_so(mosquitto: Mosquitto) -> None:
    async with connect(Broker(url=mosquitto.url), client_id="writer") as writer:
        async with asyncio.timeout(CEILING):
            assert await writer.publish("a/b", "beep") is False


async def test_a_message_that_was_not_acknowledged_is_not_gone(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url)
    async with (
        connect(broker, client_id="w") as writer,
        connect(broker, client_id="r", manual_ack=True, receive_maximum=2) as reader,
    ):
        await reader.subscribe("t")
        sent = [writer.publish("t", str(number)) for number in range(4)]
        async with asyncio.timeout(CEILING):
            await asyncio.gather(*sent)
            first = await reader.receive()
            while len(first) < 2:
                first += await reader.receive()
            assert [message.payload for message in first] == [b"0", b"1"]
            for message in first:
                reader.ack(message)
            rest = await reader.receive()
            while len(rest) < 2:
                rest += await reader.receive()
    assert [message.payload for message in rest] == [b"2", b"3"]


async def test_pending_publishes_fail_at_once_when_the_broker_dies(mosquitto: Mosquitto) -> None:
    async with connect(Broker(url=mosquitto.url), client_id="writer") as writer:
        mosquitto.freeze()
        pending = [writer.publish("t", str(number)) for number in range(50)]
        await asyncio.sleep(0)
        mosquitto.kill()
        async with asyncio.timeout(CEILING):
            with Stopwatch() as stopwatch:
                outcomes = await asyncio.gather(*pending, return_exceptions=True)
                with pytest.raises(BrokerLost):
                    await writer.receive()
        assert stopwatch.waited < 5
        assert writer.lost
    assert {type(outcome) for outcome in outcomes} == {BrokerLost}, outcomes


async def test_a_refused_publish_is_not_a_success(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    broker = Mosquitto(tmp_path, extra=f"acl_file {acl}\n")
    await broker.start()
    try:
        async with connect(Broker(url=broker.url), client_id="writer") as writer:
            async with asyncio.timeout(CEILING):
                with pytest.raises(PublishRefused, match="Not authorized"):
                    await writer.publish("t", "x")
    finally:
        broker.kill()


async def test_the_last_will_is_spoken_for_the_dead(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url)
    async with connect(broker, client_id="reader") as reader:
        await reader.subscribe("status")
        async with connect(broker, client_id="writer", will=Will("status", "gone")) as writer:
            writer._client._client._sock_close()
        async with asyncio.timeout(CEILING):
            [message] = await reader.receive()
    assert message.payload == b"gone"


async def test_nobody_there_is_said_in_time() -> None:
    async with asyncio.timeout(CEILING):
        with Stopwatch() as stopwatch, pytest.raises(BrokerLost, match="refused"):
            async with connect(Broker(url=f"mqtt://127.0.0.1:{free_port()}"), client_id="x"):
                pass
    assert stopwatch.waited < 15


async def test_a_broker_that_speaks_only_3_1_1_is_spoken_to_in_3_1_1() -> None:
    """A broker stand-in: real ones of that age cannot be had here. It hangs up on version 5."""
    versions = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(2)
        connect_packet = await reader.readexactly(header[1])
        versions.append(connect_packet[6])
        if connect_packet[6] == 4:
            writer.write(b"\x20\x02\x00\x00")
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(CEILING), server:
        async with connect(Broker(url=f"mqtt://127.0.0.1:{port}"), client_id="x") as connection:
            assert connection.protocol == "3.1.1"
        server.close()
    assert versions == [5, 4]


async def test_a_forced_3_1_1_works_on_a_broker_that_could_do_more(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url, protocol="3.1.1")
    async with connect(broker, client_id="both") as both:
        assert both.protocol == "3.1.1"
        await both.subscribe("t")
        async with asyncio.timeout(CEILING):
            assert await both.publish("t", "x", expiry=5)
            [message] = await both.receive()
    assert message.payload == b"x"


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1", "http://host", "mqtt://", "mqtt://user:pw@host", "mqtt://host:notaport"],
)
def test_a_wrong_address_is_refused_before_anything_is_opened(url: str) -> None:
    with pytest.raises(ValidationError):
        Broker(url=url)


async def test_a_cancellation_that_comes_with_the_answer_is_not_forgotten(
    mosquitto: Mosquitto,
) -> None:
    async with connect(Broker(url=mosquitto.url), client_id="x") as connection:
        subscribing = asyncio.create_task(connection.subscribe("t"))
        on_subscribe = connection._client._on_subscribe

        def answer_and_cancel(*heard: object) -> None:
            on_subscribe(*heard)  # type: ignore[arg-type]
            subscribing.cancel()

        connection._client._client.on_subscribe = answer_and_cancel
        async with asyncio.timeout(CEILING):
            with pytest.raises(asyncio.CancelledError):
                await subscribing
