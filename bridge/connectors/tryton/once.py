"""Tryton with the module `scanpost`: a transaction's key and all its documents, whole or absent.

The module carries documents along the same ways as this connector does by itself, but in one
database transaction, in which the key stands under a unique constraint.

Source: `modules/trytond_scanpost` of this project.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.connectors.tryton.answers import Booked, Key
from bridge.connectors.tryton.course import Course
from bridge.connectors.tryton.rest import Rest
from bridge.outcome import Posted

MODEL = "scanpost.posting"


@dataclass(frozen=True, slots=True)
class Task:
    """One document, and what is to become of it."""

    course: Course
    values: dict[str, Any] | None = None
    """What it is made from, or what changes in it."""
    record: int | None = None
    """Id of one that is there."""
    note: str | None = None
    opening: Mapping[str, str] = field(default_factory=dict)
    """Button to press in each state before anything is changed."""
    reopen: bool = False
    """Whether its order is to expect again what it was to bring or send."""

    @property
    def told(self) -> dict[str, Any]:
        """What the module reads."""
        return {
            "model": self.course.model,
            "record": self.record,
            "values": self.values,
            "note": self.note,
            "opening": dict(self.opening),
            "steps": dict(self.course.steps),
            "ended": sorted(self.course.ended),
            "reopen": self.reopen,
        }


class Once:
    """The module's one method. Both raise `Stopped` for what is not a success."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def known(self, key: str) -> Posted | None:
        """Return what a transaction became, None where it was not booked by the module."""
        rows = await self._rest.find(MODEL, Key, [["key", "=", key]], ("documents",))
        return Posted(rows[0].documents or "") if rows else None

    async def post(self, key: str, tasks: Sequence[Task]) -> Posted:
        """Book a transaction, or learn what it became."""
        values = {"key": key, "jobs": [task.told for task in tasks]}
        return Posted((await self._rest.ask(MODEL, "post", Booked, values)).documents)
