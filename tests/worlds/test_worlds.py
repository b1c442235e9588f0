"""Hundreds of simulated worlds: whatever goes wrong in them, every OK is booked once, in order.

A seed that fails plays again: `python -m tests.worlds --seed N --talk`.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

WORLDS = int(os.environ.get("SCANPOST_WORLDS", "500"))
FIRST = int(os.environ.get("SCANPOST_WORLDS_FIRST", "0"))

_MUST_HAPPEN = (
    "deliveries ambiguous",
    "deliveries found",
    "deliveries throttled",
    "bridge disk full",
    "gateway disk full",
    "bridge disk failed",
    "gateway disk failed",
    "messages twice",
    "messages overtaken",
    "messages lost",
    "messages quarantined",
    "rows rejected",
    "second bridges refused",
    "scans booked that no verdict was heard of",
    "scans that died with a card",
    "booked rows asked for again",
    "words of conflict",
    "rows known under another number",
)
"""Worlds in which these never happened prove nothing."""


def played(*arguments: str) -> tuple[dict[str, Any], str]:
    """Play worlds; return the sum, and everything that was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.worlds", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    found: dict[str, Any] = json.loads(lines[-1])
    return found, done.stdout + done.stderr


@pytest.mark.chaos
@pytest.mark.timeout(60 + WORLDS * 3)
def test_in_every_world_every_ok_is_booked_once_and_in_order() -> None:
    found, said = played("--first", str(FIRST), "--worlds", str(WORLDS))
    assert found["wrong"] == 0, said
    assert found["worlds"] == WORLDS
    if WORLDS >= 200:
        assert {
            what: found["seen"].get(what, 0) for what in _MUST_HAPPEN if not found["seen"].get(what)
        } == {}
        assert found["seen"]["scans told ok"] > WORLDS * 10


def test_a_seed_plays_again_to_the_microsecond() -> None:
    once, _ = played("--seed", "11", "--talk")
    again, _ = played("--seed", "11", "--talk")
    del once["seconds"], again["seconds"]
    assert once == again
