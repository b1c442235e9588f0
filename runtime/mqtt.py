"""MQTT 5 (or 3.1.1) as this house needs it: confirmed publishing, acknowledgement by hand.

Wraps aiomqtt and paho-mqtt once, and mends what they leave open (measured with aiomqtt 2.5.1 on
paho 2.2): a refused PUBACK counts as success, publishes hang when the connection dies, there is no
manual acknowledgement, an incoming queue drops when full, and they connect in a thread that no
cancellation ends, so that a daemon could not stop while a host swallows its packets. One
`Connection` object lives for one connection: a reused client would send what it had in flight a
second time. The private hooks used are pinned by `tests/runtime/test_mqtt.py`.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTTMessage, MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel, ConfigDict, Field, field_validator

from runtime.cancellation import staying_cancelled
from runtime.dialling import dial

_NO_SUBSCRIBER = 0x10
_TAKEN_OVER = 0x8E
_CLOSED_UNASKED = -1  # our own: the broker hung up without an answer
_UNSUPPORTED_VERSION = {0x84, 0x01, _CLOSED_UNASKED}  # MQTT 5, and CONNACK of 3.1.1 brokers
_CONNECT_WITHIN = 10.0  # seconds for name, TCP, TLS and CONNACK together
_LEAVE_WITHIN = 0.5  # seconds for the last packet to get into the socket: systemd waits for us
_BIG_WINDOW = 65535  # paho's own limit is lifted: the window is ours to keep


class BrokerLost(ConnectionError):
    """The broker cannot be reached or the connection ended. Wait, then connect again."""


class BrokerRefused(BrokerLost):
    """The broker answered and said no: wrong password, not allowed. Tell a person, and wait."""


class SessionTakenOver(BrokerLost):
    """Another client came in under our name, and the broker threw us out. Tell a person."""


class PublishRefused(Exception):
    """The broker did not take this message: not allowed, quota, no room. Tell a person."""


class Broker(BaseModel):
    """The `[broker]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "mqtt://127.0.0.1:1883"
    """`mqtt://host:port` or, with TLS, `mqtts://host:port`."""
    username: str | None = None
    password_file: Path | None = None
    """File that holds the password and nothing else."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto` tries MQTT 5 and falls back to 3.1.1."""
    keepalive: int = Field(default=20, ge=5, le=600)
    """Seconds of silence after which the broker is asked for a sign of life.

    A connection that is dead without a word is given up after twice that, and a second.
    """
    fleet: int = Field(default=1, ge=1, le=1000)
    """Gateways that share this broker, where nobody tells; see `runtime.manners`."""

    @field_validator("url")
    @classmethod
    def _is_a_broker(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError("write it as mqtt://host:port or mqtts://host:port")
        if parts.username or parts.password or parts.path.strip("/") or parts.query:
            raise ValueError("only scheme, host and port; use username and password_file")
        parts.port  # noqa: B018 - raises ValueError for a port that is none
        return url

    @property
    def host(self) -> str:
        """Name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port; 1883, or 8883 with TLS."""
        return urlsplit(self.url).port or (8883 if self.tls else 1883)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we vanish."""

    topic: str
    payload: str
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One message that arrived. `mid` is what `Connection.ack` needs."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    reply_to: str | None = None
    """Where the sender wants an answer (MQTT 5)."""
    correlation: bytes | None = None
    """What the answer is to bring back (MQTT 5)."""
    about: Mapping[str, str] = field(default_factory=dict)
    """User properties (MQTT 5); of one name the last."""


class _Client(aiomqtt.Client):
    """aiomqtt's client with the hooks this house needs."""

    def __init__(self, broker: Broker, version: Literal["5", "3.1.1"], **options: Any) -> None:
        self.confirmations: dict[int, asyncio.Future[bool]] = {}
        self.arrived: deque[Message] = deque()
        self.arrival = asyncio.Event()
        self.server_window = _BIG_WINDOW
        self.farewell: ReasonCode | None = None
        self._flushing = False
        self._watching = False
        """Whether the loop tells when the socket has room."""
        super().__init__(
            broker.host,
            broker.port,
            protocol=aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311,
            username=broker.username,
            password=_secret(broker.password_file),
            keepalive=broker.keepalive,
            timeout=_CONNECT_WITHIN,
            max_inflight_messages=_BIG_WINDOW,
            **options,
        )

    async def enter(self, sock: socket.socket) -> None:
        """Say CONNECT over an open socket, which is ours from now on, and wait for CONNACK.

        In place of aiomqtt's way in, which opens the socket in a thread.
        """
        await self._lock.acquire()
        # paho asks itself for a socket; it gets this one, encrypted or not.
        setattr(self._client, "_create_socket", lambda: sock)  # noqa: B010
        try:
            self._client_connect()
        finally:
            if self._client.socket() is not sock:
                sock.close()
        # Not `wait_for`: that would cancel the future, which paho's callbacks look at later.
        await asyncio.wait([self._connected], timeout=_CONNECT_WITHIN)
        if not self._connected.done():
            raise BrokerLost("the broker does not answer")
        self._connected.result()

    async def leave(self) -> None:
        """Say DISCONNECT if that goes out soon, and close."""
        try:
            if not self.lost:
                self._client.disconnect()
                self._flush()
                await asyncio.wait([self._disconnected], timeout=_LEAVE_WITHIN)
        finally:
            self.drop()

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Any = None,
    ) -> None:
        self.server_window = getattr(properties, "ReceiveMaximum", None) or _BIG_WINDOW
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Any = None,
    ) -> None:
        if not self._connected.done():
            # Hung up before CONNACK: what brokers do that do not know the version.
            self._connected.set_exception(MqttConnectError(_CLOSED_UNASKED))
        if flags.is_disconnect_packet_from_server:
            self.farewell = reason_code
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any
    ) -> None:
        future = self.confirmations.pop(mid, None)
        if future is None or future.done():
            return
        if reason_code.is_failure:
            future.set_exception(PublishRefused(str(reason_code)))
        else:
            future.set_result(reason_code.value != _NO_SUBSCRIBER)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        told = message.properties
        self.arrived.append(
            Message(
                message.topic,
                bytes(message.payload),
                message.qos,
                message.retain,
                message.mid,
                getattr(told, "ResponseTopic", None),
                getattr(told, "CorrelationData", None),
                dict(getattr(told, "UserProperty", ())),
            )
        )
        self.arrival.set()

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        if not self._flushing:
            # aiomqtt would watch the descriptor later, whoever has it then. Always from the loop's
            # own thread: the socket was opened in it.
            self._loop.call_soon(self._flush)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        # paho says so after each packet; mostly nothing is watched.
        if self._watching:
            self._watching = False
            super()._on_socket_unregister_write(client, userdata, sock)

    def _flush(self) -> None:
        """Write what is queued, and go on when the socket has room for the rest."""
        paho = self._client
        paho.loop_write()
        sock = paho.socket()
        if sock is not None and paho.want_write():
            self._watching = True
            self._loop.add_writer(sock.fileno(), self._flush)

    def send(self, *message: Any) -> MQTTMessageInfo:
        """Publish, and write at once: two turns of the loop sooner than by way of aiomqtt."""
        self._flushing = True
        try:
            info = self._client.publish(*message)
            self._flush()
        finally:
            self._flushing = False
        return info

    def watch(self) -> None:
        self._disconnected.add_done_callback(self._over)

    def _over(self, ended: asyncio.Future[None]) -> None:
        if not ended.cancelled():
            ended.exception()  # the reason is told through `lost`; nobody else awaits it
        self.arrival.set()
        for future in self.confirmations.values():
            if not future.done():
                future.set_exception(self.ending())
                future.exception()  # a sender that has gone away need not look
        self.confirmations.clear()

    @property
    def lost(self) -> bool:
        return self._disconnected.done()

    def ending(self) -> BrokerLost:
        """Return why it is over, as far as the broker said."""
        if self.farewell is None:
            return BrokerLost("the connection ended")
        if self.farewell.value == _TAKEN_OVER:
            return SessionTakenOver("another client came in under our name")
        return BrokerLost(f"the broker ended the connection: {self.farewell}")

    def drop(self) -> None:
        """Close the socket, whatever state it is in; aiomqtt leaves a failed one open."""
        if self._misc_task is not None:
            self._misc_task.cancel()
        self._client._sock_close()  # noqa: SLF001
        if not self._disconnected.done():
            self._disconnected.set_result(None)


