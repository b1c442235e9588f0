"""aiomqtt's client as a `Connection` needs it: what is published and heard passes paho by.

What is mended here, and why, stands in `runtime.mqtt`.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from runtime.broker import (
    Broker,
    BrokerLost,
    Message,
    PublishRefused,
    SessionTakenOver,
    secret,
)
from runtime.packets import (
    PUBACK,
    PUBLISH,
    Packet,
    Splitter,
    puback,
    publish,
    read_puback,
    read_publish,
)
from runtime.plug import Plug

log = logging.getLogger(__name__)

CONNECT_WITHIN = 10.0
"""Seconds for name, TCP, TLS and CONNACK together."""
CLOSED_UNASKED = -1
"""Our own code for: the broker hung up without an answer."""

_NO_SUBSCRIBER = 0x10
_TAKEN_OVER = 0x8E
_LEAVE_WITHIN = 0.5  # seconds for the last packet to get into the socket: systemd waits for us
_BIG_WINDOW = 65535  # messages, where the broker names no limit: the window is ours to keep
_FIRST_MID = 0x1000  # of what is published: paho counts its subscriptions from one
_FAILURE = 0x80  # reason codes from here on say no

Told = Callable[[bool, Exception | None], None]
"""What is called with the broker's word: whether anybody is subscribed, or why it failed."""


