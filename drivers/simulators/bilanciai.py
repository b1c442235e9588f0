"""A Bilanciai terminal that sends its extended string and takes remote commands."""

from drivers.kit.lines import Lines
from drivers.scales.bilanciai import CENTRE, INVALID, OVER, STABLE, TARED
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 16
"""Bytes of one command."""


class BilanciaiSimulator(Pan):
    """A terminal."""

    streams = True

    def __init__(self, cable: Cable | None = None, **settings: object) -> None:
        """Prepare a terminal; see `Pan`."""
        super().__init__(cable, **settings)  # type: ignore[arg-type]
        self._lines = Lines("any", MAX_COMMAND)

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        gross = self.load - self.zero
        match command:
            case b"XB":
                return f"{gross:>9.{self.decimals}f} {self.unit:<2} B\r\n".encode()
            case b"XN":
                return f"{self.figure(9)} {self.unit:<2} NT\r\n".encode()
            case b"AZ":
                self.set_zero()
            case b"AT":
                self.set_tare()
            case b"CT":
                self.tare -= self.tare
            case _:
                return b"??\r\n"
        return b"OK\r\n"

    def frame(self) -> bytes:
        """Return the extended string of the load."""
        first = CENTRE if self.shown == 0 else 0
        second = (0 if self.moving else STABLE) | (OVER if self.range == "over" else 0)
        third = (TARED if self.tare else 0) | (0 if self.range == "ok" else INVALID)
        fourth = 2 if self.range == "fault" else 0
        shown = f"-{self.figure(8).strip():>8}" if self.range == "under" else self.figure(9)
        tare = f"{self.tare:>9.{self.decimals}f}"
        return f"${shown} {tare} {self.unit:<2} {first:X}{second:X}{third:X}{fourth:X}\r\n".encode()


Simulator = BilanciaiSimulator
