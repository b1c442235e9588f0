"""What every connector is: pure parts in its own file, and a thin `deliver()`.

A connector, `bridge/connectors/<name>.py` or a folder of that name, has

- `Config`: a frozen pydantic model with `connector: Literal["<name>"]`, the `[target]` table;
- `CAPABILITIES`: what it can do and how far that is proven;
- `document(transaction, config)`: pure; what the ERP wants to read, or `Refused`;
- `connect(config)`: an async context manager that yields a `Connector`;
- `calls(transaction, config)`: optional, pure; the calls it would make, for a person to read;
- `read(config)`: optional; an async context manager that yields a `Source`;
- `moves(transaction, config)`: optional, pure; what booking it adds to stock levels as `stock()`
  shows them, in tuples of item, place (`?` where only the ERP knows), unit and quantity (None where
  only the ERP knows). Without it stock is not reconciled;
- `consent(config)`: optional; what a person agrees to once, for `scanpost bridge login`.

What a connector sends and hears it also tells `bridge.wire`, secrets left out.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable

from bridge.outcome import Outcome
from contract.reference import DocumentRecord, ItemRecord, LocationRecord
from contract.transactions import Transaction

Evidence = Literal["real", "vendor-contract", "documentation"]
"""How far a connector is proven: run against the product, held against the vendor's own machine-
readable contract, or written from documentation and never run against anything of the vendor's."""

Key = Literal["unique", "key", "natural", "lookup"]
"""What makes twice once at the target: a unique key in the same database transaction; an
idempotency key the vendor honours; a document number that is itself unique; or only that this
connector looks before it sends, which needs one writer for each target."""

Readable = Literal["items", "documents", "locations", "stock", "booked"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do, for the admin page, the documents and `scanpost bridge check`."""

    evidence: Evidence
    key: Key
    books: frozenset[str]
    """Types of transactions it books; any other is `Refused("unsupported")`, never dropped."""
    limits: tuple[str, ...] = ()
    """What the ERP or the connector has no place for, one sentence each."""
    reads: frozenset[Readable] = frozenset()
    key_days: float | None = None
    """Days the target remembers a key; None where for ever, or where the vendor does not say."""
    shows: frozenset[str] | None = None
    """Types of transactions of whose every posting `booked()` yields a document, also where it has
    no number; None where those that were posted with a number, but for reversals."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call a connector would make, as far as it is known before the ERP was asked."""

    what: str
    """In words: create the receipt, submit it."""
    method: str
    """`POST`, `INSERT`, `WRITE` ..."""
    target: str
    """URL, table or file; values only the ERP knows stand in angle brackets."""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Without secrets."""


class Connector(Protocol):
    """One open target. The dispatcher calls `deliver` for one transaction at a time."""

    settle: float
    """Seconds after which a request that was given up can no longer be running at the target."""

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Bring `transaction` into the ERP once, however often this is called for its id.

        Args:
            transaction: to book. Its `id` is the key at the ERP.
            again: an earlier attempt may have been booked, wholly or in part; look for it first.

        Never raises for what the ERP or the network does; those are outcomes.
        """
        ...


@runtime_checkable
class BatchConnector(Protocol):
    """A connector that can also book several transactions in one of its own."""

    async def deliver_many(
        self, transactions: Sequence[Transaction], *, again: bool
    ) -> list[Outcome]:
        """Do what `deliver` does, for each in order: one outcome for each.

        After the first that is `TryLater` or `Unknown` there is no other kind: order is kept.
        """
        ...


@runtime_checkable
class GroupConnector(BatchConnector, Protocol):
    """A connector whose `deliver_many` makes one document in the ERP of what belongs together."""

    def group_key(self, transaction: Transaction) -> str | None:
        """Return what transactions of one ERP document have in common; None for one by itself.

        Pure. Only consecutive transactions of the same business documents are asked for, and those
        with `again=True` come with just the ones they were sent with.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stock:
    """What the ERP says is on hand of one item, in its base unit."""

    sku: str
    location: str
    quantity: Decimal
    unit: str = "EA"
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A document in the ERP that carries the reference of a transaction, whoever made it."""

    reference: str
    """The transaction's id, as the connector writes it."""
    document: str
    """The ERP's own number."""
    state: Literal["draft", "booked", "cancelled"]
    quantity: Decimal | None = None
    """Sum over its lines, where the ERP says it."""
    at: datetime | None = None


class Source(Protocol):
    """The reading side of a target. A connector raises `SourceFailed` for what goes wrong.

    It reads only what `Capabilities.reads` names; the other methods yield nothing.
    """

    def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every active item."""
        ...

    def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield every open document."""
        ...

    def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every active location."""
        ...

    def stock(self) -> AsyncIterator[Stock]:
        """Yield what is on hand, for each item, location and lot."""
        ...

    def booked(self, since: datetime) -> AsyncIterator[Found]:
        """Yield the documents made since then that carry a transaction's reference."""
        ...
