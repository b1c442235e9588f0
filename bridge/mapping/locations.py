"""`locations.csv`: what a place is called at the ERP.

Columns: `location` as the stations say it, `code` as the ERP says it, and for whom the row is:
`station` (`bench-1`, `gateway-1/bench-1`, or `gateway-1/*` for all of a gateway) or `warehouse`
(one of `mapping.toml`). A row with neither is for everybody; the one that says most decides.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bridge.mapping.problems import Problems
from bridge.mapping.sheets import Sheet

SHEET = Sheet("locations.csv", ("location", "code", "station", "warehouse"), 2)

STATION = re.compile(r"(?:[a-z0-9-]{1,32}/)?[a-z0-9-]{1,32}|[a-z0-9-]{1,32}/\*")
"""A station with or without its gateway, or all stations of a gateway."""

Whose = tuple[str, str]
"""Station or warehouse, which of the two and its name; both empty for everybody."""


@dataclass(frozen=True, slots=True)
class Locations:
    """The table."""

    codes: Mapping[tuple[Whose, str], str] = field(default_factory=dict)

    def code(self, location: str, whose: Iterable[Whose]) -> str | None:
        """Return what `location` is at the ERP: the first of `whose` that has a row decides."""
        for who in whose:
            found = self.codes.get((who, location))
            if found is not None:
                return found
        return None


def is_station(text: str) -> bool:
    """Return whether `text` names a station, or all of a gateway."""
    return STATION.fullmatch(text) is not None


def names_of(gateway: str, station: str) -> tuple[str, str, str]:
    """Return what a station goes by, the name that says most first.

    >>> names_of("dock", "bench-1")
    ('dock/bench-1', 'bench-1', 'dock/*')
    """
    return f"{gateway}/{station}", station, f"{gateway}/*"


def read_locations(
    data: bytes, warehouses: Collection[str] | None, problems: Problems
) -> Locations:
    """Return the table; what is wrong goes to `problems`.

    Args:
        data: the file.
        warehouses: those that `mapping.toml` has; None where it cannot be read.
        problems: gets a sentence each.
    """
    codes: dict[tuple[Whose, str], str] = {}
    lines: dict[tuple[Whose, str], int] = {}
    for line, (location, code, station, warehouse) in SHEET.rows(data, problems):
        wrong = []
        if station and warehouse:
            wrong.append("fill station or warehouse, not both")
        if station and not is_station(station):
            wrong.append(f"station: {station!r} is no name of one, such as bench-1 or gateway-1/*")
        if warehouse and warehouses is not None and warehouse not in warehouses:
            wrong.append(f"warehouse: there is no [warehouse.{warehouse}] in mapping.toml")
        kind = "station" if station else "warehouse" if warehouse else ""
        key = (kind, station or warehouse), location
        if key in codes:
            wrong.append(f"{location} is on line {lines[key]} already: take one of the two out")
        for text in wrong:
            problems.add(SHEET.name, line, text)
        if not wrong:
            codes[key], lines[key] = code, line
    return Locations(codes)
