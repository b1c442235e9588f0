"""`scanpost outbox`: really run, on a store of its own and beside a running daemon."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contract.envelope import Ack, Rejected, encode
from gateway.group import Write
from gateway.outbox import open_outbox
from tests.bridge.streams import name, transaction
from tests.gateway.test_daemon import EAN, Daemon, Place
from tests.mosquitto import free_port
from tests.scanpost.shell import scanpost


async def run(*words: object) -> tuple[int, str, str]:
    async with scanpost("outbox", *(str(word) for word in words)) as shell:
        return await shell.ended()


async def asked(*words: object) -> Any:
    code, out, err = await run(*words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def write(seq: int) -> Write:
    value = transaction(seq)
    return lambda epoch, seq: encode(value.model_copy(update={"epoch": epoch, "seq": seq}))


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Ten rows: six posted, one of them rejected, two booked, two saved."""
    path = tmp_path / "o.db"
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        await outbox.put([write(seq) for seq in range(1, 11)])
        why = (Rejected(seq=4, code="unknown_sku", text="no BOLT-8 here"),)
        outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=8, posted=6, rejected=why))
        await outbox.keep(ring=100)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    return path


async def test_status_says_how_far_the_stream_is(store: Path) -> None:
    said = await asked("status", "--store", store)
    assert said["running"] is False
    assert (said["last"], said["booked"], said["posted"], said["waiting"]) == (10, 8, 6, 2)
    assert (said["rejected"], said["kept"], said["conflict"]) == (1, 10, None)
    assert said["waiting_since"].startswith("2026-11-23T08:00:00")
    code, out, err = await run("status", "--store", store)
    assert (code, err) == (0, "")
    assert "waiting         2\n" in out


async def test_list_tells_each_state_newest_first(store: Path) -> None:
    rows = await asked("list", "--store", store)
    assert [(row["seq"], row["state"]) for row in rows] == [
        *((seq, "saved") for seq in (10, 9)),
        *((seq, "booked") for seq in (8, 7)),
        *((seq, "posted") for seq in (6, 5)),
        (4, "rejected"),
        *((seq, "posted") for seq in (3, 2, 1)),
    ]
    [row] = await asked("list", "--store", store, "--state", "rejected")
    assert (row["code"], row["why"]) == ("unknown_sku", "no BOLT-8 here")
    code, out, _ = await run("list", "--store", store, "--limit", "7")
    assert code == 0
    assert len(out.splitlines()) == 7
    assert out.splitlines()[-1].split()[:2] == ["4", "rejected"]
    assert out.splitlines()[-1].endswith("unknown_sku no BOLT-8 here")


async def test_show_finds_a_row_by_id_and_by_seq(store: Path) -> None:
    by_seq = await asked("show", "9", "--store", store)
    assert by_seq["state"] == "saved"
    assert by_seq["transaction"]["id"] == str(name(9))
    assert await asked("show", str(name(9)).upper(), "--store", store) == by_seq
    code, out, _ = await run("show", "4", "--store", store)
    assert code == 0
    assert json.loads(out)["why"] == "no BOLT-8 here"
    for nowhere in ("77", str(UUID(int=5)), "what"):
        code, out, err = await run("show", nowhere, "--store", store)
        assert (code, out) == (1, "")
        assert nowhere in err


async def test_export_is_one_row_a_line_oldest_first(store: Path) -> None:
    code, out, _ = await run("export", "--store", store, "--from", "3", "--to", "9")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["seq"] for row in rows] == [3, 4, 5, 6, 7, 8, 9]
    assert {len(row["digest"]) for row in rows} == {64}
    code, out, _ = await run("export", "--store", store, "--state", "saved")
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [9, 10]


async def test_verify_finds_what_is_damaged(store: Path) -> None:
    assert await asked("verify", "--store", store, "--deep") == {
        "ok": True,
        "damage": None,
        "not_understood": [],
    }
    with contextlib.closing(sqlite3.connect(store)) as file, file:
        file.execute("UPDATE outbox SET body = replace(body, 'BOLT', 'BOLD') WHERE seq = 2")
    assert (await run("verify", "--store", store))[0] == 0, "the bridge has row 2 already"
    code, out, _ = await run("verify", "--store", store, "--deep", "--json")
    assert code == 1
    assert json.loads(out)["damage"] == "row 2 is not what was stored"
    code, _, err = await run("export", "--store", store)
    assert (code, "1 rows are damaged" in err) == (1, True)


