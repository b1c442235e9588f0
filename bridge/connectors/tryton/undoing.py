"""Take back what was booked in one Tryton: cancel it where it can be cancelled, else move it back.

A reversal names a transaction, not what kind it was: all documents of that reference are looked
for. A document that is cancelled is what a reversal wants, whoever cancelled it, so twice is once.
A count cannot be cancelled: its difference is moved back, by shipments with the reversal's id.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.connectors.tryton.answers import Dispatch, Paper, Shifted
from bridge.connectors.tryton.counting import MOST_PAGES, Counting
from bridge.connectors.tryton.course import (
    CARTON,
    COUNT,
    HOMECOMING,
    INTERNAL,
    PRODUCTION,
    RECEIPT,
    Course,
    cancelling,
)
from bridge.connectors.tryton.departure import Label
from bridge.connectors.tryton.desk import Desk, Job
from bridge.connectors.tryton.once import Task
from bridge.connectors.tryton.records import Records
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.verdict import ELSEWHERE, Stopped
from bridge.outcome import Posted, Refused, Unknown
from bridge.tally import number
from contract.transactions import Reversal, Transaction

_ASKED = ("number", "state")
_LEFT = frozenset({"shipped", "done"})


@dataclass(frozen=True, slots=True)
class Undoing:
    """A transaction that takes back another."""

    reference: str
    reverses: str


def undoing(transaction: Transaction, event: Reversal) -> Undoing:
    """Return what is to be taken back. Pure."""
    return Undoing(str(transaction.id), str(event.reverses))


class TakingBack:
    """Takes documents back. Every method raises `Stopped` for what is not a success."""

    def __init__(self, rest: Rest, records: Records, desk: Desk, counting: Counting) -> None:
        self._rest = rest
        self._records = records
        self._desk = desk
        self._counting = counting

    async def undo(self, plan: Undoing, company: int) -> Posted:
        """Take back what one transaction booked, once."""
        ours = ["company", "=", company]
        courses = [RECEIPT, INTERNAL, HOMECOMING]
        if await self._records.has_production():
            courses.append(PRODUCTION)
        for course in courses:
            # the difference of a count went back by up to two shipments
            domain = [["reference", "in", [plan.reverses, f"{plan.reverses} 1"]], ours]
            rows = await self._rest.find(course.model, Paper, domain, _ASKED)
            if rows:
                return await self._cancelled(plan, course, rows)
        cartons = await self._rest.find(
            CARTON.model,
            Dispatch,
            [["reference", "like", f"%{plan.reverses}%"], ours],
            (*_ASKED, "reference"),
        )
        if cartons:
            return await self._unpacked(plan, cartons)
        counts = await self._counting.known(plan.reverses, [ours], MOST_PAGES)
        if not counts:
            why = f"Tryton has nothing of {plan.reverses} that could be taken back"
            raise Stopped(Refused("unknown_document", why))
        done = [each for each in counts if each.state in COUNT.ended]
        if not done:
            return await self._cancelled(plan, COUNT, counts)
        return await self._uncounted(plan, done[0], company)

    async def _cancelled(self, plan: Undoing, course: Course, rows: Sequence[Paper]) -> Posted:
        back = cancelling(course)
        stands = [row for row in rows if row.state not in back.ended]
        if stands and self._desk.once is not None:
            reopen = course in (RECEIPT, CARTON)
            tasks = [Task(back, record=row.id, reopen=reopen) for row in stands]
            try:
                return await self._desk.once.post(plan.reference, tasks)
            except Stopped as stopped:
                raise await self._forbidden(course, stands[0], stopped) from stopped
        for row in stands:
            try:
                await self._desk.finish(back, row)
            except Stopped as stopped:
                raise await self._forbidden(course, row, stopped) from stopped
        return Posted(rows[0].name)

    async def _forbidden(self, course: Course, row: Paper, stopped: Stopped) -> Stopped:
        """Say who may cancel, where Tryton said no to a document that is still as it was."""
        match stopped.outcome:
            case Unknown(said) if ELSEWHERE in said:
                rows = await self._rest.find(course.model, Paper, [["id", "=", row.id]], _ASKED)
                if [each.state for each in rows] == [row.state]:
                    why = (
                        f"Tryton does not cancel {course.kind} {row.name}, which is {row.state}: "
                        "the API key's user may lack the group Stock Cancellation"
                    )
                    return Stopped(Refused("forbidden", why))
        return stopped

    async def _unpacked(self, plan: Undoing, cartons: list[Dispatch]) -> Posted:
        if any(each.state in _LEFT for each in cartons):
            why = f"shipment {cartons[0].name} has left: what comes back is a return"
            raise Stopped(Refused("unsupported", why))
        labels = [Label.read(each.reference) for each in cartons]
        if any(label is None or label.pack != plan.reverses for label in labels):
            why = f"shipment {cartons[0].name} is about to leave: let it go, or take back its pack"
            raise Stopped(Refused("unsupported", why))
        return await self._cancelled(plan, CARTON, cartons)

    async def _uncounted(self, plan: Undoing, count: Paper, company: int) -> Posted:
        domain = [["origin.inventory", "=", count.id, "stock.inventory.line"]]
        fields = ["product", "unit", "quantity", "from_location", "to_location"]
        if self._records.keeps_lots:
            fields.append("lot")
        ways: dict[tuple[int, int], list[Shifted]] = defaultdict(list)
        async for move in self._rest.pages("stock.move", Shifted, domain, fields):
            ways[move.to_location, move.from_location].append(move)
        once, names, tasks = self._desk.once, [], []
        for place, (way, moves) in enumerate(sorted(ways.items())):
            reference = f"{plan.reference} {place}" if place else plan.reference
            job = Job(reference, None, partial(_back, reference, way, moves, company))
            if once is None or await self._desk.find(INTERNAL, reference, company) is not None:
                names.append((await self._desk.book(INTERNAL, job, company)).document)
            else:
                tasks.append(Task(INTERNAL, await job.values()))
        if once is not None and tasks:
            names.append((await once.post(plan.reference, tasks)).document)
        return Posted(", ".join(names) or count.name)


async def _back(
    reference: str, way: tuple[int, int], moves: list[Shifted], company: int
) -> dict[str, Any]:
    ends = {"company": company, "from_location": way[0], "to_location": way[1]}
    rows = [
        {
            **ends,
            "product": move.product,
            "unit": move.unit,
            "quantity": number(move.quantity),
            **({"lot": move.lot} if move.lot is not None else {}),
        }
        for move in moves
    ]
    return {**ends, "reference": reference, "moves": [["create", rows]]}
