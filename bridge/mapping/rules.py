"""`mapping.toml`: warehouses, reasons, documents and types of transactions."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from bridge.mapping.locations import is_station
from bridge.mapping.problems import Problems
from bridge.mapping.units import MAX_PLACES
from contract.codes.cards import DocumentPattern
from contract.transactions import Event
from contract.values import Document, Text, UnitCode

NAME = "mapping.toml"
MAX_PATTERN_TEXT = 64
"""Characters of a document number that a pattern is tried on; see `DocumentPattern`."""

EVENTS: Mapping[str, type[BaseModel]] = {
    event.model_fields["type"].default: event for event in get_args(get_args(Event)[0])
}
"""Every type of transaction, and its class."""

Kind = Literal[
    "po", "desadv", "so", "pick_list", "transfer", "count_sheet", "rma", "prodorder", "unknown"
]
Policy = Literal["pass", "refuse"]
Where = Literal["from_location", "to_location", "location"]
PLACES: tuple[Where, ...] = get_args(Where)
_Template = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Misplaced(ValueError):
    """A setting that is wrong, and where it stands below what was being checked."""

    def __init__(self, text: str, *below: str) -> None:
        super().__init__(text)
        self.below = below


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Unmapped(_Table):
    """The `[unmapped]` table: what becomes of what no table has, `pass` as it is or `refuse`."""

    items: Policy = "pass"
    locations: Policy = "pass"
    reasons: Policy = "pass"
    documents: Policy = "pass"


class Places(_Table):
    """Places of the ERP for a type of transaction that names none itself."""

    from_location: Text | None = None
    to_location: Text | None = None
    location: Text | None = None


class TypeRule(Places):
    """A `[type.<type>]` table: what a transaction of that type is at the ERP."""

    refuse: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    """The ERP gets none of them; here is why, for who asks."""
    document: Kind | None = None
    """What documents are whose kind the label does not say."""
    becomes: Literal["transfer"] | None = None
    """Another type that it is booked as; of putaway and pick, where the ERP has neither."""


class Warehouse(_Table):
    """A `[warehouse.<name>]` table: stations that work in it, and its places."""

    stations: Annotated[tuple[str, ...], Field(min_length=1)]
    """`bench-1`, `gateway-1/bench-1`, or `gateway-1/*`."""
    location: Text | None = None
    """What every place here is at the ERP that has no row in `locations.csv`: for an ERP that
    knows the warehouse and no bins."""
    type: dict[str, Places] = Field(default_factory=dict)
    """Places for what names none, by type; they go before those of `[type.<type>]`."""

    @field_validator("stations")
    @classmethod
    def _are_stations(cls, stations: tuple[str, ...]) -> tuple[str, ...]:
        for name in stations:
            if not is_station(name):
                raise ValueError(f"{name!r} is no station, such as bench-1 or gateway-1/*")
        return stations

    @field_validator("type")
    @classmethod
    def _are_types(cls, rules: dict[str, Places]) -> dict[str, Places]:
        _know(rules)
        return rules


class DocumentRule(_Table):
    """A `[[document]]` table: numbers of one form. The first that fits decides."""

    prefix: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """What the number begins with; the rest is `{number}` ..."""
    pattern: str | None = None
    """... or a regular expression for the whole number, whose groups have names; `{number}` is the
    group of that name, or all of it."""
    of: tuple[Kind, ...] = ()
    """The kinds it looks at, as the label said them; all without it."""
    types: tuple[str, ...] = ()
    """The types of transactions it looks at; all without it."""
    kind: Kind | None = None
    """What kind it is; as it came without it."""
    number: _Template = "{number}"
    """What the number is at the ERP; groups in braces."""

    @field_validator("types")
    @classmethod
    def _are_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        _know(dict.fromkeys(types))
        return types

    @model_validator(mode="after")
    def _fits_together(self) -> "DocumentRule":
        if (self.prefix is None) == (self.pattern is None):
            raise ValueError("say either prefix or pattern")
        groups = {"number"} | (set(self._compiled.groupindex) if self.pattern else set())
        strange = sorted(set(_FIELD.findall(self.number)) - groups)
        if strange or re.search("[{}]", _FIELD.sub("", self.number)):
            there = ", ".join(f"{{{name}}}" for name in sorted(groups))
            raise ValueError(f"number: of what stands in braces there is {there}")
        return self

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return DocumentPattern(kind="unknown", pattern=self.pattern or "").compiled

    def read(self, document: Document) -> tuple[str, str] | None:
        """Return kind and number at the ERP, or None where it does not fit."""
        if self.of and document.kind not in self.of:
            return None
        groups: dict[str, str | None] = {"number": document.number}
        if self.prefix is not None:
            if not document.number.startswith(self.prefix):
                return None
            groups["number"] = document.number[len(self.prefix) :]
        else:
            if len(document.number) > MAX_PATTERN_TEXT:
                return None
            found = self._compiled.fullmatch(document.number)
            if found is None:
                return None
            groups |= found.groupdict()
        number = _FIELD.sub(lambda field: groups[field[1]] or "", self.number)
        return self.kind or document.kind, number


class Rules(_Table):
    """The whole file."""

    unmapped: Unmapped = Unmapped()
    places: dict[UnitCode, Annotated[int, Field(ge=0, le=MAX_PLACES)]] = Field(default_factory=dict)
    """Decimal places the ERP keeps of a quantity, by its unit at the ERP; 9 without it."""
    warehouse: dict[Text, Warehouse] = Field(default_factory=dict)
    reason: dict[Text, Text] = Field(default_factory=dict)
    """The ERP's word for each, as a card or a station says it."""
    document: Annotated[tuple[DocumentRule, ...], Field(max_length=64)] = ()
    type: dict[str, TypeRule] = Field(default_factory=dict)

    @field_validator("type")
    @classmethod
    def _are_types(cls, rules: dict[str, TypeRule]) -> dict[str, TypeRule]:
        for name, rule in rules.items():
            if rule.becomes is not None and name not in {"putaway", "pick"}:
                raise _Misplaced("becomes is for putaway and pick only", name, "becomes")
        _know(rules)
        return rules

    @model_validator(mode="after")
    def _each_station_is_in_one(self) -> "Rules":
        homes: dict[str, str] = {}
        for name, warehouse in self.warehouse.items():
            for station in warehouse.stations:
                if homes.setdefault(station, name) != name:
                    text = f"{station} is in {homes[station]} and in {name}"
                    raise _Misplaced(text, "warehouse", name, "stations")
        return self


