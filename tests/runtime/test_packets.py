"""PUBLISH and PUBACK as bytes: the standard's own figures, paho's reading, and anything at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from runtime.mqtt import Broker, BrokerLost, Connection, Message, PublishRefused, connect
from runtime.packets import (
    LARGEST,
    PUBACK,
    PUBLISH,
    Malformed,
    Packet,
    Splitter,
    puback,
    publish,
    read_puback,
    read_publish,
)
from tests.mosquitto import Mosquitto

CEILING = 20.0
topics = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1)


def whole(raw: bytes) -> Packet:
    [packet] = Splitter().feed(raw)
    return packet


def test_a_publish_is_the_bytes_of_the_standard() -> None:
    """Topic name a/b, packet identifier 10: figure 3-10 of MQTT 5.0."""
    raw = publish("a/b", b"", qos=1, retain=False, mid=10, properties=b"\0")
    assert raw == bytes.fromhex("32 08 0003 612f62 000a 00")
    assert puback(10) == bytes.fromhex("40 02 000a")


@given(
    topic=topics.filter(lambda name: len(name.encode()) < 0x10000),
    payload=st.binary(max_size=300) | st.integers(16_000, 17_000).map(bytes),
    qos=st.integers(0, 1),
    retain=st.booleans(),
    mid=st.integers(1, 0xFFFF),
    version5=st.booleans(),
    expiry=st.none() | st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 17_000), max_size=5),
)
def test_what_is_written_is_what_is_read_however_it_arrives(
    topic: str,
    payload: bytes,
    qos: int,
    retain: bool,
    mid: int,
    version5: bool,
    expiry: int | None,
    cuts: list[int],
) -> None:
    said = b"\0" if version5 else b""
    if version5 and expiry is not None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = expiry
        said = bytes(properties.pack())
    raw = publish(topic, payload, qos=qos, retain=retain, mid=mid, properties=said) + puback(mid)
    splitter, at = Splitter(), 0
    found: list[Packet] = []
    for cut in [*sorted(cuts), len(raw)]:
        found += splitter.feed(raw[at : max(at, cut)])
        at = max(at, cut)
    assert [packet.kind for packet in found] == [PUBLISH, PUBACK]
    read = read_publish(found[0], version5)
    assert read[:5] == (topic, payload, qos, retain, mid if qos else 0)
    told = read.properties
    assert getattr(told, "MessageExpiryInterval", None) == (expiry if version5 else None)
    assert read_puback(found[1]) == (mid, 0)


@given(pieces=st.lists(st.binary(max_size=40), max_size=6), version5=st.booleans())
def test_anything_at_all_is_read_or_refused(pieces: list[bytes], version5: bool) -> None:
    splitter = Splitter()
    with contextlib.suppress(Malformed):
        for packet in (each for piece in pieces for each in splitter.feed(piece)):
            for read in (lambda each: read_publish(each, version5), read_puback):
                with contextlib.suppress(Malformed):
                    read(packet)


@pytest.mark.parametrize(
    "raw",
    [
        bytes.fromhex("30 80808080 01"),  # five bytes of length
        b"\x30" + bytes([0x80 | LARGEST + 1 & 0x7F, 0x80, 0x80, 8 + 1]),  # more than is taken
    ],
)
def test_a_length_that_cannot_be_is_refused_before_anything_is_kept(raw: bytes) -> None:
    with pytest.raises(Malformed):
        list(Splitter().feed(raw))


@pytest.mark.parametrize(
    ("raw", "version5"),
    [
        ("30 01 00", False),  # half the length of a topic
        ("30 03 000561", False),  # a topic longer than the packet
        ("30 03 0001ff", False),  # a topic that is no UTF-8
        ("32 04 000161 00", False),  # half a packet identifier
        ("30 03 000161", True),  # no properties on MQTT 5
        ("30 05 000161 01ff", True),  # a property there is not
        ("30 06 000161 02 0201", True),  # an expiry that is cut off
    ],
)
def test_a_publish_that_is_none_is_refused(raw: str, version5: bool) -> None:
    with pytest.raises(Malformed):
        read_publish(whole(bytes.fromhex(raw)), version5)


def test_a_puback_without_a_number_is_refused() -> None:
    with pytest.raises(Malformed):
        read_puback(whole(bytes.fromhex("40 01 00")))


@pytest.mark.parametrize("topic", ["", "a/+", "#", "x" * 0x10000])
def test_nothing_is_published_to_a_topic_that_is_none(topic: str) -> None:
    with pytest.raises(ValueError, match="no topic"):
        publish(topic, b"", qos=0, retain=False, mid=0, properties=b"")


@contextlib.asynccontextmanager
async def stand_in(says: bytes) -> AsyncIterator[Broker]:
    """A broker stand-in, for what no real one says: `says` comes right behind its CONNACK."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x03\x00\x00\x00" + says)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with asyncio.timeout(CEILING), server:
        yield Broker(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", protocol="5")
        server.close()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("30 80808080 01", "length"),
        ("30 05 000161 01ff", "properties"),
        ("40 01 00", "PUBACK"),
        ("f0 00", "ended"),  # paho's to judge
    ],
)
async def test_a_broker_that_talks_nonsense_is_left_with_a_reason(says: str, why: str) -> None:
    async with (
        stand_in(bytes.fromhex(says)) as broker,
        connect(broker, client_id="x") as connection,
    ):
        with pytest.raises(BrokerLost, match=why):
            await connection.receive()
        with pytest.raises(BrokerLost):
            await connection.publish("t", "x")


