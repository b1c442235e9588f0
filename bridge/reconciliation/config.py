"""The `[reconciliation]` table of `bridge.toml`: when the ledger is held against the ERP."""

from collections.abc import Collection
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bridge.conditions import Seconds


def _clock(text: str) -> str:
    at = time.fromisoformat(text)
    if at.tzinfo is not None or at.second or at.microsecond:
        raise ValueError("write a time of day as 05:30")
    return text


TimeOfDay = Annotated[str, AfterValidator(_clock)]


class ReconciliationTable(BaseModel):
    """Off unless it is said when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: Annotated[Seconds, Field(ge=1.0, le=86_400.0)] | None = None
    """Seconds between two rounds."""
    at: Annotated[tuple[TimeOfDay, ...], Field(max_length=24)] = ()
    """Times of day, in the office's time; beside `every`, or instead of it."""
    days: Annotated[int, Field(ge=1, le=90)] = 7
    """How far back documents are read: longer than a long weekend, and what an ERP gives soon."""
    settle: Annotated[Seconds, Field(ge=0.0, le=86_400.0)] = 900.0
    """Seconds after which the ERP shows what it has booked: three times the longest delivery."""
    tolerance: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] = Decimal(0)
    """By how much a quantity may differ, in its own unit."""
    stock: bool = False
    """Whether stock is held against what was booked: for a target where nobody else moves stock,
    and whose connector says what a booking adds to it."""

    @property
    def enabled(self) -> bool:
        """Whether rounds are made at all."""
        return self.every is not None or bool(self.at)

    def unread(self, reads: Collection[str], *, moves: bool) -> list[str]:
        """Return what is asked for here and the connector does not do.

        Args:
            reads: what it reads.
            moves: whether it says what a booking adds to stock.
        """
        if not self.enabled:
            return []
        needed = {"booked", *(["stock"] if self.stock else [])}
        missing = [f"the connector does not read {name!r}" for name in sorted(needed - set(reads))]
        if self.stock and not moves:
            missing.append("stock: the connector does not say what a booking adds to it")
        return missing

    def next_after(self, last: datetime, zone: tzinfo) -> datetime | None:
        """Return when the round after one at `last`, aware, is due; None where it is off."""
        local = last.astimezone(zone)
        due = [] if self.every is None else [last + timedelta(seconds=self.every)]
        for text in self.at:
            moment = datetime.combine(local.date(), time.fromisoformat(text), zone)
            if moment <= last:
                moment = datetime.combine(local.date() + timedelta(days=1), moment.time(), zone)
            due.append(moment)
        return min(due, default=None)
