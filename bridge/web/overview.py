"""The first page: what is wrong, what is in line, how the target is, who was heard."""

import heapq
from dataclasses import asdict

from bridge import desk
from bridge.reconciliation import latest
from bridge.web.figures import DAYS, told
from bridge.web.visit import Answer, House, Moved, NotFound, Shown, Visit, unique

STREAMS = 50
"""Streams shown, those that brought a row last; and entries that are stuck, the oldest."""

_FIGURES = {
    "order_accuracy",
    "inventory_accuracy",
    "bridge_availability",
    "target_availability",
    "delivery_p50",
    "delivery_p95",
    "dead_per_thousand",
}
"""Those of the last days; what is so now stands above them."""


async def overview(house: House, _visit: Visit) -> Answer:
    """Show how everything is."""
    await house.health.look()
    state = await desk.state(house.ledger, house.config)
    figures = await house.figures.of(house.ledger, house.now)
    return Shown(
        "overview.html",
        {
            "troubles": house.health.troubles(),
            "state": state,
            "standing": asdict(state.standing),
            "target": _target(house),
            "streams": await house.ledger.streams(STREAMS),
            "differences": (await latest(house.ledger)).open,
            "figures": [(figure, told(figure)) for figure in figures if figure.name in _FIGURES],
            "days": DAYS,
            "stuck": heapq.nsmallest(STREAMS, house.dispatcher.stuck.items()),
        },
    )


def _target(house: House) -> dict[str, object]:
    gate = house.dispatcher.gate
    return {
        "open": house.dispatcher.connector is not None,
        "stands_by": house.dispatcher.stands_by,
        "breaker": gate.breaker.state(house.now()),
        "why": gate.why,
        "said": gate.said,
        "broker": house.consumer.connected,
    }


async def forgive(house: House, visit: Visit) -> Answer:
    """Take a stream up again that a conflict stopped."""
    why = visit.reason()
    epoch = unique(visit.path["epoch"])
    if epoch is None or not await house.ledger.forgive(
        visit.path["gateway"], epoch, visit.user, why
    ):
        raise NotFound("no stream of that name is in conflict")
    return Moved("/", f"{visit.path['gateway']} is taken up again")
