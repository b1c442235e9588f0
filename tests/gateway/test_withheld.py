"""What the disk does not give is not taken for damage, whatever SQLite calls it."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gateway import damage, salvage
from gateway.damage import damage_of, present
from gateway.group import Write
from gateway.outbox import MIGRATIONS, open_outbox
from gateway.renewal import note_renewal
from gateway.salvage import renew
from runtime.sqlite import StoreUnusable


def body(text: str) -> Write:
    return lambda epoch, seq: f'{{"epoch":"{epoch}","seq":{seq},"text":"{text}"}}'


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Return a closed store of three rows."""
    path = tmp_path / "o.db"
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        await outbox.put([body("a"), body("b"), body("c")])
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    return path


async def noted(store: Path, why: str, times: int) -> bool:
    """Leave notes of damage in a store that is in order; return whether its stream ended."""
    async with open_outbox(store) as outbox:
        epoch = outbox.standing.epoch
    for _ in range(times):
        note_renewal(store, epoch, "damage", why)
    async with open_outbox(store) as outbox:
        return outbox.standing.epoch != epoch


async def test_a_read_that_sqlite_called_damage_ends_no_stream_that_is_in_order(
    store: Path,
) -> None:
    assert not await noted(store, "database disk image is malformed (SQLITE_CORRUPT)", 3)


async def test_a_digest_that_did_not_hold_twice_ends_the_stream(store: Path) -> None:
    assert await noted(store, "row 2 is not what was stored", 2)


@pytest.mark.parametrize(
    "said",
    [
        "Tree 5 page 7: unable to get the page. error code=266",
        "Tree 5 page 7 cell 0: btreeInitPage() returns error code 8458",
        "Tree 5 page 7 cell 2: failed to get page 9",
    ],
)
def test_a_check_that_could_not_read_a_page_has_found_nothing(said: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="does not give all of it"):
        damage._said(tmp_path, said)
    assert damage._said(tmp_path, "Tree 5 page 7: btreeInitPage() returns error code 11")


def test_damage_that_nobody_can_read_through_is_none(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_bytes(store.read_bytes()[:4096] + bytes(4096) + store.read_bytes()[8192:])
    assert damage_of(store, MIGRATIONS) is not None
    monkeypatch.setattr(damage, "read_through", _refused)
    with pytest.raises(StoreUnusable, match="Input/output error"):
        damage_of(store, MIGRATIONS)


def test_a_store_is_not_saved_while_the_disk_holds_some_of_it_back(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.read_bytes()
    with monkeypatch.context() as disk:
        disk.setattr(salvage, "read_through", _refused)
        with pytest.raises(StoreUnusable, match="Input/output error"):
            renew(store, "damage", "a test", MIGRATIONS)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pread", _refused)
        with pytest.raises(StoreUnusable, match="Input/output error"):
            renew(store, "damage", "a test", MIGRATIONS)
        assert store.read_bytes() == before
        assert not list(store.parent.glob("*.corrupt-*"))
        ended = renew(store, "damage", "a person wants it now", MIGRATIONS, at_once=True)
    assert (ended.taken, ended.missing) == (3, ())


def test_a_file_of_which_the_disk_says_nothing_is_not_taken_to_be_missing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert present(store)
    assert not present(store.with_name("other"))
    assert not present(store / "below a file")
    monkeypatch.setattr(Path, "stat", _refused)
    with pytest.raises(OSError, match="Input/output error"):
        present(store)


def _refused(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "Input/output error")
