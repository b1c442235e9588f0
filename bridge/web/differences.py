"""Reconciliation: what differs between ledger and ERP, what mends it, and the key figures."""

from bridge.reconciliation import close, latest
from bridge.web.figures import DAYS, told
from bridge.web.visit import Answer, House, Moved, NotFound, Shown, Visit

MOST_ROWS = 100
"""Open findings shown: more than that is one cause, and a person sees it by the first of them."""


async def reconciliation(house: House, _visit: Visit) -> Answer:
    """Show what is open, what was closed last, and how the last round went."""
    figures = await house.figures.of(house.ledger, house.now)
    found = await latest(house.ledger)
    return Shown(
        "reconciliation.html",
        {
            "found": found,
            "shown": found.findings[:MOST_ROWS],
            "figures": [(figure, told(figure)) for figure in figures],
            "days": DAYS,
        },
    )


async def close_one(house: House, visit: Visit) -> Answer:
    """Close a finding that is right as it is."""
    if not await close(house.ledger, visit.number, visit.user, visit.reason()):
        raise NotFound("there is no open finding of that number")
    return Moved("/reconciliation", f"Finding {visit.number} is closed")
