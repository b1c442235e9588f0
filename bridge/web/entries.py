"""Entries: those that fit what a person knows of them, and one with its whole story."""

from typing import Any, cast, get_args
from urllib.parse import urlencode

from bridge.search import State, Wanted
from bridge.web.visit import Answer, House, NotFound, Shown, Unfit, Visit, is_number, unique

ROWS = 50
"""Rows of one page."""
UNFOLDED = 3
"""Attempts whose wire a page shows, newest first; the others are one click away. Each may have 64
kB, and an entry a hundred."""
_FIELDS = ("text", "gateway", "station", "type", "state", "code", "since", "until")


async def entries(house: House, visit: Visit) -> Answer:
    """Show the entries that fit, newest first."""
    asked = {name: visit.asked(name) for name in _FIELDS}
    page = await house.ledger.search(_wanted(house, visit, asked), ROWS, visit.below)
    further = {name: text for name, text in asked.items() if text} | {"below": page.further}
    return Shown(
        "entries.html",
        {
            "asked": asked,
            "searched": any(asked.values()),
            "rows": page.rows,
            "further": "/entries?" + urlencode(further) if page.further else None,
            "looked_to": page.further,
            "below": visit.below,
            "states": get_args(State),
        },
    )


def _wanted(house: House, visit: Visit, asked: dict[str, str]) -> Wanted:
    state = asked["state"]
    if state and state not in get_args(State):
        raise Unfit(f"there is no state {state}")
    text = asked["text"]
    identified = unique(text)
    number = text.removeprefix("#") if text.startswith("#") else ""
    return Wanted(
        text="" if identified or is_number(number) else text,
        id=identified,
        number=int(number) if is_number(number) else None,
        gateway=asked["gateway"],
        station=asked["station"],
        type=asked["type"],
        state=cast("State", state) if state else None,
        code=asked["code"],
        since=visit.time("since", house.zone),
        until=visit.time("until", house.zone),
    )


async def entry(house: House, visit: Visit) -> Answer:
    """Show one entry: what came, what was sent byte for byte, what the ERP said, who decided."""
    story = await house.ledger.explain(visit.number)
    if story is None:
        raise NotFound(f"there is no entry {visit.number}")
    wanted = visit.asked("attempt")
    attempts = list(reversed(story["attempts"]))
    open_ones = {attempt["count"] for attempt in attempts[:UNFOLDED]} | {
        attempt["count"] for attempt in attempts if str(attempt["count"]) == wanted
    }
    return Shown(
        "entry.html",
        {
            "story": story,
            "entry": story["entry"],
            "state": _state(story["entry"]),
            "attempts": attempts,
            "open_ones": open_ones,
            "names": names_in(story["as_changed"] or story["came"]),
        },
    )


def _state(row: dict[str, Any]) -> str:
    return "discarded" if row["code"] == "discarded" else row["state"]


def names_in(body: Any) -> dict[str, list[str]]:
    """Return the document numbers and the items that a transaction names, each once, in order.

    An item is called by its SKU, or by its GTIN where it has none: as `Changes` asks for it.
    """
    documents: dict[str, None] = {}
    items: dict[str, None] = {}
    left = [body]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += reversed(value)
        elif isinstance(value, dict):
            name = value.get("sku") or value.get("gtin")
            if isinstance(name, str) and set(value) <= {"sku", "gtin"}:
                items[name] = None
            elif isinstance(value.get("number"), str) and set(value) == {"kind", "number"}:
                documents[value["number"]] = None
            left += reversed(list(value.values()))
    return {"documents": list(documents), "items": list(items)}
