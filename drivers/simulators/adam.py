"""An Adam CPWplus platform scale."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 32
"""Bytes of one command."""


class AdamSimulator(Pan):
    """A platform scale. It says neither when it moves nor when it is overloaded."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
    ) -> None:
        """Prepare a scale; see `Pan`."""
        super().__init__(cable, load=load, unit=unit, decimals=decimals)
        self._lines = Lines("any", MAX_COMMAND)

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        match command:
            case b"G":
                return self._said("G/W", self.load - self.zero)
            case b"N":
                return self._said("N/W", self.shown)
            case b"T":
                return self._said("T/W", self.tare)
            case b"Z":
                self.set_tare()
        return b""

    def _said(self, what: str, value: Decimal) -> bytes:
        sign = "-" if value < 0 else "+"
        return f"{what}  {sign}{abs(value):>7.{self.decimals}f} {self.unit}\r\n".encode()

    def frame(self) -> bytes:
        """Return what ``G`` is answered."""
        return self._reply(b"G")


Simulator = AdamSimulator
