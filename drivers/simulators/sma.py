"""A scale with the SMA dialogue, level 2."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite

MAX_COMMAND = 32
"""Bytes of one command."""

_STATUS: dict[Range, str] = {"over": "O", "under": "U", "fault": "E"}
_UNITS = {"kg": "lb", "lb": "kg"}


class SmaSimulator(StreamingDevice):
    """A scale with a pan to put things on."""

    def __init__(
        self, cable: Cable | None = None, *, load: Decimal = Decimal(0), decimals: int = 3
    ) -> None:
        """Prepare a scale, in kg.

        Args:
            cable: see `Device`.
            load: on the pan, in the unit it shows.
            decimals: digits behind the point.
        """
        super().__init__(cable)
        self.load = load
        self.unit = "kg"
        self.decimals = decimals
        self.moving = False
        self.range: Range = "ok"
        self.repeating = False
        self._zero = Decimal(0)
        self._tare = Decimal(0)
        self._lines = Lines("any", MAX_COMMAND)

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero and tare."""
        return self.load - self._zero - self._tare

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def unasked(self) -> bytes:
        """Repeat the weight if it was told to."""
        return self._weighed() if self.repeating else b""

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        self.repeating = command == b"R"
        match command:
            case b"W" | b"P" | b"R":
                return self._weighed()
            case b"H":
                return self._weighed(more=1)
            case b"Z":
                self._zero, self._tare = self.load, Decimal(0)
            case b"T":
                self._tare = self.load - self._zero
            case b"C":
                self._tare = Decimal(0)
            case b"U":
                self.unit = _UNITS[self.unit]
            case b"A":
                return b"\nSMA:2/1.0\r"
            case b"D":
                return b"\n    \r"
            case _:
                return b"\n?\r"
        return self._weighed()

    def _weighed(self, more: int = 0) -> bytes:
        zero = "Z" if self.shown == 0 else " "
        status = _STATUS.get(self.range, zero)
        measure = "N" if self._tare else "G"
        measure = measure.lower() if more else measure
        number = f"{self.shown:10.{self.decimals + more}f}" if self.range == "ok" else "-" * 10
        motion = "M" if self.moving else " "
        return f"\n{status}1{measure}{motion} {number}{self.unit:3}\r".encode()


Simulator = SmaSimulator
