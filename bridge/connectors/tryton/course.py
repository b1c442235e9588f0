"""The way of a document through Tryton: its states, and the button that leads to the next.

A button is one database transaction.

    internal shipment   draft -wait-> waiting -assign_try-> assigned -do-> done
    count               draft -confirm-> done
    customer return     draft -receive-> received -do-> done
    production          draft -wait-> waiting -assign_try-> assigned -run-> running -do-> done

Source: Tryton 8.2, modules stock and production.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Course:
    """One kind of document, and how it is carried to its end."""

    kind: str
    """What people call it."""
    model: str
    steps: Mapping[str, str]
    """Button to press in each state."""
    ended: frozenset[str] = frozenset({"done"})
    """States in which all of it is booked."""
    parts: tuple[str, ...] = ("moves",)
    """Fields that hold what moves, or what was counted."""


RECEIPT = Course(
    "shipment",
    "stock.shipment.in",
    {"draft": "receive", "received": "do"},
    parts=("incoming_moves",),
)
_PACK = {"draft": "wait", "waiting": "assign_try", "assigned": "pick", "picked": "pack"}
CARTON = Course("shipment", "stock.shipment.out", _PACK, frozenset({"packed", "shipped", "done"}))
GONE = Course("shipment", "stock.shipment.out", {**_PACK, "packed": "do", "shipped": "do"})
INTERNAL = Course(
    "shipment",
    "stock.shipment.internal",
    {"draft": "wait", "waiting": "assign_try", "assigned": "do"},
)
COUNT = Course("count", "stock.inventory", {"draft": "confirm"}, parts=("lines",))
HOMECOMING = Course(
    "return",
    "stock.shipment.out.return",
    {"draft": "receive", "received": "do"},
    parts=("incoming_moves",),
)
PRODUCTION = Course(
    "production",
    "production",
    {"draft": "wait", "waiting": "assign_try", "assigned": "run", "running": "do"},
    parts=("inputs", "outputs"),
)


def cancelling(course: Course) -> Course:
    """Return the way that takes a document back, from whatever state it is in."""
    steps = dict.fromkeys((*course.steps, *course.ended), "cancel")
    return replace(course, steps=steps, ended=frozenset({"cancelled"}))
