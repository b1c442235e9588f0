"""Tables that are edited while a bridge runs."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import LedgerFailed
from bridge.mapping import folder
from bridge.mapping.watch import CUT_S, Watched
from bridge.metrics import Metrics
from contract.values import Item


class Desk:
    """A folder that somebody edits, and a bridge that watches it."""

    def __init__(self, place: Path, every: float = 2.0) -> None:
        self.place = place
        self.write("mapping.toml", "")
        self.write("items.csv", "sku,code\nA,1\n")
        self.notes: list[Mapping[str, Any]] = []
        self.fails = False
        self.metrics = Metrics()
        self.watched = Watched(place, every, folder.read(place), self._note, self.metrics)

    async def _note(self, detail: Mapping[str, Any]) -> None:
        if self.fails:
            raise LedgerFailed("the disk is full")
        self.notes.append(detail)

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)

    async def looks(self, times: int = 2) -> str:
        """The code of item A after so many looks; two are needed to see that a file is still."""
        for _ in range(times):
            await self.watched.look()
        return str(self.watched.current().tables.items.code(Item(sku="A")))

    def told(self) -> str:
        return self.metrics.text().decode()

    @property
    def refusals(self) -> float:
        value = self.metrics.registry.get_sample_value("scanpost_bridge_mapping_refused_total")
        assert value is not None
        return value


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    await made.watched.begin()
    await made.looks()
    return made


async def test_an_edit_is_taken_noted_and_told(desk: Desk) -> None:
    before = desk.watched.current()
    desk.write("items.csv", "sku,code\nA,20\n")
    assert await desk.looks() == "20"
    after = desk.watched.current()
    assert after is not before, "who holds the old tables keeps them whole"
    assert before.tables.items.code(Item(sku="A")) == "1"
    assert [note["version"] for note in desk.notes] == [before.version, after.version]
    assert set(desk.notes[-1]["files"]) == {"mapping.toml", "items.csv"}
    assert f'scanpost_bridge_mapping_info{{version="{after.version}"}} 1.0' in desk.told()
    assert before.version not in desk.told()


async def test_a_file_that_is_still_being_written_is_no_version(desk: Desk) -> None:
    desk.write("items.csv", "sku,code\n")
    assert await desk.looks(1) == "1", "it was seen once"
    desk.write("items.csv", "sku,code\nB,2\n")
    assert await desk.looks(1) == "1", "it is another one"
    desk.write("items.csv", "sku,code\nB,2\nA,30\n")
    assert await desk.looks(2) == "30"
    assert len(desk.notes) == 2


async def test_a_file_that_ends_within_a_line_is_waited_for(desk: Desk) -> None:
    desk.write("items.csv", "sku,code\nA,40\nB,4")
    assert await desk.looks(5) == "1", "B could go on"
    assert desk.refusals == 0
    desk.write("items.csv", "sku,code\nA,40\nB,41\n")
    assert await desk.looks() == "40"
    desk.write("items.csv", "sku,code\nA,500")
    assert await desk.looks(1 + int(CUT_S / 2.0)) == "500", "an editor that ends no file"


async def test_a_file_that_changes_while_it_is_read_is_no_version(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = folder.contents

    def slowly(place: Path) -> dict[str, bytes]:
        found = contents(place)
        monkeypatch.undo()
        desk.write("items.csv", "sku,code\nA,200\nB,2\n")
        return found

    desk.write("items.csv", "sku,code\nA,20\n")
    monkeypatch.setattr(folder, "contents", slowly)
    assert await desk.looks(2) == "1", "what was read is half of two files"
    assert await desk.looks(2) == "200"


async def test_a_broken_edit_is_refused_and_the_tables_before_hold(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.write("items.csv", "sku,code\nA,20\nA,30\nB\n")
    with caplog.at_level(logging.INFO):
        assert await desk.looks(6) == "1"
    failure = desk.watched.failure()
    assert failure is not None
    assert failure.splitlines() == [
        "items.csv:3: SKU A is 30 here and 20 on line 2: take one of the two rows out",
        "items.csv:4: code must not be empty while the item is active",
    ]
    assert desk.refusals == 1, "once for each edit"
    assert [record.message for record in caplog.records] == ["mapping tables are refused"]
    assert len(desk.notes) == 1
    desk.write("items.csv", "sku,code\nA,1\n")
    assert await desk.looks() == "1"
    assert desk.watched.failure() is None, "it is what it was"
    assert len(desk.notes) == 1


async def test_a_folder_that_goes_away_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.place.rename(tmp_path.with_name("elsewhere"))
    assert await desk.looks(3) == "1"
    assert "No such file or directory" in (desk.watched.failure() or "")
    assert desk.refusals == 1
    tmp_path.with_name("elsewhere").rename(desk.place)
    assert await desk.looks() == "1"
    assert desk.watched.failure() is None


async def test_a_table_taken_out_of_the_folder_is_a_version_but_not_without_mapping_toml(
    desk: Desk,
) -> None:
    (desk.place / "items.csv").unlink()
    assert await desk.looks() == "None"
    (desk.place / "mapping.toml").unlink()
    await desk.looks()
    assert desk.watched.failure() == "mapping.toml: it is not there; it may be empty"


async def test_no_version_is_used_before_it_is_noted(desk: Desk) -> None:
    desk.fails = True
    desk.write("items.csv", "sku,code\nA,20\n")
    assert await desk.looks(3) == "1"
    desk.fails = False
    assert await desk.looks() == "20"
    assert desk.notes[-1]["version"] == desk.watched.current().version


async def test_a_touch_is_no_edit(desk: Desk) -> None:
    before = desk.watched.current()
    (desk.place / "items.csv").touch()
    await desk.looks(3)
    assert desk.watched.current() is before
    assert len(desk.notes) == 1


async def test_it_looks_by_itself(tmp_path: Path) -> None:
    desk = Desk(tmp_path, every=0.05)
    task = asyncio.create_task(desk.watched.run())
    desk.write("items.csv", "sku,code\nA,20\n")
    async with asyncio.timeout(30):
        while desk.watched.current().tables.items.code(Item(sku="A")) != "20":
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
