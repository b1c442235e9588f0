"""The far end of the broker: takes rows, holds the gateway to its word, and gives the bridge's.

It stands in for the bridge, and stores nothing.
"""

import socket
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from contract.envelope import Ack, Rows, envelope_adapter
from contract.topics import Topics
from tests.bench import wire

SITE = "power"
_WITHIN = 10.0  # seconds the broker may take to answer


@dataclass(slots=True)
class Stream:
    """What came of one epoch."""

    upto: int = 0
    digests: dict[int, str] = field(default_factory=dict)


class Office:
    """Use as a context, before any gateway is started."""

    def __init__(self, port: int, gateway: str) -> None:
        """Connect to the broker on `port`, and listen to one gateway."""
        self.streams: dict[UUID, Stream] = {}
        self.booked: dict[str, str] = {}
        """Text of each transaction by its id, in the order they came first."""
        self.wrong: list[str] = []
        """Rows that came twice with different content."""
        self._packet_id = 0
        self._rest = b""
        self._socket = socket.create_connection(("127.0.0.1", port), _WITHIN)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        topics = Topics(SITE, gateway)
        self._socket.sendall(wire.connect(f"office-{gateway}") + wire.subscribe(topics.tx))
        answers = 0
        while answers < 2:
            answers += len(self._packets())
        self._socket.settimeout(_WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """Return the socket's descriptor, for `poll`."""
        return self._socket.fileno()

    def _packets(self) -> list[tuple[int, bytes]]:
        data = self._socket.recv(1 << 16)
        assert data, "the broker hung up"
        packets, self._rest = wire.split(self._rest + data)
        return packets

    def read(self) -> None:
        """Take what came, and answer it."""
        for first, body in self._packets():
            if first >> 4 != wire.PUBLISH:
                continue
            length = int.from_bytes(body[:2], "big")
            payload = body[2 + length + 2 :]
            answer = wire.puback(int.from_bytes(body[2 + length : 4 + length], "big"))
            self._socket.sendall(answer + self._word(envelope_adapter.validate_json(payload).data))

    def _word(self, rows: Rows) -> bytes:
        stream = self.streams.setdefault(rows.epoch, Stream())
        for seq, row in enumerate(rows.rows, rows.first):
            if stream.digests.setdefault(seq, row.digest) != row.digest:
                self.wrong.append(f"seq {seq} came with another content")
            self.booked.setdefault(row.transaction["id"], row.transaction["event"]["text"])
        while stream.upto + 1 in stream.digests:
            stream.upto += 1
        ack = Ack(epoch=rows.epoch, upto=stream.upto, posted=stream.upto)
        self._packet_id = self._packet_id % 65535 + 1
        topic = Topics(rows.site, rows.gateway).ack
        return wire.publish(topic, ack.model_dump_json().encode(), self._packet_id, retain=True)
