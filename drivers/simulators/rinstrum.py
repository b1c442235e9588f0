"""A Rinstrum indicator that sends format 1."""

from drivers.simulators.pan import Pan

_STATES = {"over": "O", "under": "U", "fault": "E"}


class RinstrumSimulator(Pan):
    """An indicator."""

    streams = True

    def frame(self) -> bytes:
        """Return the frame of the load."""
        moving = "M" if self.moving else None
        state = _STATES.get(self.range) or moving or ("N" if self.tare else "G")
        return f"\x02{self.signed(7)}{state}\x03".encode()


Simulator = RinstrumSimulator
