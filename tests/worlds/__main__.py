"""Play worlds: `python -m tests.worlds --worlds 500`, or one again: `--seed 17 --talk`.

Each world is played in a process of its own, forked from this one, so that nothing is left of it.
One JSON line for each world that went wrong, and one with the sum at the end.
"""

import argparse
import gc
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

_LONGEST = 120  # seconds of the real clock one world may take on a machine that is busy


def main() -> int:
    """Play."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of texts must be the same when a seed is played again.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.worlds", *sys.argv[1:]])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--talk", action="store_true", help="tell the story while it happens")
    parser.add_argument("--only", action="append", default=[], help="faults to choose from")
    wanted = parser.parse_args()
    logging.disable(logging.NOTSET if wanted.talk else logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="scanpost-worlds-", dir=_memory()))
    try:
        return _play(wanted, folder)
    finally:
        shutil.rmtree(folder)


def _memory() -> str | None:
    """Files in memory: a world's disk fails only where the world says so."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _play(wanted: argparse.Namespace, folder: Path) -> int:
    from tests.worlds.world import make_template, prepare  # noqa: PLC0415 - not before `execv`

    prepare()

    # Nothing a world leaves behind is worth collecting, and what it shares stays shared.
    gc.disable()
    gc.freeze()
    child = os.fork()
    if child == 0:  # it starts threads, and what forks must have none
        make_template(folder)
        os._exit(0)
    os.waitpid(child, 0)
    began = time.monotonic()
    seeds = (
        [wanted.seed]
        if wanted.seed is not None
        else list(range(wanted.first, wanted.first + wanted.worlds))
    )
    seen: Counter[str] = Counter()
    wrong = 0
    world_seconds = 0.0
    running: dict[int, tuple[int, int]] = {}
    while seeds or running:
        while seeds and len(running) < wanted.jobs:
            seed = seeds.pop(0)
            pid, pipe = _fork(seed, folder, wanted)
            running[pid] = (seed, pipe)
        pid, (seed, pipe) = next(iter(running.items()))
        del running[pid]
        outcome = _result(pid, pipe, seed)
        seen.update(outcome["seen"])
        world_seconds += outcome["seconds"]
        if outcome["wrong"]:
            wrong += 1
            print(json.dumps({"seed": seed, "wrong": outcome["wrong"][:10]}), flush=True)
    took = time.monotonic() - began
    print(
        json.dumps(
            {
                "worlds": 1 if wanted.seed is not None else wanted.worlds,
                "wrong": wrong,
                "seconds": round(took, 1),
                "world_seconds": round(world_seconds),
                "seen": dict(sorted(seen.items())),
            }
        )
    )
    return 1 if wrong else 0


def _fork(seed: int, folder: Path, wanted: argparse.Namespace) -> tuple[int, int]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    own = folder / str(seed)
    own.mkdir()
    from tests.worlds.world import play  # noqa: PLC0415 - not before `execv`

    signal.alarm(_LONGEST)
    sys.unraisablehook = lambda _: None  # what was killed is collected one day, with complaints
    outcome = play(seed, own, tuple(wanted.only), talk=wanted.talk)
    with os.fdopen(writing, "w") as pipe:
        json.dump(asdict(outcome), pipe)
    shutil.rmtree(own)
    sys.stdout.flush()
    os._exit(0)


def _result(pid: int, pipe: int, seed: int) -> dict[str, Any]:
    with os.fdopen(pipe) as text:
        said = text.read()
    os.waitpid(pid, 0)
    if not said:
        return {"seed": seed, "wrong": ["it did not end"], "seen": {}, "seconds": 0.0}
    outcome: dict[str, Any] = json.loads(said)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