class Connection:
    """One connection to the broker. It does not come back: open a new one."""

    def __init__(self, client: _Client, protocol: Literal["5", "3.1.1"]) -> None:
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
        if self._client.lost:
            future.set_exception(self._client.ending())
            future.exception()
            return future
        properties = self._properties(expiry, correlation, about)
        info = self._client.send(topic, payload, qos, retain, properties)
        if info.rc != 0:
            future.set_exception(BrokerLost(f"the client refused to send (code {info.rc})"))
            future.exception()
        elif qos == 0:
            future.set_result(True)
        else:
            self._client.confirmations[info.mid] = future
            future.add_done_callback(_looked_at)
        return future

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

        Bounded by what the broker may have in flight to us without acknowledgement.
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
        if message.qos and not self._client.lost:
            self._client._client.ack(message.mid, message.qos)  # noqa: SLF001


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
    client._client.manual_ack_set(manual_ack)  # noqa: SLF001
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
) -> _Client:
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
        async with asyncio.timeout(_CONNECT_WITHIN):
            # The socket comes first: where nobody listens, no client need be made.
            sock = await dial(broker.host, broker.port, _tls(broker))
            try:
                client = _Client(broker, version, **options)
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
        if _code(error) == _CLOSED_UNASKED:
            raise BrokerLost(f"{broker.url}: the broker hung up without an answer") from error
        raise BrokerRefused(str(error)) from error
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefused(f"{broker.url}: {error.verify_message}") from error
    except TimeoutError as error:
        raise BrokerLost(f"{broker.url}: no answer within {_CONNECT_WITHIN:g} s") from error
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise BrokerLost(f"{broker.url}: {error}") from error
    return client


def _code(error: MqttConnectError) -> int:
    return error.rc if isinstance(error.rc, int) else getattr(error.rc, "value", 0)


def _looked_at(future: asyncio.Future[bool]) -> None:
    if not future.cancelled():
        future.exception()


def _secret(file: Path | None) -> str | None:
    try:
        return None if file is None else file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerRefused(f"password file: {error}") from error


def _tls(broker: Broker) -> ssl.SSLContext | None:
    if not broker.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file is not None:
            context.load_cert_chain(broker.cert_file, broker.key_file)
    except OSError as error:
        raise BrokerRefused(f"certificate file: {error}") from error
    return context
