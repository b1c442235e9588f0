"""Power cuts played from a tape: what the store flushed is there, the rest as chance will have it.

python -m tests.power.replay --cuts 1000 --seed 1 [--broken off|normal|delete|lie]

A busy store is put on tape. Then power is cut at random moments; the real code opens what is left,
which must hold every acknowledged row, unaltered and in order. One of the disks so left is where
the next tape begins, so that recovery is cut as well. The same seed gives the same cuts.
"""

import argparse
import asyncio
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import GatewayError
from runtime.sqlite import StoreUnusable
from tests.power import shim, tape
from tests.power.workload import NAME, Stored, digest, row, running

_GENERATION = 25  # cuts played from one tape: a tape costs as much time as thirty cuts
_RECORD_WITHIN = 120.0  # seconds, on a very busy machine


@dataclass(slots=True)
class Promises:
    """What somebody was told of a store."""

    rows: dict[int, str] = field(default_factory=dict)
    """Seq to digest of what is on disk, as they were told."""
    epoch: str = ""
    """The stream they are in: another one after a cut would send rows again."""
    trimmed: int = 0
    """Rows to here may have been deleted, since they were confirmed."""

    def hear(self, told: str) -> None:
        """Take what a mark on the tape says."""
        said = json.loads(told)
        self.epoch = said.get("epoch", self.epoch)
        self.rows.update((seq, sha) for seq, sha in said.get("rows", []))
        self.trimmed = max(self.trimmed, said.get("trimmed", 0))

    def copy(self) -> "Promises":
        return Promises(dict(self.rows), self.epoch, self.trimmed)

    @property
    def last(self) -> int:
        """The newest row that was acknowledged."""
        return max(self.rows, default=0)

    def broken_by(self, rows: Sequence[Stored], last: int) -> list[str]:
        """Say what `rows`, which are there, and `last` leave of the promises."""
        found = {each.seq: digest(each) for each in rows}
        kept = {seq: sha for seq, sha in self.rows.items() if seq > self.trimmed}
        lost = sorted(kept.keys() - found.keys())
        altered = sorted(seq for seq in kept.keys() & found.keys() if kept[seq] != found[seq])
        wrong = []
        if lost:
            wrong.append(f"lost {len(lost)} acknowledged rows, {lost[0]} to {lost[-1]}")
        if altered:
            wrong.append(f"altered: {altered[:5]}")
        seqs = [each.seq for each in rows]
        if seqs != list(range(seqs[0], seqs[0] + len(seqs)) if seqs else []):
            wrong.append(f"a gap, or out of order: {seqs[:3]} to {seqs[-3:]}")
        if last < self.last:
            wrong.append(f"seq would be used again: {last} is said to be the last, not {self.last}")
        return wrong


