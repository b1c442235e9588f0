"""ERPNext's forms: Frappe's REST resources, custom fields for our id, its exceptions. Pure."""

import json
import re
from typing import Any, Literal
from urllib.parse import quote

from bridge.connectors.erpnext.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer
from bridge.outcome import Outcome, Refused, TryLater
from bridge.vouchers.forms import Kind, Order, Part, Request, Voucher, kind_of
from bridge.vouchers.plan import Booking, Task
from bridge.vouchers.rows import Article, Values
from contract.envelope import Reason
from contract.values import Item

KINDS: tuple[Kind, ...] = (
    "Stock Entry",
    "Purchase Receipt",
    "Delivery Note",
    "Stock Reconciliation",
)
STATES: dict[Any, Literal["draft", "submitted", "cancelled"]] = {
    0: "draft",
    1: "submitted",
    2: "cancelled",
}
_TAKEN = frozenset({"DuplicateEntryError", "UniqueValidationError"})
_ROLLED_BACK = frozenset({
    *("QueryDeadlockError", "QueryTimeoutError", "TimestampMismatchError"),
    *("DocumentLockedError", "LockTimeoutError", "TooManyRequestsError"),
})  # fmt: skip
"""Somebody else was at it; Frappe undid the request."""
_CODES: dict[str, Reason] = {
    "NegativeStockError": "short_stock",
    "OverAllowanceError": "over_receipt",
    "SerialNoRequiredError": "lot_required",
    "SerialNoQtyError": "lot_required",
    "ClosedAccountingPeriod": "closed_period",
    "StockFrozenError": "closed_period",
}
"""Exceptions that name themselves in `exc_type`."""
_WORDS: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"Could not find .*Warehouse"), "unknown_location"),
    (re.compile(r"Could not find .*Item"), "unknown_sku"),
    (re.compile(r"Could not find .*Batch"), "lot_required"),
    (re.compile(r"(Batch|Serial) No .*(mandatory|required)", re.IGNORECASE), "lot_required"),
    (re.compile(r"(?i)\b(period|books|accounts?)\b.*\b(closed|frozen)\b"), "closed_period"),
)
"""English words of the rest; the bridge's user must have English as its language."""


