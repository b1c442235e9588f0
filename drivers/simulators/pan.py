"""What all simulated scales have: a pan to put things on, a zero, a tare, and troubles."""

from decimal import Decimal

from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite


class Pan(StreamingDevice):
    """A scale. A subclass says in `frame` what it sends, unasked or when it is asked."""

    streams = False
    """Whether it speaks unasked."""

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
            cable: see `Device`.
            load: on the pan.
            unit: as the scale sends it, if it sends one.
            decimals: digits behind the point that it shows.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.moving = False
        self.range: Range = "ok"
        self.zero = Decimal(0)
        self.tare = Decimal(0)

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero and tare."""
        return self.load - self.zero - self.tare

    def figure(self, width: int) -> str:
        """Return what the display shows, right in `width` characters."""
        return f"{self.shown:>{width}.{self.decimals}f}"

    def signed(self, width: int) -> str:
        """Return the sign that stands first, a space or a minus, and the rest right in `width`."""
        sign = "-" if self.shown < 0 else " "
        return f"{sign}{abs(self.shown):>{width}.{self.decimals}f}"

    def set_zero(self) -> None:
        """Make the load that is on the pan nothing."""
        self.zero, self.tare = self.load, Decimal(0)

    def set_tare(self) -> None:
        """Make the load that is on the pan the tare."""
        self.tare = self.load - self.zero

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def unasked(self) -> bytes:
        """Return what the scale says now, if it speaks unasked."""
        return self.frame() if self.streams else b""

    def frame(self) -> bytes:
        """Return what the scale says of the load now."""
        return b""
