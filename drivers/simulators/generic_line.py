"""A scale of no name that sends lines."""

from drivers.simulators.pan import Pan


class GenericLineSimulator(Pan):
    """A scale: ``W:  1.250 kg``, with ``w:`` while the load moves, ``OL`` out of range."""

    streams = True

    def answer(self, data: bytes) -> bytes:
        """Answer each ``?``."""
        return self.frame() * data.count(b"?")

    def frame(self) -> bytes:
        """Return the line of the load."""
        if self.range != "ok":
            return b"OL\r\n"
        return f"{'w' if self.moving else 'W'}:{self.figure(7)} {self.unit}\r\n".encode()


Simulator = GenericLineSimulator
