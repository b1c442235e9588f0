"""All tables of one version, and what they make of a transaction."""

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from bridge.mapping.items import Items, named
from bridge.mapping.locations import Locations, Whose, names_of
from bridge.mapping.rules import PLACES, Rules, TypeRule, Warehouse
from bridge.mapping.units import MAX_PLACES, Units, exact
from bridge.outcome import Refused
from contract.envelope import Reason
from contract.transactions import Event, Reading, Transaction, Transfer, Weighing
from contract.values import Document, Item, Line, Quantity

TOLD = 5
"""Reasons in one refusal: a transaction of 200 lines may have a reason for each."""
_AS_IT_IS = TypeRule()
_LINES = ("lines", "produced", "consumed")


@dataclass(frozen=True, slots=True)
class Tables:
    """What the files of one folder say."""

    rules: Rules = field(default_factory=Rules)
    items: Items = field(default_factory=Items)
    units: Units = field(default_factory=Units)
    locations: Locations = field(default_factory=Locations)


class Mapping:
    """Tables of one version, as a `bridge.terms.Translation`."""

    def __init__(self, version: str, tables: Tables, files: Table[str, str]) -> None:
        """Take them as they were read.

        Args:
            version: digest of all files together.
            tables: what they say.
            files: digest of each, by name.
        """
        self.version = version
        self.tables = tables
        self.files = files
        self._homes: dict[str, str] = {
            station: name
            for name, warehouse in tables.rules.warehouse.items()
            for station in warehouse.stations
        }

    def apply(self, transaction: Transaction) -> Transaction | Refused:
        """Return `transaction` in the words of the ERP, with the same id, or why it has none.

        Pure; where nothing is another one it returns `transaction` itself. Weights and evidence
        stay as the devices gave them. What a person has amended is mapped like the rest, but for a
        SKU that is a code of the ERP already.
        """
        rule = self.tables.rules.type.get(transaction.event.type, _AS_IT_IS)
        if rule.refuse is not None:
            return Refused("unsupported", f"{transaction.event.type}: {rule.refuse}")
        sheet = _Sheet(self.tables, transaction, rule, self._home(transaction))
        event = sheet.event()
        if sheet.wrong:
            more = len(sheet.wrong) - TOLD
            texts = [each.text for each in sheet.wrong[:TOLD]]
            return Refused(
                sheet.wrong[0].code,
                "; ".join([*texts, *([f"and {more} more"] if more > 0 else [])]),
            )
        if event is transaction.event:
            return transaction
        return transaction.model_copy(update={"event": event})

    def _home(self, transaction: Transaction) -> str | None:
        """Return the warehouse it happened in, if it is one of the table's."""
        for name in names_of(transaction.gateway, transaction.station):
            if name in self._homes:
                return self._homes[name]
        return None


