"""One open organisation: looks up what goods belong to, and creates one document for them once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from yarl import URL

from bridge.bookkeeping import Adjust, Against, Found, Goods, Plan, Unfit, differences, moved, plan
from bridge.connector import Call, Connector
from bridge.connectors.xero.api import UNIT_PLACES, Books, Collection, body_of, quoted
from bridge.connectors.xero.bodies import (
    ENDS,
    KINDS,
    Items,
    adjusting,
    adjusts,
    against,
    booked,
    numbered,
    on_hand,
    split,
)
from bridge.connectors.xero.config import Config
from bridge.http import Http, Stopped, opened
from bridge.oauth import ClientCredentials, Consent, Login, Refreshed
from bridge.outcome import Outcome, Posted, Refused
from contract.transactions import Transaction

AUTHORIZE = "https://login.xero.com/identity/connect/authorize"
PAGE = 100
"""Rows of a page, which is Xero's own size."""
MAX_PAGES = 10
"""Pages of documents of one order: a thousand deliveries."""
COUNTED = "counted"
"""The reason of an adjustment that a count makes."""


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what Xero is to create for `transaction`. Pure."""
    made = plan(transaction, config, "Xero")
    if isinstance(made, Adjust | Found):
        reason = made.reason if isinstance(made, Adjust) else COUNTED
        if config.account(reason) is None or config.adjustment_contact is None:
            text = "Xero adjusts by documents: set adjustment_account and adjustment_contact"
            return Refused("unmapped", text)
    return made


def moves(transaction: Transaction, config: Config) -> list[tuple[str, str, str, Decimal | None]]:
    """Return what booking adds to Xero's stock: of a draft only when a person approves it. Pure."""
    made_as = {"bill": config.bills, "invoice": config.invoices, "credit": config.credits}
    drafts = [what for what, status in made_as.items() if status != "AUTHORISED"]
    return moved(document(transaction, config), config, drafts)


class Xero:
    """One organisation."""

    def __init__(self, books: Books, config: Config) -> None:
        self.settle = config.http.settle
        self._books = books
        self._config = config

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Create the document of one transaction once, however often this is called for it."""
        made = document(transaction, self._config)
        if isinstance(made, Posted | Refused):
            return made
        try:
            match made:
                case Against():
                    return await self._against(made, again=again)
                case Adjust():
                    return await self._adjust(made, again=again)
                case Found():
                    return await self._count(made)
        except Stopped as stopped:
            return stopped.outcome
        except Unfit as unfit:
            return unfit.refused

    async def _against(self, made: Against, *, again: bool) -> Posted:
        kind = KINDS[made.what]
        if again:
            found = await self._booked(kind.makes, kind.type, numbered(made))
            if found is not None:
                return found
        there = await self._order(made)
        before = await self._before(made)
        body = against(made, there, before, self._today(), self._config)
        return await self._create(kind.makes, body, made.key)

    async def _before(self, made: Against) -> dict[str, Decimal]:
        """Return what was booked of the same order before: Xero itself keeps no account of it."""
        kind = KINDS[made.what]
        where = f"{_of(kind.type)} AND {kind.number}!=null AND {kind.number}.StartsWith"
        asked = ("where", f"{where}({quoted(made.order + '/')})")
        rows: list[dict[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            # A page of documents has their lines; without a page Xero leaves them out
            found = await self._books.rows(kind.makes, [asked, ("page", str(page)), *UNIT_PLACES])
            rows += found
            if len(found) < PAGE:
                return booked(rows, kind, but=made.key).get(made.order, {})
        text = f"Xero has too many {kind.makes} of {made.order} to look through"
        raise Unfit("needs_human", text)

    async def _adjust(self, made: Adjust, *, again: bool) -> Posted:
        if again:
            found = await self._booked(*adjusts(made.goods), made.key)
            if found is not None:
                return found
        items = await self._items(made.goods)
        return await self._change(made.key, made.day, made.reason, made.goods, items)

    async def _count(self, made: Found) -> Posted:
        """Book the difference. It is another once it was booked, so that is always looked for."""
        done: dict[str, Posted] = {}
        for end, sign in ENDS.items():
            what = adjusts((("", Decimal(sign)),))
            found = await self._booked(*what, made.key + end)
            if found is not None:
                done[end] = found
        items = await self._items(made.goods)
        for end, part in split(differences(made.goods, on_hand(items))):
            if end not in done:  # what differs after that was moved after it was counted
                key = made.key + end
                done[end] = await self._change(key, made.day, COUNTED, part, items)
        return next((done[end] for end in ENDS if end in done), Posted(""))

    async def _change(
        self, key: str, day: date | None, reason: str, goods: Goods, items: Items
    ) -> Posted:
        made = adjusting(key, day or self._today(), reason, goods, items, self._config)
        return await self._create(adjusts(goods)[0], made, key)

    async def _booked(self, what: Collection, type_: str, key: str) -> Posted | None:
        """Look for what carries a key, whatever its state: what a person voided stays voided."""
        for row in await self._books.rows(what, _asking(type_, key)):
            if row.get("Type") == type_ and row.get(_FIELDS[type_]) == key:
                return Posted(_name(row))
        return None

    async def _order(self, made: Against) -> Mapping[str, Any]:
        kind = KINDS[made.what]
        found = await self._books.rows(kind.goes_by, *_searching(made))
        rows = [row for row in found if made.order in (row.get(name) for name in _ORDER_NUMBERS)]
        if kind.goes_by == "Invoices":
            rows = [row for row in rows if row.get("Type") == "ACCREC"]
        if len(rows) != 1:
            text = f"Xero has {len(rows) or 'no'} {kind.goes_by} numbered {made.order}"
            raise Unfit("unknown_document", text)
        return rows[0]

    async def _items(self, goods: Goods) -> Items:
        found: dict[str, Mapping[str, Any]] = {}
        for sku, _ in goods:
            rows = await self._books.rows(
                "Items", [("where", f"Code=={quoted(sku)}"), *UNIT_PLACES]
            )
            rows = [row for row in rows if row.get("Code") == sku]
            if not rows:
                raise Unfit("unknown_sku", f"Xero has no item {sku}")
            if not rows[0].get("IsTrackedAsInventory"):
                raise Unfit("refused", f"Xero does not track the stock of {sku}")
            found[sku] = rows[0]
        return found

    async def _create(self, what: Collection, made: Mapping[str, Any], key: str) -> Posted:
        return Posted(_name(await self._books.put(what, body_of(what, made), key)))

    def _today(self) -> date:
        return datetime.now(self._config.zone).date()


_FIELDS = {kind.type: kind.number for kind in KINDS.values()} | {"ACCPAYCREDIT": "CreditNoteNumber"}
"""Where the bridge's own number stands, by type of document."""
_ORDER_NUMBERS = ("PurchaseOrderNumber", "QuoteNumber", "InvoiceNumber")