async def test_resend_sends_booked_rows_again_at_the_next_start(store: Path) -> None:
    for nothing in ("9", "11"):
        code, _, err = await run("resend", "--from", nothing, "--store", store)
        assert code == 1
        assert "not a booked row" in err
    assert await asked("resend", "--from", "3", "--store", store) == {"first": 3, "last": 8}
    async with open_outbox(store) as outbox:
        assert (outbox.standing.upto, outbox.standing.posted) == (2, 2)
        assert outbox.past == (), "that is no damage"


async def test_new_epoch_begins_a_stream_with_what_is_not_booked(store: Path) -> None:
    store.chmod(0o640)
    old = (await asked("status", "--store", store))["epoch"]
    ended = await asked("new-epoch", "--store", store, "--why", "restored on Monday")
    assert (ended["epoch"], ended["cause"], ended["missing"]) == (old, "asked", [])
    assert ended["taken"] == 10  # the bridge knows by their ids which it has
    assert (store.parent / ended["aside"]).exists()
    assert store.stat().st_mode & 0o777 == 0o640
    said = await asked("status", "--store", store)
    assert said["epoch"] != old
    assert (said["waiting"], said["ended"]) == (10, None)
    rows = await asked("list", "--store", store)
    assert [row["transaction"]["id"] for row in rows] == [
        str(name(seq)) for seq in range(10, 0, -1)
    ]


async def test_what_ended_is_shown_until_it_was_seen(store: Path) -> None:
    with contextlib.closing(sqlite3.connect(store)) as file, file:
        file.execute("UPDATE outbox SET body = '?' WHERE seq = 9")
    async with open_outbox(store):
        pass
    said = await asked("status", "--store", store)
    assert said["ended"]["missing"] == [[9, 9]]
    _, out, _ = await run("status", "--store", store)
    assert f"LOST: seq 9 to 9 of epoch {said['ended']['epoch']}" in out
    assert await asked("seen", "--store", store) == {"seen": 1}
    assert (await asked("status", "--store", store))["ended"] is None


@pytest.mark.parametrize("action", ["status", "list", "verify", "export", "seen"])
async def test_a_store_that_is_not_there_is_said(tmp_path: Path, action: str) -> None:
    code, out, err = await run(action, "--store", tmp_path / "no.db")
    assert (code, out) == (2, "")
    assert "no.db: there is no such store" in err
    assert "Traceback" not in err


async def test_a_file_that_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_bytes(b"x" * 5000)
    code, _, err = await run("status", "--store", tmp_path / "o.db")
    assert code == 2
    assert "not a database" in err
    code, out, _ = await run("verify", "--store", tmp_path / "o.db")
    assert (code, "not a database" in out) == (1, True)


async def test_a_command_that_only_reads_leaves_the_files_as_they_are(store: Path) -> None:
    def files() -> dict[str, tuple[bytes, int]]:
        return {
            each.name: (each.read_bytes(), each.stat().st_mtime_ns)
            for each in store.parent.iterdir()
        }

    before = files()
    for words in (["status"], ["list"], ["show", "3"], ["export"], ["verify", "--deep"]):
        await run(*words, "--store", store)
    assert files() == before


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    made.listen = f"127.0.0.1:{free_port()}"
    async with made.scanner, made.scale:
        made.write()
        made.config.write_text(made.config.read_text().replace('book = "weight"', ""))
        yield made


async def test_it_works_beside_a_running_daemon(place: Place) -> None:
    where = ("--config", place.config)
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        async with daemon.events() as following:
            for label in ("PO:4711", EAN, "4006381333931"):
                await place.scanner.send(label)
                assert (await following())["kind"] == "ok"
        said = await asked("status", *where)
        assert (said["running"], said["last"], said["waiting"]) == (True, 2, 2)
        assert [row["state"] for row in await asked("list", *where)] == ["saved", "saved"]
        assert (await asked("verify", "--deep", *where))["ok"] is True
        code, _, err = await run("new-epoch", *where)
        assert code == 1
        assert "stop it first" in err
        code, _, err = await run("resend", "--from", "1", *where)
        assert code == 1
        assert "no row there is booked" in err
        daemon.send(signal.SIGKILL)
        await daemon.ended()
    # What a SIGKILL leaves, its log full, is read as well.
    assert (await asked("status", *where))["last"] == 2
    assert os.path.getsize(f"{place.store}-wal") > 0
    assert (await asked("new-epoch", *where))["taken"] == 2
