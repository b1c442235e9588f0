"""An OHAUS scale with the columns of one of its families."""

from decimal import Decimal
from typing import Literal

from drivers.kit.lines import Lines
from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite

MAX_COMMAND = 32
"""Bytes of one command."""

_TROUBLES: dict[Range, str] = {"over": "Err 8.3", "under": "Err 8.4", "fault": "Err 8.1"}


class OhausSimulator(StreamingDevice):
    """A scale with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
        family: Literal["defender", "ranger", "balance"] = "defender",
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`.
            load: on the pan.
            unit: as the scale sends it.
            decimals: digits behind the point that it shows.
            family: whose columns it has.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.family = family
        self.moving = False
        self.range: Range = "ok"
        self.printing = False
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
        """Print the weight if it was told to go on."""
        return self._weighed() if self.printing else b""

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        match command:
            case b"IP" | b"P":
                return self._weighed()
            case b"CP":
                self.printing = True
            case b"0P":
                self.printing = False
            case b"Z":
                self._zero, self._tare = self.load, Decimal(0)
            case b"T":
                self._tare = self.load - self._zero
            case b"0T":
                self._tare = Decimal(0)
            case _:
                return b"ES\r\n"
        return b""

    def _weighed(self) -> bytes:
        if self.range != "ok":
            return f"{_TROUBLES[self.range]}\r\n".encode()
        sign = "-" if self.shown < 0 else " "
        number = f"{abs(self.shown):.{self.decimals}f}"
        moving = "?" if self.moving else " "
        measure = "N" if self._tare else "G"
        lines = {
            "defender": f"{sign}{number:>7} {self.unit:5}{moving}{measure}",
            "ranger": f"{sign} {number:>7} {self.unit:2} {moving} {measure}",
            "balance": f"{sign.strip() + number:>12} {self.unit:5}{moving}",
        }
        return f"{lines[self.family]}\r\n".encode()


Simulator = OhausSimulator
