"""Contenders with known faults: what the bench must find, or its figures mean nothing.

python -m tests.bench.faulty careless|forgetful|slow BROKER_PORT FOLDER tell|quiet TTY...
"""

import sys
import time

from tests.bench.floor import Floor
from tests.bench.tally import scans_in

SLOW = 0.05
"""Seconds that the slow one takes for each scan, over and above."""


class Memory:
    """A store that stores nothing."""

    def waiting(self) -> list[bytes]:
        return []

    def commit(self, bodies: list[bytes], acknowledged: int) -> None:
        pass


class Careless(Floor):
    """Of the scans 100 to 199 of each port it drops one, doubles one and holds one back."""

    _held: bytes = b""

    def _read(self, descriptor: int) -> list[bytes]:
        kept: list[bytes] = []
        for body in super()._read(descriptor):
            [(_, number)] = scans_in(body)
            if number == 110:
                continue
            if number == 130:
                self._held = body
                continue
            kept.append(body)
            if number == 120:
                kept.append(body)
            if number == 131:
                kept.append(self._held)
        return kept


class Slow(Floor):
    """It takes its time."""

    def _read(self, descriptor: int) -> list[bytes]:
        time.sleep(SLOW)
        return super()._read(descriptor)


def main(kind: str, broker_port: str, folder: str, tell: str, *ttys: str) -> None:
    """Run one of them until killed."""
    del folder
    made = {"careless": Careless, "forgetful": Floor, "slow": Slow}[kind]
    made(Memory(), int(broker_port), list(ttys), tell=tell == "tell").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
