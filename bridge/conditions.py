"""The tables of `bridge.toml` that say how fast, when and in what mode a target is written to."""

import re
from datetime import UTC, date, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from bridge.modes import ANY, Mode, Modes, Scope
from bridge.opening import Opening, Span
from contract.values import Slug

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0}


def _seconds(value: Any) -> Any:
    """Read `30s`, `15m` or `2h`; a number is seconds."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh])", value)
    if found is None:
        raise ValueError("write a time as 30s, 15m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _span(text: str) -> str:
    Span.parse(text)
    return text


Seconds = Annotated[float, BeforeValidator(_seconds)]
Hours = Annotated[str, AfterValidator(_span)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Table):
    """The `[limits]` table: calls the target allows. Its own `Retry-After` is kept to besides."""

    per_second: float | None = Field(default=None, gt=0)
    burst: int = Field(default=10, ge=1)
    per_day: int | None = Field(default=None, ge=1)
    """On one day in UTC, readings included; kept through restarts."""
    readings: float = Field(default=0.5, ge=0, le=1)
    """The part of `per_day` that scheduled readings may use; the rest is for bookings alone."""


class Break(_Table):
    """The `[breaker]` table: when a target that fails is left alone."""

    after: int = Field(default=10, ge=1)
    open: Seconds = Field(default=30.0, ge=1.0, le=300.0)


class Group(_Table):
    """The `[group]` table: transactions of one document, booked as one document of the ERP."""

    most: int = Field(default=50, ge=1, le=200)
    linger: Seconds = Field(default=0.0, ge=0.0, le=300.0)


class Schedule(_Table):
    """The `[schedule]` table: batches instead of at once."""

    every: Seconds | None = Field(default=None, ge=10.0, le=86_400.0)
    windows: tuple[Hours, ...] = ()


class Calendar(_Table):
    """The `[calendar]` table: the office's time, its quiet hours, the periods it has closed."""

    timezone: str = "UTC"
    quiet: tuple[Hours, ...] = ()
    closed_until: date | None = None
    """The last day nothing may be booked into any more."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        _zone(name)
        return name


class Rule(_Table):
    """One `[[modes.rule]]`: what names most decides."""

    gateway: Slug | None = None
    station: Slug | None = None
    type: Slug | None = None
    mode: Mode


class ModeTable(_Table):
    """The `[modes]` table: off, shadow, live or noted."""

    default: Mode = "live"
    rule: tuple[Rule, ...] = ()
    unproven: bool = False
    """Go live with a connector that was written from documentation alone."""

    @property
    def modes(self) -> Modes:
        """The same as the dispatcher wants it."""
        rules = {
            Scope(rule.gateway or ANY, rule.station or ANY, rule.type or ANY): rule.mode
            for rule in self.rule
        }
        return Modes(rules.pop(Scope(), self.default), rules)


def opening(schedule: Schedule, calendar: Calendar) -> Opening:
    """Return when deliveries may be made."""
    return Opening(
        quiet=[Span.parse(text) for text in calendar.quiet],
        windows=[Span.parse(text) for text in schedule.windows],
        every_s=schedule.every,
        closed_until=calendar.closed_until,
        zone=_zone(calendar.timezone),
    )


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # known where no list of zones is installed
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
