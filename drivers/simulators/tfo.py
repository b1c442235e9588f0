"""A TFO1 terminal that prints block after block."""

from drivers.simulators.pan import Pan


class TfoSimulator(Pan):
    """A terminal."""

    streams = True

    def frame(self) -> bytes:
        """Return the block of the load."""
        gross = self.load - self.zero
        fields = {"F": 0, "H": 0, "Q": 0, "X": 0, "A": gross, "0": self.shown, "4": self.tare}
        lines = [f"{name}{value:>9.{self.decimals}f}" for name, value in fields.items()]
        return "\r".join([*lines, "B\x83", "V1\r\n"]).encode("latin-1")


Simulator = TfoSimulator
