"""The short form: a few inputs of every family. `python -m tests.fuzz` is the long one."""

import json
import random
import subprocess
import sys

import pytest

from contract.identifiers import identify
from tests.fuzz import labels
from tests.fuzz.families import FAMILIES
from tests.fuzz.thrower import throw

INPUTS = 150


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_that_is_thrown_does_harm(family: str) -> None:
    thrown = throw(family, INPUTS, seed=20261123)
    assert not thrown.exceptions, thrown.first


@pytest.mark.parametrize("family", labels.FAMILIES)
def test_the_labels_of_a_family_are_not_all_refused(family: str) -> None:
    r = random.Random(1)
    kinds = {
        identify(labels.FAMILIES[family](r).encode(), today=labels.TODAY).kind for _ in range(2000)
    }
    assert kinds - {"unknown"}


def test_a_parser_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(r: random.Random) -> None:
        assert r.random() < 0.9, "too much"

    monkeypatch.setitem(FAMILIES, "fragile", lambda: fragile)
    thrown = throw("fragile", 100)
    assert thrown.exceptions == throw("fragile", 100).exceptions > 0
    number = int(thrown.first.split(":")[0].removeprefix("input "))
    assert "too much" in thrown.first
    assert throw("fragile", 1, begin=number).exceptions == 1


def test_the_command_prints_a_line_for_each_family() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--inputs", "3", "--family", "identifiers/h"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [line] = done.stdout.splitlines()
    assert json.loads(line).items() >= {
        "family": "identifiers/hibc", "inputs": 3, "exceptions": 0,
    }.items()  # fmt: skip