class Client(aiomqtt.Client):
    """aiomqtt's client with the hooks this house needs."""

    def __init__(self, broker: Broker, version: Literal["5", "3.1.1"], **options: Any) -> None:
        self.arrived: deque[Message] = deque()
        self.arrival = asyncio.Event()
        self.hear: Callable[[Message], bool] = lambda _: False
        self.manual_ack = False
        self.server_window = _BIG_WINDOW
        self.farewell: ReasonCode | None = None
        self._broken = ""
        """Why it was broken off, if it was."""
        self.plug: Plug | None = None
        self._waiting: dict[int, Told] = {}
        """Who waits for the broker's word about which message."""
        self._mids = itertools.cycle(range(_FIRST_MID, 0x10000))
        self._splitter = Splitter()
        self._version5 = version == "5"
        super().__init__(
            broker.host,
            broker.port,
            protocol=aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311,
            username=broker.username,
            password=secret(broker.password_file),
            keepalive=broker.keepalive,
            timeout=CONNECT_WITHIN,
            **options,
        )

    async def enter(self, sock: socket.socket) -> None:
        """Say CONNECT over an open socket, which is ours from now on, and wait for CONNACK.

        In place of aiomqtt's way in, which opens the socket in a thread.
        """
        await self._lock.acquire()
        self.plug = plug = Plug(sock)
        # paho asks itself for a socket; it gets this one, encrypted or not.
        setattr(self._client, "_create_socket", lambda: plug)  # noqa: B010
        try:
            self._client_connect()
        finally:
            if self._client.socket() is not plug:
                plug.close()
        # Not `wait_for`: that would cancel the future, which paho's callbacks look at later.
        await asyncio.wait([self._connected], timeout=CONNECT_WITHIN)
        if not self._connected.done():
            raise BrokerLost("the broker does not answer")
        self._connected.result()

    async def leave(self) -> None:
        """Say DISCONNECT if that goes out soon, and close."""
        try:
            if not self.lost and self.plug is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LEAVE_WITHIN):
                        await self.plug.written()
                self._client.disconnect()
                self._client.loop_write()
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
            self._connected.set_exception(MqttConnectError(CLOSED_UNASKED))
        if flags.is_disconnect_packet_from_server:
            self.farewell = reason_code
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        # Always from the loop's own thread, unlike aiomqtt's: the socket was opened in it.
        self._loop.add_reader(sock.fileno(), self._read)
        self._misc_task = self._loop.create_task(self._misc_loop())

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        # The plug takes everything: nothing need be watched.
        self._loop.call_soon(self._client.loop_write)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        pass

    def _read(self) -> None:
        """Take what has arrived."""
        plug = self.plug
        if plug is None:
            return
        try:
            while True:
                owed = bytearray()
                for packet in self._splitter.feed(plug.take()):
                    self._take(plug, packet, owed)
                if owed and not self.lost:
                    plug.send(owed)
                if plug.ended:
                    self._client.loop_read()  # it reads the end, and says so
                if self.lost or not plug.more:
                    return
        except (OSError, ValueError) as error:
            self._break_off(error)
        except Exception as error:
            log.exception("what the broker said cannot be taken")
            self._break_off(error)

    def _take(self, plug: Plug, packet: Packet, owed: bytearray) -> None:
        """Take one packet; `owed` is what we have to answer."""
        match packet.kind:
            case kind if kind == PUBACK:
                mid, code = read_puback(packet)
                told = self._waiting.pop(mid, None)
                if told is not None:
                    refused = None if code < _FAILURE else PublishRefused(_reason(code))
                    told(code < _FAILURE and code != _NO_SUBSCRIBER, refused)
            case kind if kind == PUBLISH:
                self._hear(packet, owed)
            case _:
                plug.handed += packet.raw
                self._client.loop_read()

    def _hear(self, packet: Packet, owed: bytearray) -> None:
        said = read_publish(packet, self._version5)
        about = said.properties
        message = (
            Message(said.topic, said.payload, said.qos, said.retain, said.mid)
            if about is None
            else Message(
                said.topic,
                said.payload,
                said.qos,
                said.retain,
                said.mid,
                getattr(about, "ResponseTopic", None),
                getattr(about, "CorrelationData", None),
                dict(getattr(about, "UserProperty", ())),
            )
        )
        if not self.hear(message):
            self.arrived.append(message)
            self.arrival.set()
        if said.qos and not self.manual_ack:
            owed += puback(said.mid)

    def _break_off(self, why: Exception) -> None:
        """End a connection that cannot go on."""
        self._broken = f": {why}"
        if not self._connected.done():
            self._connected.set_exception(BrokerLost(f"no MQTT is spoken here{self._broken}"))
            self._connected.exception()  # who has given up waiting need not look
        if not self._disconnected.done():
            self._disconnected.set_exception(why)
        self._client._sock_close()  # noqa: SLF001

    def write(self, packet: bytes) -> None:
        """Write a packet of ours; a connection that does not take it is over."""
        if self.plug is not None and not self.lost:
            try:
                self.plug.send(packet)
            except OSError as error:
                self._break_off(error)

    def send(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        said: Properties | None,
        told: Told,
    ) -> None:
        """Publish: at QoS 1 `told` hears what becomes of it."""
        mid = 0
        if qos:
            mid = next(self._mids)
            while mid in self._waiting:
                mid = next(self._mids)
            self._waiting[mid] = told
        packed = b"" if not self._version5 else b"\0" if said is None else bytes(said.pack())
        self.write(publish(topic, payload, qos=qos, retain=retain, mid=mid, properties=packed))

    def watch(self) -> None:
        """Tell everybody who waits when it is over."""
        self._disconnected.add_done_callback(self._over)

    def _over(self, ended: asyncio.Future[None]) -> None:
        if not ended.cancelled():
            ended.exception()  # the reason is told through `lost`; nobody else awaits it
        self.arrival.set()
        waiting, self._waiting = self._waiting, {}
        for told in waiting.values():
            told(False, self.ending())

    @property
    def lost(self) -> bool:
        """Whether it is over."""
        return self._disconnected.done()

    def ending(self) -> BrokerLost:
        """Return why it is over, as far as the broker said."""
        if self.farewell is None:
            return BrokerLost(f"the connection ended{self._broken}")
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


def _reason(code: int) -> str:
    """Return what a PUBACK's reason code means."""
    try:
        return str(ReasonCode(PacketTypes.PUBACK, identifier=code))
    except (KeyError, ValueError):
        return f"reason code 0x{code:02x}"
