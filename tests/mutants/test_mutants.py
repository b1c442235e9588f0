"""Each of the sixteen seeded mistakes is still a mistake that can be made, and is caught.

`python -m tests.mutants --all` says which suites catch which.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mutants.__main__ import HERE, tried
from tests.mutants.seeded import MUTANTS, Mutant, changed


def test_there_are_sixteen() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == 16


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mistake_can_still_be_made(mutant: Mutant) -> None:
    for change in mutant.changes:
        text = changed((HERE / change.file).read_text("utf-8"), change)
        compile(text, str(Path(change.file)), "exec")


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_every_mistake_is_caught_by_the_quickest_test_that_should() -> None:
    with ThreadPoolExecutor(2) as workers:
        found = list(workers.map(lambda one: tried(one, {"quick": one.caught_by}), MUTANTS))
    survived = [one.name for one, by in zip(MUTANTS, found, strict=True) if not by["quick"]]
    assert survived == []
