"""What this gateway has moved of each document since the reference copy was taken.

The copy says what the ERP had booked; whatever was stored here after that is added, so that lines
show what is open although the ERP is hours behind, and two stations of one gateway agree.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contract.transactions import Assembly, Event, Reversal
from contract.values import Line
from gateway.stations.job import Moved

MAX_KEPT = 50_000
"""Transactions remembered, the newest: ten shifts of one gateway. Of older ones the bridge's copy
knows, unless it was never heard of."""

_Key = tuple[str, str]  # document number, type of transaction


@dataclass(slots=True)
class _Sums:
    lines: dict[str, Decimal] = field(default_factory=dict)
    items: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    serials: dict[tuple[str, str], int] = field(default_factory=dict)


class Movements:
    """Sums by document and type, and the transactions they came from."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, tuple[int, Event]] = OrderedDict()
        self._sums: dict[_Key, _Sums] = {}

    def add(self, number: int, id_: UUID, event: Event) -> None:
        """Count a transaction; a reversal takes what it names out again.

        Args:
            number: its seq; 0 while it has none.
            id_: the transaction's id.
            event: what happened.
        """
        if isinstance(event, Reversal):
            kept = self._kept.pop(event.reverses, None)
            if kept is not None:
                self._count(kept[1], -1)
            return
        if id_ in self._kept:
            self._kept[id_] = (number, event)
            return
        if not _keys(event):
            return
        self._kept[id_] = (number, event)
        self._count(event, 1)
        while len(self._kept) > MAX_KEPT:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._count(oldest, -1)

    def take_back(self, id_: UUID, event: Event, reversed_event: Event | None = None) -> None:
        """Forget a transaction that could not be stored.

        Args:
            id_: its id.
            event: what it said.
            reversed_event: what it reverses, where it is a reversal.
        """
        if isinstance(event, Reversal):
            if reversed_event is not None:
                self.add(0, event.reverses, reversed_event)
            return
        kept = self._kept.pop(id_, None)
        if kept is not None:
            self._count(kept[1], -1)

    def included(self, upto: int) -> None:
        """Let go of what the reference copy holds by now: every transaction to seq `upto`."""
        for id_ in [id_ for id_, (seq, _) in self._kept.items() if 0 < seq <= upto]:
            _, event = self._kept.pop(id_)
            self._count(event, -1)

    def of(self, number: str, kind: str) -> Moved:
        """Return what transactions of type `kind` moved of document `number`."""
        sums = self._sums.get((number, kind))
        if sums is None:
            return Moved()
        return Moved(dict(sums.lines), dict(sums.items), frozenset(sums.serials))

    def _count(self, event: Event, sign: int) -> None:
        for key in _keys(event):
            sums = self._sums.setdefault(key, _Sums())
            for line in _lines(event):
                _add(sums, line, sign)
            if not (sums.items or sums.lines):
                del self._sums[key]


def name_of(line: Line) -> str:
    """Return what a line's item is counted under: its SKU, or the GTIN where there is none."""
    return line.item.sku or line.item.gtin or ""


def _keys(event: Event) -> list[_Key]:
    numbers = {document.number for document in getattr(event, "documents", ())}
    return [(number, event.type) for number in sorted(numbers)]


def _lines(event: Event) -> Iterable[Line]:
    return event.produced if isinstance(event, Assembly) else getattr(event, "lines", ())


def _add(sums: _Sums, line: Line, sign: int) -> None:
    amount = sign * line.quantity.value
    item = (name_of(line), line.quantity.unit)
    sums.items[item] = sums.items.pop(item, Decimal(0)) + amount
    if not sums.items[item]:
        del sums.items[item]
    if line.document_line is not None:
        sums.lines[line.document_line] = sums.lines.get(line.document_line, Decimal(0)) + amount
        if not sums.lines[line.document_line]:
            del sums.lines[line.document_line]
    if line.serial is not None:
        serial = (item[0], line.serial)
        sums.serials[serial] = sums.serials.get(serial, 0) + sign
        if not sums.serials[serial]:
            del sums.serials[serial]
