"""A WorldWeigh platform scale that sends Con3."""

from drivers.simulators.pan import Pan


class WorldWeighSimulator(Pan):
    """A platform scale. It does not say when it is overloaded."""

    streams = True

    def frame(self) -> bytes:
        """Return the frame of the load."""
        sign = "-" if self.shown < 0 else "+"
        weight = f"{sign}{abs(self.shown):>7.{self.decimals}f}"
        return f"\x01{weight}{self.unit:>2}{int(self.moving)}".encode()


Simulator = WorldWeighSimulator
