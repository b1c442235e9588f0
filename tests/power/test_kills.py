"""SIGKILL before every call that changes anything outside the gateway, in a run of six scans.

Between two such calls nothing outside the process changes, so that dying there is dying before the
next. The calls are those that write, flush, cut, make, remove and rename files, tell the operator,
and send to the broker, from the gateway's first moment to the end of its orderly stop.
"""

import asyncio
import itertools
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto
from tests.power import shim
from tests.power.desk import Desk
from tests.power.office import Office
from tests.power.shift import Shift, struck
from tests.power.spread import spread
from tests.power.warm import Plan, Warm

pytestmark = [
    pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not())),
    pytest.mark.timeout(600),
]

_AT_A_TIME = 20  # a run has some two hundred calls, and how many is not known before


class Sweep:
    """Runs that are killed, each at another call."""

    def __init__(self, folder: Path, broker: Mosquitto | None) -> None:
        """Prepare; without a broker the gateways are careless ones and send to nobody."""
        self._folder = folder
        self._broker = broker
        self.killed: Counter[str] = Counter()
        """How many died at calls of each letter of `shim.c`."""
        self.announced = 0
        self.wrong: list[str] = []

    def run(self, warm: Warm, nth: int) -> tuple[Shift, str]:
        """Kill a run at its `nth` call; return what came of it and which call that was."""
        name = f"kill-{nth}"
        if self._broker is None:
            with Desk(warm, self._folder / name) as desk:
                return self._shift(Shift(desk, name), nth)
        port = self._broker.port
        with (
            Office(port, name) as office,
            Desk(warm, self._folder / name, name=name, broker_port=port, office=office) as desk,
        ):
            return self._shift(Shift(desk, name, office), nth)

    def _shift(self, shift: Shift, nth: int) -> tuple[Shift, str]:
        desk, reel = shift.desk, self._folder / shift.name / "tape"
        shift.work(Plan(desk.store, kill=nth, tape=reel, careless=self._broker is None))
        if desk.stop() == -signal.SIGKILL:  # in its orderly stop
            desk.start()
            assert desk.stop() == 0
        struck_at = struck(reel)
        shift.wrong = asyncio.run(shift.judge())
        if shift.wrong:
            shift.wrong.append(f"killed at call {nth}, {struck_at}:\n{desk.log}")
        return shift, struck_at

    def all(self, every: int = 1) -> None:
        """Kill at one call after the other, until a run ends before its turn comes."""
        for start in itertools.count(1, _AT_A_TIME * every):
            points = range(start, start + _AT_A_TIME * every, every)
            for shift, struck_at in spread(points, self.run):
                if not struck_at:
                    return
                self.killed[struck_at[0]] += 1
                self.announced += shift.announced
                if shift.office is not None and len(shift.office.streams) != 1:
                    shift.wrong.append(f"killed at {struck_at}: a new stream was begun")
                self.wrong += ["\n".join(shift.wrong)] if shift.wrong else []


def test_whatever_call_it_dies_at_each_ok_is_there_once_and_the_stream_ends_right(
    tmp_path: Path, broker: Mosquitto
) -> None:
    sweep = Sweep(tmp_path, broker)
    sweep.all()
    print(f"{sweep.killed.total()} calls, {dict(sweep.killed)}, {sweep.announced} announced")
    assert sweep.wrong == []
    assert sweep.killed.keys() >= {"c", "w", "y", "n", "e"}, "another run than thought"
    assert sweep.announced > 0, "no scan was ever on disk and not told: the gap was not met"


def test_a_gateway_that_says_ok_before_it_has_stored_is_found(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, None)
    sweep.all(every=5)
    print(f"{len(sweep.wrong)} of {sweep.killed.total()} calls")
    assert any("was told OK as" in each for each in sweep.wrong)
