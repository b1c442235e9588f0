"""A USB HID scale: reports in frames, as `hidraw://` would read them."""

from decimal import Decimal

from drivers.kit import hid
from drivers.kit.readings import Range
from drivers.scales.usb_hid import AT_ZERO, MOVING, OVER, STABLE, UNDER, USUAL
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite

CAPACITY = 65535
"""The largest number a report holds."""
_UNITS = {"g": 2, "kg": 3, "oz": 11, "lb": 12}
_RANGES: dict[Range, int] = {"ok": 0, "over": OVER, "under": UNDER, "fault": 1}
CONTROL, ZERO = 2, 2
"""Report and bit that set the scale to zero."""


class UsbHidSimulator(StreamingDevice):
    """A parcel scale with something on it, or nothing."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`. It carries frames: a terminal has no reports.
            load: on the pan.
            unit: g, kg, oz or lb.
            decimals: digits behind the point that it shows; -1 shows tens.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.moving = False
        self.range: Range = "ok"
        self.asleep = False
        """Whether it has switched itself off, as some do after three minutes."""
        self.reports: list[bytes] = []
        """What the host has written."""
        self._zero = Decimal(0)
        self._frames = hid.Frames()

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def answer(self, data: bytes) -> bytes:
        """Do what written reports ask for; there is no answer but the next weight."""
        for piece in self._frames.feed(data):
            self.reports.append(piece.data)
            if piece.data[0] == CONTROL and piece.data[1] & ZERO:
                self._zero = self.load
        return b""

    def unasked(self) -> bytes:
        """Return the weight now; before it the descriptor, since nobody knows who has just come."""
        if self.asleep:
            return b""
        return hid.frame(hid.DESCRIPTOR, USUAL) + hid.frame(hid.REPORT, self.report())

    def report(self) -> bytes:
        """Return the weight report."""
        shown = int((self.load - self._zero).scaleb(self.decimals))
        status = MOVING if self.moving else STABLE if shown else AT_ZERO
        status = UNDER if shown < 0 else OVER if shown > CAPACITY else status
        status = _RANGES[self.range] or status
        weight = min(abs(shown), CAPACITY).to_bytes(2, "little")
        return bytes([3, status, _UNITS[self.unit], -self.decimals & 0xFF]) + weight


Simulator = UsbHidSimulator
