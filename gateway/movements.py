"""What this gateway has moved of each document since the reference copy was taken.

The copy says what the ERP had booked; whatever was stored here after that is added, so that lines
show what is open although the ERP is hours behind, and two stations of one gateway agree. What is
reversed here after the copy counted it is taken off again.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from contract.transactions import Assembly, Event, Reading, Reversal
from contract.values import Line
from gateway.stations.job import Moved

MAX_KEPT = 50_000
"""Transactions remembered, the newest: ten shifts of one gateway. Of older ones the bridge's copy
knows, unless it was never heard of."""
_MAX_PAST = 5_000
"""Transactions remembered that the copy has: a shift, so that each can still be reversed."""
_TELLING = ('"documents":[{', '"type":"reversal"')
"""In the body of what may count; a quote in a text is escaped, so it stands for itself."""

_Key = tuple[str, str]  # document number, type of transaction


class Part(NamedTuple):
    """What one line moved."""

    item: str
    unit: str
    amount: Decimal
    line: str | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class _Move:
    number: int
    keys: tuple[_Key, ...]
    parts: tuple[Part, ...]
    sign: int = 1


@dataclass(slots=True)
class _Sums:
    lines: dict[str, Decimal] = field(default_factory=dict)
    items: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    serials: dict[tuple[str, str], int] = field(default_factory=dict)


class Movements:
    """Sums by document and type, and the transactions they came from."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, _Move] = OrderedDict()
        self._past: OrderedDict[UUID, _Move] = OrderedDict()
        """What the copy has: it can still be reversed."""
        self._sums: dict[_Key, _Sums] = {}
        self._upto = 0
        self.holds: Callable[[str, str], bool] = lambda _number, _kind: True
        """Whether the copy counts transactions of that type for document of that number: what it
        does not count - picks for a sales order, a document it does not have - stays here."""

    def add(self, number: int, id_: UUID, event: Event) -> None:
        """Count a transaction; a reversal takes what it names out again.

        Args:
            number: its seq; 0 while it has none.
            id_: the transaction's id.
            event: what happened.
        """
        if isinstance(event, Reversal):
            self._reverse(number, id_, event.reverses)
        elif not isinstance(event, Reading):  # it names no document
            self._count(id_, _Move(number, _keys(event), tuple(map(_part, _lines(event)))))

    def recount(self, rows: Iterable[tuple[int, str]], upto: int) -> list[int]:
        """Count what lies in the outbox, oldest first.

        Args:
            rows: seq and body.
            upto: the copy has what was stored to this seq; those rows only may be reversed.

        Returns:
            Seqs of rows that cannot be read: they are of another version.
        """
        self._upto = max(self._upto, upto)
        unread = []
        for seq, body in rows:
            if not any(word in body for word in _TELLING):
                continue
            try:
                # Not by way of the model: that takes three times as long, and a start waits.
                told = json.loads(body)
                id_, event = UUID(told["id"]), told["event"]
                if event["type"] == "reversal":
                    self._reverse(seq, id_, UUID(event["reverses"]))
                else:
                    self._count(id_, _told(seq, event))
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
                unread.append(seq)
        return unread

    def take_back(self, id_: UUID) -> None:
        """Forget a transaction, or a reversal, that could not be stored."""
        move = self._kept.pop(id_, None)
        if move is not None:
            self._sum(move, -1)

    def included(self, upto: int) -> None:
        """Let go of what the reference copy counts by now: transactions to seq `upto`.

        Their serial numbers are kept: none may count twice, whoever knows of the first.
        """
        if upto <= self._upto:
            return
        self._upto = upto
        for id_ in [id_ for id_, move in self._kept.items() if self._is_held(move)]:
            move = self._kept.pop(id_)
            self._sum(move, -1, serials=False)
            self._keep_past(id_, move)

    def of(self, number: str, kind: str) -> Moved:
        """Return what transactions of type `kind` moved of document `number`."""
        sums = self._sums.get((number, kind))
        if sums is None:
            return Moved()
        there = frozenset(serial for serial, count in sums.serials.items() if count > 0)
        return Moved(dict(sums.lines), dict(sums.items), there)

    def _reverse(self, number: int, id_: UUID, reverses: UUID) -> None:
        # A move of its own: the copy may have what it reverses before it has the reversal.
        move = self._kept.get(reverses) or self._past.get(reverses)
        if move is not None:
            self._count(id_, _Move(number, move.keys, move.parts, -1))

    def _count(self, id_: UUID, move: _Move) -> None:
        if not move.keys:
            return
        before = self._kept.pop(id_, None)
        if before is not None:
            self._sum(before, -1)
        if self._is_held(move):
            self._sum(move, 1, amounts=False)
            self._keep_past(id_, move)
            return
        self._kept[id_] = move
        self._sum(move, 1)
        while len(self._kept) > MAX_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._sum(oldest, -1)

    def _is_held(self, move: _Move) -> bool:
        """Whether the copy has counted it."""
        return 0 < move.number <= self._upto and any(self.holds(*key) for key in move.keys)

    def _keep_past(self, id_: UUID, move: _Move) -> None:
        """Remember what the copy counts: its serial numbers, and that it can be reversed."""
        self._past[id_] = move
        while len(self._past) > _MAX_PAST:
            _, oldest = self._past.popitem(last=False)
            self._sum(oldest, -1, amounts=False)

    def _sum(self, move: _Move, sign: int, *, amounts: bool = True, serials: bool = True) -> None:
        for key in move.keys:
            sums = self._sums.setdefault(key, _Sums())
            for part in move.parts:
                if amounts:
                    _add(sums, part, sign * move.sign)
                if serials:
                    _add_serial(sums, part, sign * move.sign)
            if not (sums.items or sums.lines or sums.serials):
                del self._sums[key]


