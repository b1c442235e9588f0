"""One open company: looks up what goods belong to, and creates one document for them once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bridge.bookkeeping import Adjust, Against, Found, Goods, Plan, Unfit, differences, moved, plan
from bridge.connector import Call, Connector
from bridge.connectors.quickbooks.api import MOST, Company, Entity, asking, body_of, quoted
from bridge.connectors.quickbooks.bodies import (
    KINDS,
    Items,
    Kind,
    adjusting,
    against,
    booked,
    note_of,
    on_hand,
)
from bridge.connectors.quickbooks.config import Config
from bridge.http import Http, Stopped, opened
from bridge.oauth import Consent, Login, Refreshed
from bridge.outcome import Outcome, Posted, Refused
from contract.transactions import Transaction

AUTHORIZE = "https://appcenter.intuit.com/connect/oauth2"
SCOPE = "com.intuit.quickbooks.accounting"
COUNTED = "counted"
"""The reason of an adjustment that a count makes."""
AT_ONCE = 25
"""Items of one query: it travels in the URL, which servers take some 8,000 characters of."""
LONGEST = timedelta(days=30)
"""How far back a document is looked for whose scan nobody knows the time of."""
MAX_PAGES = 20
"""Pages of a look-up: twenty thousand documents since the scan, which a person looks through."""


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what QuickBooks is to create for `transaction`. Pure."""
    made = plan(transaction, config, "QuickBooks")
    if isinstance(made, Adjust | Found):
        reason = made.reason if isinstance(made, Adjust) else COUNTED
        if config.account(reason) is None:
            text = "QuickBooks adjusts against an account: set adjustment_account"
            return Refused("unmapped", text)
    return made


def moves(transaction: Transaction, config: Config) -> list[tuple[str, str, str, Decimal | None]]:
    """Return what booking adds to QuickBooks' stock. Pure."""
    return moved(document(transaction, config), config)


class QuickBooks:
    """One company."""

    def __init__(self, company: Company, config: Config) -> None:
        self.settle = config.http.settle
        self._company = company
        self._config = config

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Create the document of one transaction once, however often this is called for it."""
        made = document(transaction, self._config)
        if isinstance(made, Posted | Refused):
            return made
        try:
            if again or isinstance(made, Found):
                found = await self._booked(made, _earliest(transaction))
                if found is not None:
                    return found
            match made:
                case Against():
                    return await self._against(made)
                case Adjust():
                    items = await self._items(made.goods, tracked=True)
                    return await self._adjust(made, made.reason, made.goods, items)
                case Found():
                    return await self._count(made)
        except Stopped as stopped:
            return stopped.outcome
        except Unfit as unfit:
            return unfit.refused

    async def _against(self, made: Against) -> Posted:
        kind, there = await self._order(made)
        items = await self._items(made.goods)
        before = await self._before(made, kind, there)
        body = against(made, kind, there, before, items, self._today(), self._config)
        return await self._create(kind.makes, body, made.key)

    async def _before(
        self, made: Against, kind: Kind, there: Mapping[str, Any]
    ) -> dict[str, Decimal]:
        """Return what was booked of the same document before, by the item's Id."""
        where = since(there)
        partner = "VendorRef" if kind.makes == "Bill" else "CustomerRef"
        if (there.get(partner) or {}).get("value"):
            where = f"{partner} = {quoted(str(there[partner]['value']))} and {where}"
        rows = [row async for row in self._pages(kind.makes, where)]
        order = str(there["Id"]) if kind.makes == "Bill" else made.order
        return booked(rows, kind, but=made.key).get(order, {})

    async def _count(self, made: Found) -> Posted:
        """Book the difference; a second look would find another, and none where it was booked."""
        items = await self._items(made.goods, tracked=True)
        goods = differences(made.goods, on_hand(items))
        return await self._adjust(made, COUNTED, goods, items) if goods else Posted("")

    async def _adjust(
        self, made: Adjust | Found, reason: str, goods: Goods, items: Items
    ) -> Posted:
        day = made.day or self._today()
        body = adjusting(made.key, day, reason, goods, items, self._config)
        return await self._create("InventoryAdjustment", body, made.key)

    async def _booked(self, made: Plan, begin: datetime) -> Posted | None:
        """Look for a document with the key in its note, which no query can ask for."""
        for entity in makes(made):
            where = f"MetaData.CreateTime >= {quoted(begin.isoformat(timespec='seconds'))}"
            async for row in self._pages(entity, where):
                if str(row.get("PrivateNote") or "").startswith(note_of(made.key)):
                    return Posted(_name(row))
        return None

    async def _pages(self, entity: Entity, where: str) -> AsyncIterator[dict[str, Any]]:
        for page in range(MAX_PAGES):
            rows = await self._company.find(entity, where, start=1 + page * MOST)
            for row in rows:
                yield row
            if len(rows) < MOST:
                return
        raise Unfit("needs_human", f"QuickBooks has too many {entity}s to look through")

    async def _order(self, made: Against) -> tuple[Kind, Mapping[str, Any]]:
        found: list[tuple[Kind, Mapping[str, Any]]] = []
        for kind in KINDS[made.what]:
            rows = await self._company.find(kind.goes_by, _numbered(made.order))
            found += [(kind, row) for row in rows if row.get("DocNumber") == made.order]
        if len(found) != 1:
            names = " or ".join(kind.goes_by for kind in KINDS[made.what])
            text = f"QuickBooks has {len(found) or 'no'} {names} numbered {made.order}"
            raise Unfit("unknown_document", text)
        return found[0]

    async def _items(self, goods: Goods, *, tracked: bool = False) -> Items:
        by = self._config.item_by
        rows: list[dict[str, Any]] = []
        for start in range(0, len(goods), AT_ONCE):
            names = ", ".join(quoted(sku) for sku, _ in goods[start : start + AT_ONCE])
            rows += await self._company.find("Item", f"{by} in ({names})")
        found: dict[str, Mapping[str, Any]] = {}
        for sku, _ in goods:
            same = [row for row in rows if row.get(by) == sku and row.get("Id")]
            if len(same) != 1:
                raise Unfit("unknown_sku", f"QuickBooks has {len(same) or 'no'} items {by} {sku}")
            if tracked and not same[0].get("TrackQtyOnHand"):
                raise Unfit("refused", f"QuickBooks does not keep the stock of {sku}")
            found[sku] = same[0]
        return found

    async def _create(self, entity: Entity, made: Mapping[str, Any], key: str) -> Posted:
        return Posted(_name(await self._company.create(entity, body_of(made), key)))

    def _today(self) -> date:
        return datetime.now(self._config.zone).date()


