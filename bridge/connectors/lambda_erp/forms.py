"""lambda-erp's forms: REST, vouchers by names of our own, its words of refusal. Pure."""

import re
from typing import Any, Literal
from urllib.parse import quote

from bridge.http import MAX_TEXT, SETTING_WRONG, Answer
from bridge.outcome import Outcome, Refused, TryLater, Unknown
from bridge.vouchers.forms import Order, Part, Request, Voucher, kind_of
from bridge.vouchers.plan import Assembled, Booking, Counted, Task
from bridge.vouchers.rows import Article, Values
from contract.envelope import Reason
from contract.values import Item

OUT, IN = BOTH = (Part("Stock Entry", "-OUT"), Part("Stock Entry", "-IN"))
_ALL = (Part("Stock Entry"), *BOTH, Part("Purchase Receipt"), Part("Delivery Note"))
_MARK = re.compile(r"\[([0-9a-f]{16})\]$")
_REFUSALS: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"^Negative stock not allowed"), "short_stock"),
    (re.compile(r"^Purchase Receipt: Qty exceeds remaining order"), "over_receipt"),
    (re.compile(r"Item Code '.*' does not exist in Item$"), "unknown_sku"),
    (re.compile(r"Warehouse '.*' does not exist in Warehouse$"), "unknown_location"),
    (re.compile(r"Warehouse must belong to Company"), "unknown_location"),
    (re.compile(r"(period|fiscal year) .*closed|closed .*period", re.IGNORECASE), "closed_period"),
)
"""lambda-erp's English words, of version 1.2.3."""


class LambdaForms:
    """As lambda-erp 1.2 wants them. A voucher's name is taken once, so ours are of our making."""

    who = "lambda-erp"
    purchase = ("against_purchase_order", "po_detail")
    sale = ("against_sales_order", "so_detail")
    returned: str | None = None

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def authorization(self, key: str) -> str:
        """Return the header that carries the key."""
        return f"Bearer {key}"

    def parts(self, work: Booking) -> tuple[Part, ...]:
        """Return the vouchers it may become: a Stock Entry has one direction here."""
        return BOTH if isinstance(work, Counted | Assembled) else (Part(kind_of(work)),)

    def undoable(self) -> tuple[Part, ...]:
        """Return what any transaction may have become."""
        return _ALL

    def find(self, part: Part, reference: str) -> Request:
        """Ask for a voucher by its name."""
        return Request("GET", _path(part.kind, self._name(part, reference)))

    def found(self, part: Part, answer: Answer) -> Voucher | None:
        """Read the answer to `find`."""
        return None if answer.status == 404 else self.made(part, answer)

    def draft(self, part: Part, task: Task, values: Values) -> Request:
        """Make a draft under the transaction's name."""
        body = {"name": self._name(part, task.reference), "remarks": _remarks(task), **values}
        return Request("POST", _path(part.kind), body)

    def rewrite(self, part: Part, voucher: Voucher, task: Task, values: Values) -> Request:
        """Put other rows into a draft."""
        body = {"remarks": _remarks(task), **values}
        return Request("PUT", _path(voucher.kind, voucher.name), body)

    def submit(self, voucher: Voucher) -> Request:
        """Make a draft count."""
        return Request("POST", f"{_path(voucher.kind, voucher.name)}/submit", {})

    def cancel(self, voucher: Voucher) -> Request:
        """Take back what counts."""
        return Request("POST", f"{_path(voucher.kind, voucher.name)}/cancel", {})

    def discard(self, voucher: Voucher) -> Request:
        """Put away a draft: lambda-erp deletes none."""
        return Request("POST", f"{_path(voucher.kind, voucher.name)}/discard", {})

    def made(self, part: Part, answer: Answer) -> Voucher:
        """Read a voucher."""
        row = answer.json()
        mark = _MARK.search(row.get("remarks") or "")
        return Voucher(part.kind, str(row["name"]), state(row), mark[1] if mark else "")

    def order(self, kind: Order, name: str) -> Request:
        """Ask for a document: by a filter, since some names are addresses of something else."""
        return Request("GET", _path(kind), query=(("name", name), ("limit", "2")))

    def ordered(self, answer: Answer) -> Values | None:
        """Read the answer to `order`."""
        rows: list[Values] = answer.json()["rows"]
        return rows[0] if rows else None

    def article(self, item: Item) -> Request | None:
        """Ask for an item; lambda-erp has no barcodes."""
        if item.sku is None:
            return None
        query = (("name", item.sku), ("fields", "name,stock_uom"), ("limit", "2"))
        return Request("GET", "/api/masters/item", query=query)

    def articles(self, item: Item, answer: Answer) -> list[Article]:
        """Read the answer to `article`."""
        return [Article(str(row["name"]), str(row["stock_uom"])) for row in answer.json()["rows"]]

    def exists(self, answer: Answer) -> bool:
        """Whether the name is taken."""
        return answer.status == 409

    def judge(self, answer: Answer, *, writes: bool) -> Outcome:
        """Say what an answer that is no success means."""
        said = _detail(answer)
        why = f"{self.who} answered {answer.status}: {said}"[:MAX_TEXT]
        if answer.status == 401:
            return TryLater(why, SETTING_WRONG, needs="login")
        if answer.status == 409 and writes:
            return Unknown(f"somebody else was at it: {why}")
        if answer.status == 422 and writes:
            codes = (code for pattern, code in _REFUSALS if pattern.search(said))
            return Refused(next(codes, "refused"), said[:MAX_TEXT])
        return answer.verdict(self.who, writes=writes, said=said)

    def _name(self, part: Part, reference: str) -> str:
        return f"{self._prefix}{reference}{part.suffix}"


def state(row: Values) -> Literal["draft", "submitted", "cancelled"]:
    """Return the state of a voucher; a discarded draft is cancelled. Raises KeyError."""
    if row.get("discarded"):
        return "cancelled"
    states: dict[Any, Literal["draft", "submitted", "cancelled"]] = {
        0: "draft",
        1: "submitted",
        2: "cancelled",
    }
    return states[row["docstatus"]]


def _path(kind: str, name: str | None = None) -> str:
    path = f"/api/documents/{kind.lower().replace(' ', '-')}"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def _remarks(task: Task) -> str:
    return f"{task.note} [{task.mark}]"


def _detail(answer: Answer) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, TypeError, LookupError):
        return answer.text
    return detail if isinstance(detail, str) else str(detail)
