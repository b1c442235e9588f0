"""What a transaction is in Finale, by the names on the labels. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Literal, assert_never

from bridge.amendment import accepts
from bridge.connectors.finale.config import Config
from bridge.outcome import Posted, Refused
from bridge.tally import Goods, tally
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Document, Line


@dataclass(frozen=True, slots=True)
class Row:
    """So many pieces of one product (fewer, where negative) at the place of the change."""

    sku: str
    pieces: int
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class StockChange:
    """An inventory variance: differences at one sublocation, or what was counted there."""

    reference: str
    kind: Literal["FACILITY", "FACILITY_COUNT"]
    place: str
    rows: tuple[Row, ...]
    reason: str | None = None
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Consignment:
    """A shipment of one order, in or out."""

    reference: str
    way: Literal["in", "out"]
    order: str
    place: str
    rows: tuple[Row, ...]
    tracking: str | None = None
    when: str | None = None
    too_much: bool = False
    """A person has accepted more than was ordered."""


Plan = StockChange | Consignment


class _Unfit(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what Finale is to book for `transaction`. Pure.

    `Posted("")` is for a reading or weighing with no job behind it.
    """
    clock = transaction.clock
    when = clock.wall.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") if clock.synchronised else None
    head = _Head(
        f"SP-{transaction.id}", when, config, too_much="over_receipt" in accepts(transaction)
    )
    try:
        return head.plan(transaction.event)
    except _Unfit as unfit:
        return unfit.refused


class _Head:
    """What all documents of one transaction have in common."""

    def __init__(self, reference: str, when: str | None, config: Config, *, too_much: bool) -> None:
        self._reference = reference
        self._when = when
        self._config = config
        self._too_much = too_much

    def plan(self, event: Event) -> Plan | Posted | Refused:
        match event:
            case Receipt():
                return self._received(event)
            case Return():
                return self._changed(event.to_location, event.lines, 1, event.disposition)
            case Adjustment():
                sign = 1 if event.direction == "increase" else -1
                return self._changed(event.location, event.lines, sign, event.reason)
            case Assembly():
                rows = (*self._rows(event.consumed, -1), *self._rows(event.produced, 1))
                return self._change("FACILITY", event.location, _summed(rows))
            case Count():
                return self._counted(event)
            case Shipment():
                return self._shipped(event)
            case Putaway() | Transfer():
                why = "Finale's stock transfer has no documented place for a reference"
                return Refused("unsupported", f"{why}: one sent twice could not be told apart")
            case Reading() | Weighing():
                return Posted("")
            case Pick() | Pack() | Reversal():
                return Refused("unsupported", f"Finale documents no place for a {event.type}")
            case _:
                assert_never(event)

    def _received(self, event: Receipt) -> Plan:
        order = _order(event.documents, "po")
        if order is None:
            return self._changed(event.to_location, event.lines, 1, "receipt")
        rows = self._rows(event.lines, 1)
        return self._consigned("in", order, event.to_location, rows)

    def _shipped(self, event: Shipment) -> Plan | Refused:
        order = _order(event.documents, "so")
        if order is None:
            return Refused("unknown_document", "a shipment in Finale is of one sales order")
        if not event.lines:
            return Refused(
                "contract", "a shipment in Finale needs lines: it says what leaves where"
            )
        numbers = dict.fromkeys(each.tracking for each in event.packages if each.tracking)
        rows, said = self._rows(event.lines, 1), ", ".join(numbers) or None
        return self._consigned("out", order, event.from_location, rows, said)

    def _counted(self, event: Count) -> Plan | Refused:
        if not self._config.stock_takes:
            why = "what a stock take does to items it does not list is not documented"
            return Refused("unsupported", f"{why}: see stock_takes")
        rows = self._rows(event.lines, 1, zero=True)
        return self._change("FACILITY_COUNT", event.location, rows)

    def _consigned(
        self,
        way: Literal["in", "out"],
        order: str,
        place: str | None,
        rows: tuple[Row, ...],
        tracking: str | None = None,
    ) -> Consignment:
        where = place or self._config.place
        said = (self._reference, way, order, where, rows, tracking, self._when)
        return Consignment(*said, too_much=self._too_much)

    def _changed(
        self, place: str | None, lines: Iterable[Line], sign: int, reason: str
    ) -> StockChange:
        known = self._config.reasons.get(reason)
        return self._change("FACILITY", place, self._rows(lines, sign), known)

    def _change(
        self,
        kind: Literal["FACILITY", "FACILITY_COUNT"],
        place: str | None,
        rows: tuple[Row, ...],
        reason: str | None = None,
    ) -> StockChange:
        where = place or self._config.place
        return StockChange(self._reference, kind, where, rows, reason, self._when)

    def _rows(self, lines: Iterable[Line], sign: int, *, zero: bool = False) -> tuple[Row, ...]:
        pieces = dict.fromkeys(self._config.units, "pieces")
        goods = tally(lines, pieces, "Finale", zero=zero)
        if isinstance(goods, Refused):
            raise _Unfit(goods)
        return _summed((self._row(each, sign) for each in goods), zero=zero)

    def _row(self, goods: Goods, sign: int) -> Row:
        if goods.item.sku is None:
            text = f"Finale knows products by their product id, not by {goods}"
            raise _Unfit(Refused("unknown_sku", text))
        if not isinstance(goods.amount, int):
            text = f"Finale's pages show whole pieces, not {goods.quantity} of {goods}"
            raise _Unfit(Refused("contract", text))
        number = goods.serial or goods.lot
        lot = None if number is None else f"{self._config.lot_prefix}{number}"
        return Row(goods.item.sku, sign * goods.amount, lot)


def _summed(rows: Iterable[Row], *, zero: bool = False) -> tuple[Row, ...]:
    """Add up each product and lot; a product made of itself leaves nothing to say."""
    pieces: dict[tuple[str, str | None], int] = {}
    for row in rows:
        pieces[row.sku, row.lot] = pieces.get((row.sku, row.lot), 0) + row.pieces
    found = tuple(Row(sku, each, lot) for (sku, lot), each in pieces.items() if each or zero)
    if not found:
        raise _Unfit(Refused("contract", "there is nothing in it to book"))
    return found


def _order(documents: Sequence[Document], kind: Literal["po", "so"]) -> str | None:
    orders = {each.number for each in documents if each.kind in (kind, "unknown")}
    others = {each.kind for each in documents} - {kind, "unknown", "pick_list", "desadv"}
    if others or len(orders) > 1 or (documents and not orders):
        said = ", ".join(f"{each.kind} {each.number}" for each in documents)
        raise _Unfit(Refused("unknown_document", f"needs one {kind}, and this names {said}"))
    return orders.pop() if orders else None
