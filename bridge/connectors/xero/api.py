"""Xero's accounting API: the wire, and what an answer means.

Source: Xero's OpenAPI 16.1, against which the tests hold every request, and its pages on limits and
errors. `PUT` only creates; `POST` would change what already has the same number.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

from bridge.connectors.xero.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Stopped
from bridge.oauth import Login
from bridge.outcome import Outcome, Refused, TryLater, Unknown
from contract.envelope import Reason

Collection = Literal["Invoices", "CreditNotes", "PurchaseOrders", "Quotes", "Items", "Organisation"]
UNIT_PLACES = (("unitdp", "4"),)
"""Four decimal places of a unit price; without it Xero rounds to two."""
DAY_SPENT = 3_600.0
"""Seconds until the next try when the day's calls are spent and Xero does not say for how long."""

_WORDS: tuple[tuple[str, Reason], ...] = (
    ("lock date", "closed_period"),
    ("locked", "closed_period"),
    ("item code", "unknown_sku"),
    ("quantity on hand", "short_stock"),
    ("not enough", "short_stock"),
)
"""Parts of Xero's validation messages, which have no codes."""


class Books:
    """One organisation. Everything that is no success raises `Stopped`."""

    def __init__(self, login: Login, config: Config) -> None:
        self._login = login
        self._config = config

    async def put(self, collection: Collection, body: str, key: str) -> dict[str, Any]:
        """Create one document, under a key, and return it."""
        answer = await self._login.call(
            "PUT",
            f"{self._url}/{collection}",
            query=UNIT_PLACES,
            headers={**self._headers, "Content-Type": "application/json", "Idempotency-Key": key},
            body=body,
            writes=True,
        )
        rows = rows_of(answer, collection, writes=True)
        if len(rows) != 1:
            raise Stopped(Unknown(f"Xero's answer is not one document: {answer.text}"[:MAX_TEXT]))
        [row] = rows
        if row.get("HasErrors") or row.get("StatusAttributeString") == "ERROR":
            raise Stopped(_invalid(row.get("ValidationErrors")))
        return row

    async def rows(
        self, collection: Collection, query: Sequence[tuple[str, str]] = (), path: str = ""
    ) -> list[dict[str, Any]]:
        """Return what a question finds; nothing where Xero says that it has no such thing."""
        part = f"/{quote(path, safe='')}" if path else ""
        answer = await self._login.call(
            "GET",
            f"{self._url}/{collection}{part}",
            query=query,
            headers=self._headers,
            writes=False,
        )
        if answer.status == 404 and path:
            return []
        return rows_of(answer, collection, writes=False)

    @property
    def _url(self) -> str:
        return self._config.url.rstrip("/")

    @property
    def _headers(self) -> Mapping[str, str]:
        tenant = self._config.tenant
        if tenant is not None:
            return {"xero-tenant-id": str(tenant)}
        if self._config.tokens_file is not None:
            why = "which organisation? scanpost bridge login lists them; set tenant"
            raise Stopped(TryLater(why, SETTING_WRONG, "person"))
        return {}


def rows_of(answer: Answer, collection: str, *, writes: bool) -> list[dict[str, Any]]:
    """Return the documents of an answer. Raises `Stopped` for what is none. Pure."""
    if not answer.ok:
        raise Stopped(_failed(answer, writes=writes))
    try:
        said = answer.json()
    except ValueError:
        said = None
    name = "Organisations" if collection == "Organisation" else collection
    match said:
        case dict() if isinstance(rows := said.get(name), list):
            if all(isinstance(row, dict) for row in rows):
                return rows
    why = f"Xero answered {answer.status} with what is no {name}: {answer.text}"[:MAX_TEXT]
    raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG))


def _failed(answer: Answer, *, writes: bool) -> Outcome:
    if answer.status == 429:
        limit = answer.headers.get("X-Rate-Limit-Problem") or "some"
        why = f"Xero: the {limit} limit of calls is reached"[:MAX_TEXT]
        return TryLater(why, _spent(limit) if answer.retry_after is None else answer.retry_after)
    said = _said(answer)
    if answer.status == 400 and writes and said.get("Type") == "ValidationException":
        elements = said.get("Elements")
        rows = elements if isinstance(elements, list) else []
        errors = [row.get("ValidationErrors") for row in rows if isinstance(row, dict)]
        return _invalid([each for some in errors if isinstance(some, list) for each in some])
    words = said.get("Detail") or said.get("Message")
    return answer.verdict("Xero", writes=writes, said=words if isinstance(words, str) else None)


def _spent(limit: str) -> float | None:
    return DAY_SPENT if "day" in limit.lower() else None


def _said(answer: Answer) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _invalid(errors: object) -> Refused:
    """Sort what Xero did not take: a validation error comes instead of an effect."""
    rows = errors if isinstance(errors, list) else []
    words = "; ".join(str(row.get("Message")) for row in rows if isinstance(row, dict))
    why = f"Xero: {words or 'a validation error without words'}"[:MAX_TEXT]
    for part, code in _WORDS:
        if part in words.lower():
            return Refused(code, why)
    return Refused("refused", why)


def quoted(value: str) -> str:
    """Return a value for Xero's `where`, where it can be nothing but a value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def body_of(collection: Collection, document: Mapping[str, Any]) -> str:
    """Return the body that creates one document, the same each time."""
    return json.dumps({collection: [document]}, ensure_ascii=False)


def amount(value: object) -> Decimal | None:
    """Return a number of Xero's exactly; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value if isinstance(value, Decimal) else None
