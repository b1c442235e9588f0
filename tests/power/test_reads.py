"""Every read of a store that holds a day's work fails: once, for good, or as at one bad block.

A disk that does not give what lies on it says nothing of what lies there: the store stays where it
is, nothing of it is lost, and it goes on when the disk reads again.
"""

import asyncio
import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto
from tests.power import shim, tape
from tests.power.desk import Desk
from tests.power.office import Office
from tests.power.shift import Shift, struck
from tests.power.spread import spread
from tests.power.warm import Plan, Warm

pytestmark = [
    pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not())),
    pytest.mark.timeout(600),
]

_KINDS: dict[str, shim.Only] = {"once": "reads", "for good": "reads", "bad block": "place"}
_EVERY = {"once": 1, "for good": 3, "bad block": 1}
"""Of how many reads one fails, where not all are asked for: they go by in the same few states."""
_ALL = "SCANPOST_POWER_CUTS" in os.environ
_OLD, _LATE = 12, 6  # rows in the store itself, and in the log that a kill has left


@pytest.fixture
def day(tmp_path: Path) -> tuple[Path, list[str]]:
    """Return the folder of a store with a day's work, half of it in the log, and its codes."""
    codes = [f"DAY-{number}-{'x' * (number * 97 % 700)}-END" for number in range(_OLD + _LATE)]
    with Warm() as warm, Desk(warm, tmp_path / "day") as desk:
        _take(desk, codes[:_OLD])
        assert desk.stop() == 0
        _take(desk, codes[_OLD:])
        desk.kill()
        assert desk.path.with_name("outbox.db-wal").stat().st_size > 0
        return desk.store, codes


def _take(desk: Desk, codes: list[str]) -> None:
    assert desk.start()
    for code in codes:
        heard = desk.scan(code)
        assert heard is not None
        assert heard.event == "signal ok"


@contextlib.contextmanager
def shift_after(
    day: tuple[Path, list[str]], warm: Warm, folder: Path, port: int
) -> Iterator[Shift]:
    store, codes = day
    shutil.copytree(store, folder / "store")
    name = folder.name
    with (
        Office(port, name) as office,
        Desk(warm, folder, name=name, broker_port=port, office=office) as desk,
    ):
        yield Shift(desk, name, office, before=codes)


def reads(day: tuple[Path, list[str]], folder: Path, port: int) -> list[int]:
    """Return the numbers of the reads of a run without a fault."""
    with Warm() as warm, shift_after(day, warm, folder, port) as shift:
        shift.work(Plan(shift.desk.store, tape=folder / "tape"))
        assert shift.desk.stop() == 0
        assert asyncio.run(shift.judge()) == []
    return [each.number for each in tape.calls(tape.read(folder / "tape")) if each.op == "p"]


def shift_with(
    fault: tuple[int, str], day: tuple[Path, list[str]], warm: Warm, folder: Path, port: int
) -> Shift:
    """Return a shift on the store of `day` in which reads fail from the nth call on."""
    nth, kind = fault
    folder.mkdir()
    trouble = folder / "trouble"
    with shift_after(day, warm, folder, port) as shift:
        desk = shift.desk
        trouble.touch()
        lasts = None if kind == "once" else trouble
        reel = folder / "tape"
        only = _KINDS[kind]
        shift.work(Plan(desk.store, tape=reel, fail=nth, error=errno.EIO, lasts=lasts, only=only))
        trouble.unlink(missing_ok=True)
        ended = desk.stop()
        shift.wrong = asyncio.run(shift.judge())
    if ended not in {0, 1} or not {1} >= set(shift.ends):
        shift.wrong.append(f"ended with {ended} after {shift.ends}")
    return shift


def aside(shift: Shift) -> list[str]:
    """Return the names of stores that were given up."""
    names = [each.name for each in shift.desk.store.iterdir()]
    return [name for name in names if ".corrupt" in name and not name.endswith(("-wal", "-shm"))]


def judged(shift: Shift, folder: Path) -> list[str]:
    """Return what is wrong, with all there is to know of it."""
    if not shift.wrong:
        return []
    return [*shift.wrong, f"{folder.name}, {struck(folder / 'tape')}:\n{shift.desk.log}"]


@pytest.mark.parametrize("kind", _KINDS)
def test_what_the_disk_does_not_give_is_not_taken_for_damage(
    kind: str, day: tuple[Path, list[str]], tmp_path: Path, broker: Mosquitto
) -> None:
    def run(warm: Warm, nth: int) -> Shift:
        folder = tmp_path / f"read-{nth}"
        shift = shift_with((nth, kind), day, warm, folder, broker.port)
        if shift.renewed or aside(shift):
            shift.wrong.append(f"a good store was given up: {aside(shift)}")
        shift.wrong = judged(shift, folder)
        return shift

    points = reads(day, tmp_path / "sound", broker.port)
    shifts = spread(points if _ALL else points[:: _EVERY[kind]], run)
    assert [each.wrong for each in shifts if each.wrong] == []
    refused = sum(each.refused.total() for each in shifts)
    restarts = sum(each.restarts for each in shifts)
    print(f"{kind}: {len(shifts)} runs, {refused} refused, {restarts} restarts")
    if kind != "once":
        assert refused > len(shifts), "a disk that does not read is to be told of"


def test_a_damaged_store_is_saved_when_the_disk_gives_all_that_is_left_of_it(
    day: tuple[Path, list[str]], tmp_path: Path, broker: Mosquitto
) -> None:
    """What a disk does not give while it is saved would be lost with what is damaged."""
    store, codes = day
    with contextlib.closing(sqlite3.connect(store / "outbox.db")) as spoilt, spoilt:
        spoilt.execute("UPDATE outbox SET body = 'rotten' WHERE seq = ?", (_OLD // 2,))
    left = (store, [code for code in codes if code != codes[_OLD // 2 - 1]])

    def run(warm: Warm, nth: int) -> Shift:
        folder = tmp_path / f"save-{nth}"
        shift = shift_with((nth, "bad block"), left, warm, folder, broker.port)
        if len(aside(shift)) != 1:
            shift.wrong.append(f"moved aside: {aside(shift)}")
        shift.wrong = judged(shift, folder)
        return shift

    points = reads(left, tmp_path / "sound", broker.port)
    shifts = spread(points if _ALL else points[::4], run)
    assert [each.wrong for each in shifts if each.wrong] == []
    print(f"{len(shifts)} stores saved")
