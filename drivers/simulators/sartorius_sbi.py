"""A Sartorius balance with SBI."""

from decimal import Decimal
from typing import Literal

from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device, finite

ESCAPE = 0x1B

_TROUBLES: dict[Range, str] = {"over": "High", "under": "Low", "fault": "Err 054"}


class SartoriusSbiSimulator(Device):
    """A balance with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "g",
        decimals: int = 3,
        length: Literal[16, 22] = 22,
    ) -> None:
        """Prepare a balance.

        Args:
            cable: see `Device`.
            load: on the pan.
            unit: as the balance sends it.
            decimals: digits behind the point that it shows.
            length: characters of a line.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.length = length
        self.stable = True
        self.range: Range = "ok"
        self._zero = Decimal(0)
        self._tare = Decimal(0)
        self._escaped = False

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero and tare."""
        return self.load - self._zero - self._tare

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def answer(self, data: bytes) -> bytes:
        """Answer each letter after an escape; other bytes mean nothing."""
        said = b""
        for byte in data:
            if self._escaped:
                said += self._reply(chr(byte))
            self._escaped = byte == ESCAPE
        return said

    def _reply(self, letter: str) -> bytes:
        match letter:
            case "P":
                return self._weighed()
            case "V":
                self._zero, self._tare = self.load, Decimal(0)
            case "T" | "U":
                self._tare = self.load - self._zero
        return b""

    def _weighed(self) -> bytes:
        if self.range != "ok":
            word = _TROUBLES[self.range]
            return self._line("Stat", f"{word:^14}")
        sign = "-" if self.shown < 0 else "+" if self.shown else " "
        unit = self.unit if self.stable else ""
        number = f"{abs(self.shown):.{self.decimals}f}"
        return self._line("N", f"{sign}{number:>9} {unit:3}")

    def _line(self, identifier: str, value: str) -> bytes:
        front = f"{identifier:6}" if self.length == 22 else ""
        return f"{front}{value}\r\n".encode()


Simulator = SartoriusSbiSimulator
