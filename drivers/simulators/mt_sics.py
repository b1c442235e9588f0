"""A Mettler-Toledo scale that speaks MT-SICS levels 0 and 1, asked or unasked."""

from decimal import Decimal

from drivers.kit.lines import Lines
from drivers.kit.readings import Range
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite

MAX_COMMAND = 64
"""Bytes of one command."""


class MtSicsSimulator(StreamingDevice):
    """A scale with a pan to put things on."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        unit: str = "kg",
        decimals: int = 3,
    ) -> None:
        """Prepare a scale.

        Args:
            cable: see `Device`.
            load: on the pan.
            unit: as the scale sends it.
            decimals: digits behind the point that it shows.
        """
        super().__init__(cable)
        self.load = load
        self.unit = unit
        self.decimals = decimals
        self.stable = True
        self.busy = False
        """Whether it refuses to weigh for now: ``S I``."""
        self.range: Range = "ok"
        self.serial_number = "0123456789"
        self.repeating: str | None = None
        """``SIR``, ``SR`` or ``SNR`` while it speaks unasked."""
        self._told: str | None = None
        self._zero = Decimal(0)
        self._tare = Decimal(0)
        self._lines = Lines("any", MAX_COMMAND)

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero and tare."""
        return self.load - self._zero - self._tare

    async def take(self, text: str) -> None:
        """Put a load on the pan, in place of the one before."""
        self.load = finite(text)

    def answer(self, data: bytes) -> bytes:
        """Answer each complete command."""
        lines = [self._reply(line.body) for line in self._lines.feed(data)]
        return b"".join(line.encode() + b"\r\n" for line in lines)

    def unasked(self) -> bytes:
        """Repeat the weight: always, where it changed, or where it changed and is stable."""
        if self.repeating is None:
            return b""
        said = self._weighed(wait=False)
        if self.repeating != "SIR" and said == self._told:
            return b""
        if self.repeating == "SNR" and not said.startswith("S S"):
            return b""
        self._told = said
        return said.encode() + b"\r\n"

    def _reply(self, command: bytes) -> str:
        self.repeating = None
        match command.strip():
            case b"S":
                return self._weighed(wait=True)
            case b"SI":
                return self._weighed(wait=False)
            case b"SIR" | b"SR" | b"SNR" as word:
                self.repeating = word.decode()
                self._told = self._weighed(wait=False)
                return self._told
            case b"Z" | b"T" as word:
                return self._set(word.decode())
            case b"TA":
                return f"TA A {self._value(self._tare)}"
            case b"TAC":
                self._tare = Decimal(0)
                return "TAC A"
            case b"@" | b"I4":
                return f'I4 A "{self.serial_number}"'
            case b"I0":
                return "\r\n".join(['I0 B 0 "S"', 'I0 B 0 "SI"', 'I0 B 1 "T"', 'I0 A 1 "TA"'])
            case b"I1":
                return 'I1 A "01" "2.30" "2.20" "" ""'
            case _:
                return "ES"

    def _weighed(self, *, wait: bool) -> str:
        if self.range != "ok":
            return {"over": "S +", "under": "S -", "fault": "S I"}[self.range]
        if self.busy or (wait and not self.stable):
            return "S I"
        return f"S {'S' if self.stable else 'D'} {self._value(self.shown)}"

    def _set(self, word: str) -> str:
        if self.range in {"over", "under"}:
            return f"{word} {'+' if self.range == 'over' else '-'}"
        if self.busy or not self.stable or self.range != "ok":
            return f"{word} I"
        if word == "Z":
            self._zero, self._tare = self.load, Decimal(0)
            return "Z A"
        self._tare = self.load - self._zero
        return f"T S {self._value(self._tare)}"

    def _value(self, value: Decimal) -> str:
        return f"{value:>10.{self.decimals}f} {self.unit}".rstrip()


Simulator = MtSicsSimulator
