"""What a damaged store still gives: never an altered row, and nearly all of the others."""

import contextlib
import json
import random
import sqlite3
from pathlib import Path

import pytest

from gateway import salvage
from gateway.damage import damage_of
from gateway.errors import StoreDamaged
from gateway.outbox import MIGRATIONS, PAGE_SIZE, open_outbox
from gateway.renewal import renewed
from gateway.rows import SELECT_ROWS, read_row
from gateway.salvage import Ended, renew
from runtime.sqlite import StoreTooNew, StoreUnusable
from tests.gateway.flips import Truth, build, flip, given_out, without_place

ROWS, CONFIRMED = 70, 20


@pytest.fixture
async def clean(tmp_path: Path) -> Truth:
    return await build(tmp_path / "clean", rows=ROWS, confirmed=CONFIRMED, killed=False)


@pytest.fixture
async def killed(tmp_path: Path) -> Truth:
    return await build(tmp_path / "killed", rows=ROWS, confirmed=CONFIRMED, killed=True)


def forwarded(path: Path) -> tuple[list[dict[str, object]], tuple[Ended, ...]]:
    """Return what the store at `path` would send, as the outbox reads it, without its threads."""
    past = renewed(path, MIGRATIONS, page_size=PAGE_SIZE)
    with contextlib.closing(sqlite3.connect(path)) as store:
        rows = store.execute(
            f"{SELECT_ROWS} WHERE seq > (SELECT upto FROM stream) ORDER BY seq"
        ).fetchall()
    return [json.loads(read_row(*row).body) for row in rows], past


def check(found: list[dict[str, object]], past: tuple[Ended, ...], truth: Truth) -> int:
    """Hold what is sent against what was stored; return how many rows are missing."""
    ids = [str(value["id"]) for value in found]
    for value in found:
        if str(value["id"]) in truth.bodies:
            assert without_place(value) == truth.bodies[str(value["id"])]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids), "out of order"
    missing = len(truth.bodies.keys() - set(ids))
    assert sum(each.lost for each in past) >= missing, "rows are missing and nobody is told"
    return missing


async def test_of_600_flipped_bits_none_alters_a_row_that_is_sent(
    clean: Truth, killed: Truth, tmp_path: Path
) -> None:
    dice = random.Random(4)
    renewals = missing = refused = 0
    for turn in range(600):
        truth = (clean, killed)[turn % 2]
        path = truth.copy(tmp_path / "hit")
        flip(dice.choice(sorted(path.parent.iterdir())), dice)
        try:
            found, past = forwarded(path)
        except StoreTooNew:
            refused += 1  # the bit made the version a larger one: that is for a person to judge
            continue
        missing += check(found, past, truth)
        renewals += bool(past)
    assert renewals > 100, "the bits hit nothing"
    assert missing < 600 * (ROWS - CONFIRMED) / 100
    assert refused < 5


async def test_of_a_store_full_of_flipped_bits_no_altered_row_is_sent(
    clean: Truth, killed: Truth, tmp_path: Path
) -> None:
    dice = random.Random(5)
    salvaged = 0
    for turn in range(6):
        truth = (clean, killed)[turn % 2]
        path = truth.copy(tmp_path / "hit")
        for file in ("o.db", "o.db-wal"):
            if (path.parent / file).exists():
                flip(path.parent / file, dice, bits=25)
        found, _ = forwarded(path)
        # With so many hits the watermark goes too; then what is missing at an end is not known.
        for value in found:
            if value["id"] in truth.bodies:
                assert without_place(value) == truth.bodies[str(value["id"])]
                salvaged += 1
    assert salvaged > 6 * (ROWS - CONFIRMED) * 0.8


@pytest.mark.parametrize("page", [0, 1, 2, 3, 7, 20])
async def test_a_page_of_zeros_costs_no_more_than_its_rows(
    clean: Truth, tmp_path: Path, page: int
) -> None:
    path = clean.copy(tmp_path / "hit")
    data = bytearray(path.read_bytes())
    data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = bytes(PAGE_SIZE)
    path.write_bytes(data)
    found, past = forwarded(path)
    assert check(found, past, clean) <= 4


@pytest.mark.parametrize("left", [100, 5_000, 40_000])
async def test_a_file_that_was_cut_off_gives_what_is_left(
    clean: Truth, tmp_path: Path, left: int
) -> None:
    path = clean.copy(tmp_path / "hit")
    path.write_bytes(path.read_bytes()[:left])
    found, _ = forwarded(path)
    for value in found:
        if value["id"] in clean.bodies:
            assert without_place(value) == clean.bodies[str(value["id"])]
    assert left < 40_000 or len(found) > 10


