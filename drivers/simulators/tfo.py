"""A TFO1 terminal that prints block after block."""

from decimal import Decimal

from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan


class TfoSimulator(Pan):
    """A terminal."""

    streams = True

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 1,
    ) -> None:
        """Prepare a terminal; see `Pan`."""
        super().__init__(cable, load=load, unit=unit, decimals=decimals)

    def frame(self) -> bytes:
        """Return the block of the load."""
        gross = self.load - self.zero
        fields = {"F": 0, "H": 0, "Q": 0, "X": 0, "A": gross, "0": self.shown, "4": self.tare}
        lines = [f"{name}{value:>9.{self.decimals}f}" for name, value in fields.items()]
        return "\r".join([*lines, "B\x83", "V1\r\n"]).encode("latin-1")


Simulator = TfoSimulator
