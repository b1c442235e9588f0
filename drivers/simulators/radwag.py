"""A Radwag scale that answers commands."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 64
"""Bytes of one command."""
_STATES = {"over": "^", "under": "v"}


class RadwagSimulator(Pan):
    """A scale with a pan to put things on."""

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
        return b"".join(self._reply(line.body.decode("latin-1")) for line in self._lines.feed(data))

    def _reply(self, command: str) -> bytes:
        if self.range == "fault":
            return f"{command} I\r\n".encode()
        match command:
            case "S" | "SI" | "SU" | "SUI":
                return self._weighed(command)
            case "Z" | "T":
                return self._set(command)
        return b"ES\r\n"

    def _set(self, command: str) -> bytes:
        if self.range != "ok":
            return f"{command} A\r\n{command} {_STATES[self.range]}\r\n".encode()
        if command == "Z":
            self.set_zero()
        else:
            self.set_tare()
        return f"{command} A\r\n{command} D\r\n".encode()

    def _weighed(self, command: str) -> bytes:
        state = _STATES.get(self.range) or ("?" if self.moving else " ")
        return f"{command:<3}{state} {self.signed(9)} {self.unit:<3}\r\n".encode()

    def frame(self) -> bytes:
        """Return what ``SUI`` is answered."""
        return self._weighed("SUI")


Simulator = RadwagSimulator
