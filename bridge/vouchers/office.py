"""One open ERP of vouchers: reads what a voucher needs, and writes it one step at a time."""

import json
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, assert_never

from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Http, Stopped, read_secret
from bridge.outcome import Refused, TryLater, Unknown
from bridge.vouchers.forms import Forms, Order, Part, Request, Voucher, items_of
from bridge.vouchers.plan import (
    Assembled,
    Booking,
    Counted,
    Delivered,
    Goods,
    Moved,
    Purchased,
    Returned,
    Task,
)
from bridge.vouchers.rows import Article, Known, OrderLine, Take, Values, all_owed, row_of, take
from bridge.vouchers.settings import VoucherSettings
from contract.values import Item

MAX_KNOWN = 10_000
"""Items kept by name: a large house's, some MB."""

_T = TypeVar("_T")
_WRONG = (ValueError, TypeError, LookupError, ArithmeticError)
Filled = list[tuple[Part, Values]]


class Office(ABC):
    """Everything that is no success raises `Stopped`."""

    def __init__(self, http: Http, settings: VoucherSettings, forms: Forms) -> None:
        self.forms = forms
        self.settings = settings
        self._http = http
        self._known: OrderedDict[Item, Article] = OrderedDict()

    # --- What each ERP does its own way ---

    @abstractmethod
    async def count(self, work: Counted) -> Filled:
        """Return the vouchers that make the books say what was found."""

    @abstractmethod
    async def assembly(self, work: Assembled) -> Filled:
        """Return the vouchers of an assembly."""

    @abstractmethod
    async def valued(self, rows: Iterable[Values]) -> list[Values]:
        """Return rows of goods that come in from nowhere, with what they are worth."""

    # --- Vouchers ---

    async def find(self, part: Part, reference: str) -> Voucher | None:
        """Return the voucher of a transaction."""
        answer = await self._send(self.forms.find(part, reference), writes=False)
        return self._read(lambda: self.forms.found(part, answer), answer, writes=False)

    async def fill(self, work: Booking) -> Filled:
        """Return what is to be drafted, with all that only the ERP knows."""
        match work:
            case Purchased():
                return [(Part("Purchase Receipt"), await self._purchase_receipt(work))]
            case Delivered():
                return [(Part("Delivery Note"), await self._delivery_note(work))]
            case Returned():
                return [(Part("Delivery Note"), await self._return(work))]
            case Moved():
                return [(Part("Stock Entry"), await self._stock_entry(work))]
            case Counted():
                return await self.count(work)
            case Assembled():
                return await self.assembly(work)
            case _:
                assert_never(work)

    async def draft(self, part: Part, task: Task, values: Values) -> Voucher:
        """Make a draft; where there is one by now, return that one."""
        answer = await self._send(self.forms.draft(part, task, values), writes=True)
        if not answer.ok and self.forms.exists(answer):
            found = await self.find(part, task.reference)
            if found is not None:
                return found
        return self._made(part, answer)

    async def rewrite(self, part: Part, voucher: Voucher, task: Task, values: Values) -> Voucher:
        """Say in a draft what is true by now."""
        request = self.forms.rewrite(part, voucher, task, values)
        return self._made(part, await self._send(request, writes=True))

    async def submit(self, part: Part, voucher: Voucher, reference: str) -> None:
        """Make a draft count."""
        await self._advance(part, self.forms.submit(voucher), reference, "submitted")

    async def cancel(self, part: Part, voucher: Voucher, reference: str) -> None:
        """Take back what counts."""
        await self._advance(part, self.forms.cancel(voucher), reference, "cancelled")

    async def discard(self, part: Part, voucher: Voucher) -> None:
        """Put away a draft."""
        answer = await self._send(self.forms.discard(voucher), writes=True)
        if not answer.ok and answer.status != 404:  # gone already, perhaps by our own doing
            raise Stopped(self.forms.judge(answer, writes=True))

    async def _advance(self, part: Part, request: Request, reference: str, state: str) -> None:
        answer = await self._send(request, writes=True)
        if answer.ok and self._made(part, answer).state == state:
            return
        # Somebody, perhaps an earlier attempt of ours, may have been there first
        found = await self.find(part, reference)
        if found is None or found.state != state:
            raise Stopped(self.forms.judge(answer, writes=True))

    def _made(self, part: Part, answer: Answer) -> Voucher:
        if not answer.ok:
            raise Stopped(self.forms.judge(answer, writes=True))
        return self._read(lambda: self.forms.made(part, answer), answer, writes=True)

    # --- What vouchers say ---

    async def _purchase_receipt(self, work: Purchased) -> Values:
        order = await self.ordered("Purchase Order", work.order)
        lines = self.lines(order, "received_qty")
        takes = take(await self.known(work.goods), lines, work.order)
        rows = self._rows(takes, self.forms.purchase, work.order, work.into)
        return {**self._head(order, "supplier"), "items": rows}

    async def _delivery_note(self, work: Delivered) -> Values:
        order = await self.ordered("Sales Order", work.order)
        lines = self.lines(order, "delivered_qty")
        takes: list[Take] | Refused
        if work.goods:
            takes = take(await self.known(work.goods), lines, work.order)
        else:
            takes = all_owed(lines, await self._owed(lines))
            takes = takes or Refused("refused", f"{work.order} owes nothing more")
        rows = self._rows(takes, self.forms.sale, work.order, work.out_of)
        return {**self._head(order, "customer"), "items": rows}

    async def _return(self, work: Returned) -> Values:
        note = await self.ordered("Delivery Note", work.note)
        takes = take(await self.known(work.goods), self.lines(note, None), work.note)
        line, sent = self.forms.sale[1], {str(row["name"]): row for row in items_of(note)}
        rows = self._rows(takes, self.forms.sale, work.note, work.into)
        for row in rows:
            left_by = sent[row[line]]
            row["qty"] = -row["qty"]
            row |= {name: left_by.get(name) for name in self.forms.sale}
            if self.forms.returned is not None:
                row[self.forms.returned] = left_by["name"]
        head = {**self._head(note, "customer"), "is_return": 1, "return_against": work.note}
        return {**head, "items": rows}

    def _rows(
        self, takes: list[Take] | Refused, fields: tuple[str, str], order: str, place: str | None
    ) -> list[Values]:
        if isinstance(takes, Refused):
            raise Stopped(takes)
        house = self.settings.warehouse
        with as_expected(self.forms.who):
            return [
                row_of(each, fields, order, place or each.line.warehouse or house) for each in takes
            ]

    async def _stock_entry(self, work: Moved) -> Values:
        ends = {"s_warehouse": work.out_of, "t_warehouse": work.into}
        ends = {name: place for name, place in ends.items() if place is not None}
        rows = [{**known.row, **ends} for known in await self.known(work.goods)]
        if work.out_of is None:
            return self.stock_entry("Material Receipt", await self.valued(rows))
        return self.stock_entry("Material Transfer" if work.into else "Material Issue", rows)

    def stock_entry(self, purpose: str, rows: list[Values]) -> Values:
        """Return a Stock Entry with these rows."""
        return {"company": self.settings.company, "stock_entry_type": purpose, "items": rows}

    def _head(self, order: Values, partner: str) -> Values:
        names = (partner, "currency", "conversion_rate")
        said = {name: order[name] for name in names if order.get(name) is not None}
        if "conversion_rate" in said:
            with as_expected(self.forms.who):
                said["conversion_rate"] = float(said["conversion_rate"])
        return {"company": self.settings.company, **said}

    async def _owed(self, lines: Iterable[OrderLine]) -> dict[str, Known]:
        known = {}
        for line in lines:
            if line.owed > 0 and line.item not in known:
                goods = Goods(Item(sku=line.item), line.owed, line.unit)
                [known[line.item]] = await self.known([goods])
        return known

    # --- What is read ---

    async def ordered(self, kind: Order, name: str) -> Values:
        """Return a document of the company that counts."""
        answer = await self._send(self.forms.order(kind, name), writes=False)
        order = self._read(lambda: self.forms.ordered(answer), answer, writes=False)
        if order is None:
            text = f"{self.forms.who} has no {kind} {name}"
            raise Stopped(Refused("unknown_document", text))
        if order.get("company") != self.settings.company:
            text = f"{kind} {name} is of another company"
            raise Stopped(Refused("unknown_document", text))
        if order.get("docstatus") != 1:
            text = f"{kind} {name} is {order.get('status') or 'not submitted'}"
            raise Stopped(Refused("unknown_document", text))
        return order

    def lines(self, order: Values, done: str | None) -> list[OrderLine]:
        """Return the lines of a document that are of an item."""
        with as_expected(self.forms.who):
            rows = [row for row in items_of(order) if row.get("item_code")]
            return [OrderLine.read(row, done, self.settings.decimals) for row in rows]

    async def known(self, goods: Iterable[Goods]) -> list[Known]:
        """Look up items, which must be kept in the unit they were scanned in."""
        found = []
        for each in goods:
            article = await self._article(each.item)
            if article.unit != each.unit:
                text = f"{each} is kept in {article.unit}, not in {each.unit}"
                raise Stopped(Refused("contract", text))
            if article.lots and each.lot is None:
                text = f"{self.forms.who} takes {each} with a lot only"
                raise Stopped(Refused("lot_required", text))
            if article.serials and len(each.serials) != each.quantity:
                text = f"{self.forms.who} takes {each} with a serial number for each piece only"
                raise Stopped(Refused("lot_required", text))
            found.append(Known(each, article))
        return found

    def forget(self) -> None:
        """Look items up anew: somebody may have changed them since."""
        self._known.clear()

    async def _article(self, item: Item) -> Article:
        if item in self._known:
            self._known.move_to_end(item)
            return self._known[item]
        who, request = self.forms.who, self.forms.article(item)
        if request is None:
            text = f"{who} knows items by their code only, not by GTIN {item.gtin}"
            raise Stopped(Refused("unknown_sku", text))
        answer = await self._send(request, writes=False)
        found = self._read(lambda: self.forms.articles(item, answer), answer, writes=False)
        if len(found) != 1:
            text = f"{who} has {len(found) or 'no'} items {item.sku or f'with GTIN {item.gtin}'}"
            raise Stopped(Refused("unknown_sku", text))
        if len(self._known) >= MAX_KNOWN:
            self._known.popitem(last=False)
        self._known[item] = found[0]
        return found[0]

    # --- The wire ---

    async def write(self, request: Request) -> Answer:
        """Send a request that may change something, and return the answer, whatever it is."""
        return await self._send(request, writes=True)

    async def ask(self, path: str, query: Iterable[tuple[str, str]] = ()) -> Any:
        """Return what the ERP answers to a GET, as JSON."""
        answer = await self._send(Request("GET", path, query=tuple(query)), writes=False, known=())
        if not answer.ok:
            raise Stopped(self.forms.judge(answer, writes=False))
        return self._read(answer.json, answer, writes=False)

    async def _send(
        self, request: Request, *, writes: bool, known: tuple[int, ...] = (404,)
    ) -> Answer:
        """Send a request. A reading one comes back only as a success, or as one of `known`."""
        key = read_secret(self.settings.api_key_file, f"{self.forms.who}'s API key")
        headers = {"Authorization": self.forms.authorization(key)}
        body = ""
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            body = written(request.body)
        answer = await self._http.call(
            request.method,
            f"{self.settings.url.rstrip('/')}{request.path}",
            query=request.query,
            headers=headers,
            body=body,
            secrets=[key, *key.split(":")],
            writes=writes,
        )
        if not writes and not answer.ok and answer.status not in known:
            raise Stopped(self.forms.judge(answer, writes=False))
        return answer

    def _read(self, read: Callable[[], _T], answer: Answer, *, writes: bool) -> _T:
        try:
            return read()
        except _WRONG as error:
            said = f"{self.forms.who} answered {answer.status}, not as expected: {error!r}"
            why = f"{said}: {answer.text}"[:MAX_TEXT]
            raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG)) from None


@contextmanager
def as_expected(who: str) -> Iterator[None]:
    """Turn what was read and is not as expected into `Stopped`."""
    try:
        yield
    except _WRONG as error:
        why = f"{who}'s answer is not as expected: {error!r}"[:MAX_TEXT]
        raise Stopped(TryLater(why, SETTING_WRONG)) from None


def written(body: Values) -> str:
    """Return the body of a request, the same each time."""
    return json.dumps(body, ensure_ascii=False)
