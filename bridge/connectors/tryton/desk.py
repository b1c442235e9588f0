"""Documents of one Tryton: looked for by their reference, made, and carried on to their end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bridge.connectors.tryton.answers import PRODUCT_FIELDS, UNIT_FIELDS, Contents, Paper
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.course import Course
from bridge.connectors.tryton.goods import Goods, holds
from bridge.connectors.tryton.once import Once, Task
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.verdict import Stopped, halfway
from bridge.outcome import Posted, Refused, Unknown

_P = TypeVar("_P", bound=Paper)


@dataclass(frozen=True, slots=True)
class Job:
    """One document to be booked."""

    reference: str
    goods: tuple[Goods, ...] | None
    """All that stands in it; None where that is Tryton's own."""
    values: Callable[[], Awaitable[dict[str, Any]]]
    """What it is made from, asked for only where nobody made it yet; may raise `Stopped`."""


class Desk:
    """Documents of one Tryton: looked for, made and carried on.

    Every method raises `Stopped` for what is not a success.
    """

    def __init__(self, rest: Rest, config: Config) -> None:
        self._rest = rest
        self._config = config
        self.once = Once(rest) if config.mode == "module" else None
        """Tryton's module for whole transactions, where it is to be used."""

    async def book(self, course: Course, job: Job, company: int) -> Posted:
        """Bring one document to its end, once, whatever there is of it already."""
        found = await self.find(course, job.reference, company)
        if found is None:
            values = await job.values()
            if self.once is not None:
                return await self.once.post(job.reference, [Task(course, values)])
            found = await self._rest.make(course.model, Paper, values, ("number", "state"))
        elif found.state == "draft" and job.goods is not None:
            await self.check(course, found, job.goods)
        return Posted((await self.finish(course, found)).name)

    async def find(self, course: Course, reference: str, company: int) -> Paper | None:
        """Return the one document with that reference, None where nobody made one."""
        domain = [["reference", "=", reference], ["company", "=", company]]
        rows = await self._rest.find(course.model, Paper, domain, ("number", "state"))
        return the_one(rows, course.kind)

    async def check(self, course: Course, found: Paper, goods: Sequence[Goods]) -> None:
        """See that a draft still says what was scanned: a person may have changed it."""
        fields = entry_fields(course, self._config)
        rows = await self._rest.find(course.model, Contents, [["id", "=", found.id]], fields)
        if not (rows and holds(rows[0].entries, goods, self._config.sku_field)):
            why = (
                f"{course.kind} {found.name} is a draft that differs from what came: "
                "finish or cancel it in Tryton"
            )
            raise Stopped(Refused("refused", why))

    async def finish(self, course: Course, found: _P, *fields: str) -> _P:
        """Carry a document on from the state it is in, and return it as it ends.

        `fields` are read anew besides its number and state.
        """
        asked = ("number", "state", *fields)
        what = f"{course.kind} {found.name}"
        try:
            while found.state not in course.ended and (button := course.steps.get(found.state)):
                was = found.state
                found = await self._rest.act(course.model, found.id, button, type(found), asked)
                if found.state == was and button == "assign_try":
                    why = "Tryton has not all of its goods on hand, or reserved them for others"
                    raise Stopped(Refused("short_stock", why))
                if found.state == was:
                    raise Stopped(Unknown(f"{what} does not go on from {was}"))
        except Stopped as stopped:
            raise halfway(stopped, what, found.state) from stopped
        if found.state not in course.ended:
            raise Stopped(Unknown(f"{what} is {found.state}"))
        return found


def entry_fields(course: Course, config: Config) -> list[str]:
    """Return the fields to ask for, to see all that stands in a document."""
    fields = ["number", "state"]
    for part in course.parts:
        fields += [f"{part}.quantity", *(f"{part}.unit.{name}" for name in UNIT_FIELDS)]
        fields += [f"{part}.product.{name}" for name in (*PRODUCT_FIELDS, config.sku_field)]
        if config.lots:
            fields.append(f"{part}.lot.number")
    return fields


def the_one(rows: list[_P], kind: str) -> _P | None:
    """Return the only living one of documents that carry the same reference.

    Raises:
        Stopped: there are several, or somebody cancelled it.
    """
    alive = [each for each in rows if each.state != "cancelled"]
    if len(alive) > 1:
        names = ", ".join(f"{kind} {each.name}" for each in alive)
        raise Stopped(Refused("refused", f"Tryton has it more than once: {names}"))
    if rows and not alive:
        raise Stopped(Refused("refused", f"{kind} {rows[0].name} was cancelled in Tryton"))
    return alive[0] if alive else None
