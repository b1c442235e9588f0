"""An A&D scale."""

from decimal import Decimal
from typing import Literal

from drivers.kit.lines import Lines
from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite

MAX_COMMAND = 32
"""Bytes of one command."""


class AndSimulator(StreamingDevice):
    """A scale with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
        format: Literal["standard", "industrial", "csv", "kf", "nu"] = "standard",  # noqa: A002
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`.
            load: on the pan.
            unit: as the scale sends it.
            decimals: digits behind the point that it shows.
            format: of the lines it sends.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.format = format
        self.stable = True
        self.range: Range = "ok"
        self.acknowledges = False
        """Whether commands are answered with ACK."""
        self.streaming = False
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
        """Stream the weight if it was told to."""
        return self._weighed() if self.streaming else b""

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        match command:
            case b"Q":
                return self._weighed()
            case b"SIR":
                self.streaming = True
                return self._weighed()
            case b"C":
                self.streaming = False
            case b"Z" | b"R" | b"T" if self.range != "ok" or not self.stable:
                return b"EC,E02\r\n"
            case b"Z" | b"R":
                self._zero, self._tare = self.load, Decimal(0)
            case b"T":
                self._tare = self.load - self._zero
            case b"PRT":
                return self._weighed()
            case b"?ID":
                return b"ID,LAB-0123\r\n"
            case _:
                return b"EC,E01\r\n"
        return b"\x06" if self.acknowledges else b""

    def _weighed(self) -> bytes:
        number = f"{self.shown:+09.{self.decimals}f}"
        if self.range != "ok":
            sign = "-" if self.range == "under" else "+"
            return f"OL,{sign}9999999E+19\r\n".encode()
        state = "ST" if self.stable else "US"
        line = number
        match self.format:
            case "standard":
                line = f"{state},{number}{self.unit:>3}"
            case "industrial":
                line = f"{state},{'NT' if self._tare else 'GS'},{number}{self.unit}"
            case "csv":
                line = f"{state},{number},{self.unit:>3}"
            case "kf":
                sign = "-" if self.shown < 0 else "+" if self.shown else " "
                unit = self.unit if self.stable else ""
                line = f"{sign}{abs(self.shown):9.{self.decimals}f} {unit:3}"
        return f"{line}\r\n".encode()


Simulator = AndSimulator
