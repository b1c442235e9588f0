"""A scale with the NCI dialogues SCP-01, SCP-02 and SCP-12."""

from decimal import Decimal
from typing import Literal

from drivers.kit.lines import Lines
from drivers.kit.readings import Range
from drivers.scales.nci import MOTION, NOT_ZEROED, OVER, UNDER, ZERO
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device, finite

ALWAYS = 0x30
"""Bits 4 and 5 of every status byte."""
MORE = 0x40
"""Another status byte follows."""
MAX_COMMAND = 16
"""Bytes of one command."""

_UNITS = {"kg": "lb", "lb": "kg"}


class NciSimulator(Device):
    """A scale with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: Literal["kg", "lb"] = "kg",
        decimals: int = 3,
        dialogue: Literal["scp01", "scp02", "scp12"] = "scp01",
        sense: Literal["high", "low"] = "high",
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`.
            load: on the pan.
            unit: that it shows; the load is in whatever it shows.
            decimals: digits behind the point.
            dialogue: how it frames its answers.
            sense: whether a 1 or a 0 in status byte 1 means something.
        """
        super().__init__(cable)
        self.load = load
        self.unit: str = unit
        self.decimals = decimals
        self.dialogue = dialogue
        self.sense = sense
        self.moving = False
        self.range: Range = "ok"
        self._zero = Decimal(0)
        self._lines = Lines("cr", MAX_COMMAND)

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero."""
        return self.load - self._zero

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        return b"".join(self._reply(line.body) for line in self._lines.feed(data))

    def _reply(self, command: bytes) -> bytes:
        match command.strip():
            case b"W":
                return self._weighed()
            case b"S":
                return self._framed()
            case b"Z":
                self._zero = self.load
                return self._framed()
            case b"U":
                self.unit = _UNITS[self.unit]
                return self._framed()
            case _:
                return b"\n?\r\x03"

    def _weighed(self) -> bytes:
        width = {"scp01": 7, "scp02": 6, "scp12": 7}[self.dialogue]
        if self.range == "ok":
            field = f"{self.shown:0{width}.{self.decimals}f}"
        elif self.dialogue == "scp02":
            return self._framed()
        else:
            field = {"over": "^", "under": "_", "fault": "-"}[self.range] * width
        unit = self.unit if self.dialogue == "scp01" else self.unit.upper()
        polarity = " " if self.dialogue == "scp12" and not field.startswith("-") else ""
        return self._framed(f"\n{polarity}{field}{unit}\r".encode())

    def _framed(self, weight: bytes = b"") -> bytes:
        match self.dialogue:
            case "scp01":
                return weight + b"\n" + self._status() + b"\r\x03"
            case "scp02":
                return weight + b"\nS" + self._status() + b"\r\x03"
            case "scp12" if weight:
                return weight + self._status() + b"\x03"
            case "scp12":
                return b"\n" + self._status() + b"\r\x03"

    def _status(self) -> bytes:
        first = (MOTION if self.moving else 0) | (ZERO if self.shown == 0 else 0)
        if self.sense == "low":
            first ^= 0x0F
        second = {"ok": 0, "under": UNDER, "over": OVER, "fault": MORE}[self.range]
        third = [ALWAYS | NOT_ZEROED] if self.range == "fault" else []
        return bytes([ALWAYS | first, ALWAYS | second, *third])


Simulator = NciSimulator
