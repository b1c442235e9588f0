"""The few MQTT 3.1.1 packets the bench speaks itself, so that its floors carry no library.

Source: MQTT 3.1.1 (OASIS), sections 2.2 and 3.
"""

import struct

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
QOS_1 = 0x02


def packet(first: int, body: bytes) -> bytes:
    """Return a packet: first byte, remaining length in groups of seven bits, body."""
    length, head = len(body), bytearray((first,))
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + body


def text(value: str) -> bytes:
    """Return a string as MQTT writes it: two bytes of length, then UTF-8."""
    octets = value.encode()
    return struct.pack(">H", len(octets)) + octets


def connect(client_id: str) -> bytes:
    """Return CONNECT: clean session, no keep-alive."""
    return packet(0x10, text("MQTT") + bytes((4, 2, 0, 0)) + text(client_id))


def subscribe(*filters: str) -> bytes:
    """Return SUBSCRIBE at QoS 1."""
    return packet(0x82, b"\0\1" + b"".join(text(each) + b"\1" for each in filters))


def publish(topic: str, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """Return PUBLISH at QoS 1."""
    body = text(topic) + struct.pack(">H", packet_id) + payload
    return packet(0x30 | QOS_1 | retain, body)


def puback(packet_id: int) -> bytes:
    """Return PUBACK."""
    return packet(0x40, struct.pack(">H", packet_id))


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Cut `data` into whole packets, as (first byte, body), and what is left over."""
    found: list[tuple[int, bytes]] = []
    start = 0
    while len(data) - start >= 2:
        length = shift = 0
        at = start + 1
        while at < len(data):
            length |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        else:
            break
        if len(data) < at + length:
            break
        found.append((data[start], data[at : at + length]))
        start = at + length
    return found, data[start:]


def opened(first: int, body: bytes) -> tuple[str, int | None, bytes]:
    """Return topic, packet id (None at QoS 0) and payload of a PUBLISH."""
    end = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:end].decode()
    if not first & 0x06:
        return topic, None, body[end:]
    return topic, int.from_bytes(body[end : end + 2], "big"), body[end + 2 :]
