"""A CAS indicator that sends the 22-byte form."""

from drivers.scales.cas import DEVICE_1, ZERO
from drivers.simulators.pan import Pan

ALWAYS, STABLE, GROSS, TARE = 0x80, 0x40, 4, 2


class CasSimulator(Pan):
    """An indicator: it sends by itself, and answers its number."""

    streams = True

    def answer(self, data: bytes) -> bytes:
        """Answer each request byte."""
        return self.frame() * data.count(DEVICE_1)

    def frame(self) -> bytes:
        """Return the 22 bytes of the load."""
        out = self.range in {"over", "under"}
        state = "OL" if out else "US" if self.moving else "ST"
        lamps = ALWAYS | (TARE if self.tare else GROSS)
        lamps |= 0 if out or self.moving else STABLE
        lamps |= ZERO if self.shown == 0 and not out else 0
        figure = ("-" if self.range == "under" else " ") + " " * 7 if out else self.signed(7)
        head = f"{state},{'NT' if self.tare else 'GS'},".encode()
        return head + bytes([DEVICE_1, lamps]) + f",{figure} {self.unit:>2}\r\n".encode()


Simulator = CasSimulator
