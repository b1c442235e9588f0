"""A checkout scale that speaks the CAS protocol."""

from drivers.kit.telegrams import exclusive
from drivers.scales.cas_pos import ACK, DC1, ENQ, NAK
from drivers.simulators.pan import Pan


class CasPosSimulator(Pan):
    """A scale."""

    def answer(self, data: bytes) -> bytes:
        """Answer each character."""
        reply = b""
        for byte in data:
            if byte == ENQ:
                reply += bytes([NAK if self.range == "fault" else ACK])
            elif byte == DC1:
                reply += self.frame()
        return reply

    def frame(self) -> bytes:
        """Return what DC1 is answered."""
        state = "U" if self.moving else "S"
        sign = "-" if self.shown < 0 else " "
        weight = f"{sign}{abs(self.shown):06.{self.decimals}f}"
        text = f"{state}{'FFFFFFF' if self.range != 'ok' else weight}{self.unit:>2}".encode()
        return b"\x01\x02" + text + bytes([exclusive(text), 3, 4])


Simulator = CasPosSimulator
