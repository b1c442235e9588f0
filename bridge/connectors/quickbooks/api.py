"""QuickBooks Online's accounting API: the wire, and what an answer means.

Source: Intuit's XML schema of the entities (v3), against which the tests hold every body; its pages
on queries, errors, throttling and `requestid`.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from bridge.connectors.quickbooks.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Stopped
from bridge.oauth import Login
from bridge.outcome import Outcome, Refused, TryLater, Unknown
from contract.envelope import Reason

Entity = Literal[
    "Bill",
    "CompanyInfo",
    "CreditMemo",
    "Estimate",
    "InventoryAdjustment",
    "Invoice",
    "Item",
    "PurchaseOrder",
    "RefundReceipt",
    "SalesReceipt",
]
MOST = 1_000
"""Rows one query gives, which is QuickBooks' own limit."""
THROTTLED = 60.0
"""Seconds until the next try: the limits are for a minute, and a 429 seldom says for how long."""

_REFUSED: Mapping[str, Reason] = {
    "2010": "contract",
    "2020": "contract",
    "2030": "contract",
    "2050": "contract",
    "2170": "contract",
    "6070": "contract",
    "6210": "closed_period",
}
_PERSON = frozenset({"120", "5020", "5030", "6190"})
"""No right, or not in what was subscribed to, or the subscription is over: no document passes."""
_STALE = "5010"


class Company:
    """One company. Everything that is no success raises `Stopped`."""

    def __init__(self, login: Login, config: Config) -> None:
        self._login = login
        self._config = config

    async def create(self, entity: Entity, body: str, key: str) -> dict[str, Any]:
        """Create one document, under a key, and return it."""
        answer = await self._login.call(
            "POST",
            f"{self._url}/{entity.lower()}",
            query=[("minorversion", str(self._config.minor_version)), ("requestid", key)],
            headers={"Content-Type": "application/json"},
            body=body,
            writes=True,
        )
        row = read(answer, writes=True).get(entity)
        if isinstance(row, dict) and row.get("Id"):
            return row
        raise Stopped(Unknown(f"QuickBooks' answer is no {entity}: {answer.text}"[:MAX_TEXT]))

    async def find(
        self, entity: Entity, where: str = "", *, start: int = 1
    ) -> list[dict[str, Any]]:
        """Return what a query finds, from the row `start` on, at most `MOST`."""
        answer = await self._login.call(
            "GET",
            f"{self._url}/query",
            query=[
                ("query", asking(entity, where, start)),
                ("minorversion", str(self._config.minor_version)),
            ],
            writes=False,
        )
        match read(answer, writes=False):
            case {"QueryResponse": dict(said)}:
                rows = said.get(entity, [])
                if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
                    return rows
        why = f"QuickBooks' answer is no list of {entity}: {answer.text}"[:MAX_TEXT]
        raise Stopped(TryLater(why, SETTING_WRONG))

    @property
    def _url(self) -> str:
        return f"{self._config.url.rstrip('/')}/v3/company/{self._config.company}"


def read(answer: Answer, *, writes: bool) -> dict[str, Any]:
    """Return what an answer says. Raises `Stopped` for a fault, whatever the status. Pure."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    if isinstance(said, dict):
        fault = said.get("Fault") or said.get("fault")
        if isinstance(fault, dict):
            raise Stopped(_fault(answer, fault, writes=writes))
        if answer.ok:
            return said
    if answer.status == 429:
        raise Stopped(TryLater("QuickBooks has had too many calls", _after(answer)))
    raise Stopped(answer.verdict("QuickBooks", writes=writes))


def _fault(answer: Answer, fault: Mapping[str, Any], *, writes: bool) -> Outcome:
    """Sort a fault by its code, which comes instead of an effect, but for the server's own."""
    found = fault.get("Error") or fault.get("error")
    rows = [row for row in (found if isinstance(found, list) else []) if isinstance(row, dict)]
    codes = [str(row.get("code")) for row in rows]
    words = "; ".join(dict.fromkeys(_words(row) for row in rows))
    why = f"QuickBooks: {', '.join(codes)} {words}"[:MAX_TEXT]
    if answer.status == 429 or {code.lstrip("0") for code in codes} & {"3001"}:
        return TryLater(why, _after(answer))
    if _PERSON & set(codes):
        return TryLater(why, SETTING_WRONG, "person")
    if _STALE in codes:
        return TryLater(why)
    if answer.status in (403, 404) or answer.status >= 500:
        return answer.verdict("QuickBooks", writes=writes, said=why)
    if not writes:
        return TryLater(why, SETTING_WRONG)
    if "quantity on hand" in words.lower():
        return Refused("short_stock", why)
    code = _REFUSED.get(codes[0] if codes else "", "refused")
    # An older page of Intuit's has 6210 for a number that is used twice
    return Refused("refused" if "duplicate" in words.lower() else code, why)


def _words(row: Mapping[str, Any]) -> str:
    said = (row.get(name) or row.get(name.lower()) for name in ("Message", "Detail"))
    return ": ".join(str(each) for each in said if each)


def _after(answer: Answer) -> float:
    return THROTTLED if answer.retry_after is None else answer.retry_after


def asking(entity: Entity, where: str, start: int = 1) -> str:
    """Return a query in QuickBooks' own language, which only looks like SQL and only reads."""
    condition = f" where {where}" if where else ""
    return f"select * from {entity}{condition} startposition {start} maxresults {MOST}"  # noqa: S608


def quoted(value: str) -> str:
    """Return a value for a query, where it can be nothing but a value."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def body_of(document: Mapping[str, Any]) -> str:
    """Return the body that creates a document, the same each time."""
    return json.dumps(document, ensure_ascii=False)


def amount(value: object) -> Decimal | None:
    """Return a number of QuickBooks' exactly; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value if isinstance(value, Decimal) else None
