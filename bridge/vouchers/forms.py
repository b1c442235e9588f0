"""How one ERP wants its requests, and what its answers say. Pure; a connector brings its own."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, assert_never

from bridge.http import Answer
from bridge.outcome import Outcome
from bridge.vouchers.plan import (
    Assembled,
    Booking,
    Counted,
    Delivered,
    Moved,
    Purchased,
    Returned,
    Task,
)
from bridge.vouchers.rows import Article, Values
from contract.values import Item

Kind = Literal["Purchase Receipt", "Delivery Note", "Stock Entry", "Stock Reconciliation"]
"""Vouchers that are written."""
Order = Literal["Purchase Order", "Sales Order", "Delivery Note"]
"""Documents that are read, to say of them what came, went or came back."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the vouchers a transaction may become. `suffix` tells two of one kind apart."""

    kind: Kind
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher the ERP has."""

    kind: Kind
    name: str
    state: Literal["draft", "submitted", "cancelled"]
    mark: str
    """Of the content it was drafted from; empty where it does not say."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, without its key."""

    method: str
    path: str
    """Percent-encoded, from the URL of the settings on."""
    body: Values | None = None
    query: tuple[tuple[str, str], ...] = field(default=())


class Forms(Protocol):
    """One ERP's forms. What reads an answer raises ValueError, TypeError or LookupError."""

    who: str
    purchase: tuple[str, str]
    """Fields of a Purchase Receipt's row for its order and the order's line."""
    sale: tuple[str, str]
    """The same of a Delivery Note's."""
    returned: str | None
    """Field of a returned row for the row it left by."""

    def authorization(self, key: str) -> str:
        """Return the header that carries the key."""
        ...

    def parts(self, work: Booking) -> tuple[Part, ...]:
        """Return the vouchers it may become, in the order they are drafted and submitted."""
        ...

    def undoable(self) -> tuple[Part, ...]:
        """Return what any transaction may have become."""
        ...

    def find(self, part: Part, reference: str) -> Request:
        """Ask for the voucher of a transaction."""
        ...

    def found(self, part: Part, answer: Answer) -> Voucher | None:
        """Read the answer to `find`."""
        ...

    def draft(self, part: Part, task: Task, values: Values) -> Request:
        """Make a draft, which the ERP refuses with 409 where it has one for the transaction."""
        ...

    def rewrite(self, part: Part, voucher: Voucher, task: Task, values: Values) -> Request:
        """Say in a draft what is true by now."""
        ...

    def submit(self, voucher: Voucher) -> Request:
        """Make a draft count."""
        ...

    def cancel(self, voucher: Voucher) -> Request:
        """Take back what counts."""
        ...

    def discard(self, voucher: Voucher) -> Request:
        """Put away a draft."""
        ...

    def made(self, part: Part, answer: Answer) -> Voucher:
        """Read the answer to `draft`, `rewrite`, `submit` or `cancel`."""
        ...

    def order(self, kind: Order, name: str) -> Request:
        """Ask for a document."""
        ...

    def ordered(self, answer: Answer) -> Values | None:
        """Read the answer to `order`; None where there is no such document."""
        ...

    def article(self, item: Item) -> Request | None:
        """Ask for an item; None where the ERP cannot be asked by what is known of it."""
        ...

    def articles(self, item: Item, answer: Answer) -> list[Article]:
        """Read the answer to `article`."""
        ...

    def judge(self, answer: Answer, *, writes: bool) -> Outcome:
        """Say what an answer that is no success means."""
        ...

    def exists(self, answer: Answer) -> bool:
        """Whether a refused draft was refused because there is one for the transaction."""
        ...


def kind_of(work: Booking) -> Kind:
    """Return the kind of voucher ERPNext has for it."""
    match work:
        case Purchased():
            return "Purchase Receipt"
        case Delivered() | Returned():
            return "Delivery Note"
        case Moved() | Assembled():
            return "Stock Entry"
        case Counted():
            return "Stock Reconciliation"
        case _:
            assert_never(work)


def items_of(values: Any) -> list[Values]:
    """Return the rows of a document."""
    rows = values["items"]
    if not isinstance(rows, list):
        raise TypeError("a document without rows")
    return rows
