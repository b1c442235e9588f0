"""What a scan costs an SD card: bytes, writes and flushes that reach the device.

python -m tests.power.wear --scans 200 --rate 20 [--json]

Counted by the device of an ext4 of its own, its journal included, where a loop device can be had;
otherwise by what is handed to write and fsync. Scans come one at a time, and the far end confirms
each. Before that comes as much work as brings the store's files to their working size: a log that
grows costs two flushes for each commit, and does it once in the life of a card.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.bench.contenders import CONTENDERS, OURS, Contender, Place
from tests.bench.rig import Rig
from tests.bench.tally import Scan
from tests.power import loopdisk, shim, tape
from tests.power.loopdisk import LoopDisk, Wear

_WARM_WITHIN = 90.0  # seconds
_WARM_RATE = 500  # scans/s: slow enough that few share a commit
_SETTLED = 6.0  # seconds after the last scan: the bridge's word is written down 5 s later at most
_LOOKS = 10  # at what is written idly: a word that is written down every second is found by all
_ARRIVES_WITHIN = 30.0  # seconds
_PAUSE = 1.5  # seconds for a checkpoint to end, and to see whether something is written idly

TRIMMING = "scanpost, trimming"
"""The gateway that keeps few confirmed rows, as one does that has run for some weeks."""


@dataclass(frozen=True, slots=True)
class PerScan:
    """What one scan costs."""

    name: str
    octets: float
    writes: float
    flushes: float
    idle_octets_per_s: float
    """What is written while nothing happens."""
    lost: int
    counted_by: str


def contenders() -> dict[str, Contender]:
    """Return who can be measured, by name."""
    found = {each.name: each for each in CONTENDERS}
    found[TRIMMING] = replace(found[OURS], name=TRIMMING, command=_trimming(found[OURS].command))
    return found


def _trimming(command: Callable[[Place], list[str]]) -> Callable[[Place], list[str]]:
    def trimming(place: Place) -> list[str]:
        words = command(place)
        config = Path(words[-1])
        config.write_text(config.read_text().replace("[store]\n", "[store]\nkeep_rows = 100\n"))
        return words

    return trimming


def wear(
    contender: Contender, scans: int, rate: float, *, warm: bool = True, cycle: bool = False
) -> PerScan:
    """Measure one contender with `scans` scans, `rate` a second.

    Args:
        contender: who.
        scans: a hundred and more; what is written now and then needs some to be spread over.
        rate: per second.
        warm: bring the store's files to their working size first, and begin after a checkpoint.
        cycle: go on, one scan at a time, to the next checkpoint, and spread what that one writes
            over all scans since the last. Without, no checkpoint is in the figures.

    Raises:
        tests.bench.rig.Trouble: it does not work.
    """
    with tempfile.TemporaryDirectory(prefix="scanpost-wear-") as name:
        folder = Path(name)
        with _counted(folder) as (store, preload, count, by):
            placed = replace(contender, command=_placed(contender.command, store, preload))
            with Rig(placed, folder / "rig", 1) as rig:
                rig.start()
                if warm:
                    _to_a_checkpoint(rig, store, _in_hundreds)
                    rig.rest(_PAUSE)
                before, sent = count(), _one_by_one(rig, scans, rate)
                rig.rest(_SETTLED)
                used = count().since(before)
                idle = _idle(rig, count)
                octets, spread = used.octets, scans
                if cycle:
                    spread += _to_a_checkpoint(rig, store, _one)
                    rig.rest(_PAUSE)
                    octets = count().since(before).octets
                lost = len(rig.tap.tally.missing(sent))
    return PerScan(
        contender.name,
        octets / spread,
        used.writes / scans,
        used.flushes / scans,
        idle,
        lost,
        by,
    )


def _one_by_one(rig: Rig, scans: int, rate: float) -> set[Scan]:
    """Scan at most `rate` times a second, and only when the one before has arrived.

    On a machine that stood still two would share a commit.
    """
    sent: set[Scan] = set()
    for _ in range(scans):
        began = time.monotonic()
        one = set(rig.scanners[0].scan())
        rig.arrived(one, _ARRIVES_WITHIN)
        sent |= one
        rig.rest(max(0.0, began + 1 / rate - time.monotonic()))
    return sent


def _idle(rig: Rig, count: Callable[[], Wear]) -> float:
    """Return octets a second that are written while nothing happens.

    On a busy machine the bridge's word may still be on its way: what goes on being written is not.
    """
    idle = 0.0
    for _ in range(_LOOKS):
        before, began = count(), time.monotonic()
        rig.rest(_PAUSE)
        idle = count().since(before).octets / (time.monotonic() - began)
        if idle == 0:
            break
    return idle


def _in_hundreds(rig: Rig) -> int:
    rig.arrived(rig.feed(100, _WARM_RATE), 10)
    return 100


def _one(rig: Rig) -> int:
    rig.arrived(set(rig.scanners[0].scan()), 10)
    return 1


def _to_a_checkpoint(rig: Rig, store: Path, scan: Callable[[Rig], int]) -> int:
    """Scan until a full write-ahead log was brought into its database; return how many it took.

    Who has no such log has no checkpoints.
    """
    done = 0
    before = _databases(store)
    end = time.monotonic() + _WARM_WITHIN
    while time.monotonic() < end and list(store.glob("*-wal")) and _databases(store) == before:
        done += scan(rig)
    return done


def _databases(store: Path) -> list[int]:
    return [each.stat().st_mtime_ns for each in sorted(store.glob("*.db"))]


def _placed(
    command: Callable[[Place], list[str]], store: Path, preload: list[str]
) -> Callable[[Place], list[str]]:
    """Let the store lie apart from the logs."""
    return lambda place: [*preload, *command(replace(place, folder=store))]


Counted = tuple[Path, list[str], Callable[[], Wear], str]
"""The folder to count in, what to put before the command, the counter, and what it is."""


@contextlib.contextmanager
def _counted(folder: Path) -> Iterator[Counted]:
    if loopdisk.why_not() is None:
        with LoopDisk(folder) as disk:
            store = disk.mounted / "store"
            store.mkdir()
            yield store, [], disk.wear, "device"
        return
    store, reel = folder / "store", folder / "tape"
    store.mkdir()
    names = {"LD_PRELOAD": shim.built(), "POWER_STORE": store.resolve(), "POWER_TAPE": reel}
    yield store, ["env", *(f"{key}={name}" for key, name in names.items())], _by_tape(reel), "calls"


def _by_tape(reel: Path) -> Callable[[], Wear]:
    def count() -> Wear:
        records = tape.read(reel) if reel.exists() else []
        writes = [each.size for each in records if each.op == "w"]
        return Wear(sum(writes), len(writes), sum(each.op == "y" for each in records))

    return count


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cold", action="store_true", help="with files that still grow")
    parser.add_argument("--only", choices=list(contenders()), action="append")
    options = parser.parse_args()
    found = [
        wear(each, options.scans, options.rate, warm=not options.cold, cycle=not options.cold)
        for name, each in contenders().items()
        if not options.only or name in options.only
    ]
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=1))
        return
    print(
        f"{'':20} {'bytes/scan':>10} {'writes/scan':>11} {'flushes/scan':>12} {'idle B/s':>9} lost"
    )
    for each in found:
        print(
            f"{each.name:20} {each.octets:10.0f} {each.writes:11.2f} {each.flushes:12.2f}"
            f" {each.idle_octets_per_s:9.0f} {each.lost}"
        )


if __name__ == "__main__":
    main()
