"""What a person changed of a transaction that was refused: beside it, never in it. Pure."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from contract.envelope import Reason
from contract.transactions import Transaction, event_adapter
from contract.values import Document, Frozen

_Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Kind = Literal["po", "desadv", "so", "pick_list", "transfer", "count_sheet", "rma", "prodorder"]
_Old = Annotated[str, StringConstraints(max_length=200)]


class Changes(Frozen):
    """What is to be read otherwise. The quantity is not there: nobody at a desk has counted."""

    documents: dict[_Old, _Word] = Field(default_factory=dict, max_length=8)
    """Document numbers, old to new; an empty old one adds a document to what had none."""
    kind: _Kind | None = None
    """Of a document that is added."""
    skus: dict[_Word, _Word] = Field(default_factory=dict, max_length=200)
    """SKU or GTIN as it came, to the SKU it is at the ERP."""
    accepts: frozenset[Reason] = frozenset()
    """Warnings a person takes upon herself: a connector that can, books in spite of them."""

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not (self.documents or self.skus or self.accepts)


class Amended(Transaction):
    """A transaction as a person wants it booked, with the same id."""

    accepts: frozenset[Reason] = frozenset()


def accepts(transaction: Transaction) -> frozenset[Reason]:
    """Return the warnings that a person has accepted for `transaction`; connectors ask."""
    return transaction.accepts if isinstance(transaction, Amended) else frozenset()


def amend(transaction: Transaction, changes: Iterable[Changes]) -> Transaction:
    """Return `transaction` with every change put upon it, in order.

    Raises:
        ValueError: the result is no valid transaction; pydantic's `ValidationError` is one.
    """
    for change in changes:
        event = transaction.event.model_dump(mode="json", exclude_none=True)
        if change.skus:
            event = _renamed(event, change.skus)
        if change.documents:
            event["documents"] = _documents(event.get("documents", []), change)
        transaction = Amended(
            **{name: getattr(transaction, name) for name in Transaction.model_fields}
            | {
                "event": event_adapter.validate_python(event, strict=False),
                "accepts": accepts(transaction) | change.accepts,
            }
        )
    return transaction


def _documents(found: list[dict[str, Any]], change: Changes) -> list[dict[str, Any]]:
    missing = change.documents.keys() - {"", *(document["number"] for document in found)}
    if missing:
        raise ValueError(f"it names no document {', '.join(sorted(missing))}")
    renamed = [
        document | {"number": change.documents.get(document["number"], document["number"])}
        for document in found
    ]
    if "" in change.documents:
        added = Document(kind=change.kind or "unknown", number=change.documents[""])
        renamed.append(added.model_dump(mode="json"))
    return renamed


def _renamed(value: Any, skus: dict[str, str]) -> Any:
    """Return an event with its items renamed, however deep they lie."""
    if isinstance(value, list):
        return [_renamed(part, skus) for part in value]
    if not isinstance(value, dict):
        return value
    new = skus.get(value.get("sku", "")) or skus.get(value.get("gtin", ""))
    if new is not None and set(value) <= {"sku", "gtin"}:
        return value | {"sku": new}
    return {name: _renamed(part, skus) for name, part in value.items()}
