"""A rehearsal: every job through everything, and a rehearsal that would not see a lie is none."""

import itertools
import json
import os
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from contract.codes.gtin import canonical_gtin
from gateway.stations import registry
from scanpost.rehearse import scripts
from scanpost.rehearse.__main__ import main
from scanpost.rehearse.acts import Act, Effect, Scan
from scanpost.rehearse.rehearsal import rehearse
from scanpost.rehearse.scripts import SCRIPTS, Script
from scanpost.rehearse.world import World, made, sscc

SCANS = 20
JOBS = (
    sorted(SCRIPTS) if "SCANPOST_REHEARSE" in os.environ else ["counting", "packing", "receiving"]
)
"""`make rehearse` plays all of them; each starts everything anew."""


def quiet(text: str) -> None:
    del text


def test_there_is_a_script_for_every_job() -> None:
    assert sorted(SCRIPTS) == registry.names()


@pytest.mark.parametrize("job", JOBS)
async def test_the_books_tell_what_happened(job: str, tmp_path: Path) -> None:
    outcome = await rehearse(tmp_path, job, 3, SCANS, quiet)
    assert outcome.mismatches == []
    assert outcome.played.scans >= SCANS
    assert outcome.booked == outcome.truth > 0


async def test_a_booking_that_never_happened_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def liar(world: World, dice: random.Random) -> Script:
        _, script = SCRIPTS["pass_through"]
        yield Scan("A", "ok", (Effect("reading", "B", Decimal(0)),))
        yield from script(world, dice)

    monkeypatch.setitem(scripts.SCRIPTS, "pass_through", ("none", liar))
    outcome = await rehearse(tmp_path, "pass_through", 1, 5, quiet)
    assert [each.split(":")[0] for each in outcome.mismatches] == [
        "not in the books",
        "only in the books",
    ]


async def test_a_signal_that_should_not_be_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(world: World, dice: random.Random) -> Script:
        del world, dice
        for number in itertools.count():
            yield Scan(f"LOC:{number}", "not_ok")

    monkeypatch.setitem(scripts.SCRIPTS, "transfer", ("none", script))
    outcome = await rehearse(tmp_path, "transfer", 1, 1, quiet)
    assert outcome.mismatches == [
        "scan 1 (LOC:0): expected not_ok, heard ok: From 0",
    ]


@pytest.mark.parametrize("job", sorted(SCRIPTS))
def test_the_same_seed_is_the_same_shift(job: str) -> None:
    kind, script = SCRIPTS[job]

    def shift(seed: int) -> list[Act]:
        world = made(seed, kind, 40)
        return list(itertools.islice(script(world, random.Random(seed)), 200))

    assert shift(1) == shift(1)
    assert shift(1) != shift(2)


def test_what_is_in_the_world_can_be_scanned() -> None:
    world = made(9, "po", 3)
    for thing in world.things.values():
        assert canonical_gtin(thing.ean)
        assert canonical_gtin(thing.case)
    eans = Counter(thing.ean for thing in world.things.values())
    assert not eans.keys() & set(world.strangers)
    assert max(eans.values()) == 1
    assert len(sscc(5)) == 18


def test_the_last_line_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--job", "weighing", "--scans", "3", "--json", "--keep", str(tmp_path / "kept")])
    assert code == 0
    closing = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"scans", "ok", "refused", "booked", "truth", "mismatches", "p95_ms"} <= set(closing)
    assert (tmp_path / "kept" / "ledger.db").exists()


def test_too_long_a_shift_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--job", "weighing", "--scans", "0"]) == 2
    assert "1 to" in capsys.readouterr().err
