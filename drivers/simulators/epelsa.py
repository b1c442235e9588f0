"""A Dibal checkout scale that speaks the 98/99 protocol."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.kit.telegrams import exclusive
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

MAX_COMMAND = 32
"""Bytes of one question."""


class EpelsaSimulator(Pan):
    """A scale."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
    ) -> None:
        """Prepare a scale; see `Pan`."""
        super().__init__(cable, load=load, unit=unit, decimals=decimals)
        self._lines = Lines("any", MAX_COMMAND)

    def answer(self, data: bytes) -> bytes:
        """Answer each question whose check is right."""
        return b"".join(
            self.frame()
            for line in self._lines.feed(data)
            if line.body[:2] == b"98" and exclusive(line.body[:-1]) == line.body[-1]
        )

    def frame(self) -> bytes:
        """Return the answer to a price."""
        status = 0 if self.range == "ok" else 1
        grams = "     " if self.moving else f"{int(self.shown.scaleb(3)):05}"
        text = f"99{status}{grams}0000000".encode()
        return text + bytes([exclusive(text)]) + b"\r\n"


Simulator = EpelsaSimulator