async def judge(path: Path, promises: Promises) -> list[str]:
    """Open what a cut left with the store's own code, and say what is wrong with it.

    One more row is stored on the way, to see that life goes on.
    """
    try:
        async with running(path) as outbox:
            last = outbox.standing.last
            rows = await outbox.newest(1_000_000)
            wrong = promises.broken_by(rows, last)
            if promises.epoch not in {"", str(outbox.standing.epoch)}:
                wrong.append("a new stream was begun")
            [more] = await outbox.put([row("after the cut")])
            if more.seq != last + 1:
                wrong.append(f"{last} was followed by {more.seq}")
    except (GatewayError, StoreUnusable, sqlite3.Error) as error:
        return [f"cannot be opened: {type(error).__name__}: {error}"]
    store = sqlite3.connect(path)
    try:
        if (said := store.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            wrong.append(f"integrity_check: {said}")
    finally:
        store.close()
    return wrong


def record(folder: Path, reel: Path, seed: int, broken: str, steps: int) -> list[tape.Record]:
    """Put a shift of the store in `folder` on tape."""
    command = [sys.executable, "-m", "tests.power.workload", str(folder), "--tape", str(reel)]
    words = ["--seed", str(seed), "--broken", broken, "--steps", str(steps)]
    done = subprocess.run(
        command + words,
        check=False,
        env=shim.preloaded(),
        cwd=shim.ROOT,
        capture_output=True,
        text=True,
        timeout=_RECORD_WITHIN,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the shift ended badly:\n{done.stderr[-3000:]}")
    return tape.read(reel)


@dataclass(slots=True)
class Found:
    """What the cuts came to."""

    cuts: int = 0
    acknowledged: int = 0
    """Rows that were promised at the cuts, all cuts together."""
    flushes: int = 0
    """On all tapes together."""
    dropped: int = 0
    """Cuts that took with them something that was written and not flushed."""
    wrong: list[str] = field(default_factory=list)
    """One line for each cut that broke a promise."""


class Replay:
    """Cuts, generation after generation. `folder` keeps the tapes."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        broken: str = "",
        *,
        steps: int = 500,
        each: int = _GENERATION,
    ) -> None:
        """Prepare.

        Args:
            folder: keeps the tapes, and what a cut left that broke a promise.
            seed: what is done and where it is cut follow from it.
            broken: how the store is to be broken, if at all.
            steps: things done on one tape; below 100 the store is not closed in between.
            each: cuts of one tape.
        """
        self._folder = folder
        self._seed = seed
        self._broken = broken
        self._steps = steps
        self._each = each
        self._dice = random.Random(f"cuts {seed}")
        self.found = Found()

    async def run(self, cuts: int, *, until_wrong: bool = False) -> Found:
        """Make `cuts` cuts; with `until_wrong`, stop at the first generation that shows a fault."""
        image: dict[str, bytes] = {}
        promises = Promises()
        generation = 0
        while self.found.cuts < cuts and not (until_wrong and self.found.wrong):
            now = min(10 if until_wrong else self._each, cuts - self.found.cuts)
            image, promises = await self._generation(generation, now, image, promises)
            generation += 1
        return self.found

    async def _generation(
        self, number: int, cuts: int, image: dict[str, bytes], promises: Promises
    ) -> tuple[dict[str, bytes], Promises]:
        live = self._folder / f"store-{number}"
        _put(live, image)
        reel = self._folder / f"tape-{number}"
        # A broken store may have lost what it promised; the next one begins with what it has.
        if self._broken:
            image, promises = {}, Promises()
            _put(live, image)
        records = record(live, reel, self._seed * 1000 + number, self._broken, self._steps)
        shutil.rmtree(live)
        disk = tape.Disk(live, image)
        points = self._points(records, cuts)
        left: list[tuple[dict[str, bytes], Promises]] = []
        for index, each in enumerate(records):
            disk.play(each)
            for told in disk.told:
                promises.hear(told)
            disk.told.clear()
            for _ in range(points.count(index)):
                cut = disk.after_a_cut(self._dice)
                left.append((cut, promises.copy()))
                await self._judge(f"tape {number}, record {index}", cut, promises, disk)
        self.found.flushes += disk.flushes
        if not self._broken:
            reel.unlink()
        return self._dice.choice(left)

    def _points(self, records: list[tape.Record], cuts: int) -> list[int]:
        """Return where to cut: anywhere, right after somebody was told, or at a checkpoint."""
        told = [index for index, each in enumerate(records) if each.op == "A"]
        rare = tape.beside(records, f"{NAME}-wal")
        kinds = (range(len(records)), told, rare)
        return sorted(
            self._dice.choice(kinds[number % 3]) + self._dice.choice((0, 0, 0, 1, 2, 3))
            for number in range(cuts)
        )

    async def _judge(
        self, where: str, cut: dict[str, bytes], promises: Promises, disk: tape.Disk
    ) -> None:
        self.found.cuts += 1
        self.found.acknowledged += len(promises.rows)
        self.found.dropped += disk.unflushed
        place = self._folder / "cut"
        _put(place, cut)
        if wrong := await judge(place / NAME, promises):
            kept = self._folder / f"wrong-{self.found.cuts}"
            if not self._broken:
                _put(kept, cut)
                wrong.append(f"kept in {kept}")
            self.found.wrong.append(f"seed {self._seed}, {where}: {'; '.join(wrong)}")


def _put(folder: Path, image: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in image.items():
        (folder / name).write_bytes(content)


def main() -> int:
    """Cut as often as asked, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", default="")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--each", type=int, default=_GENERATION, help="cuts of one tape")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"scanpost-power-{options.seed}-"))
    replay = Replay(folder, options.seed, options.broken, steps=options.steps, each=options.each)
    found = asyncio.run(replay.run(options.cuts))
    for line in found.wrong[:20]:
        print(line)
    print(
        f"{found.cuts} cuts, {found.dropped} with writes under way, {found.flushes} flushes,"
        f" {found.acknowledged} promises, {len(found.wrong)} cuts with one broken"
    )
    if not found.wrong:
        shutil.rmtree(folder)
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