async def test_a_damaged_store_is_moved_aside_and_its_rows_go_on_under_a_new_epoch(
    clean: Truth, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = clean.copy(tmp_path / "hit")
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        [(old,)] = store.execute("SELECT epoch FROM stream")
        store.execute("UPDATE outbox SET body = 'xx' || substr(body, 3) WHERE seq = 40")
        store.execute("UPDATE outbox SET body = '' WHERE seq IN (60, 61)")
    damaged = path.read_bytes()
    async with open_outbox(path) as outbox:
        found = await given_out(outbox)
        [ended] = outbox.past
        assert str(outbox.standing.epoch) != old
        assert await outbox.sessions() == {"door-1": "63"}
    assert (ended.epoch, ended.cause, ended.missing) == (old, "damage", ((40, 40), (60, 61)))
    assert ended.taken == len(found)
    assert [value["seq"] for value in found] == list(range(1, len(found) + 1))
    assert {value["epoch"] for value in found} == {str(outbox.standing.epoch)}
    check(found, (ended,), clean)
    assert (path.parent / ended.aside).read_bytes() == damaged
    assert "a new stream was begun" in caplog.text
    async with open_outbox(path) as outbox:  # and that was the end of it
        assert outbox.past == (ended,)
        assert await given_out(outbox) == found


async def test_one_flipped_bit_of_a_row_is_mended(clean: Truth, tmp_path: Path) -> None:
    path = clean.copy(tmp_path / "hit")
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        [(body,)] = store.execute("SELECT body FROM outbox WHERE seq = 33")
        store.execute("UPDATE outbox SET body = ? WHERE seq = 33", (body.replace("x", "y", 1),))
        [(mark,)] = store.execute("SELECT digest FROM outbox WHERE seq = 34")
        hit = bytes([mark[0] ^ 0x10]) + mark[1:]
        store.execute("UPDATE outbox SET digest = ? WHERE seq = 34", (hit,))
    found, [ended] = forwarded(path)
    assert ended.missing == ()
    assert check(found, (ended,), clean) == 0


async def test_damage_found_while_running_is_salvaged_at_the_next_start(
    clean: Truth, tmp_path: Path
) -> None:
    path = clean.copy(tmp_path / "hit")
    async with open_outbox(path) as outbox:
        with contextlib.closing(sqlite3.connect(path)) as store, store:
            store.execute("UPDATE outbox SET body = 'z' WHERE seq = 50")
        with pytest.raises(StoreDamaged, match="row 50"):
            await given_out(outbox)
    async with open_outbox(path) as outbox:
        [ended] = outbox.past
        assert ended.missing == ((50, 50),)
        assert len(await given_out(outbox)) == ended.taken


async def test_what_only_the_running_daemon_saw_is_salvaged_too(
    clean: Truth, tmp_path: Path
) -> None:
    """The disk may have read wrong once. But no restart runs into the same wall for ever."""
    path = clean.copy(tmp_path / "hit")
    async with open_outbox(path) as outbox:
        epoch = outbox.standing.epoch
        outbox._damaged("SQLite said so")
    async with open_outbox(path) as outbox:
        assert (outbox.standing.epoch, outbox.past) == (epoch, ())
        outbox._damaged("SQLite said so")
    async with open_outbox(path) as outbox:
        assert outbox.standing.epoch != epoch
        assert check(await given_out(outbox), outbox.past, clean) == 0
        epoch = outbox.standing.epoch
    async with open_outbox(path) as outbox:
        assert outbox.standing.epoch == epoch


async def test_a_log_that_broke_off_at_its_end_is_no_damage(killed: Truth, tmp_path: Path) -> None:
    """A power cut leaves the last commit half written; nobody was told of it."""
    path = killed.copy(tmp_path / "hit")
    wal = path.with_name("o.db-wal")
    wal.write_bytes(wal.read_bytes()[:-3000])
    assert damage_of(path, MIGRATIONS) is None
    data = bytearray(killed.copy(tmp_path / "hit").with_name("o.db-wal").read_bytes())
    data[-500] ^= 1
    wal.write_bytes(data)
    assert damage_of(path, MIGRATIONS) is None


async def test_a_log_that_is_damaged_in_its_middle_costs_one_row_at_most(
    killed: Truth, tmp_path: Path
) -> None:
    """SQLite alone takes the damage for the end of the log, and all rows behind it are gone."""
    path = killed.copy(tmp_path / "hit")
    wal = path.with_name("o.db-wal")
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 4
    wal.write_bytes(data)
    found, [ended] = forwarded(path)
    assert "log is damaged" in ended.why
    assert check(found, (ended,), killed) <= 1


class Killed(BaseException):
    """The process is no more."""


async def test_a_kill_at_any_step_of_a_renewal_loses_nothing(
    clean: Truth, killed: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, sync = Path.rename, salvage._sync
    steps: list[int] = []
    limit = 0

    def step() -> None:
        steps.append(1)
        if len(steps) == limit:
            raise Killed

    def renamed(self: Path, target: Path) -> Path:
        step()
        done = rename(self, target)
        step()
        return done

    def synced(path: Path) -> None:
        step()
        sync(path)

    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(salvage, "_sync", synced)
    for truth in (clean, killed):
        path = truth.copy(tmp_path / "hit")
        limit = 0
        steps.clear()
        renew(path, "asked", "a test", MIGRATIONS, page_size=PAGE_SIZE)
        boundaries = len(steps)
        assert boundaries > 6
        for boundary in range(1, boundaries + 1):
            path = truth.copy(tmp_path / "hit")
            limit = boundary
            steps.clear()
            with pytest.raises(Killed):
                renew(path, "asked", "a test", MIGRATIONS, page_size=PAGE_SIZE)
            limit = 0
            found, past = forwarded(path)
            assert check(found, past, truth) == 0
            assert len(past) <= 1
            left = {each.name.removeprefix("o.db") for each in path.parent.iterdir()}
            assert not left & {".building", ".staging", ".ready"}


async def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE ledger (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="something else"):
        async with open_outbox(path):
            pass
    assert path.read_bytes() == before


async def test_a_folder_without_room_or_permission_leaves_the_store_as_it_is(
    clean: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clean.copy(tmp_path / "hit")
    before = path.read_bytes()

    def refused(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(salvage, "_sync", refused)
        with pytest.raises(StoreUnusable, match="a test; and a new store could not be made"):
            renew(path, "asked", "a test", MIGRATIONS)
    assert path.read_bytes() == before
    found, past = forwarded(path)
    assert check(found, past, clean) == 0
