"""A KERN scale that is asked with letters."""

from decimal import Decimal
from typing import Literal

from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device, finite


class KernSimulator(Device):
    """A scale with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
        lines: Literal["plain", "headed"] = "plain",
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`.
            load: on the pan.
            unit: as the scale sends it.
            decimals: digits behind the point that it shows.
            lines: which of the two kinds it sends.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.lines = lines
        self.stable = True
        self.range: Range = "ok"
        self._zero = Decimal(0)
        self._tare = Decimal(0)

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero and tare."""
        return self.load - self._zero - self._tare

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def answer(self, data: bytes) -> bytes:
        """Answer each letter; others mean nothing."""
        return b"".join(self._reply(chr(byte)) for byte in data)

    def _reply(self, letter: str) -> bytes:
        match letter:
            case "w":
                return self._weighed()
            case "s" if self.stable:
                return self._weighed()
            case "t":
                self._tare = self.load - self._zero
            case "z":
                self._zero, self._tare = self.load, Decimal(0)
        return b""

    def _weighed(self) -> bytes:
        number = f"{abs(self.shown):.{self.decimals}f}"
        sign = "-" if self.shown < 0 else " "
        if self.lines == "headed":
            measure = "NT" if self._tare else "GS"
            if self.range != "ok":
                return f"OL,{measure},{'-' if self.range == 'under' else '+'}       \r\n".encode()
            state = "ST" if self.stable else "US"
            return f"{state},{measure}{sign}{number}{self.unit.upper()}\r\n".encode()
        if self.range != "ok":
            return b"       Error\r\n"
        unit = self.unit if self.stable else ""
        return f" {sign}{number:>10} {unit:3}\r\n".encode()


Simulator = KernSimulator
