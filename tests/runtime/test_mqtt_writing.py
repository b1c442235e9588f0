"""Messages are written at once, and what the socket has no room for goes out later."""

import asyncio
import socket

from runtime.mqtt import Broker, connect
from tests.mosquitto import Mosquitto


async def test_what_a_full_socket_did_not_take_goes_out_in_order(mosquitto: Mosquitto) -> None:
    broker = Broker(url=mosquitto.url)
    async with (
        connect(broker, client_id="reader") as reader,
        connect(broker, client_id="writer") as writer,
    ):
        await reader.subscribe("t")
        mosquitto.freeze()
        # 12 MB: more than any socket buffer takes while the broker reads nothing.
        sent = [writer.publish("t", bytes([number]) * 60_000) for number in range(200)]
        plug = writer._client.plug
        assert plug is not None
        assert plug.unsent
        mosquitto.thaw()
        async with asyncio.timeout(30):
            assert all(await asyncio.gather(*sent))
            found = await reader.receive()
            while len(found) < len(sent):
                found += await reader.receive()
        assert [message.payload[0] for message in found] == list(range(200))
        assert not plug.unsent


async def test_a_message_is_on_the_wire_before_the_loop_turns(mosquitto: Mosquitto) -> None:
    async with connect(Broker(url=mosquitto.url), client_id="writer") as writer:
        confirmed = writer.publish("t", "beep")
        assert not writer._client._client.want_write()
        assert writer._client.plug is not None
        assert not writer._client.plug.unsent
        async with asyncio.timeout(10):
            await confirmed


async def test_a_closed_connection_watches_nobody_elses_descriptor(mosquitto: Mosquitto) -> None:
    loop = asyncio.get_running_loop()
    async with connect(Broker(url=mosquitto.url), client_id="writer") as writer:
        client = writer._client
        client._client.subscribe("t")  # queued, to be written at the next turn of the loop
        sock = client._client.socket()
        assert sock is not None
        number = sock.fileno()
        client.drop()
        with socket.socket() as newcomer:
            assert newcomer.fileno() == number, "the newcomer should have the closed one's number"
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not loop.remove_writer(number)
