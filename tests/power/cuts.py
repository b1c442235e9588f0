"""Power cuts of a real ext4 under a real gateway at work.

python -m tests.power.cuts --cuts 1000 --seed 1 [--lie]

Only what the operator had heard before the cut counts as promised: a process lives on for some
milliseconds after it, and may say OK to a row that the kernel only seemed to have flushed.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from gateway.errors import GatewayError
from runtime.sqlite import StoreUnusable
from tests.power.desk import Desk
from tests.power.loopdisk import LoopDisk
from tests.power.warm import Plan, Warm
from tests.power.workload import running

SCANNERS = 4


@dataclass(slots=True)
class Found:
    """What the cuts came to."""

    cuts: int = 0
    acknowledged: int = 0
    """Scans that were told OK before a cut."""
    unheard: int = 0
    """Rows that came through without anybody having been told."""
    wrong: list[str] = field(default_factory=list)


class Cuts:
    """One file system, one store, cut after cut."""

    def __init__(self, warm: Warm, folder: Path, disk: LoopDisk, seed: int, *, lie: bool) -> None:
        self._disk = disk
        self._seed = seed
        self._lie = lie
        self._dice = random.Random(seed)
        self._warm = warm
        self._folder = folder
        self._told: dict[int, str] = {}
        self._epochs: set[UUID] = set()
        self._scans = 0
        self.found = Found()

    def run(self, cuts: int) -> Found:
        """Cut `cuts` times; a store that breaks its word ends it."""
        store = self._disk.mounted / "store"
        with Desk(self._warm, self._folder, store=store, scanners=SCANNERS) as desk:
            while self.found.cuts < cuts and not self.found.wrong:
                self._once(desk)
        return self.found

    def _once(self, desk: Desk) -> None:
        if not desk.start(Plan(desk.store, lie=self._lie)):
            self.found.wrong.append(f"it does not start any more:\n{desk.log}")
            return
        self._work(desk, self._dice.uniform(0.01, 0.3))
        # No look at the log between the last one and the cut: what was heard is what counts.
        promised = len(desk.this_life)
        self._disk.cut()
        self.found.cuts += 1
        heard = desk.this_life[:promised]
        told = {each.seqs[0]: each.text for each in heard if each.event == "signal ok"}
        self._told.update(told)
        self.found.acknowledged += len(told)
        desk.kill()
        self._disk.unmount()
        self._disk.mount()
        wrong = asyncio.run(self._judge(desk.path))
        if wrong:
            self.found.wrong.append(f"seed {self._seed}, cut {self.found.cuts}: {'; '.join(wrong)}")

    def _work(self, desk: Desk, seconds: float) -> None:
        """Let every operator scan as soon as the last scan was answered."""
        end = time.monotonic() + seconds
        seen = len(desk.heard)
        for scanner in range(SCANNERS):
            self._scan(desk, scanner)
        while (left := end - time.monotonic()) > 0 and desk.alive:
            desk.listen(left)
            for each in desk.heard[seen:]:
                if each.verdict:
                    self._scan(desk, int(each.station.removeprefix("desk-")))
            seen = len(desk.heard)

    def _scan(self, desk: Desk, scanner: int) -> None:
        self._scans += 1
        desk.scanners[scanner].scan(f"CUT-{self._scans:07d}")

    async def _judge(self, path: Path) -> list[str]:
        try:
            async with running(path) as outbox:
                rows = await outbox.newest(1_000_000)
                self._epochs.add(outbox.standing.epoch)
        except (GatewayError, StoreUnusable, sqlite3.Error) as error:
            return [f"cannot be opened: {type(error).__name__}: {error}"]
        found = {each.seq: json.loads(each.body)["event"]["text"] for each in rows}
        wrong = ["a new stream was begun"] if len(self._epochs) > 1 else []
        lost = [seq for seq, code in sorted(self._told.items()) if found.get(seq) != code]
        if lost:
            wrong.append(f"lost or altered {len(lost)} acknowledged rows, {lost[0]} to {lost[-1]}")
        if list(found) != list(range(1, len(found) + 1)):
            wrong.append(f"a gap, or out of order, in {len(found)} rows")
        if len(set(found.values())) != len(found):
            wrong.append("a scan is there twice")
        self.found.unheard = len(found) - len(self._told)
        store = sqlite3.connect(path)
        try:
            if (said := store.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                wrong.append(f"integrity_check: {said}")
        finally:
            store.close()
        return wrong


def cut_often(folder: Path, cuts: int, seed: int, *, lie: bool = False) -> Found:
    """Cut the power of a file system in `folder` as often as asked."""
    with LoopDisk(folder) as disk, Warm() as warm:
        return Cuts(warm, folder / "desk", disk, seed, lie=lie).run(cuts)


def main() -> int:
    """Cut as often as asked, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lie", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scanpost-cuts-") as folder:
        found = cut_often(Path(folder), options.cuts, options.seed, lie=options.lie)
    print(found)
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