def _of(type_: str) -> str:
    return f"Type=={quoted(type_)}"


def _asking(type_: str, key: str) -> list[tuple[str, str]]:
    return [("where", f"{_of(type_)} AND {_FIELDS[type_]}=={quoted(key)}")]


def _searching(made: Against) -> tuple[list[tuple[str, str]], str]:
    """Return query and path of the document the goods belong to, with its lines."""
    match made.what:
        case "bill":
            return [], made.order
        case "invoice":
            return [("QuoteNumber", made.order)], ""
    return [("where", f"InvoiceNumber=={quoted(made.order)}"), ("page", "1"), *UNIT_PLACES], ""


def _name(row: Mapping[str, Any]) -> str:
    """Return what a person finds the document by; bills have a number of the bridge's own."""
    ids = [row.get(name) for name in ("InvoiceID", "CreditNoteID")]
    sold = [row.get(name) for name in ("InvoiceNumber", "CreditNoteNumber")]
    mine = row.get("Type") in ("ACCPAY", "ACCPAYCREDIT")
    return str(next((each for each in (*(() if mine else sold), *ids) if each), ""))


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only Xero knows in angle brackets. Pure."""
    made = document(transaction, config)
    if isinstance(made, Posted | Refused):
        return []
    base = config.url.rstrip("/")
    if not isinstance(made, Against):
        asked = [
            Call("look up the item", "GET", f"{base}/Items?where=Code=={quoted(sku)}")
            for sku, _ in made.goods
        ]
        lines = ", ".join(f"{sku} {each:+f}" for sku, each in made.goods)
        why = lines if isinstance(made, Adjust) else f"{lines} less what is on hand"
        text = f"<a document of no total that adjusts {why}>"
        headers = {"Idempotency-Key": made.key}
        return [*asked, Call("adjust", "PUT", f"{base}/<Invoices or CreditNotes>", text, headers)]
    kind = KINDS[made.what]
    lines = ", ".join(f"{each:f} of {sku}" for sku, each in made.goods)
    body = f"<{kind.type} {kind.number} {numbered(made)}: {lines} at the prices of {made.order}>"
    headers = {"Content-Type": "application/json", "Idempotency-Key": made.key}
    return [
        Call(f"look up {made.order}", "GET", f"{base}/{kind.goes_by}"),
        Call(f"look up what was booked of {made.order}", "GET", f"{base}/{kind.makes}"),
        Call(f"create the {made.what}", "PUT", f"{base}/{kind.makes}", body, headers),
    ]


def login_of(http: Http, config: Config) -> Login:
    """Return the way into the organisation."""
    if config.tokens_file is None:
        return ClientCredentials(http, config.app)
    return Refreshed(http, config.app, config.tokens_file)


def consent(config: Config) -> Consent | None:
    """Return what a person is to agree to; None for a custom connection, which needs nobody."""
    if config.tokens_file is None:
        return None
    connections = str(URL(config.url).with_path("/connections"))

    async def tell(login: Login, reply: Mapping[str, str]) -> list[str]:
        answer = await login.call("GET", connections, writes=False)
        try:
            rows = answer.json() if answer.ok else None
        except ValueError:
            rows = None
        if not isinstance(rows, list):
            return [f"Xero does not say which organisations: {answer.status}"]
        return [f'tenant = "{row.get("tenantId")}"  # {row.get("tenantName")}' for row in rows]

    return Consent(config.app, AUTHORIZE, config.scope, config.tokens_file, tell)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="Xero") as http:
        yield Xero(Books(login_of(http, config), config), config)


async def probe(config: Config) -> list[str]:
    """Return what the organisation says of itself, reading only.

    Raises:
        Stopped: it cannot be asked; the outcome says why.
    """
    async with opened(config.http, who="Xero") as http:
        rows = await Books(login_of(http, config), config).rows("Organisation")
    said = [
        f"organisation {row.get('Name')} ({row.get('BaseCurrency')}), books locked until "
        f"{row.get('PeriodLockDate') or 'never'}"
        for row in rows
    ]
    return [*said, f"today in the books: {datetime.now(UTC).astimezone(config.zone).date()}"]
