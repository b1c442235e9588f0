"""MQTT 5 (or 3.1.1) as this house needs it: confirmed publishing, acknowledgement by hand.

Wraps aiomqtt and paho-mqtt once, and mends what they leave open (measured with aiomqtt 2.5.1 on
paho 2.2): a refused PUBACK counts as success, publishes hang when the connection dies, there is no
manual acknowledgement, an incoming queue drops when full, and they connect in a thread that no
cancellation ends, so that a daemon could not stop while a host swallows its packets. PUBLISH and
PUBACK, which come with every scan, pass them by (`runtime.packets`); they connect, subscribe, keep
the connection alive and end it. One `Connection` object lives for one connection: a reused client
would send what it had in flight a second time. The private hooks used are pinned by
`tests/runtime/test_mqtt.py`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from runtime.broker import (
    Broker,
    BrokerLost,
    BrokerRefused,
    Message,
    PublishRefused,
    SessionTakenOver,
    Will,
    tls_of,
)
from runtime.cancellation import staying_cancelled
from runtime.client import CLOSED_UNASKED, CONNECT_WITHIN, Client, Told
from runtime.dialling import dial
from runtime.packets import puback

__all__ = [
    "Broker",
    "BrokerLost",
    "BrokerRefused",
    "Connection",
    "Message",
    "PublishRefused",
    "SessionTakenOver",
    "Told",
    "Will",
    "connect",
]

_UNSUPPORTED_VERSION = {0x84, 0x01, CLOSED_UNASKED}  # MQTT 5, and CONNACK of 3.1.1 brokers


class Connection:
    """One connection to the broker. It does not come back: open a new one."""

    def __init__(self, client: Client, protocol: Literal["5", "3.1.1"]) -> None:
        self._client = client
        self.protocol = protocol
        """What was agreed: "5" or "3.1.1"."""
        self.window = client.server_window
        """Messages the broker will take before it acknowledges the first of them."""

    @property
    def lost(self) -> bool:
        """Whether the connection is over."""
        return self._client.lost

    def publish(
        self,
        topic: str,
        payload: str | bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: int | None = None,
        correlation: bytes | None = None,
        about: Mapping[str, str] | None = None,
    ) -> asyncio.Future[bool]:
        """Queue a message now and return what will become of it.

        Args:
            topic: where to.
            payload: what.
            qos: 0 or 1; at 0 the future is done at once.
            retain: whether the broker keeps it as the topic's last word.
            expiry: seconds it is worth keeping; MQTT 5 only, ignored on 3.1.1.
            correlation: of the message this one answers; MQTT 5 only.
            about: user properties; MQTT 5 only.

        Returns:
            A future of the broker's PUBACK: False if it says that nobody is subscribed. It fails
            with `PublishRefused` or `BrokerLost`. It need not be awaited.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def told(anybody: bool, error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(anybody)
            else:
                future.set_exception(error)
                future.exception()  # a sender that has gone away need not look

        data = payload.encode() if isinstance(payload, str) else payload
        if self._client.lost:
            told(False, self._client.ending())
        else:
            said = self._properties(expiry, correlation, about)
            self._client.send(topic, data, qos, retain, said, told)
            if qos == 0:
                told(True, None)
        return future

    def send(self, topic: str, payload: bytes, told: Told) -> None:
        """Queue a message at QoS 1 now; the shorter way to what `publish` does.

        Args:
            topic: where to.
            payload: what.
            told: called with the broker's PUBACK, or with `PublishRefused` or `BrokerLost`, while
                it is read: one or two turns of the loop before a future would be; not called if the
                connection is over already.
        """
        if not self._client.lost:
            self._client.send(topic, payload, 1, False, None, told)

    def hear_with(self, hear: Callable[[Message], bool]) -> None:
        """Have `hear` called with each message while it is read.

        Args:
            hear: returns True for a message that it has dealt with; the others wait for `receive`.
        """
        self._client.hear = hear

    def _properties(
        self, expiry: int | None, correlation: bytes | None, about: Mapping[str, str] | None
    ) -> Properties | None:
        said: dict[str, Any] = {
            "MessageExpiryInterval": expiry,
            "CorrelationData": correlation,
            "UserProperty": list(about.items()) if about else None,
        }
        said = {name: value for name, value in said.items() if value is not None}
        if not said or self.protocol != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)
        for name, value in said.items():
            setattr(properties, name, value)
        return properties

    async def subscribe(self, topic: str, qos: int = 1) -> None:
        """Subscribe, and raise `BrokerRefused` if the broker does not grant it."""
        try:
            with staying_cancelled():
                codes = await self._client.subscribe(topic, qos)
        except aiomqtt.MqttError as error:
            raise (self._client.ending() if self.lost else BrokerLost(str(error))) from error
        for code in codes:
            if getattr(code, "is_failure", False) or code == 0x80:
                raise BrokerRefused(f"subscription to {topic}: {code}")

    async def receive(self) -> list[Message]:
        """Wait for messages and return all that have arrived, in order; at least one.

        With `manual_ack` bounded by what the broker may have in flight to us.
        """
        client = self._client
        while not client.arrived:
            if client.lost:
                raise client.ending()
            client.arrival.clear()
            await client.arrival.wait()
        messages = list(client.arrived)
        client.arrived.clear()
        return messages

    @property
    async def messages(self) -> AsyncIterator[Message]:
        """Every message, one by one, until the connection is lost."""
        while True:
            for message in await self.receive():
                yield message

    def ack(self, message: Message) -> None:
        """Tell the broker that `message` is safe with us (needs `manual_ack`)."""
        if message.qos:
            self._client.write(puback(message.mid))


