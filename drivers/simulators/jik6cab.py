"""A JIK-6CAB indicator whose print key is pressed with each new load."""

from drivers.simulators.pan import Pan


class Jik6cabSimulator(Pan):
    """An indicator."""

    async def take(self, text: str) -> None:
        """Put a load on the pan and press the print key."""
        await super().take(text)
        await self.say(self.frame())

    def frame(self) -> bytes:
        """Return the block of the load."""
        gross = self.load - self.zero
        tare, weight, net = (
            f"{value:>6.{self.decimals}f} {self.unit:>2}"
            for value in (self.tare, gross, self.shown)
        )
        lines = ["^KJIK000", "25-10-2025", "01:25:18", tare, weight, "0", "0", net, net]
        return "\r\n".join([*lines, "    0 pcs", " ", " ", "E", "~P1", ""]).encode()


Simulator = Jik6cabSimulator
