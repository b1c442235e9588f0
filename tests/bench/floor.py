"""The floors: poll the ports, make it durable, publish. What plain Python needs for the job.

`raw` appends to a file and syncs it; `sqlite` makes one transaction of what one wake-up brought,
and deletes what the broker has acknowledged in the next one. Both share a sync among all ports,
publish at QoS 1 with up to 1000 messages unacknowledged, and keep what waits in memory too. They
know no station, no code and no bridge: a floor to stand on, not a gateway.

    python -m tests.bench.floor raw|sqlite BROKER_PORT FOLDER tell|quiet TTY...
"""

import collections
import json
import os
import select
import socket
import sqlite3
import sys
import time
import tty
from pathlib import Path
from typing import Protocol

from tests.bench import wire
from tests.bench.tap import TOPIC

_UNACKNOWLEDGED = 1000
_RETRY = 0.5  # seconds between two attempts to reach the broker


class Store(Protocol):
    """Where scans are safe."""

    def waiting(self) -> list[bytes]:
        """Return what was stored and not acknowledged before the restart, in order."""
        ...

    def commit(self, bodies: list[bytes], acknowledged: int) -> None:
        """Store `bodies`; forget the first `acknowledged` of all since the start."""
        ...


class File:
    """A line for each scan; how many are done stands in a second file, which is never synced."""

    def __init__(self, folder: Path) -> None:
        self._lines = os.open(folder / "scans", os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        self._done = os.open(folder / "done", os.O_CREAT | os.O_RDWR, 0o600)
        self._before = int(os.pread(self._done, 20, 0) or b"0")

    def waiting(self) -> list[bytes]:
        size = os.fstat(self._lines).st_size
        return os.pread(self._lines, size, 0).split(b"\n")[self._before : -1]

    def commit(self, bodies: list[bytes], acknowledged: int) -> None:
        if bodies:
            os.write(self._lines, b"".join(body + b"\n" for body in bodies))
            os.fdatasync(self._lines)
        os.pwrite(self._done, b"%020d" % (self._before + acknowledged), 0)


class Sqlite:
    """A table: WAL, synchronous=FULL."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "scans.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS scans (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB)"
        )
        (first,) = self._db.execute("SELECT min(id) FROM scans").fetchone()
        newest = self._db.execute("SELECT seq FROM sqlite_sequence").fetchone()
        self._before = first - 1 if first else newest[0] if newest else 0

    def waiting(self) -> list[bytes]:
        return [body for (body,) in self._db.execute("SELECT body FROM scans ORDER BY id")]

    def commit(self, bodies: list[bytes], acknowledged: int) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        if bodies:
            self._db.executemany(
                "INSERT INTO scans (body) VALUES (?)", [(each,) for each in bodies]
            )
        self._db.execute("DELETE FROM scans WHERE id <= ?", (self._before + acknowledged,))
        self._db.execute("COMMIT")


class Floor:
    """One loop over ports and broker."""

    def __init__(self, store: Store, broker_port: int, ttys: list[str], *, tell: bool) -> None:
        self._store = store
        self._broker_port = broker_port
        self._tell = tell
        self._poll = select.poll()
        self._ports: dict[int, tuple[int, bytearray]] = {}
        for number, path in enumerate(ttys):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(descriptor)
            self._ports[descriptor] = number, bytearray()
            self._poll.register(descriptor, select.POLLIN)
        self._waiting = collections.deque(store.waiting())
        self._sent = 0  # of those that wait, counted from the oldest
        self._acknowledged = self._forgotten = 0
        self._broker: socket.socket | None = None
        self._granted = False
        self._rest = b""
        self._tried = 0.0

    def run(self) -> None:
        """Go round for ever."""
        while True:
            if self._broker is None and time.monotonic() - self._tried > _RETRY:
                self._dial()
            undone = self._acknowledged > self._forgotten
            events = self._poll.poll(_RETRY * 1000 if self._broker is None or undone else None)
            bodies: list[bytes] = []
            for descriptor, _ in events:
                if descriptor in self._ports:
                    bodies += self._read(descriptor)
                else:
                    self._hear()
            if bodies or (undone and not events):
                self._store.commit(bodies, self._acknowledged)
                self._forgotten = self._acknowledged
                if self._tell and bodies:
                    os.write(2, b"".join(b"ok " + body + b"\n" for body in bodies))
                self._waiting.extend(bodies)
            if self._granted and self._sent < len(self._waiting):
                self._send()

    def _read(self, descriptor: int) -> list[bytes]:
        number, pending = self._ports[descriptor]
        pending += os.read(descriptor, 4096)
        *lines, rest = pending.split(b"\n")
        pending[:] = rest
        at = time.time()
        return [
            json.dumps(
                {"device": number, "code": line.strip().decode("latin-1"), "at": at}
            ).encode()
            for line in lines
        ]

    def _dial(self) -> None:
        self._tried = time.monotonic()
        try:
            broker = socket.create_connection(("127.0.0.1", self._broker_port), 1)
        except OSError:
            return
        broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        broker.sendall(wire.connect("floor"))
        self._broker = broker
        self._poll.register(broker, select.POLLIN)

    def _hear(self) -> None:
        assert self._broker is not None
        try:
            data = self._broker.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return
        packets, self._rest = wire.split(self._rest + data)
        for first, _ in packets:
            if first >> 4 == wire.CONNACK:
                self._granted = True
            elif first >> 4 == wire.PUBACK:
                self._waiting.popleft()
                self._sent -= 1
                self._acknowledged += 1

    def _send(self) -> None:
        assert self._broker is not None
        upto = min(len(self._waiting), _UNACKNOWLEDGED)
        packets = [
            wire.publish(TOPIC, self._waiting[at], (self._acknowledged + at) % 65535 + 1)
            for at in range(self._sent, upto)
        ]
        self._sent = max(self._sent, upto)
        try:
            self._broker.sendall(b"".join(packets))
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._broker is not None:
            self._poll.unregister(self._broker)
            self._broker.close()
        self._broker, self._granted, self._rest, self._sent = None, False, b"", 0


def main(kind: str, broker_port: str, folder: str, tell: str, *ttys: str) -> None:
    """Run one of the floors until killed."""
    store: Store = Sqlite(Path(folder)) if kind == "sqlite" else File(Path(folder))
    Floor(store, int(broker_port), list(ttys), tell=tell == "tell").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
