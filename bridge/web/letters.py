"""Dead letters: what waits for a person, and what she decides of it."""

from collections.abc import Mapping
from typing import Any, cast, get_args

from bridge import desk
from bridge.dead_letters import ACTIONS
from bridge.decisions import MOST, Which
from bridge.errors import NotDone
from bridge.search import Wanted
from bridge.web.entries import ROWS
from bridge.web.visit import Answer, House, Moved, Shown, Unfit, Visit, is_number
from contract.envelope import Reason


async def dead_letters(house: House, visit: Visit) -> Answer:
    """Show what waits for a person, newest first."""
    code = visit.asked("code")
    page = await house.ledger.search(Wanted(state="dead", code=code), ROWS, visit.below)
    return Shown(
        "dead_letters.html",
        {
            "code": code,
            "codes": [known for known in get_args(Reason) if known != "discarded"],
            "rows": page.rows,
            "actions": ACTIONS,
            "further": page.further,
        },
    )


async def ask(house: House, visit: Visit) -> Answer:
    """Ask whether all dead letters of a reason are really meant."""
    code, what = _code(visit.asked("code")), visit.asked("what")
    if what not in {"retry", "discard"}:
        raise Unfit("what is retry or discard")
    found = await house.ledger.search(Wanted(state="dead", code=code), MOST)
    return Shown(
        "all_of_them.html",
        {"code": code, "what": what, "rows": found.rows[:10], "most": MOST}
        | {
            "numbers": [row["number"] for row in found.rows],
            "more": found.further is not None,
        },
    )


async def decide_all(house: House, visit: Visit) -> Answer:
    """Retry or discard the dead letters of one reason that the person was asked about."""
    code, what = _code(visit.said("code")), visit.said("what")
    which = Which(numbers=_numbers(visit.said("numbers", most=20 * MOST)), code=code)
    if what == "discard":
        numbers = await house.ledger.discard(which, visit.user, visit.reason())
        return Moved("/dead-letters", f"{_entries(len(numbers))} discarded for good")
    if what == "retry":
        numbers = await house.ledger.retry(which, visit.user, visit.said("why"))
        return Moved("/dead-letters", f"{_entries(len(numbers))} back in line")
    raise Unfit("what is retry or discard")


def _code(text: str) -> Reason:
    if text not in get_args(Reason) or text == "discarded":
        raise Unfit(f"there is no such reason: {text}")
    return cast("Reason", text)


def _numbers(text: str) -> list[int]:
    """Return numbers of entries, at least one: none would mean all."""
    found = text.split()
    if not (found and len(found) <= MOST and all(is_number(each) for each in found)):
        raise Unfit("the form is not whole")
    return [int(each) for each in found]


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


async def retry(house: House, visit: Visit) -> Answer:
    """Send one dead letter again as it is."""
    return _one(
        visit, await house.ledger.retry(visit.number, visit.user, visit.said("why")), "back in line"
    )


async def discard(house: House, visit: Visit) -> Answer:
    """Leave one entry out of the ERP for good."""
    why = visit.reason()
    return _one(visit, await house.ledger.discard(visit.number, visit.user, why), "discarded")


async def replay(house: House, visit: Visit) -> Answer:
    """Look one posted entry up at the ERP again."""
    why = visit.reason()
    numbers = await house.ledger.replay(Which(numbers=[visit.number]), visit.user, why)
    return _one(visit, numbers, "looked up again")


async def amend(house: House, visit: Visit) -> Answer:
    """Put right what a dead letter refers to, or take its warning upon oneself; then send it."""
    done = await desk.amend(
        house.ledger, visit.number, changes_in(visit), visit.user, visit.reason()
    )
    return _one(visit, [visit.number] if done else [], "amended, and back in line")


def changes_in(visit: Visit) -> Mapping[str, Any]:
    """Return the changes a form asks for; what it leaves empty or as it was is none."""
    documents = _pairs(visit, "document")
    added = visit.said("document_added")
    return {
        "documents": documents | ({"": added} if added else {}),
        "kind": visit.said("kind") or None,
        "skus": _pairs(visit, "item"),
        "accepts": visit.every("accept"),
    }


def _pairs(visit: Visit, name: str) -> dict[str, str]:
    old, new = visit.every(f"{name}_old"), [text.strip() for text in visit.every(f"{name}_new")]
    if len(old) != len(new):
        raise Unfit("the form is not whole")
    return {was: now for was, now in zip(old, new, strict=True) if now and now != was}


def _one(visit: Visit, numbers: list[int], done: str) -> Answer:
    if not numbers:
        raise NotDone("nothing was done: somebody else has decided, or it cannot be read at all")
    return Moved(f"/entries/{visit.number}", f"Entry {visit.number} is {done}")
