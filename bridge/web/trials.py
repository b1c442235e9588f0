"""Test this scan: what the mapping tables make of it, and the exact calls. Nothing is sent."""

from dataclasses import fields
from typing import Any

from bridge.amendment import Amended
from bridge.errors import NotDone
from bridge.mapping.scans import Asked, made
from bridge.mapping.trial import trial
from bridge.web.visit import Answer, House, NotFound, Shown, Visit
from contract.envelope import plain
from contract.transactions import Transaction

MOST_SCANS = 20
"""Labels of one trial."""
_FIELDS = tuple(each.name for each in fields(Asked) if each.name not in {"scans", "reverses"})
_WORDS = {
    "type": "Type",
    "sku": "SKU",
    "gtin": "GTIN",
    "quantity": "Quantity",
    "unit": "Unit",
    "lot": "Lot",
    "serial": "Serial number",
    "document": "Document",
    "from_location": "From",
    "to_location": "To",
    "location": "Location",
    "reason": "Reason",
    "weight": "Weight in kg",
    "direction": "Direction",
    "gateway": "Gateway",
    "station": "Station",
}
"""What a person fills in, and how it is called."""


async def test_scan(house: House, visit: Visit) -> Answer:
    """Show what would become of labels and words, or of an entry."""
    asked = {name: visit.asked(name) for name in _FIELDS}
    labels, entry = visit.asked("scans"), visit.asked("entry")
    tried, problem = None, ""
    if entry or visit.asked("try"):
        try:
            transaction = await _entry(house, entry) if entry else _made(asked, labels)
            tried = trial(house.config, house.translation(), transaction)
        except ValueError as error:
            problem = str(error).replace("--", "")  # as options of the command are written
    return Shown(
        "test_scan.html",
        {
            "asked": asked,
            "labels": labels,
            "entry": entry,
            "words": {name: word for name, word in _WORDS.items() if name in _FIELDS},
            "tried": tried,
            "came": plain(tried.came)["event"] if tried else None,
            "mapped": plain(tried.mapped)["event"] if tried and tried.mapped else None,
            "problem": problem,
        },
    )


def _made(asked: dict[str, str], labels: str) -> Transaction:
    scans = tuple(line.strip() for line in labels.splitlines() if line.strip())
    if len(scans) > MOST_SCANS:
        raise ValueError(f"at most {MOST_SCANS} labels")
    said: dict[str, Any] = {name: text for name, text in asked.items() if text}
    return made(Asked(scans=scans, **said))


async def _entry(house: House, name: str) -> Transaction:
    number = await house.ledger.find(name)
    story = None if number is None else await house.ledger.explain(number)
    if story is None:
        raise NotFound(f"there is no entry {name}")
    try:
        return Amended.model_validate(story["as_changed"] or story["came"])
    except ValueError as error:
        raise NotDone("this entry is no transaction that can be read") from error
