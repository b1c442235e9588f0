"""Off, shadow, live or noted: for the whole target, a gateway, a station, a type. Pure.

`off`: entries stay in line. `shadow`: they stay in line too, and what would be sent is planned and
kept. `live`: they are sent. `noted`: they need no posting there, and are closed as such, see
`bridge.noted`. The rule that names most decides; what was set at run time stands above what the
configuration says of the same thing.

>>> modes = Modes("live", {Scope(station="bench-1"): "shadow", Scope(type="count"): "off"})
>>> modes.of("dock", "bench-1", "pick"), modes.of("dock", "bench-2", "pick")
('shadow', 'live')
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import ColumnElement, and_, case, literal, true

from bridge.schema import entry, stream

Mode = Literal["off", "shadow", "live", "noted"]
ANY = "*"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What a mode is for; `*` is any. Stations of two gateways may have one name."""

    gateway: str = ANY
    station: str = ANY
    type: str = ANY

    @property
    def weight(self) -> tuple[int, bool, bool]:
        """How much it names; of two that name as much, a station counts more than a type."""
        named = [part != ANY for part in (self.gateway, self.station, self.type)]
        return sum(named), named[1], named[2]

    def holds(self, gateway: str, station: str, type: str) -> bool:  # noqa: A002 - as it is called
        """Return whether it is about that."""
        return (
            self.gateway in {ANY, gateway}
            and self.station in {ANY, station}
            and self.type in {ANY, type}
        )

    def __str__(self) -> str:
        named = {"gateway": self.gateway, "station": self.station, "type": self.type}
        said = ", ".join(f"{name} {value}" for name, value in named.items() if value != ANY)
        return said or "everything"


@dataclass(frozen=True, slots=True)
class Modes:
    """All rules, and what holds where none does."""

    default: Mode = "live"
    rules: Mapping[Scope, Mode] = field(default_factory=dict)

    def under(self, set_later: Mapping[Scope, Mode]) -> "Modes":
        """Return these with rules set at run time upon them."""
        rules = {**self.rules, **set_later}
        return Modes(rules.pop(Scope(), self.default), rules)

    def of(self, gateway: str, station: str, type: str) -> Mode:  # noqa: A002 - as it is called
        """Return the mode of an entry."""
        for scope, mode in self._by_weight():
            if scope.holds(gateway, station, type):
                return mode
        return self.default

    def says(self, mode: Mode) -> bool:
        """Return whether anything is in that mode."""
        return mode in {self.default, *self.rules.values()}

    def where(self, mode: Mode) -> ColumnElement[bool]:
        """Return the same as a condition on `entry` joined with `stream`."""
        if not self.rules:
            return true() if self.default == mode else ~true()
        whens = [(_condition(scope), literal(said)) for scope, said in self._by_weight()]
        return case(*whens, else_=literal(self.default)) == mode

    def _by_weight(self) -> list[tuple[Scope, Mode]]:
        return sorted(self.rules.items(), key=lambda rule: (rule[0].weight, rule[0]), reverse=True)


def _condition(scope: Scope) -> ColumnElement[bool]:
    columns = (
        (scope.gateway, stream.c.gateway),
        (scope.station, entry.c.station),
        (scope.type, entry.c.type),
    )
    return and_(true(), *(column == value for value, column in columns if value != ANY))
