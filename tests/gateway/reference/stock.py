"""Records of a house, as many as wanted, and pages of them."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

from contract.reference import (
    Change,
    DocumentLine,
    DocumentRecord,
    ItemRecord,
    LocationRecord,
    Pack,
    Page,
    Record,
)


def gtin(number: int, indicator: int = 0) -> str:
    return f"{indicator}{number:013}"


def item(number: int, **more: object) -> ItemRecord:
    return ItemRecord.model_validate(
        {
            "sku": f"ITEM-{number:06}",
            "name": f"Hexagon bolt M8 x {number}, zinc plated",
            "packs": (
                Pack(gtin=gtin(number)),
                Pack(gtin=gtin(number, 1), quantity=Decimal(12)),
            ),
            "codes": (f"SUP-{number}",),
            "weight_g": Decimal("12.5"),
            "tolerance_g": Decimal("0.5"),
            **more,
        }
    )


def order(number: int, lines: int = 10, done: int = 0) -> DocumentRecord:
    return DocumentRecord(
        document="po",
        number=f"PO-{number}",
        lines=tuple(
            DocumentLine(
                line=str(line),
                sku=f"ITEM-{(number * 7 + line):06}",
                quantity=Decimal(10),
                done=Decimal(done),
            )
            for line in range(1, lines + 1)
        ),
    )


def bin_(number: int) -> LocationRecord:
    return LocationRecord(name=f"BIN-{number}", gln="4012345000009", extension=str(number))


def put(record: Record) -> Change:
    return Change(kind=record.kind, key=record.key, record=record)


def gone(record: Record) -> Change:
    return Change(kind=record.kind, key=record.key)


def pages(
    changes: Sequence[Change],
    size: int = 200,
    *,
    set_: str = "s1",
    after: int = 0,
    epoch: UUID | None = None,
    includes: int = 0,
) -> Iterator[Page]:
    """Cut changes into pages; each change is a version."""
    newest = after + len(changes)
    for start in range(0, max(1, len(changes)), size):
        part = tuple(changes[start : start + size])
        yield Page(
            set=set_,
            after=after + start,
            upto=after + start + len(part),
            newest=newest,
            epoch=epoch,
            includes=includes,
            changes=part,
        )