@contextlib.asynccontextmanager
async def connect(
    broker: Broker,
    *,
    client_id: str,
    will: Will | None = None,
    manual_ack: bool = False,
    receive_maximum: int = 20,
) -> AsyncIterator[Connection]:
    """Connect, and disconnect at the end. No session outlives the connection.

    Args:
        broker: where, and as whom.
        client_id: who we are; a second connection of that name ends the first.
        will: said by the broker when we vanish.
        manual_ack: messages stay the broker's until `Connection.ack`.
        receive_maximum: messages the broker may send without acknowledgement (MQTT 5).

    Raises:
        BrokerLost: nobody there, or it went away.
        BrokerRefused: it is there and says no.
    """
    version: Literal["5", "3.1.1"] = "3.1.1" if broker.protocol == "3.1.1" else "5"
    try:
        client = await _open(broker, version, client_id, will, receive_maximum)
    except _WrongVersionError:
        if broker.protocol == "5":
            raise BrokerRefused("this broker does not speak MQTT 5") from None
        version = "3.1.1"
        client = await _open(broker, version, client_id, will, receive_maximum)
    client.manual_ack = manual_ack
    client.watch()
    try:
        yield Connection(client, version)
    finally:
        await client.leave()


class _WrongVersionError(Exception):
    """The broker does not speak the version asked for."""


async def _open(
    broker: Broker,
    version: Literal["5", "3.1.1"],
    client_id: str,
    will: Will | None,
    receive_maximum: int,
) -> Client:
    options: dict[str, Any] = {"identifier": client_id}
    if will is not None:
        options["will"] = aiomqtt.Will(will.topic, will.payload, qos=1, retain=will.retain)
    if version == "5":
        options["properties"] = properties = Properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = receive_maximum
        properties.SessionExpiryInterval = 0
        options["clean_start"] = True
    else:
        options["clean_session"] = True
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            # The socket comes first: where nobody listens, no client need be made.
            sock = await dial(broker.host, broker.port, tls_of(broker))
            try:
                client = Client(broker, version, **options)
            except BaseException:
                sock.close()
                raise
            try:
                await client.enter(sock)
            except BaseException:
                client.drop()
                raise
    except MqttConnectError as error:
        if version == "5" and _code(error) in _UNSUPPORTED_VERSION:
            raise _WrongVersionError from error
        if _code(error) == CLOSED_UNASKED:
            raise BrokerLost(f"{broker.url}: the broker hung up without an answer") from error
        raise BrokerRefused(str(error)) from error
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefused(f"{broker.url}: {error.verify_message}") from error
    except TimeoutError as error:
        raise BrokerLost(f"{broker.url}: no answer within {CONNECT_WITHIN:g} s") from error
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise BrokerLost(f"{broker.url}: {error}") from error
    return client


def _code(error: MqttConnectError) -> int:
    return error.rc if isinstance(error.rc, int) else getattr(error.rc, "value", 0)
