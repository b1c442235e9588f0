"""A Massa-K scale that speaks Protocol 100."""

from drivers.scales.massa_k import (
    DONE,
    ERROR,
    GET_WEIGHT,
    HEADER,
    OVERLOAD,
    SET_ZERO,
    WEIGHT,
    telegram,
)
from drivers.simulators.pan import Pan

DIVISION_1_G = 1
FAULTY = 0x19
UNKNOWN = 0xF0


class MassaKSimulator(Pan):
    """A scale with divisions of 1 g."""

    def answer(self, data: bytes) -> bytes:
        """Answer each command, which must come in one piece."""
        reply = b""
        for command in data.split(HEADER)[1:]:
            reply += self._reply(command[2:3])
        return reply

    def _reply(self, command: bytes) -> bytes:
        if command == bytes([GET_WEIGHT]):
            return self.frame()
        if command == bytes([SET_ZERO]):
            self.set_zero()
            return telegram(bytes([DONE]))
        return telegram(bytes([UNKNOWN]))

    def frame(self) -> bytes:
        """Return the answer to a question for the weight."""
        if self.range != "ok":
            return telegram(bytes([ERROR, OVERLOAD if self.range == "over" else FAULTY]))
        grams = int(self.shown.scaleb(3)).to_bytes(4, "little", signed=True)
        flags = [not self.moving, bool(self.tare), self.shown == 0]
        return telegram(bytes([WEIGHT, *grams, DIVISION_1_G, *map(int, flags)]))


Simulator = MassaKSimulator
