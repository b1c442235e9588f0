"""The two MQTT packets that come with every scan, as bytes: PUBLISH and PUBACK.

Source: MQTT 5.0 and 3.1.1, sections 2.1.4, 3.3 and 3.4. paho reads and writes all the others. For
these two it makes some 400 calls a scan, most of them about properties that are not there; here it
is a few dozen.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PUBLISH = PacketTypes.PUBLISH << 4
PUBACK = PacketTypes.PUBACK << 4
KIND = 0xF0
"""The bits of a packet's first byte that say what it is."""
LARGEST = 16 * 1024 * 1024
"""Bytes of one packet that are taken: 128 times what the house sends."""

_LENGTH = struct.Struct("!H")
_MOST = 0xFFFF  # bytes of a topic


class Malformed(ValueError):
    """What arrives is not MQTT. The connection cannot go on."""


class Packet(NamedTuple):
    """One whole packet."""

    raw: bytes
    body: int
    """Where the fixed header ends."""

    @property
    def kind(self) -> int:
        """`PUBLISH`, `PUBACK` or another of section 2.1.2, in the upper four bits."""
        return self.raw[0] & KIND


class Published(NamedTuple):
    """What a PUBLISH says."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    """0 at QoS 0."""
    properties: Properties | None


class Splitter:
    """Cuts what arrives into packets; holds at most one that is not whole, of `LARGEST` bytes."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that are whole now; take all of them.

        Raises:
            Malformed: a length of five bytes, or beyond `LARGEST`; what came before it was yielded.
        """
        if self._held:
            self._held += data
            if not _measure(self._held, 0):
                return
            data = bytes(self._held)
        start = 0
        while measured := _measure(data, start):
            body, end = measured
            yield Packet(data[start:end], body - start)
            start = end
        self._held = bytearray(data[start:])


def _measure(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """Return where the body of the packet at `start` begins and ends; None if it is not whole."""
    length = 0
    for place in range(4):
        at = start + 1 + place
        if at >= len(data):
            return None
        length |= (data[at] & 0x7F) << (7 * place)
        if data[at] < 0x80:
            if length > LARGEST:
                raise Malformed(f"a packet of {length} bytes")
            return (at + 1, at + 1 + length) if at + 1 + length <= len(data) else None
    raise Malformed("a packet whose length has more than four bytes")


def publish(
    topic: str, payload: bytes, *, qos: int, retain: bool, mid: int, properties: bytes
) -> bytes:
    """Return a PUBLISH.

    Args:
        topic: without wildcards.
        payload: what.
        qos: 0 or 1.
        retain: whether the broker is to keep it.
        mid: 1 to 65,535; not used at QoS 0.
        properties: packed; empty on MQTT 3.1.1, one zero byte where there are none on 5.

    Raises:
        ValueError: the topic is none that can be published to.
    """
    name = topic.encode()
    if not name or len(name) > _MOST or "+" in topic or "#" in topic:
        raise ValueError(f"no topic to publish to: {topic[:80]!r}")
    first = PUBLISH | qos << 1 | retain
    variable = _LENGTH.pack(len(name)) + name + (_LENGTH.pack(mid) if qos else b"") + properties
    return b"".join((bytes((first,)), _length(len(variable) + len(payload)), variable, payload))


def _length(size: int) -> bytes:
    written = bytearray()
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    written.append(size)
    return bytes(written)


def read_publish(packet: Packet, version5: bool) -> Published:
    """Return what a PUBLISH says.

    Raises:
        Malformed: it is none.
    """
    raw, at = packet
    try:
        end = at + 2 + _LENGTH.unpack_from(raw, at)[0]
        topic = raw[at + 2 : end].decode()
        qos, mid = raw[0] >> 1 & 3, 0
        if qos:
            [mid] = _LENGTH.unpack_from(raw, end)
            end += 2
        properties = None
        if version5:
            properties, end = _properties(raw, end)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise Malformed(f"a PUBLISH that is none: {error}") from error
    if end > len(raw):
        raise Malformed("a PUBLISH that ends too soon")
    return Published(topic, raw[end:], qos, bool(raw[0] & 1), mid, properties)


def _properties(raw: bytes, at: int) -> tuple[Properties | None, int]:
    if raw[at] == 0:
        return None, at + 1
    properties = Properties(PacketTypes.PUBLISH)
    try:
        _, length = properties.unpack(raw[at:])
    except Exception as error:  # paho says what it found with half a dozen kinds of errors
        raise Malformed(f"properties that are none: {error}") from error
    return properties, at + length


def puback(mid: int) -> bytes:
    """Return the word that message `mid` is safe."""
    return bytes((PUBACK, 2)) + _LENGTH.pack(mid)


def read_puback(packet: Packet) -> tuple[int, int]:
    """Return whose message and the reason code, 0 if there is none: then all is well.

    Raises:
        Malformed: it is none.
    """
    raw, at = packet
    if len(raw) < at + 2:
        raise Malformed("a PUBACK without a number")
    return _LENGTH.unpack_from(raw, at)[0], raw[at + 2] if len(raw) > at + 2 else 0
