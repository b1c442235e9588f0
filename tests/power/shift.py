"""Six scans at a desk where something goes wrong, and what has to be true after it.

The operator does as people do: a scan that was refused is made again; after a restart, so is the
one nobody answered, unless the gateway says that it recorded it.
"""

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract.transactions import Transaction
from tests.power import shim, tape
from tests.power.desk import Desk
from tests.power.office import Office
from tests.power.warm import Plan
from tests.power.workload import Stored, row, running

SCANS = 6
_TRIES = 8  # of one scan: more than any single fault can spoil
_LINGER = 0.02  # seconds after the last scan: the bridge's word is written down four times in it
_DRAINED_WITHIN = 60.0


@dataclass(slots=True)
class Shift:
    """A shift, and what its operator remembers."""

    desk: Desk
    name: str
    office: Office | None = None
    before: list[str] = field(default_factory=list)
    """Codes that the store held already, none of which has gone to the office."""
    told: dict[str, int] = field(default_factory=dict)
    """Code to seq, of what was said to be OK or, after a restart, to be recorded."""
    refused: Counter[str] = field(default_factory=Counter)
    """How often each code was refused."""
    announced: int = 0
    """Scans that nobody had been told of and that the restart spoke of."""
    unanswered: int = 0
    """Scans at which the gateway ended without a word."""
    restarts: int = 0
    ends: list[int | None] = field(default_factory=list)
    """How the gateway ended, each time it was not asked to."""
    wrong: list[str] = field(default_factory=list)
    """For the test to note what it found."""

    @property
    def codes(self) -> list[str]:
        return [f"{self.name.upper()}-{number}-END" for number in range(SCANS)]

    def work(self, plan: Plan) -> None:
        """Make all scans under `plan`; what lasts ends when it has shown itself twice."""
        up = self.desk.start(plan)
        for code in self.codes:
            for _ in range(_TRIES):
                if not up:
                    up = self._restart(plan)
                    self._look_for(code)
                    if code in self.told:
                        break
                if up and self.desk.shut and not _lasting(plan):
                    up = self.desk.until(lambda: not self.desk.shut)
                    self._look_for(code)
                    if code in self.told:
                        break
                if not up:
                    continue
                heard = self.desk.scan(code)
                up = self.desk.alive
                if heard is None:
                    # One that has just said NOT SAVED may end before the next scan is read.
                    words = {each.event for each in self.desk.this_life}
                    self.unanswered += "signal not_ok" not in words
                elif heard.event == "signal ok":
                    [self.told[code]] = heard.seqs
                    break
                else:
                    self._trouble(plan, code)
            assert code in self.told, f"{code} was never taken:\n{self.desk.log}"
        self._wait_for_the_office(plan)

    def _trouble(self, plan: Plan, code: str) -> None:
        self.refused[code] += 1
        if plan.lasts is not None and sum(self.refused.values()) + self.restarts > 1:
            plan.lasts.unlink(missing_ok=True)

    def _restart(self, plan: Plan) -> bool:
        """Start again. Trouble that lasts is there from the first call on, but only once more."""
        self.ends.append(self.desk.code)
        again = None
        if plan.lasts is not None and plan.lasts.exists():
            if self.restarts > 0:
                plan.lasts.unlink()
            only: shim.Only = "any" if plan.only == "any" else "reads"
            again = Plan(plan.store, fail=1, error=plan.error, lasts=plan.lasts, only=only)
        self.restarts += 1
        return self.desk.start(again)

    def _look_for(self, code: str) -> None:
        """Take what the gateway says was recorded last for the answer to `code`."""
        last = [each for each in self.desk.this_life if each.event == "signal attention"]
        if last and code in last[-1].text:
            [self.told[code]] = last[-1].seqs
            self.announced += 1

    def _wait_for_the_office(self, plan: Plan) -> None:
        if self.office is None:
            return
        end = time.monotonic() + _DRAINED_WITHIN
        while len(self.office.booked) < len(self.before) + SCANS:
            assert time.monotonic() < end, f"the office has not got it all:\n{self.desk.log}"
            if not self.desk.alive:
                self._restart(plan)
            elif self.desk.shut and plan.lasts is not None:
                plan.lasts.unlink(missing_ok=True)
            self.desk.listen(0.02)
        end = time.monotonic() + _LINGER
        while self.desk.alive and time.monotonic() < end:
            self.desk.listen(0.005)

    @property
    def renewed(self) -> bool:
        """Whether the store could not go on as it was and began a new stream."""
        return any(each.event == "a new stream was begun" for each in self.desk.heard)

    async def judge(self) -> list[str]:
        """Say what is wrong with the store, now that the shift is over, and with the office."""
        async with running(self.desk.path) as outbox:
            rows = await outbox.newest(1000)
            last = outbox.standing.last
            [more] = await outbox.put([row("after the shift")])
        # Where the store took itself for damaged it went on under other numbers.
        wrong = [] if self.renewed else self._compare(rows, last)
        if more.seq != last + 1:
            wrong.append(f"{last} was followed by {more.seq}")
        with contextlib.closing(sqlite3.connect(self.desk.path)) as store:
            [(said,)] = store.execute("PRAGMA integrity_check").fetchall()
        if said != "ok":
            wrong.append(f"integrity_check: {said}")
        if self.office is not None:
            if list(self.office.booked.values()) != self.before + self.codes:
                wrong.append(f"the office has {list(self.office.booked.values())}")
            if any(each.upto < len(each.digests) for each in self.office.streams.values()):
                wrong.append("the office has a gap")
            wrong += self.office.wrong
        return wrong

    def _compare(self, rows: Sequence[Stored], last: int) -> list[str]:
        wrong = []
        found = {each.seq: _code(each) for each in rows}
        for code, seq in self.told.items():
            if found.get(seq) != code:
                wrong.append(f"{code} was told OK as {seq}, which is {found.get(seq)}")
        if sorted(found.values()) != sorted(self.before + self.codes):
            wrong.append(f"the store has {list(found.values())}")
        if list(found) != list(range(1, last + 1)):
            wrong.append(f"a gap, or out of order: {list(found)}, last {last}")
        if list(found.values()) != self.before + self.codes:
            wrong.append("not in the order of the scans")
        return wrong


def _lasting(plan: Plan) -> bool:
    return plan.lasts is not None and plan.lasts.exists()


def _code(each: Stored) -> str:
    event = Transaction.model_validate_json(each.body).event
    return str(getattr(event, "text", ""))


def struck(reel: Path) -> str:
    """Return what a kill or the first fault of a tape struck: the call and, if known, its file."""
    found = [each for each in tape.read(reel) if each.op in "KF"]
    return f"{chr(found[0].size)} {Path(found[0].text).name}".strip() if found else ""
