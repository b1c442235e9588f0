"""A gateway's stream for tests: transactions, rows and envelopes as a gateway would send them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid6

from contract.canonical import canonical, digest
from contract.envelope import Ack, Row, Rows, encode, seal
from contract.transactions import Event, Receipt, Transaction
from contract.values import Clock, Document, Item, Line, Quantity

EPOCH = UUID("0190b7a0-0000-7000-8000-000000000001")
OTHER_EPOCH = UUID("0190b7a0-0000-7000-8000-000000000002")
CLOCK = Clock(
    wall=datetime(2026, 11, 23, 8, 0, tzinfo=UTC), boot=EPOCH, monotonic="1.5", synchronised=True
)


def name(seq: int, salt: int = 0) -> UUID:
    """The id a transaction of that seq has in every test."""
    return UUID(int=(0x0190B7A0_0000_7000_8000_000000000000) + salt * 2**32 + seq)


def lines(sku: str = "BOLT-8", quantity: str = "2", **more: Any) -> tuple[Line, ...]:
    return (Line(item=Item(sku=sku), quantity=Quantity(value=quantity), **more),)


def receipt(document: str | None = None, **more: Any) -> Receipt:
    documents = (Document(kind="po", number=document),) if document else ()
    return Receipt(lines=lines(**more), documents=documents, to_location="DOCK")


def transaction(
    seq: int,
    event: Event | None = None,
    *,
    id: UUID | None = None,
    epoch: UUID = EPOCH,
    gateway: str = "dock-1",
) -> Transaction:
    return Transaction(
        id=id or name(seq),
        gateway=gateway,
        epoch=epoch,
        seq=seq,
        station="bench",
        clock=CLOCK,
        event=event or receipt(),
    )


def row(value: Transaction | dict[str, Any]) -> Row:
    body = encode(value) if isinstance(value, Transaction) else canonical(value)
    return Row(digest=digest(body), transaction=json.loads(body))


def envelope(first: int, values: Iterable[Transaction | dict[str, Any] | Row], **more: Any) -> Rows:
    made = tuple(value if isinstance(value, Row) else row(value) for value in values)
    return Rows(
        site="north",
        gateway=more.get("gateway", "dock-1"),
        epoch=more.get("epoch", EPOCH),
        first=first,
        rows=made,
    )


def run_of(first: int, last: int, **more: Any) -> Rows:
    """An envelope of ordinary receipts."""
    return envelope(first, [transaction(seq, **more) for seq in range(first, last + 1)], **more)


def sealed(
    first: int, values: Iterable[Transaction], gateway: str = "dock-1", epoch: UUID = EPOCH
) -> str:
    """The text a gateway publishes."""
    bodies = [encode(value) for value in values]
    return seal("north", gateway, epoch, first, bodies, datetime.now(UTC))


def fresh() -> UUID:
    return UUID(bytes=uuid6.uuid7().bytes)


def undigested(ack: Ack) -> Ack:
    """What an ack says, without the digest of its last row: few tests are about that."""
    return ack.model_copy(update={"digest": None})
