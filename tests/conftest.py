"""What every test may use, and what no test may leave behind."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.mosquitto import MOSQUITTO, Mosquitto

# The same examples in every run, here and in CI; HYPOTHESIS_PROFILE=explore looks for new ones.
# How long the examples take to make says something of the machine, which may stand still, only.
_ANY_PACE = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=_ANY_PACE
)
hypothesis.settings.register_profile("explore", deadline=None, suppress_health_check=_ANY_PACE)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


_LONG = (
    "tests/worlds/test_worlds.py",
    "tests/journeys/test_chaos.py",
    "tests/power/test_kills.py",
    "tests/power/test_failures.py",
    "tests/scanpost/test_rehearse.py",
    "tests/journeys/",
    "tests/bridge/test_ledger_stateful.py",
    "tests/mutants/",
    "tests/power/",
)
"""What takes longest goes first, so that no process ends long after the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the order within a file stays."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(name: str) -> int:
    return next((at for at, long in enumerate(_LONG) if name.startswith(long)), len(_LONG))


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A running mosquitto of this test's own."""
    assert MOSQUITTO is not None, "install mosquitto: apt install mosquitto"
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    await broker.start()
    yield broker
    broker.kill()


def _descriptors() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    """Fail a test that leaves a file, pipe, pty or socket open."""
    before = _descriptors()
    yield
    if left := _left_open(before):
        gc.collect()
        left = _left_open(before)
    assert not left, f"left open: {left}"


def _left_open(before: dict[str, str]) -> list[str]:
    kinds = ("/dev/pts", "/dev/ptmx", "socket:", "pipe:", "/tmp")
    return [
        target
        for number, target in _descriptors().items()
        if number not in before and target.startswith(kinds)
    ]


@pytest.fixture(autouse=True)
def the_log_is_left_as_it_was() -> Iterator[None]:
    """Undo what a program that was called in this process has set up for its own log."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(autouse=True)
async def no_task_is_left_running() -> AsyncIterator[None]:
    """Fail a test that leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    for _ in range(3):  # what was cancelled a moment ago may end first
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, f"left running: {left}"
