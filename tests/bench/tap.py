"""The subscriber at the far end, the same for every contender, and the bridge's stand-in."""

import contextlib
import re
import socket
import time

from contract.topics import ALL_TRANSACTIONS
from tests.bench import wire
from tests.bench.tally import Tally

TOPIC = "bench/scan"
"""Where contenders without topics of their own publish."""
THINGSBOARD_TOPIC = "v1/gateway/telemetry"

_STREAM = re.compile(rb'"id":"([0-9a-f-]{36})/(\d+)-(\d+)"')
_WITHIN = 10.0  # seconds the broker may take to answer


class BridgeStandIn:
    """Gives the bridge's word as soon as rows arrive. It stores nothing: it is not the bridge."""

    def __init__(self) -> None:
        self._upto: dict[bytes, int] = {}

    def word(self, envelope: bytes) -> bytes | None:
        """Return the ack for an envelope; None for what is none."""
        found = _STREAM.search(envelope, 0, 500)
        if found is None:
            return None
        epoch, first, last = found[1], int(found[2]), int(found[3])
        upto = self._upto.get(epoch, 0)
        if first <= upto + 1:
            upto = self._upto[epoch] = max(upto, last)
        return b'{"epoch":"%s","upto":%d,"posted":%d}' % (epoch, upto, upto)


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
        if answers:
            with contextlib.suppress(OSError):  # a broker killed meanwhile is seen at the next read
                self._sock.sendall(b"".join(answers))

    def _take(self, first: int, body: bytes, at: int) -> list[bytes]:
        topic, packet_id, payload = wire.opened(first, body)
        self.messages += 1
        self.tally.take(payload, at)
        answers = [] if packet_id is None else [wire.puback(packet_id)]
        if topic.endswith("/tx") and (word := self._bridge.word(payload)) is not None:
            self._packet_id = self._packet_id % 65535 + 1
            ack = topic.removesuffix("tx") + "ack"
            answers.append(wire.publish(ack, word, self._packet_id, retain=True))
        return answers
