"""A Liden scale that sends continuous output A."""

from drivers.simulators.pan import Pan


class LidenSimulator(Pan):
    """A scale. It says neither when it moves nor when it is overloaded."""

    streams = True

    def frame(self) -> bytes:
        """Return the frame of the load."""
        what = "n" if self.tare else "w"
        return f"w{what}{self.shown:09.{self.decimals}f}{self.unit}\r\n".encode()


Simulator = LidenSimulator
