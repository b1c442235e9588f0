"""A Fairbanks instrument with demand output."""

from drivers.simulators.pan import Pan


class FairbanksSimulator(Pan):
    """An instrument. It does not answer in overload."""

    def answer(self, data: bytes) -> bytes:
        """Obey each letter; CR is answered."""
        reply = b""
        for letter in data.decode("latin-1"):
            match letter:
                case "\r":
                    reply += self.frame()
                case "Z":
                    self.set_zero()
                case "T":
                    self.set_tare()
                case "G":
                    self.tare = self.tare * 0
        return reply

    def frame(self) -> bytes:
        """Return what CR is answered."""
        if self.range != "ok":
            return b""
        what = "NT" if self.tare else "GR"
        what = what.lower() if self.moving else what
        return f"\x02{self.figure(9)} {self.unit:>2} {what}\r\n".encode()


Simulator = FairbanksSimulator
