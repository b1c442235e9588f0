"""Odoo's JSON-2 interface: one call is one SQL transaction there, whole or not at all.

Source: Odoo 19 documentation, External JSON-2 API; `odoo/http.py` and `odoo/exceptions.py` of 19.0
for what an error answers: 422 a rule of business, 403 a right, 404 a record that is gone, 409 a
record somebody else holds.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bridge.connectors.odoo.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Http, Stopped, read_secret
from bridge.outcome import Outcome, Refused, TryLater, Unknown

MAX_ROWS = 100
"""Rows of an answer to a search for one thing: an order with more open moves is not looked through.
"""
PAGE = 200
"""Rows of a page where everything is read: some 100 kB."""
LANGUAGE = {"lang": "en_US"}
"""Units have their English names, whoever the API key belongs to."""


class Json2:
    """One database. Everything that is no success raises `Stopped`."""

    def __init__(self, http: Http, config: Config) -> None:
        self._http = http
        self._config = config

    async def find(
        self, model: str, domain: list[Any], fields: Sequence[str], *, most: int = MAX_ROWS
    ) -> list[dict[str, Any]]:
        """Return the records that match, by id. A link to one record is its id, or False."""
        return await self._search(model, domain, fields, most)

    async def pages(
        self, model: str, domain: list[Any], fields: Sequence[str]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield all records that match, a page at a time, by id."""
        after = 0
        while True:
            rows = await self._search(model, [*domain, ["id", ">", after]], fields, PAGE)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = max(row["id"] for row in rows)

    async def _search(
        self, model: str, domain: list[Any], fields: Sequence[str], most: int
    ) -> list[dict[str, Any]]:
        asked = {"domain": domain, "fields": list(fields), "order": "id", "limit": most}
        rows = await self.call(model, "search_read", {**asked, "load": None}, writes=False)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Stopped(TryLater(f"Odoo answered no list of {model}", SETTING_WRONG))
        return rows

    async def has(self, model: str, field: str) -> bool:
        """Whether a field is there, and with it the module that brings it."""
        asked = {"allfields": [field], "attributes": ["type"]}
        return field in await self.call(model, "fields_get", asked, writes=False)

    async def make(self, model: str, rows: list[dict[str, Any]], **context: Any) -> list[int]:
        """Make records in one transaction, and return their ids."""
        made = await self.call(model, "create", {"vals_list": rows}, context=context, writes=True)
        if not isinstance(made, list) or len(made) != len(rows):
            raise Stopped(Unknown(f"Odoo answered no ids of {model}: {made!r}"[:MAX_TEXT]))
        return made

    async def change(self, model: str, number: int, values: dict[str, Any]) -> None:
        """Change one record, and whatever lies within it, in one transaction."""
        await self.call(model, "write", {"vals": values}, ids=[number], writes=True)

    async def act(self, model: str, button: str, ids: list[int], **context: Any) -> Any:
        """Press a button, and return what Odoo would show next: True or None where nothing."""
        return await self.call(model, button, {}, ids=ids, context=context, writes=True)

    async def call(
        self,
        model: str,
        method: str,
        values: Mapping[str, Any],
        *,
        ids: Sequence[int] = (),
        context: Mapping[str, Any] | None = None,
        writes: bool,
    ) -> Any:
        """Call a method, and return its result."""
        key = read_secret(self._config.api_key_file, "Odoo's API key")
        headers = {"Authorization": f"bearer {key}", "Content-Type": "application/json"}
        if self._config.database is not None:
            headers["X-Odoo-Database"] = self._config.database
        answer = await self._http.call(
            "POST",
            url(self._config, model, method),
            headers=headers,
            body=body(values, ids, context),
            secrets=[key],
            writes=writes,
        )
        return read(answer, writes=writes)


def url(config: Config, model: str, method: str) -> str:
    """Return where a method is called."""
    return f"{config.url.rstrip('/')}/json/2/{model}/{method}"


def body(
    values: Mapping[str, Any], ids: Sequence[int] = (), context: Mapping[str, Any] | None = None
) -> str:
    """Return the body of a call, the same each time."""
    whose = {"ids": list(ids)} if ids else {}
    return json.dumps({**whose, "context": {**LANGUAGE, **(context or {})}, **values})


def read(answer: Answer, *, writes: bool) -> Any:
    """Return the result in an answer. Raises `Stopped` for what is none. Pure."""
    try:
        said = answer.json()
    except ValueError:
        said = answer  # nothing Odoo says
    if answer.status == 200 and said is not answer:
        return said
    raise Stopped(_verdict(answer, said, writes=writes))


def _verdict(answer: Answer, said: Any, *, writes: bool) -> Outcome:
    match said:
        case {"name": str(name), "message": str(message)}:
            pass
        case _:
            return answer.verdict("Odoo", writes=writes)
    why = f"Odoo: {' '.join(message.split())}"[:MAX_TEXT]
    if answer.status == 422 and writes:
        lot = "Lot/Serial" in message and "supply" in message
        return Refused("lot_required" if lot else "refused", why)
    if answer.status == 404 and writes and name.endswith("MissingError"):
        return Refused("refused", why)
    if answer.status == 409:
        return TryLater(why)
    if answer.status == 401:
        return TryLater(why, SETTING_WRONG, "login")
    return answer.verdict("Odoo", writes=writes, said=message)