class ErpNextForms:
    """As ERPNext 15 wants them."""

    who = "ERPNext"
    purchase = ("purchase_order", "purchase_order_item")
    sale = ("against_sales_order", "so_detail")
    returned: str | None = "dn_detail"

    def __init__(self, config: Config) -> None:
        self._id = config.id_field
        self._mark = config.mark_field

    def authorization(self, key: str) -> str:
        """Return the header that carries the key."""
        return f"token {key}"

    def parts(self, work: Booking) -> tuple[Part, ...]:
        """Return the voucher it becomes."""
        return (Part(kind_of(work)),)

    def undoable(self) -> tuple[Part, ...]:
        """Return what any transaction may have become."""
        return tuple(Part(kind) for kind in KINDS)

    def find(self, part: Part, reference: str) -> Request:
        """Ask for a voucher by the transaction's id."""
        fields = ["name", "docstatus", self._mark]
        return listed(part.kind, [[self._id, "=", reference]], fields, limit=2)

    def found(self, part: Part, answer: Answer) -> Voucher | None:
        """Read the answer to `find`."""
        rows = answer.json()["data"]
        if len(rows) > 1:
            raise ValueError(f"{len(rows)} of one transaction: is {self._id} not unique?")
        return self._voucher(part, rows[0]) if rows else None

    def draft(self, part: Part, task: Task, values: Values) -> Request:
        """Make a draft that carries the transaction's id."""
        named = {self._id: task.reference, self._mark: task.mark, "remarks": task.note}
        return Request("POST", resource(part.kind), {**named, **values})

    def rewrite(self, part: Part, voucher: Voucher, task: Task, values: Values) -> Request:
        """Put other rows into a draft."""
        body = {self._mark: task.mark, "remarks": task.note, **values}
        return Request("PUT", resource(voucher.kind, voucher.name), body)

    def submit(self, voucher: Voucher) -> Request:
        """Make a draft count."""
        return Request("PUT", resource(voucher.kind, voucher.name), {"docstatus": 1})

    def cancel(self, voucher: Voucher) -> Request:
        """Take back what counts."""
        return Request("PUT", resource(voucher.kind, voucher.name), {"docstatus": 2})

    def discard(self, voucher: Voucher) -> Request:
        """Delete a draft."""
        return Request("DELETE", resource(voucher.kind, voucher.name))

    def made(self, part: Part, answer: Answer) -> Voucher:
        """Read a voucher."""
        return self._voucher(part, answer.json()["data"])

    def _voucher(self, part: Part, row: Values) -> Voucher:
        mark = str(row.get(self._mark) or "")
        return Voucher(part.kind, str(row["name"]), STATES[row["docstatus"]], mark)

    def order(self, kind: Order, name: str) -> Request:
        """Ask for a document."""
        return Request("GET", resource(kind, name))

    def ordered(self, answer: Answer) -> Values | None:
        """Read the answer to `order`."""
        if answer.status == 404:
            return None
        data: Values = answer.json()["data"]
        return data

    def article(self, item: Item) -> Request | None:
        """Ask for an active item by its code, or by a barcode in any of its spellings."""
        fields = ["name", "stock_uom", "has_batch_no", "has_serial_no"]
        known: list[Any] = [["disabled", "=", 0]]
        if item.sku is not None:
            known.append(["name", "=", item.sku])
        else:
            known.append(["Item Barcode", "barcode", "in", spellings(item.gtin or "")])
        return listed("Item", known, fields, limit=20)

    def articles(self, item: Item, answer: Answer) -> list[Article]:
        """Read the answer to `article`."""
        rows = {str(row["name"]): row for row in answer.json()["data"]}
        return [
            Article(
                name,
                str(row["stock_uom"]),
                lots=bool(row["has_batch_no"]),
                serials=bool(row["has_serial_no"]),
            )
            for name, row in rows.items()
        ]

    def exists(self, answer: Answer) -> bool:
        """Whether there is a voucher with that id."""
        return answer.status == 409 or said(answer)[0] in _TAKEN

    def judge(self, answer: Answer, *, writes: bool) -> Outcome:
        """Say what an answer that is no success means."""
        kind, words = said(answer)
        why = f"{self.who} answered {answer.status} {kind}: {words}"[:MAX_TEXT]
        if answer.status == 401 or kind == "AuthenticationError":
            return TryLater(why, SETTING_WRONG, needs="login")
        if kind in _ROLLED_BACK:
            return TryLater(why, answer.retry_after)
        if answer.status == 417 and writes:
            return Refused(_CODES.get(kind) or _meant(words), words[:MAX_TEXT])
        return answer.verdict(self.who, writes=writes, said=words)


def _meant(words: str) -> Reason:
    for pattern, code in _WORDS:
        if pattern.search(words):
            return code
    return "refused"


def resource(kind: str, name: str | None = None) -> str:
    """Return the path of a document type, or of one document."""
    path = f"/api/resource/{quote(kind)}"
    return path if name is None else f"{path}/{quote(name, safe='')}"


def listed(
    kind: str, filters: list[Any], fields: list[str], *, limit: int, start: int = 0
) -> Request:
    """Return a request for documents that match, in the order they were made."""
    query = (
        ("filters", json.dumps(filters, ensure_ascii=False)),
        ("fields", json.dumps(fields)),
        ("order_by", "creation asc, name asc"),
        ("limit_start", str(start)),
        ("limit_page_length", str(limit)),
    )
    return Request("GET", resource(kind), query=query)


def spellings(gtin: str) -> list[str]:
    """Return a GTIN as shops spell it: with or without the zeros in front.

    >>> spellings("04012345678901")
    ['04012345678901', '4012345678901']
    """
    return [gtin[cut:] for cut in (0, 1, 2, 6) if gtin.startswith("0" * cut)]


def said(answer: Answer) -> tuple[str, str]:
    """Return the exception's name and its words to people; the body where there are none."""
    try:
        page = answer.json()
        kind = str(page.get("exc_type") or "")
        messages = page.get("_server_messages")
        if messages:
            words = " ".join(str(json.loads(each)["message"]) for each in json.loads(messages))
        else:
            words = str(page.get("exception") or page.get("message") or answer.text)
    except (ValueError, TypeError, LookupError, AttributeError):
        kind, words = "", answer.text
    return kind, " ".join(re.sub(r"<[^>]*>", " ", words).split())
