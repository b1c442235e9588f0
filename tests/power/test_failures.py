"""Every I/O call on the store fails once, or for as long as the operator needs to notice.

A refused scan is told so, an OK has its row, and the gateway comes back, by itself or restarted.
"""

import asyncio
import contextlib
import errno
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto
from tests.power import shim, tape
from tests.power.desk import Desk
from tests.power.office import Office
from tests.power.shift import SCANS, Shift, struck
from tests.power.spread import spread
from tests.power.warm import Plan, Warm

pytestmark = [
    pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not())),
    pytest.mark.timeout(600),
]

_ALL = set("cowtaynrpd")
"""Letters of the I/O calls, as in `shim.c`."""
_NEED_ROOM = set("cwtaynr")
"""The ones that a full disk refuses; `shim.c` has the same."""
_KINDS = {
    "EIO once": (errno.EIO, _ALL),
    "EIO for good": (errno.EIO, _ALL),
    "ENOSPC once": (errno.ENOSPC, _NEED_ROOM),
    "ENOSPC for good": (errno.ENOSPC, _NEED_ROOM),
    "half a write": (0, {"w"}),
}


@contextlib.contextmanager
def shift_at(warm: Warm, folder: Path, port: int) -> Iterator[Shift]:
    name = folder.name
    with (
        Office(port, name) as office,
        Desk(warm, folder, name=name, broker_port=port, office=office) as desk,
    ):
        yield Shift(desk, name, office)


def points(folder: Path, port: int, letters: set[str]) -> list[int]:
    """Return the numbers of the I/O calls of a run without a fault."""
    with Warm() as warm, shift_at(warm, folder, port) as shift:
        desk = shift.desk
        shift.work(Plan(desk.store, tape=folder / "tape"))
        assert desk.stop() == 0
        assert asyncio.run(shift.judge()) == []
    calls = tape.calls(tape.read(folder / "tape"))
    assert {each.op for each in calls} >= {"c", "o", "w", "p", "y", "d"}, "another run than thought"
    return [each.number for each in calls if each.op in letters]


@pytest.mark.parametrize("kind", _KINDS)
def test_whatever_call_fails_no_ok_is_without_its_row_and_the_gateway_comes_back(
    kind: str, tmp_path: Path, broker: Mosquitto
) -> None:
    error, letters = _KINDS[kind]

    def run(warm: Warm, nth: int) -> Shift:
        folder = tmp_path / f"fail-{nth}"
        trouble = folder / "trouble"
        with shift_at(warm, folder, broker.port) as shift:
            desk = shift.desk
            trouble.touch()
            reel = folder / "tape"
            lasts = trouble if "for good" in kind else None
            shift.work(Plan(desk.store, fail=nth, error=error, lasts=lasts, tape=reel))
            ended = desk.stop()
            if ended:  # what it still has to mend, it mends at its next start
                desk.start()
                desk.stop()
            shift.wrong = asyncio.run(shift.judge())
        # Who is asked to end while it ends by itself does not hear it any more.
        if ended not in {0, 1, -signal.SIGTERM} or not {1} >= set(shift.ends):
            shift.wrong.append(f"ended with {ended} after {shift.ends}")
        if shift.wrong:
            shift.wrong.append(f"{kind} at I/O call {nth}, {struck(reel)}:\n{desk.log}")
        return shift

    shifts = spread(points(tmp_path / "sound", broker.port, letters), run)
    assert [each.wrong for each in shifts if each.wrong] == []
    refused = sum(each.refused.total() for each in shifts)
    restarts = sum(each.restarts for each in shifts)
    unanswered = sum(each.unanswered for each in shifts)
    renewed = sum(each.renewed for each in shifts)
    print(
        f"{kind}: {len(shifts)} runs, {refused} refused, {restarts} restarts,"
        f" {unanswered} without a word, {renewed} new streams"
    )
    assert refused + restarts > 0 or not error, "no fault was ever noticed"
    if error == errno.EIO:
        assert refused >= SCANS, "a disk that fails in a commit is to be told of"
        assert restarts > 0, "a disk that cannot be trusted is no reason to go on"
    # It may end without a word where the fault was not in a scan's own commit: where the bridge's
    # word is written down.
    assert unanswered <= len(shifts) / 10
