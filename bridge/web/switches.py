"""Modes: off, shadow, live or noted, for everything or for a gateway, a station, a type."""

from typing import Literal, cast, get_args

from bridge import desk
from bridge.modes import ANY, Mode, Scope
from bridge.web.visit import Answer, House, Moved, Shown, Unfit, Visit


async def modes(house: House, _visit: Visit) -> Answer:
    """Show what mode holds for what, and what stands in line."""
    state = await desk.state(house.ledger, house.config)
    now = state.modes
    rules = sorted(now.rules.items(), key=lambda rule: (rule[0].weight, rule[0]), reverse=True)
    return Shown(
        "modes.html",
        {
            "rules": rules,
            "default": now.default,
            "queues": state.queues,
            "gateways": sorted({row["gateway"] for row in await house.ledger.streams(1_000)}),
            "stations": sorted({queue.station for queue in state.queues if queue.station}),
            "unproven": house.config.unproven,
        },
    )


async def ask(house: House, visit: Visit) -> Answer:
    """Say what a change of mode would mean, before it is made."""
    scope, to = _scope({name: visit.asked(name) for name in _PARTS}), visit.asked("to")
    _is_mode(to)
    waits = await desk.waiting(house.ledger, house.config, scope)
    return Shown(
        "switch.html",
        {
            "scope": scope,
            "to": to,
            "any": ANY,
            "queues": waits,
            "held": desk.held(waits),
            "live": sum(queue.entries for queue in waits if queue.mode == "live"),
            "unclear": sum(queue.unclear for queue in waits),
            "unproven": house.config.unproven if to == "live" else None,
        },
    )


async def switch(house: House, visit: Visit) -> Answer:
    """Set a mode from now on."""
    scope, to = _scope({name: visit.said(name) for name in _PARTS}), visit.said("to")
    _is_mode(to)
    if to == "live":
        queued = visit.said("queued") or None
        if queued not in {None, "post", "discard"}:
            raise Unfit("queued is post or discard")
        done = await desk.go_live(
            house.ledger,
            house.config,
            scope,
            cast("Literal['post', 'discard'] | None", queued),
            visit.user,
            visit.said("why"),
        )
    elif to == "noted":
        done = await desk.note_only(
            house.ledger, house.config, scope, visit.user, visit.said("why")
        )
    else:
        done = await desk.roll_back(
            house.ledger,
            house.config,
            scope,
            cast("Literal['shadow', 'off']", to),
            visit.user,
            visit.said("why"),
        )
    return Moved("/modes", _told(done))


def _told(done: desk.Switched) -> str:
    parts = [
        f"{done.scope}: {done.to}",
        f"{done.will_be_sent} in line will be sent",
        f"{done.remains} remain queued",
    ]
    if done.unclear:
        parts.append(f"of these the ERP may have {done.unclear} already")
    if done.will_be_closed:
        parts.append(f"{done.will_be_closed} in line are closed: they need no posting")
    if done.discarded:
        parts.append(f"{done.discarded} discarded")
    return "; ".join(parts)


_PARTS = ("gateway", "station", "type")


def _scope(parts: dict[str, str]) -> Scope:
    return Scope(*(parts[name] or ANY for name in _PARTS))


def _is_mode(text: str) -> None:
    if text not in get_args(Mode):
        raise Unfit("a mode is live, shadow, off or noted")
