"""A checkout scale that speaks Dialog 06."""

import re
from decimal import Decimal

from drivers.scales.dialog_06 import WEIGH, WHY
from drivers.simulators.cable import Cable
from drivers.simulators.pan import Pan

ACK, NAK = b"\x06", b"\x15"
CHECKSUMS_WANTED = b"\x0211\x1b234\x03"

_SAID = re.compile(
    rb"\x04(?:\x05|\x0208\x03|\x0201\x1b(?P<price>[0-9]{6})\x1b\x03"
    rb"|\x0203\x1b[0-9]{6}\x1b(?P<tare>[0-9]{4})\x03)"
)


class Dialog06Simulator(Pan):
    """A scale that gives each load once."""

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
        self.verified = False
        """Whether it wants checksums before it weighs."""
        self._given: Decimal | None = None
        self._reason = "00"
        self._pending = b""

    def answer(self, data: bytes) -> bytes:
        """Answer each record."""
        self._pending += data
        reply, end = b"", 0
        for said in _SAID.finditer(self._pending):
            reply, end = reply + self._reply(said), said.end()
        self._pending = self._pending[end:][-64:]
        return reply

    def _reply(self, said: re.Match[bytes]) -> bytes:
        if said[0] == WHY:
            return f"\x0209\x1b{self._reason}\x03".encode()
        if said[0] == WEIGH:
            return CHECKSUMS_WANTED if self.verified else self.frame()
        if said["tare"]:
            self.tare = Decimal(said["tare"].decode()).scaleb(-3)
        return ACK

    def _trouble(self) -> str | None:
        if self.moving:
            return "20"
        if self.range != "ok":
            return {"over": "32", "under": "31", "fault": "01"}[self.range]
        if self.shown <= 0:
            self._given = None
            return "30" if self.shown == 0 else "31"
        return "21" if self.shown == self._given else None

    def frame(self) -> bytes:
        """Return what ``EOT ENQ`` is answered."""
        if trouble := self._trouble():
            self._reason = trouble
            return NAK
        self._given = self.shown
        grams = int(self.shown.scaleb(3))
        return f"\x0202\x1b3\x1b{grams:05}\x1b000001\x1b{grams // 1000:06}\x03".encode()


Simulator = Dialog06Simulator