def _know(rules: Mapping[str, Places | None]) -> None:
    """Hold names of types, and the places said for each, against what there is."""
    for name, places in rules.items():
        event = EVENTS.get(name)
        if event is None:
            text = f"{name} is no type of transaction; there are {', '.join(EVENTS)}"
            raise _Misplaced(text, name)
        for place in PLACES:
            if getattr(places, place, None) is not None and place not in event.model_fields:
                raise _Misplaced(f"a {name} has no {place}", name, place)


def read_rules(data: bytes, problems: Problems) -> Rules | None:
    """Return the rules; None where something is wrong, which goes to `problems`."""
    try:
        text = data.decode("utf-8-sig")
        return Rules.model_validate(tomllib.loads(text))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.add(NAME, line, "it is not UTF-8: save it as that")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line ([0-9]+)", str(error))
        problems.add(NAME, int(found[1]) if found else None, str(error))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            where = [part for part in problem["loc"] if part != "[key]"]
            where += getattr(problem.get("ctx", {}).get("error"), "below", ())
            name = ".".join(str(part) for part in where)
            says = problem["msg"].removeprefix("Value error, ")
            line_of = _line_of(data.decode("utf-8-sig"), where)
            problems.add(NAME, line_of, f"{name}: {says}" if name else says)
    return None


_HEADER = re.compile(r"\s*\[+\s*([^\[\]#]+?)\s*\]+")


def _line_of(text: str, where: Sequence[int | str]) -> int | None:
    """Return the line of a setting, or of the table it should stand in; None where neither is.

    `tomllib` does not say where a value stood, so this looks for it as people write it: tables with
    a header, each setting on a line of its own.
    """
    wanted = [str(part) for part in where]
    tables: dict[str, int] = {}
    here: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            here = [part.strip().strip("\"'") for part in header[1].split(".")]
            if line.lstrip().startswith("[["):
                name = ".".join(here)
                tables[name] = tables.get(name, -1) + 1
                here.append(str(tables[name]))
            path = here
        elif "=" in line and not line.lstrip().startswith("#"):
            path = [*here, line.partition("=")[0].strip().strip("\"'")]
        else:
            continue
        if path == wanted[: len(path)] and (best is None or len(path) > best[0]):
            best = len(path), number
    return None if best is None else best[1]
