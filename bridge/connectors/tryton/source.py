"""The reading side: items, open orders with what was booked of them, locations, shipments."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from bridge.connector import Found, Stock
from bridge.connectors.tryton.answers import (
    PRODUCT_FIELDS,
    Answer,
    Article,
    Bin,
    Dispatch,
    gtin,
)
from bridge.connectors.tryton.catalogue import Agreement, House, Moved, Named
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import CARTON, HOMECOMING, INTERNAL, PRODUCTION, RECEIPT
from bridge.connectors.tryton.departure import Label
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest, opened
from bridge.connectors.tryton.standing import counts, lying, papers
from bridge.connectors.tryton.verdict import Stopped
from bridge.errors import SourceFailed
from contract.reference import DocumentLine, DocumentRecord, ItemRecord, LocationRecord, Pack

log = logging.getLogger(__name__)

MAX_CODES = 50
"""Of one item, as the contract has it."""
_PACKED = frozenset({"packed", "shipped", "done"})
_OF_A_COMPANY = ("purchase.", "sale.", "stock.shipment.", "stock.inventory", "production")
"""Models whose records belong to one company."""
_A = TypeVar("_A", bound=Answer)


class TrytonSource:
    """One Tryton database, read a page at a time. Problems are `SourceFailed`."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self._rest = rest
        self._config = config
        self._records = Records(rest, config)
        self._orders: tuple[tuple[Literal["po", "so"], str, str], ...] = (
            ("po", "purchase.purchase", config.order_by),
            ("so", "sale.sale", config.sales_order_by),
        )
        self._units = config.codes

    async def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every product that is goods, has a SKU, and is counted in a unit that is mapped."""
        config = self._config
        fields = [config.sku_field, "rec_name", *PRODUCT_FIELDS]
        fields += [f"default_uom.{name}" for name in ("name", "symbol", "rounding")]
        if config.lots:
            fields.append("lot_required")
        domain = [["type", "=", "goods"], [config.sku_field, "!=", None]]
        async for row in self._pages("product.product", Article, domain, fields):
            record = self._item(row)
            if record is not None:
                yield record

    async def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield the purchase and sales orders the warehouse works on.

        A name that a purchase and a sale share, as Tryton's numbers without a prefix do, is left
        out: a station must know which of them is on the label.
        """
        names = [{each async for each in self._names(*order)} for order in self._orders]
        both = names[0] & names[1]
        if both:
            log.warning("purchases and sales share names and are not read: %s", sorted(both)[:20])
        for kind, model, by in self._orders:
            async for row in self._pages(model, Agreement, *self._asked(kind, by)):
                number = _named(row, by)
                record = self._document(kind, number, row)
                if record is not None and number not in both:
                    yield record

    async def _names(self, kind: Literal["po", "so"], model: str, by: str) -> AsyncIterator[str]:
        domain, _ = self._asked(kind, by)
        async for row in self._pages(model, Named, domain, (by,)):
            yield _named(row, by)

    def _asked(self, kind: Literal["po", "so"], by: str) -> tuple[list[Any], list[str]]:
        domain = [
            ["state", "=", "processing"],
            ["warehouse.code", "=", self._config.warehouse],
            [by, "!=", None],
        ]
        unit = ("name", "symbol", "rounding")
        fields = [
            *(by, "party.rec_name", "lines.quantity"),
            *(f"lines.unit.{name}" for name in unit),
            f"lines.product.{self._config.sku_field}",
            *(f"lines.product.default_uom.{name}" for name in unit),
            *("lines.moves.state", "lines.moves.quantity", "lines.moves.shipment"),
            *(f"lines.moves.unit.{name}" for name in unit),
        ]
        if kind == "so":
            fields += ["shipments.state", "shipments.reference"]
        return domain, fields

    async def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every place of the warehouse that has a code."""
        async for house, row in self._places():
            purpose = house.purpose_of(row.id)
            record = _record(LocationRecord, name=row.code, purpose=purpose)
            if record is not None:
                yield record

    async def _places(self) -> AsyncIterator[tuple[House, Bin]]:
        here = [["type", "=", "warehouse"], ["code", "=", self._config.warehouse]]
        ends = ("input_location", "output_location", "storage_location")
        async for house in self._pages("stock.location", House, here, ends):
            inside = [["code", "!=", None], ["parent", "child_of", [house.id], "parent"]]
            domain = [["type", "=", "storage"], *inside]
            async for row in self._pages("stock.location", Bin, domain, ("code",)):
                yield house, row

    async def stock(self) -> AsyncIterator[Stock]:
        """Yield what lies at every place of the warehouse that has a code, by product and lot.

        Not what is packed: a departure names cartons, and what leaves with them nobody says again.
        """
        config = self._config
        storage = None
        async for house, row in self._places():
            if row.id == house.storage_location:
                storage = row.code
            elif row.id == house.output_location:
                continue
            async for each in lying(self._pages, row, config, self._unit):
                yield each
        if config.storage not in (None, storage):
            there = f"has the code {storage}" if storage else "has no code"
            why = f"the storage of warehouse {config.warehouse} {there}: mend `storage`"
            raise SourceFailed(why)

    async def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the documents made or changed since then that carry a transaction's id."""
        try:
            makes = await self._makes()
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped
        for course in (RECEIPT, CARTON, INTERNAL, HOMECOMING, *([PRODUCTION] if makes else [])):
            async for found in papers(self._pages, course, since):
                yield found
        async for found in counts(self._pages, since):
            yield found

    async def _makes(self) -> bool:
        self._rest.renew_key()
        await self._records.company()
        return await self._records.has_production()

    def _item(self, row: Article) -> ItemRecord | None:
        unit = self._unit(row)
        if unit is None:
            return None
        codes = [each.code for each in row.identifiers if each.code]
        trades = {found for code in codes if (found := gtin(code)) is not None}
        record: ItemRecord | None = _record(
            ItemRecord,
            sku=(row.model_extra or {}).get(self._config.sku_field),
            name=row.rec_name[:200],
            unit=unit,
            packs=tuple(Pack(gtin=each) for each in sorted(trades)[:MAX_CODES]),
            codes=tuple(code for code in codes if gtin(code) is None)[:MAX_CODES],
            lot=bool(row.lot_required),
        )
        return record

    def _unit(self, row: Article) -> str | None:
        unit = row.default_uom
        return self._units.get(unit.name) or self._units.get(unit.symbol)

    def _document(
        self, kind: Literal["po", "so"], number: str, row: Agreement
    ) -> DocumentRecord | None:
        lines: list[DocumentLine | None] = []
        halfway = _halfway(row.shipments)
        for line in row.lines:
            if line.product is None or line.unit is None or (line.quantity or 0) < 0:
                continue
            if line.unit.id != line.product.default_uom.id:
                log.warning("order %s is not read: it counts in %s", number, line.unit.name)
                return None
            lines.append(
                _record(
                    DocumentLine,
                    line=str(line.id),
                    sku=(line.product.model_extra or {}).get(self._config.sku_field),
                    quantity=line.quantity or Decimal(0),
                    done=sum((each.quantity for each in _done(line.moves, halfway)), Decimal(0)),
                )
            )
        if None in lines:
            return None
        record: DocumentRecord | None = _record(
            DocumentRecord,
            document=kind,
            number=number,
            partner=row.party.rec_name[:200],
            lines=tuple(lines),
        )
        return record

    async def _pages(
        self,
        model: str,
        answer: type[_A],
        domain: list[Any],
        fields: Iterable[str],
        context: dict[str, Any] | None = None,
    ) -> AsyncIterator[_A]:
        try:
            self._rest.renew_key()
            company = await self._records.company()
            if model.startswith(_OF_A_COMPANY):
                domain = [*domain, ["company", "=", company]]
            async for row in self._rest.pages(model, answer, domain, fields, context):
                yield row
        except Stopped as stopped:
            raise SourceFailed(str(stopped.outcome)) from stopped


def _named(row: Named, by: str) -> str:
    return str((row.model_extra or {}).get(by))


def _halfway(shipments: Iterable[Dispatch]) -> frozenset[str]:
    """Return the shipments whose goods are not packed: nobody's yet, or a carton's half-way."""
    return frozenset(
        f"stock.shipment.out,{each.id}"
        for each in shipments
        if each.state not in _PACKED
        and (each.state != "picked" or Label.read(each.reference) is not None)
    )


def _done(moves: Iterable[Moved], halfway: frozenset[str]) -> list[Moved]:
    """Return what is received, or packed."""
    return [
        move
        for move in moves
        if move.state == "done"
        or (
            move.state in ("assigned", "draft")
            and (move.shipment or "").startswith("stock.shipment.out,")
            and move.shipment not in halfway
        )
    ]


def _record(model: type[Any], **said: Any) -> Any:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        log.warning("%s %s is not read: %s", model.__name__, said, problem["msg"])
        return None


@contextlib.asynccontextmanager
async def read(config: Config) -> AsyncIterator[TrytonSource]:
    """Yield the reading side for `config`. Opens nothing until the first question."""
    async with opened(config) as rest:
        yield TrytonSource(rest, config)
