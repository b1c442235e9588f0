"""A Dini Argeo indicator that answers commands."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 64
"""Bytes of one command."""
_STATES = {"over": "OL", "under": "UL", "fault": "TL"}


class DiniArgeoSimulator(Pan):
    """An indicator without an address."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
    ) -> None:
        """Prepare an indicator; see `Pan`."""
        super().__init__(cable, load=load, unit=unit, decimals=decimals)
        self._lines = Lines("any", MAX_COMMAND)

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        match command:
            case b"READ":
                return self.frame()
            case b"REXT":
                head = f"1{self._state()},{self.figure(10)},  "
                tail = f"{self.tare:>10.{self.decimals}f},{0:>10},{self.unit:>2}\r\n"
                return (head + tail).encode()
            case b"Z":
                self.set_zero()
            case b"T":
                self.set_tare()
            case b"C":
                self.tare = Decimal(0)
            case b"P":
                pass
            case _:
                return b"ERR04\r\n"
        return b"OK\r\n"

    def _state(self) -> str:
        return _STATES.get(self.range) or ("US" if self.moving else "ST")

    def frame(self) -> bytes:
        """Return the standard string."""
        what = "NT" if self.tare else "GS"
        return f"{self._state()},{what},{self.figure(8)},{self.unit:>2}\r\n".encode()


Simulator = DiniArgeoSimulator
