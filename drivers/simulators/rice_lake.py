"""A Rice Lake indicator that sends a stream and obeys EDP commands."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 64
"""Bytes of one command."""
_LETTERS = {"lb": "L", "kg": "K", "t": "T", "g": "G", "oz": "O"}


class RiceLakeSimulator(Pan):
    """An indicator."""

    streams = True

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "lb",
        decimals: int = 3,
    ) -> None:
        """Prepare an indicator; see `Pan`."""
        super().__init__(cable, load=load, unit=unit, decimals=decimals)
        self._lines = Lines("any", MAX_COMMAND)

    def answer(self, data: bytes) -> bytes:
        """Obey each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        match command:
            case b"KZERO":
                self.set_zero()
            case b"KTARE":
                self.set_tare()
            case b"KCLRTAR":
                self.tare = Decimal(0)
            case b"KPRINT" | b"KUNITS":
                pass
            case _:
                return b"??\r\n"
        return b"OK\r\n"

    def frame(self) -> bytes:
        """Return the frame of the load."""
        weight, state = self.signed(7), " "
        match self.range:
            case "over":
                weight, state = " ^^^^^^^", "O"
            case "under":
                weight, state = " ]]]]]]]", "O"
            case "fault":
                state = "I"
            case "ok":
                state = "M" if self.moving else "Z" if self.shown == 0 else " "
        unit = _LETTERS.get(self.unit, " ")
        return f"\x02{weight}{unit}{'N' if self.tare else 'G'}{state}\r\n".encode()


Simulator = RiceLakeSimulator