def makes(made: Plan) -> tuple[Entity, ...]:
    """Return what a plan may become."""
    if isinstance(made, Against):
        return tuple(kind.makes for kind in KINDS[made.what])
    return ("InventoryAdjustment",)


def since(there: Mapping[str, Any]) -> str:
    """Return the condition that a document was made after another."""
    began = str((there.get("MetaData") or {}).get("CreateTime") or "1970-01-01")
    return f"MetaData.CreateTime >= {quoted(began)}"


def _numbered(number: str) -> str:
    return f"DocNumber = {quoted(number)}"


def _earliest(transaction: Transaction) -> datetime:
    """Return when a document of it can have been made at the earliest, by a day of clocks wrong."""
    if not transaction.clock.synchronised:
        return datetime.now(UTC) - LONGEST
    return transaction.clock.wall.astimezone(UTC) - timedelta(days=1)


def _name(row: Mapping[str, Any]) -> str:
    """Return what a person finds the document by; not every one has a number."""
    return str(row.get("DocNumber") or row.get("Id"))


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the calls `deliver` would make, what only QuickBooks knows in angle brackets. Pure."""
    made = document(transaction, config)
    if isinstance(made, Posted | Refused):
        return []
    base = f"{config.url.rstrip('/')}/v3/company/{config.company}"
    names = ", ".join(quoted(sku) for sku, _ in made.goods[:AT_ONCE])
    look = asking("Item", f"{config.item_by} in ({names})")
    asked = [Call("look up the items", "GET", f"{base}/query?query={look}")]
    lines = ", ".join(f"{each:f} of {sku}" for sku, each in made.goods)
    what = {Adjust: "adjust by", Found: "adjust, less what is on hand, to"}
    said = what.get(type(made), "")
    if isinstance(made, Against):
        asked += [
            Call(f"look up {each}", "GET", f"{base}/query?query={asking(entity, where)}")
            for kind in KINDS[made.what]
            for each, entity, where in (
                (made.order, kind.goes_by, _numbered(made.order)),
                (f"what was booked of {made.order}", kind.makes, "<of the same partner>"),
            )
        ]
        said = f"at the prices of {made.order}:"
    entity = " or ".join(makes(made))
    body = f"<{entity}, {note_of(made.key)}: {said} {lines}>"
    target = f"{base}/<{entity.lower()}>?minorversion={config.minor_version}&requestid={made.key}"
    headers = {"Content-Type": "application/json"}
    return [*asked, Call(f"create the {entity}", "POST", target, body, headers)]


def login_of(http: Http, config: Config) -> Login:
    """Return the way into the company."""
    return Refreshed(http, config.app, config.tokens_file)


def consent(config: Config) -> Consent:
    """Return what a person is to agree to."""

    async def tell(login: Login, reply: Mapping[str, str]) -> list[str]:
        return [f'company = "{reply.get("realmId", "")}"']

    return Consent(config.app, AUTHORIZE, SCOPE, config.tokens_file, tell)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="QuickBooks") as http:
        yield QuickBooks(Company(login_of(http, config), config), config)


async def probe(config: Config) -> list[str]:
    """Return what the company says of itself, reading only.

    Raises:
        Stopped: it cannot be asked; the outcome says why.
    """
    async with opened(config.http, who="QuickBooks") as http:
        company = Company(login_of(http, config), config)
        rows = await company.find("CompanyInfo")
    said = [f"company {row.get('CompanyName')} ({row.get('Country')})" for row in rows]
    return [*said, f"today in the books: {datetime.now(config.zone).date()}"]
