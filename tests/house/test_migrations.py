"""Databases of older versions: every schema there ever was comes up to date, with what is in it."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridge.ledger import open_ledger
from gateway.outbox import open_outbox
from tests.house.examples import ROOT

OLD = ROOT / "tests" / "house" / "databases"
OUTBOX = sorted((ROOT / "gateway" / "migrations").glob("*.sql"))
LEDGER = sorted((ROOT / "bridge" / "migrations" / "versions").glob("[0-9]*.py"))
AGAIN = (
    "a schema that was released is not changed: write a migration, and dump a database of its time"
)


@pytest.mark.parametrize("migrations", [OUTBOX, LEDGER], ids=["outbox", "ledger"])
def test_migrations_are_numbered_without_a_gap(migrations: list[Path]) -> None:
    assert migrations
    assert all(re.fullmatch(r"[0-9]{4}_[a-z0-9_]+\.(sql|py)", path.name) for path in migrations)
    numbers = [int(path.name[:4]) for path in migrations]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("name", "migrations"), [("outbox", OUTBOX), ("ledger", LEDGER)])
def test_every_migration_has_a_database_of_its_time(name: str, migrations: list[Path]) -> None:
    kept = {path.name for path in OLD.glob(f"{name}-*.sql")}
    assert kept == {f"{name}-{path.name[:4]}.sql" for path in migrations}, AGAIN


def _restored(dump: Path, folder: Path) -> Path:
    path = folder / "old.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(dump.read_text("utf-8"))
    return path


def _schema(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


@pytest.mark.parametrize("dump", sorted(OLD.glob("outbox-*.sql")), ids=lambda path: path.name)
async def test_an_old_outbox_comes_up_to_date_with_all_its_rows(dump: Path, tmp_path: Path) -> None:
    path = _restored(dump, tmp_path)
    async with open_outbox(path) as outbox:
        assert str(outbox.standing.epoch) == "29a81e46-8157-49a2-9adb-c4ad9156cfa6"
        assert (outbox.standing.last, outbox.standing.upto, outbox.standing.posted) == (6, 6, 6)
        assert [row.seq for row in await outbox.after(0, 100, 1_000_000)] == [1, 2, 3, 4, 5, 6]
    async with open_outbox(tmp_path / "new.db"):
        pass
    assert _schema(path) == _schema(tmp_path / "new.db"), AGAIN


@pytest.mark.parametrize("dump", sorted(OLD.glob("ledger-*.sql")), ids=lambda path: path.name)
async def test_an_old_ledger_comes_up_to_date_with_all_its_entries(
    dump: Path, tmp_path: Path
) -> None:
    path = _restored(dump, tmp_path)
    async with open_ledger(f"sqlite+aiosqlite:///{path}") as ledger:
        [stream] = await ledger.streams()
        assert (stream["site"], stream["gateway"], stream["upto"]) == ("compose", "dock-1", 6)
        entries = await ledger.entries()
        assert [entry["seq"] for entry in entries] == [6, 5, 4, 3, 2, 1]
        assert {entry["state"] for entry in entries} == {"posted"}
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path}/new.db"):
        pass
    assert _schema(path) == _schema(tmp_path / "new.db"), AGAIN