def name_of(line: Line) -> str:
    """Return what a line's item is counted under: its SKU, or the GTIN where there is none."""
    return line.item.sku or line.item.gtin or ""


def _keys(event: Event) -> tuple[_Key, ...]:
    numbers = {document.number for document in getattr(event, "documents", ())}
    return tuple((number, event.type) for number in sorted(numbers))


def _lines(event: Event) -> Iterable[Line]:
    return event.produced if isinstance(event, Assembly) else getattr(event, "lines", ())


def _part(line: Line) -> Part:
    quantity = line.quantity
    return Part(name_of(line), quantity.unit, quantity.value, line.document_line, line.serial)


def _told(seq: int, event: dict[str, Any]) -> _Move:
    """Return what an event as stored moves; the same as of its model."""
    numbers = {str(document["number"]) for document in event.get("documents", ())}
    lines = event["produced"] if event["type"] == "assembly" else event.get("lines", ())
    return _Move(
        seq,
        tuple((number, event["type"]) for number in sorted(numbers)),
        tuple(
            Part(
                line["item"].get("sku") or line["item"].get("gtin") or "",
                line["quantity"]["unit"],
                Decimal(line["quantity"]["value"]),
                line.get("document_line"),
                line.get("serial"),
            )
            for line in lines
        ),
    )


def _add(sums: _Sums, part: Part, sign: int) -> None:
    amount = sign * part.amount
    item = (part.item, part.unit)
    sums.items[item] = sums.items.pop(item, Decimal(0)) + amount
    if not sums.items[item]:
        del sums.items[item]
    if part.line is not None:
        sums.lines[part.line] = sums.lines.get(part.line, Decimal(0)) + amount
        if not sums.lines[part.line]:
            del sums.lines[part.line]


def _add_serial(sums: _Sums, part: Part, sign: int) -> None:
    if part.serial is not None:
        serial = (part.item, part.serial)
        sums.serials[serial] = sums.serials.get(serial, 0) + sign
        if not sums.serials[serial]:
            del sums.serials[serial]
