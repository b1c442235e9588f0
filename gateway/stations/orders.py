"""What of a document is open, and which of its lines a scanned item belongs to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from contract.reference import DocumentLine, DocumentRecord
from contract.values import Line, Quantity
from gateway.stations.goods import Goods
from gateway.stations.job import Moved, Progress

SHOWN = 50
"""Lines of a table: more fit neither a screen nor one MQTT message."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of a document and how far it is."""

    line: DocumentLine
    done: Decimal
    """In the ERP, stored here since, and in hand."""

    @property
    def left(self) -> Decimal:
        """What is still to do; never negative."""
        return max(Decimal(0), self.line.quantity - self.done)


def standing(
    record: DocumentRecord, moved: Moved, in_hand: Iterable[Line] = ()
) -> tuple[Standing, ...]:
    """Return how far each line of a document is.

    Args:
        record: the document as the reference has it.
        moved: what was stored here since.
        in_hand: lines that are not booked yet, such as the content of an open carton.
    """
    done = dict(moved.lines)
    for line in in_hand:
        if line.document_line is not None:
            done[line.document_line] = (
                done.get(line.document_line, Decimal(0)) + line.quantity.value
            )
    return tuple(
        Standing(line, line.done + done.get(line.line, Decimal(0))) for line in record.lines
    )


@dataclass(frozen=True, slots=True)
class Allocation:
    """Lines of a transaction, each for its line of the document."""

    lines: tuple[Line, ...]
    over: Decimal = Decimal(0)
    """How much goes beyond what was ordered; it is part of the last line."""
    ordered: Decimal = Decimal(0)
    """What that line ordered."""
    done: Decimal = Decimal(0)
    """What it will have with this."""


def allocate(
    stand: Sequence[Standing], goods: Goods, quantity: Quantity | None = None
) -> Allocation | None:
    """Spread an item over the lines that want it; None where no line does.

    A line that names a lot wants only that. Lines are filled in their order; what none wants any
    more goes to the last.
    """
    amount = quantity or goods.quantity
    wanted = [each for each in stand if _wants(each.line, goods)]
    if not wanted or amount is None:
        return None
    rest, lines = amount.value, []
    for each in wanted:
        part = min(rest, each.left)
        if part > 0:
            lines.append((each, part))
            rest -= part
    if rest > 0:
        last = wanted[-1]
        if lines and lines[-1][0] is last:
            lines[-1] = (last, lines[-1][1] + rest)
        else:
            lines.append((last, rest))
    end, part = lines[-1]
    return Allocation(
        tuple(goods.line(replace_value(amount, value), each.line.line) for each, value in lines),
        max(rest, Decimal(0)),
        end.line.quantity,
        end.done + part,
    )


def replace_value(quantity: Quantity, value: Decimal) -> Quantity:
    """Return another amount of the same unit."""
    return Quantity(value=value, unit=quantity.unit)


def _wants(line: DocumentLine, goods: Goods) -> bool:
    return line.sku == goods.item.sku and line.lot in {None, goods.lot}


def table(stand: Sequence[Standing]) -> tuple[Progress, ...]:
    """Return the lines for the screen, those with something to do first."""
    rows = [
        Progress(
            each.line.sku,
            plain(each.done),
            plain(each.line.quantity),
            note=" ".join(text for text in (each.line.lot or "", each.line.location or "") if text),
            state=_state(each),
        )
        for each in stand
    ]
    return tuple(sorted(rows, key=lambda row: row.state != "open")[:SHOWN])


def _state(each: Standing) -> Literal["open", "done", "over"]:
    if each.done > each.line.quantity:
        return "over"
    return "done" if each.left == 0 else "open"


def plain(value: Decimal) -> str:
    """Write a quantity without an exponent, with the digits it has."""
    return f"{value:f}"


def moved_table(moved: Moved) -> tuple[Progress, ...]:
    """Return what was moved without a list, the newest first."""
    rows = [Progress(name, f"{plain(value)} {unit}") for (name, unit), value in moved.items.items()]
    return tuple(reversed(rows[-SHOWN:]))


def unlisted(stand: Sequence[Standing], moved: Moved) -> tuple[Progress, ...]:
    """Return what was moved of items that no line of the document has."""
    listed = {each.line.sku for each in stand}
    items = {key: value for key, value in moved.items.items() if key[0] not in listed}
    return tuple(replace(row, state="over") for row in moved_table(Moved(items=items)))
