"""A checkout scale that speaks the Toledo 8217 dialogue."""

from decimal import Decimal

from drivers.kit.readings import Range
from drivers.scales.toledo_8217 import MOTION, NET, OUTSIDE, OVER, UNDER, ZERO
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device, finite

ALWAYS = 0x40
"""Bit 6 of a status: 1 on real scales."""
PASSED = 0x40
"""The result of a self-test without failures."""
CAPACITY = 100
"""What two digits before the point cannot show any more."""
_RANGES: dict[Range, int] = {"ok": 0, "over": OVER, "under": UNDER, "fault": OUTSIDE}
_EVEN_PARITY = bytes(value | (value.bit_count() % 2) << 7 for value in range(128))


class Toledo8217Simulator(Device):
    """A scale with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        decimals: int = 3,
        parity: bool = False,
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`.
            load: on the pan; below 100.
            decimals: digits behind the point: 3 for kg, 2 for lb.
            parity: whether bit 7 is even parity, as on a 7E1 line that is read with 8 bits.
        """
        super().__init__(cable)
        self.load = load
        self.decimals = decimals
        self.parity = parity
        self.moving = False
        self.range: Range = "ok"
        self.echo = False
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
        """Answer each command byte; others are not answered."""
        reply = b"".join(self._reply(bytes([byte & 0x7F])) for byte in data)
        return reply.translate(_EVEN_PARITY + _EVEN_PARITY) if self.parity else reply

    def _reply(self, command: bytes) -> bytes:
        if self.echo and command != b"F":
            return command
        match command:
            case b"W":
                return self._weighed()
            case b"E":
                self.echo = True
                return b"\x02E\r"
            case b"F":
                self.echo = False
            case b"A" | b"B":
                return bytes([0x02, PASSED, 0x0D])
            case b"H":
                return self._weighed(more=1)
            case b"Z":
                self._zero, self._tare = self.load, Decimal(0)
                return self._status()
            case b"T":
                self._tare = self.load - self._zero
                return self._status()
            case b"C":
                self._tare = Decimal(0)
                return self._status()
        return b""

    def _weighed(self, more: int = 0) -> bytes:
        if self.moving or self.range != "ok" or not 0 < self.shown < CAPACITY:
            return self._status()
        net = "N" if self._tare else ""
        decimals = self.decimals + more
        return f"\x02{self.shown:0{decimals + 3}.{decimals}f}{net}\r".encode()

    def _status(self) -> bytes:
        status = ALWAYS | _RANGES[self.range]
        status |= MOTION if self.moving else 0
        status |= NET if self._tare else 0
        if self.range == "ok" and not self.moving:
            status |= ZERO if self.shown == 0 else 0
            status |= UNDER if self.shown < 0 else OVER if self.shown >= CAPACITY else 0
        return bytes([0x02, ord("?"), status, 0x0D])


Simulator = Toledo8217Simulator
