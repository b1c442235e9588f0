"""A Pennsylvania 7600 counting scale that echoes what it is asked."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 32
"""Bytes of one command."""
_OUT = {"over": "OLOLOL", "under": "ULULUL"}


class PennsylvaniaSimulator(Pan):
    """A counting scale with firmware 4.31.0."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "lb",
        decimals: int = 3,
    ) -> None:
        """Prepare a scale; see `Pan`."""
        super().__init__(cable, load=load, unit=unit, decimals=decimals)
        self.piece = Decimal("0.100")
        self._lines = Lines("any", MAX_COMMAND)

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body.decode("latin-1")) for line in self._lines.feed(data))

    def _reply(self, command: str) -> bytes:
        gross = self.load - self.zero
        match command:
            case "SGW":
                said = f"Gross {self._value(gross)} {self.unit}"
            case "SNW":
                said = f"Net   {self._value(self.shown)} {self.unit}"
            case "SCO":
                said = f"Count {round(self.shown / self.piece):>7} Pieces"
            case "ZRO":
                self.set_zero()
                return b""
            case "ATW":
                self.set_tare()
                return b""
            case _:
                said = "Err.81"
        return f"{command}{said}\r\n".encode()

    def _value(self, value: Decimal) -> str:
        if self.range in _OUT:
            return _OUT[self.range]
        return "-------" if self.moving else f"{value:>7.{self.decimals}f}"

    def frame(self) -> bytes:
        """Return what ``SGW`` is answered."""
        return self._reply("SGW")


Simulator = PennsylvaniaSimulator
