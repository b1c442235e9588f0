"""An indicator that sends Toledo continuous output."""

from decimal import Decimal
from typing import Literal

from drivers.kit.readings import Range
from drivers.scales.toledo_continuous import (
    CONSTANT,
    KG,
    MOTION,
    NEGATIVE,
    NET,
    NOT_ZEROED,
    OUT_OF_RANGE,
    X_MOTION,
    X_NOT_ZEROED,
    X_OVER,
    X_UNDER,
    X_ZERO,
)
from drivers.simulators.cable import Cable
from drivers.simulators.device import StreamingDevice, finite

_KG = 2
_EXTENDED: dict[Range, int] = {"ok": 0, "over": X_OVER, "under": X_UNDER, "fault": X_NOT_ZEROED}


class ToledoContinuousSimulator(StreamingDevice):
    """An indicator with a platform, in kg."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        load: Decimal = Decimal(0),
        decimals: int = 3,
        form: Literal["standard", "extended"] = "standard",
        end: Literal["checksum", "none", "lf"] = "checksum",
    ) -> None:
        """Prepare an indicator.

        Args:
            cable: see `Device`.
            load: on the platform.
            decimals: digits behind the point that it shows.
            form: see the driver.
            end: see the driver.
        """
        super().__init__(cable)
        self.load = load
        self.decimals = decimals
        self.form = form
        self.end = end
        self.moving = False
        self.range: Range = "ok"
        self._zero = Decimal(0)
        self._tare = Decimal(0)

    @property
    def shown(self) -> Decimal:
        """What the display shows: the load less zero and tare."""
        return self.load - self._zero - self._tare

    async def take(self, text: str) -> None:
        """Put a load on the platform, in place of the one before."""
        self.load = finite(text)

    def answer(self, data: bytes) -> bytes:
        """Do what each command byte says, without an answer."""
        for command in data:
            match chr(command):
                case "Z":
                    self._zero, self._tare = self.load, Decimal(0)
                case "T":
                    self._tare = self.load - self._zero
                case "C":
                    self._tare = Decimal(0)
        return b""

    def unasked(self) -> bytes:
        """Return one frame."""
        body = self._standard() if self.form == "standard" else self._extended()
        match self.end:
            case "checksum":
                return body + bytes([-sum(body) & 0x7F])
            case "lf":
                return body + b"\n"
            case "none":
                return body

    def _standard(self) -> bytes:
        status = CONSTANT | KG
        status |= NET if self._tare else 0
        status |= MOTION if self.moving else 0
        status |= NEGATIVE if self.shown < 0 or self.range == "under" else 0
        status |= OUT_OF_RANGE if self.range in {"over", "under"} else 0
        status |= NOT_ZEROED if self.range == "fault" else 0
        statuses = bytes([CONSTANT | 0x08 | (self.decimals + 2), status, CONSTANT])
        return b"\x02" + statuses + self._digits(self.shown) + self._digits(self._tare) + b"\r"

    def _digits(self, value: Decimal) -> bytes:
        return b"%06d" % abs(int(value.scaleb(self.decimals)))

    def _extended(self) -> bytes:
        first = CONSTANT | _KG
        first |= X_ZERO if self.shown == 0 else 0
        first |= X_MOTION if self.moving else 0
        statuses = bytes(
            [first, CONSTANT | bool(self._tare), CONSTANT | _EXTENDED[self.range], CONSTANT]
        )
        fields = f"{self.shown:9.{self.decimals}f}{self._tare:8.{self.decimals}f}"
        return b"\x011" + statuses + fields.encode() + b"\r"


Simulator = ToledoContinuousSimulator