class _Sheet:
    """One transaction being put into other words; what cannot be goes to `wrong`."""

    def __init__(
        self, tables: Tables, transaction: Transaction, rule: TypeRule, home: str | None
    ) -> None:
        self.wrong: list[Refused] = []
        self._tables = tables
        self._transaction = transaction
        self._rule = rule
        self._home = home

    @cached_property
    def _warehouse(self) -> Warehouse | None:
        return None if self._home is None else self._tables.rules.warehouse[self._home]

    @cached_property
    def _whose(self) -> list[Whose]:
        """For whom rows of locations may be, the one that says most first."""
        stations = names_of(self._transaction.gateway, self._transaction.station)
        return [
            *(("station", name) for name in stations),
            *([] if self._home is None else [("warehouse", self._home)]),
            ("", ""),
        ]

    def event(self) -> Event:
        """Return the event in other words; the same one where nothing is other."""
        event = self._transaction.event
        changed = {
            name: value for name, value in self._parts(event) if value is not getattr(event, name)
        }
        new: Event = event.model_copy(update=changed) if changed else event
        return self._become(new) if self._rule.becomes is not None else new

    def _parts(self, event: Event) -> list[tuple[str, Any]]:
        fields = type(event).model_fields
        parts: list[tuple[str, Any]] = [
            (name, self._lines(getattr(event, name))) for name in _LINES if name in fields
        ]
        if isinstance(event, Reading):
            parts += zip(("item", "quantity"), self._goods(event.item, event.quantity), strict=True)
        if isinstance(event, Weighing):
            parts.append(("item", self._goods(event.item, None)[0]))
        if "documents" in fields:
            parts.append(("documents", self._documents(getattr(event, "documents", ()))))
        if "reason" in fields:
            parts.append(("reason", self._reason(getattr(event, "reason", None))))
        parts += [
            (place, self._place(place, getattr(event, place)))
            for place in PLACES
            if place in fields
        ]
        return parts

    def _lines(self, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        new = tuple(self._line(line) for line in lines)
        return lines if _same(new, lines) else new

    def _line(self, line: Line) -> Line:
        item, quantity = self._goods(line.item, line.quantity)
        if item is line.item and quantity is line.quantity:
            return line
        return line.model_copy(update={"item": item, "quantity": quantity})

    def _goods(
        self, item: Item | None, quantity: Quantity | None
    ) -> tuple[Item | None, Quantity | None]:
        """Return an item and how much of it there is, in other words."""
        sku = None
        unit = None if quantity is None else quantity.unit
        if item is not None:
            code = self._tables.items.code(item)
            if isinstance(code, Refused):
                self.wrong.append(code)
                return item, quantity
            if code is None and self._tables.rules.unmapped.items == "refuse":
                self._refuse("unknown_sku", f"items.csv has no {named(item)}")
                return item, quantity
            if item.sku is None and item.gtin is not None and unit == "EA":
                unit = self._tables.items.units.get(item.gtin, unit)
            if code is not None and code != item.sku:
                item = item.model_copy(update={"sku": code})
            sku = item.sku
        if quantity is None or unit is None:
            return item, quantity
        return item, self._quantity(sku, quantity, unit)

    def _quantity(self, sku: str | None, quantity: Quantity, unit: str) -> Quantity:
        """Return a quantity that counts `unit` in the unit of the ERP, exactly."""
        to, factor = self._tables.units.way(sku, unit)
        places = self._tables.rules.places.get(to, MAX_PLACES)
        value = exact(quantity.value, factor, places)
        if value is None:
            kept = f"{places} decimal places of {to}"
            says = f"{quantity.value} {unit} of {sku or 'it'} are not exact in {kept}"
            self._refuse("unmapped", f"{says} (1 {unit} = {factor} {to}): mend units.csv")
            return quantity
        if to == quantity.unit and value == quantity.value:
            return quantity
        try:
            return Quantity(value=value, unit=to)
        except ValidationError:
            self._refuse("unmapped", f"{value} {to} of {sku or 'it'} is more than can be said")
            return quantity

    def _documents(self, documents: tuple[Document, ...]) -> tuple[Document, ...]:
        new = tuple(self._document(document) for document in documents)
        return documents if _same(new, documents) else new

    def _document(self, document: Document) -> Document:
        kind, number = self._numbered(document)
        if kind == "unknown" and self._rule.document is not None:
            kind = self._rule.document
        if (kind, number) == (document.kind, document.number):
            return document
        try:
            return Document.model_validate({"kind": kind, "number": number})
        except ValidationError:
            says = f"document {document.number} would be {number!r}"
            self._refuse("unmapped", f"{says}: mend its [[document]] in mapping.toml")
            return document

    def _numbered(self, document: Document) -> tuple[str, str]:
        kind = self._transaction.event.type
        for rule in self._tables.rules.document:
            found = rule.read(document) if not rule.types or kind in rule.types else None
            if found is not None:
                return found
        if self._tables.rules.unmapped.documents == "refuse":
            self._refuse("unmapped", f"no [[document]] in mapping.toml fits {document.number}")
        return document.kind, document.number

    def _reason(self, reason: str | None) -> str | None:
        if reason is None:
            return None
        found = self._tables.rules.reason.get(reason)
        if found is None:
            if self._tables.rules.unmapped.reasons == "refuse":
                self._refuse("unmapped", f"[reason] in mapping.toml has no {reason!r}")
            return reason
        return found if found != reason else reason

    def _place(self, place: str, location: str | None) -> str | None:
        home = self._warehouse
        if location is None:
            own = home.type.get(self._transaction.event.type) if home is not None else None
            said: str | None = getattr(own, place, None) or getattr(self._rule, place)
            return said
        code = self._tables.locations.code(location, self._whose)
        if code is None and home is not None:
            code = home.location
        if code is None:
            if self._tables.rules.unmapped.locations == "refuse":
                self._refuse("unknown_location", f"locations.csv has no {location}")
            return location
        return code if code != location else location

    def _become(self, event: Event) -> Event:
        """Return a putaway or pick as a transfer, which must know both its places."""
        fields = {name: getattr(event, name) for name in Transfer.model_fields if name != "type"}
        for place in ("from_location", "to_location"):
            if fields[place] is None:
                says = f"as a transfer it needs a {place}"
                self._refuse("unmapped", f"{says}: give one in [type.{event.type}] of mapping.toml")
                return event
        return Transfer(**fields)

    def _refuse(self, code: Reason, text: str) -> None:
        self.wrong.append(Refused(code, text))


def _same(new: Sequence[object], old: Sequence[object]) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))