async def test_who_speaks_no_mqtt_at_all_is_left_at_once() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"\xff" * 20)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(CEILING), server:
        with pytest.raises(BrokerLost, match=r"no MQTT is spoken here: .*length"):
            async with connect(Broker(url=url), client_id="x"):
                pass
        server.close()


async def test_what_came_before_the_nonsense_is_heard() -> None:
    good = publish("t", b"beep", qos=0, retain=False, mid=0, properties=b"\0")
    async with (
        stand_in(good + b"\x30\x80\x80\x80\x80\x01") as broker,
        connect(broker, client_id="x") as connection,
    ):
        [message] = await connection.receive()
        assert message.payload == b"beep"
        with pytest.raises(BrokerLost):
            await connection.receive()


async def heard(connection: Connection, count: int) -> list[Message]:
    found: list[Message] = []
    async with asyncio.timeout(CEILING):
        while len(found) < count:
            found += await connection.receive()
    return found


async def test_who_listens_at_once_hears_before_anybody_waits(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url)
    async with (
        connect(broker, client_id="r") as reader,
        connect(broker, client_id="w") as writer,
    ):
        await reader.subscribe("t")
        first: list[bytes] = []

        def odd(message: Message) -> bool:
            first.append(message.payload)
            return int(message.payload) % 2 == 1

        reader.hear_with(odd)
        sent = [writer.publish("t", str(number)) for number in range(6)]
        async with asyncio.timeout(CEILING):
            await asyncio.gather(*sent)
        assert [message.payload for message in await heard(reader, 3)] == [b"0", b"2", b"4"]
        assert first == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_the_shorter_way_hears_the_same_of_the_broker(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url)
    told: asyncio.Queue[tuple[bool, Exception | None]] = asyncio.Queue()

    def tell(anybody: bool, error: Exception | None) -> None:
        told.put_nowait((anybody, error))

    async with connect(broker, client_id="w") as writer, asyncio.timeout(CEILING):
        writer.send("t", b"x", tell)
        assert await told.get() == (False, None)
        await writer.subscribe("t")
        writer.send("t", b"x", tell)
        assert await told.get() == (True, None)
        mosquitto.freeze()
        writer.send("t", b"x", tell)
        mosquitto.kill()
        anybody, error = await told.get()
        assert not anybody
        assert isinstance(error, BrokerLost)
        writer.send("t", b"x", tell)
        assert told.empty(), "nobody is told of what was never under way"


async def test_a_reason_nobody_knows_is_a_refusal_all_the_same() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x03\x00\x00\x00")
        found: list[Packet] = []
        splitter = Splitter()
        while not found:
            found += splitter.feed(await reader.read(1024))
        writer.write(b"\x40\x03" + read_publish(found[0], True).mid.to_bytes(2) + b"\xf7")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(CEILING), server:
        async with connect(Broker(url=url), client_id="x") as connection:
            with pytest.raises(PublishRefused, match="0xf7"):
                await connection.publish("t", "x")
        server.close()
