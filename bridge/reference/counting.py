"""Pure: what transactions move of documents, and how far that brings their lines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from contract.reference import COUNTED, DocumentRecord, ItemRecord
from contract.transactions import Assembly, Event
from contract.values import Line

TYPES = frozenset(COUNTED.values())


@dataclass(frozen=True, slots=True)
class Part:
    """What a line of a transaction moves, in the unit it says. Negative where it is undone."""

    line: str | None
    sku: str | None
    gtin: str | None
    amount: Decimal
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """What one entry of the ledger moves of one document."""

    entry: int
    document: str
    gateway: str
    station: str
    type: str
    parts: tuple[Part, ...]
    settled: bool = False
    """What was read of the document has it already."""


def documents_of(event: Event) -> tuple[str, ...]:
    """Return the numbers of the documents an event may bring further."""
    if event.type not in TYPES:
        return ()
    return tuple(sorted({document.number for document in getattr(event, "documents", ())}))


def parts_of(event: Event, sign: int = 1) -> tuple[Part, ...]:
    """Return what the lines of an event move; `sign` -1 where it is undone."""
    lines: Iterable[Line] = (
        event.produced if isinstance(event, Assembly) else getattr(event, "lines", ())
    )
    return tuple(
        Part(
            line.document_line,
            line.item.sku,
            line.item.gtin,
            sign * line.quantity.value,
            line.lot,
        )
        for line in lines
    )


def parts_text(parts: Sequence[Part]) -> str:
    """Return parts as they are stored."""
    return json.dumps(
        [[part.line, part.sku, part.gtin, f"{part.amount:f}", part.lot] for part in parts]
    )


def parts_from(text: str) -> tuple[Part, ...]:
    """Return parts as they were stored."""
    return tuple(
        Part(line, sku, gtin, Decimal(amount), lot)
        for line, sku, gtin, amount, lot in json.loads(text)
    )


def by_gtin(items: Iterable[ItemRecord]) -> dict[str, tuple[str, Decimal]]:
    """Return SKU and base units of one trade item, by GTIN."""
    return {pack.gtin: (item.sku, pack.quantity) for item in items for pack in item.packs}


class Progress:
    """How far the lines of one document are, part by part."""

    def __init__(
        self, record: DocumentRecord, trades: Mapping[str, tuple[str, Decimal]] | None = None
    ) -> None:
        """Take the document as it was read.

        Args:
            record: the document.
            trades: SKU and base units by GTIN, for parts that say a GTIN alone.
        """
        self._record = record
        self._trades = trades or {}
        self.done = {line.line: line.done for line in record.lines}

    def add(self, move: Move) -> frozenset[str]:
        """Count a move, if its type is the one that counts; return the lines it went to."""
        if COUNTED[self._record.document] != move.type:
            return frozenset()
        return frozenset(name for part in move.parts for name in self._spread(part))

    def _spread(self, part: Part) -> list[str]:
        """Put a part on the line it names, or on the lines of its item, first to last."""
        if part.line in self.done:
            self.done[part.line] += part.amount
            return [part.line]
        sku, amount = part.sku, part.amount
        if sku is None and part.gtin is not None:
            sku, each = self._trades.get(part.gtin, (None, Decimal(1)))
            amount *= each
        lines = [
            line for line in self._record.lines if line.sku == sku and line.lot in {None, part.lot}
        ]
        touched = []
        for line in lines:
            done = self.done[line.line]
            room = line.quantity - done if amount > 0 else -done
            here = (
                max(min(amount, room), Decimal(0))
                if amount > 0
                else min(max(amount, room), Decimal(0))
            )
            if here:
                self.done[line.line] += here
                amount -= here
                touched.append(line.line)
        if amount and lines:
            self.done[lines[-1].line] += amount
            touched.append(lines[-1].line)
        return touched

    def over(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the lines beyond what the document allows: ordered, and done."""
        allowed = 1 + self._record.over_percent / 100
        return {
            line.line: (line.quantity, self.done[line.line])
            for line in self._record.lines
            if self.done[line.line] > line.quantity * allowed
        }

    def record(self) -> DocumentRecord:
        """Return the document with its lines as far as they are."""
        lines = tuple(
            line
            if line.done == self.done[line.line]
            else line.model_copy(update={"done": max(self.done[line.line], Decimal(0))})
            for line in self._record.lines
        )
        return self._record.model_copy(update={"lines": lines})


def needs_trades(moves: Iterable[Move]) -> bool:
    """Whether a move says a GTIN alone, so that items must be looked up."""
    return any(part.sku is None and part.line is None for each in moves for part in each.parts)
