"""A bench scale that sends ``ST,GS,`` lines and knows KERN's letters."""

from drivers.simulators.pan import Pan


class StGsSimulator(Pan):
    """A scale: it sends by itself, and answers letters."""

    streams = True

    def answer(self, data: bytes) -> bytes:
        """Obey each letter; ``W`` and ``S`` are answered."""
        reply = b""
        for letter in data.decode("latin-1"):
            match letter:
                case "W" | "S":
                    reply += self.frame()
                case "Z":
                    self.set_zero()
                case "T":
                    self.set_tare()
        return reply

    def frame(self) -> bytes:
        """Return the line of the load."""
        what = "NT" if self.tare else "GS"
        if self.range in {"over", "under"}:
            return f"OL,{what},{'-' if self.range == 'under' else '+'}{' ' * 12}\r\n".encode()
        sign = "-" if self.shown < 0 else "+"
        figure = f"{abs(self.shown):>8.{self.decimals}f}"
        return f"{'US' if self.moving else 'ST'},{what},{sign}{figure}{self.unit}\r\n".encode()


Simulator = StGsSimulator
