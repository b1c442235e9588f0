"""What lies where in Tryton, and which documents carry a transaction's id: for reconciliation."""

import logging
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from bridge.connector import Found, Stock
from bridge.connectors.tryton.answers import UNIT_FIELDS, Article, Bin, Note
from bridge.connectors.tryton.catalogue import Gone, Lying, LyingLot
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import CARTON, COUNT, Course
from bridge.connectors.tryton.departure import Label
from bridge.connectors.tryton.records import MOST_ORIGINS

log = logging.getLogger(__name__)

Pages = Callable[..., AsyncIterator[Any]]
"""Reads all records of a model that match, as `Rest.pages` does."""
_REFERENCE = re.compile(r"(?P<id>[0-9a-f]{8}-[0-9a-f-]{27})(?: [0-9])?")


async def lying(
    pages: Pages, place: Bin, config: Config, unit: Callable[[Article], str | None]
) -> AsyncIterator[Stock]:
    """Yield what lies at one location, and not in those within it.

    Args:
        pages: reads records.
        place: the location.
        config: says what the SKU is, and whether there are lots.
        unit: gives the unit code of a product, None where it is not mapped.
    """
    here = {"locations": [place.id], "with_childs": False, "stock_date_end": date.max}
    there = [["quantity", "!=", 0]]
    known = (config.sku_field, *(f"default_uom.{name}" for name in UNIT_FIELDS))
    in_lots: dict[int, Decimal] = defaultdict(Decimal)
    if config.lots:
        fields = ("number", "quantity", *(f"product.{name}" for name in known))
        async for lot in pages("stock.lot", LyingLot, there, fields, here):
            in_lots[lot.product.id] += lot.quantity
            stock = _stock(lot.product, lot.quantity, place, config, unit)
            if stock is not None:
                yield Stock(stock.sku, stock.location, stock.quantity, stock.unit, lot.number)
    goods = [["type", "=", "goods"], *there]
    async for row in pages("product.product", Lying, goods, (*known, "quantity"), here):
        stock = _stock(row, row.quantity - in_lots[row.id], place, config, unit)
        if stock is not None and stock.quantity:
            yield stock


def _stock(
    article: Article,
    quantity: Decimal,
    place: Bin,
    config: Config,
    unit: Callable[[Article], str | None],
) -> Stock | None:
    sku, code = (article.model_extra or {}).get(config.sku_field), unit(article)
    if sku is None or code is None:
        log.warning(
            "what lies at %s of product %s is not read: no SKU, or no unit", place.code, sku
        )
        return None
    # Tryton adds up floats: what it means is a whole number of its smallest steps
    steps = (quantity / article.default_uom.rounding).to_integral_value()
    return Stock(str(sku), place.code, steps * article.default_uom.rounding, code)


async def papers(pages: Pages, course: Course, since: datetime) -> AsyncIterator[Found]:
    """Yield the documents of one kind, made or changed since then, that carry an id."""
    domain = [["OR", [["write_date", ">=", since]], [["create_date", ">=", since]]]]
    fields = ("number", "state", "reference", "create_date")
    async for row in pages(course.model, Gone, domain, fields):
        number = row.number or str(row.id)
        label = Label.read(row.reference) if course.model == CARTON.model else None
        if label is not None:
            yield Found(label.pack, number, _state(row.state, CARTON.ended), at=row.at)
            if label.left is not None:
                yield Found(label.left, number, _state(row.state, {"done"}), at=row.at)
        elif named := _REFERENCE.fullmatch(row.reference or ""):
            yield Found(named["id"], number, _state(row.state, course.ended), at=row.at)


async def counts(pages: Pages, since: datetime) -> AsyncIterator[Found]:
    """Yield the counts, made or changed since then, whose note is an id."""
    domain = [["OR", [["write_date", ">=", since]], [["create_date", ">=", since]]]]
    fields = ("number", "state", "create_date")
    rows = {row.id: row async for row in pages(COUNT.model, Gone, domain, fields)}
    numbers = sorted(rows)
    for start in range(0, len(numbers), MOST_ORIGINS):
        some = [f"{COUNT.model},{number}" for number in numbers[start : start + MOST_ORIGINS]]
        async for note in pages(
            "ir.note", Note, [["resource", "in", some]], ("resource", "message")
        ):
            row = rows[int(note.resource.partition(",")[2])]
            if _REFERENCE.fullmatch(note.message or ""):
                number = row.number or str(row.id)
                yield Found(note.message or "", number, _state(row.state, COUNT.ended), at=row.at)


def _state(state: str, ended: Iterable[str]) -> Literal["draft", "booked", "cancelled"]:
    if state == "cancelled":
        return "cancelled"
    return "booked" if state in ended else "draft"
