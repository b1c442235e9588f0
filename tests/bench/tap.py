"""The subscriber at the far end, the same for every contender, and the bridge's stand-in."""

import contextlib
import math
import re
import socket
import time
from dataclasses import dataclass

from bridge.consumer import ANSWERS_APART, ENOUGH
from contract.topics import ALL_TRANSACTIONS
from tests.bench import wire
from tests.bench.tally import Tally

TOPIC = "bench/scan"
"""Where contenders without topics of their own publish."""
THINGSBOARD_TOPIC = "v1/gateway/telemetry"

_STREAM = re.compile(rb'"id":"([0-9a-f-]{36})/(\d+)-(\d+)"')
_WITHIN = 10.0  # seconds the broker may take to answer


@dataclass(slots=True)
class _Stream:
    epoch: bytes
    upto: int = 0
    rows: int = 0
    """How many came since the last word."""
    told: float = -ANSWERS_APART
    """When that was given, in seconds of the monotonic clock."""
    owed: bool = False

    @property
    def due(self) -> float:
        """When the next word is, in the same seconds."""
        if not self.owed:
            return math.inf
        return self.told + (0.0 if self.rows >= ENOUGH else ANSWERS_APART)


class BridgeStandIn:
    """Gives the bridge's word when the bridge would. It stores nothing: it is not the bridge."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def hear(self, topic: str, envelope: bytes) -> None:
        """Take rows; what is no envelope is passed over."""
        found = _STREAM.search(envelope, 0, 500)
        if found is None:
            return
        epoch, first, last = found[1], int(found[2]), int(found[3])
        stream = self._streams.get(topic)
        if stream is None or stream.epoch != epoch:
            stream = self._streams[topic] = _Stream(epoch)
        stream.rows += last - first + 1
        stream.owed = True
        if first <= stream.upto + 1:
            stream.upto = max(stream.upto, last)

    def due(self) -> float:
        """Return when the next word is due, in seconds of the monotonic clock; maybe never."""
        return min((stream.due for stream in self._streams.values()), default=math.inf)

    def words(self, now: float) -> list[tuple[str, bytes]]:
        """Return the words that are due: where to, and the ack."""
        words = []
        for topic, stream in self._streams.items():
            if stream.due <= now:
                stream.told, stream.rows, stream.owed = now, 0, False
                ack = b'{"epoch":"%s","upto":%d,"posted":%d}' % (
                    stream.epoch,
                    stream.upto,
                    stream.upto,
                )
                words.append((topic.removesuffix("tx") + "ack", ack))
        return words


class Tap:
    """Subscribes, acknowledges, counts."""

    def __init__(self, port: int) -> None:
        self.tally = Tally()
        self.messages = 0
        self._port = port
        self._bridge = BridgeStandIn()
        self._sock: socket.socket | None = None
        self._rest = b""
        self._packet_id = 0

    def fileno(self) -> int:
        """Return the socket's descriptor, for `poll`; -1 while not connected."""
        return -1 if self._sock is None else self._sock.fileno()

    def connect(self) -> None:
        """Connect and subscribe; on return the broker has granted it."""
        sock = socket.create_connection(("127.0.0.1", self._port), _WITHIN)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(
            wire.connect("bench-tap") + wire.subscribe(TOPIC, THINGSBOARD_TOPIC, ALL_TRANSACTIONS)
        )
        answers: list[tuple[int, bytes]] = []
        self._rest = b""
        while len(answers) < 2:
            data = sock.recv(4096)
            if not data:
                raise ConnectionError("the broker hung up on the tap")
            more, self._rest = wire.split(self._rest + data)
            answers += more
        self._sock = sock

    def close(self) -> None:
        """Hang up. Twice is once."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def read(self) -> None:
        """Take what has arrived; hangs up when the broker is gone."""
        if self._sock is None:
            return
        try:
            data = self._sock.recv(1 << 18)
        except OSError:
            data = b""
        at = time.monotonic_ns()
        if not data:
            self.close()
            return
        packets, self._rest = wire.split(self._rest + data)
        answers = [
            answer
            for packet in packets
            if packet[0] >> 4 == wire.PUBLISH
            for answer in self._take(*packet, at)
        ]
        self._send(answers + self._words())

    def due(self) -> float:
        """Return when `answer` has something to say, in seconds of the monotonic clock."""
        return self._bridge.due()

    def answer(self) -> None:
        """Give the bridge's word, where it is due."""
        self._send(self._words())

    def _words(self) -> list[bytes]:
        words = []
        for topic, ack in self._bridge.words(time.monotonic()):
            self._packet_id = self._packet_id % 65535 + 1
            words.append(wire.publish(topic, ack, self._packet_id, retain=True))
        return words

    def _send(self, packets: list[bytes]) -> None:
        if packets and self._sock is not None:
            with contextlib.suppress(OSError):  # a broker killed meanwhile is seen at the next read
                self._sock.sendall(b"".join(packets))

    def _take(self, first: int, body: bytes, at: int) -> list[bytes]:
        topic, packet_id, payload = wire.opened(first, body)
        self.messages += 1
        self.tally.take(payload, at)
        if topic.endswith("/tx"):
            self._bridge.hear(topic, payload)
        return [] if packet_id is None else [wire.puback(packet_id)]
