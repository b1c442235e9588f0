"""Reports to read: shadow mode, the audit trail, messages that could not be read."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bridge import desk
from bridge.errors import NotDone
from bridge.web import trail
from bridge.web.entries import ROWS
from bridge.web.trail import PARTS
from bridge.web.visit import Answer, House, NotFound, Shown, Unfit, Visit

_Found = TypeVar("_Found")

REPORT_S = 60.0
"""Seconds an ERP has to show what a report compares with."""
MOST_ROWS = 200
"""Rows of each part of a report that a page shows; the command shows all."""


async def shadow(house: House, visit: Visit) -> Answer:
    """Hold what would be sent against what the ERP shows, when somebody asks for it."""
    days = visit.asked("days") or str(desk.SHADOW_DAYS)
    if not (days.isascii() and days.isdigit() and 1 <= len(days) <= 3):
        raise Unfit("days is a number from 1 to 999")
    report: dict[str, Any] | None = None
    if visit.asked("draw"):
        report = await _alone(house, desk.shadow_report(house.ledger, house.config, int(days)))
    return Shown("shadow.html", {"days": int(days), "report": report, "most": MOST_ROWS})


async def audit(house: House, visit: Visit) -> Answer:
    """Show who decided what, who came and went, and whether the trail is whole."""
    part = trail.part_of(visit.asked("show"))
    verdict = None
    if visit.asked("verify"):
        verdict = await _alone(house, house.ledger.verify(visit.asked("head") or None))
    rows = await trail.rows(house.ledger, part, ROWS, visit.below)
    return Shown(
        "audit.html",
        {
            "part": part,
            "parts_of_it": PARTS,
            "rows": rows,
            "further": rows[-1]["number"] if len(rows) == ROWS else None,
            "verdict": verdict,
            "head": visit.asked("head"),
        },
    )


async def unreadable(house: House, visit: Visit) -> Answer:
    """Show the messages that could not be read."""
    rows = await house.ledger.poisoned(ROWS, visit.below)
    return Shown(
        "unreadable.html",
        {"rows": rows, "further": rows[-1]["number"] if len(rows) == ROWS else None},
    )


async def unreadable_one(house: House, visit: Visit) -> Answer:
    """Show what is kept of one of them, as text and as bytes."""
    row = await house.ledger.poisoned_one(visit.number)
    if row is None:
        raise NotFound(f"there is no message {visit.number}; the oldest ones give way")
    payload: bytes = row["payload"]
    text = payload.decode("utf-8", "backslashreplace")
    return Shown("unreadable_one.html", {"row": row, "text": text, "dump": dump(payload)})


def dump(data: bytes, most: int = 4_096) -> str:
    r"""Return the first bytes as hexadecimal digits, sixteen in a line, with what reads as ASCII.

    >>> print(dump(b"]C1010\x1d"))
    00000000  5d 43 31 30 31 30 1d                             ]C1010.
    """
    lines = []
    for place in range(0, min(len(data), most), 16):
        row = data[place : place + 16]
        seen = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row)
        lines.append(f"{place:08x}  {row.hex(' '):47}  {seen}")
    return "\n".join(lines)


async def _alone(house: House, work: Coroutine[Any, Any, _Found]) -> _Found:
    """Return what `work` gives: one report at a time, in bounded time."""
    if house.reporting.locked():
        work.close()
        raise NotDone("another report is being drawn up; ask again when it is done")
    async with house.reporting:
        try:
            async with asyncio.timeout(REPORT_S):
                return await work
        except TimeoutError as error:
            raise NotDone(f"it took longer than {REPORT_S:.0f} s; use the command") from error
