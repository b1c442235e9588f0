"""Break the code in sixteen ways and see who notices: `python -m tests.mutants [--all] [NAME ...]`.

Each mutant lives in a copy of the tree. Without `--all` only the quickest test that should catch it
is run; with it unit tests, models and worlds are, and the table says which of them did.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.seeded import MUTANTS, Mutant, changed

HERE = Path(__file__).parents[2]
SUITES = {
    "unit": "tests/gateway/test_outbox.py tests/gateway/test_bench.py"
    " tests/gateway/test_forwarder.py tests/bridge/test_ledger.py tests/bridge/test_turns.py"
    " tests/bridge/test_dispatcher.py tests/bridge/test_consumer.py",
    "models": "tests/models",
    "worlds": "worlds 100",
}
_WITHIN = 600.0  # seconds for one suite on one mutant


def copy_of_the_tree(to: Path) -> None:
    """Copy what is needed to run tests; not what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=HERE,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:  # no checkout: the folders themselves
        kept = ("bridge", "contract", "drivers", "gateway", "runtime", "scanpost", "tests")
        names = [
            str(file.relative_to(HERE))
            for folder in kept
            for file in (HERE / folder).rglob("*")
            if file.is_file()
        ] + ["pyproject.toml"]
    for name in names:
        source = HERE / name
        if source.is_file():
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def mutate(tree: Path, mutant: Mutant) -> None:
    """Make the changes of `mutant` in `tree`."""
    for change in mutant.changes:
        file = tree / change.file
        text = changed(file.read_text("utf-8"), change)
        compile(text, change.file, "exec")
        file.write_text(text, "utf-8")


def command(suite: str) -> list[str]:
    """Return what to run for one suite."""
    first, _, rest = suite.partition(" ")
    if first == "worlds":
        return [sys.executable, "-m", "tests.worlds", "--worlds", rest]
    options = ["-q", "-x", "-p", "no:cacheprovider", "--timeout", "300"]
    words = suite.split()
    if "-k" in words:
        at = words.index("-k")
        options += ["-k", " ".join(words[at + 1 :])]
        words = words[:at]
    return [sys.executable, "-m", "pytest", *options, *words]


def caught(tree: Path, suite: str) -> bool:
    """Run one suite in `tree`, and say whether it failed as a suite that notices does."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_CURRENT_TEST", None)
    try:
        done = subprocess.run(
            command(suite),
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in {0, 1}:  # 5: no such test; 2: it could not be collected
        raise RuntimeError(f"{suite}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def tried(mutant: Mutant, suites: dict[str, str]) -> dict[str, bool]:
    """Return which of `suites` catch `mutant`."""
    with tempfile.TemporaryDirectory(prefix="scanpost-mutant-") as folder:
        tree = Path(folder)
        copy_of_the_tree(tree)
        mutate(tree, mutant)
        return {name: caught(tree, suite) for name, suite in suites.items()}


def main() -> int:
    """Try the mutants, and print who caught them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="run every suite on every mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", help="parts of names")
    wanted = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not wanted.names or any(part in mutant.name for part in wanted.names)
    ]
    began = time.monotonic()
    survived = 0
    with ThreadPoolExecutor(wanted.jobs) as workers:
        suites = [SUITES if wanted.all else {one.caught_by: one.caught_by} for one in chosen]
        for mutant, found in zip(chosen, workers.map(tried, chosen, suites), strict=True):
            by = [name for name, catches in found.items() if catches]
            survived += not by
            print(
                f"{'caught' if by else 'SURVIVED':9} {mutant.name:58} {', '.join(by)}", flush=True
            )
    print(f"{len(chosen) - survived} of {len(chosen)} caught in {time.monotonic() - began:.0f} s")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
