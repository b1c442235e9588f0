"""A Yaohua A12E indicator."""

from drivers.kit.telegrams import exclusive
from drivers.simulators.pan import Pan

_OUT = {"over": "OL", "under": "LO"}


class YaohuaSimulator(Pan):
    """An indicator."""

    streams = True

    def frame(self) -> bytes:
        """Return the frame of the load."""
        if self.range in _OUT:
            covered = f"{'':9}{_OUT[self.range]}"
        else:
            what = "N" if self.tare else "G"
            covered = f"W{what}{self.shown:07.{self.decimals}f}{self.unit:>2}"
        return f"{covered}{exclusive(covered.encode()):02X}\r\n".encode()


Simulator = YaohuaSimulator
