"""A checkout scale that speaks the EPOS protocol."""

from decimal import Decimal

from drivers.kit.telegrams import exclusive
from drivers.scales.epos_berkel import ACK, AVIATOR, CAN, CR, DC1, ENQ, ETX, NAK, OUT, STX
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

KG_15 = 1
"""The capacity of 15 kg by 5 g."""


class EposBerkelSimulator(Pan):
    """A scale of 15 kg."""

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
        self.denies = False
        """Whether it says that what came back is not what it sent."""
        self._echo = b""
        self._heard = b""

    def answer(self, data: bytes) -> bytes:
        """Answer each character, and what came back as a whole."""
        reply = b""
        for byte in data:
            if self._echo:
                self._heard += bytes([byte])
                if len(self._heard) == len(self._echo):
                    right = self._heard == self._echo and not self.denies
                    reply += bytes([CR if right else ACK])
                    self._echo = self._heard = b""
            elif byte == ENQ:
                reply += bytes([NAK if self.range == "fault" else CAN if self.moving else ACK])
            elif byte == DC1:
                self._echo = self.frame()
                reply += self._echo
        return reply

    def frame(self) -> bytes:
        """Return what DC1 is answered."""
        kind = AVIATOR | KG_15 | (0 if self.range == "ok" else OUT)
        text = bytes([kind]) + f"{int(self.shown.scaleb(self.decimals)):05}".encode()
        return bytes([STX]) + text + bytes([exclusive(text), ETX])


Simulator = EposBerkelSimulator
