"""Who came, who was refused and who left stands in the audit trail, and a flood stays small."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.audit import Deed
from bridge.errors import LedgerFailed
from bridge.ledger import Ledger
from bridge.web import door
from bridge.web.callers import Caller
from bridge.web.doorbook import HOUR_S, MOST_REFUSED, MOST_TOLD, Doorbook
from tests.bridge.web.admin import USERS, Site, site

VERA, ANNA = USERS["vera"], USERS["anna"]


class Seconds:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Trail:
    """Rows that were written; it can fail."""

    def __init__(self) -> None:
        self.deeds: list[Deed] = []
        self.fails = False

    async def write(self, deed: Deed) -> None:
        if self.fails:
            raise LedgerFailed("the disk is full")
        self.deeds.append(deed)


def at(address: str) -> Caller:
    return Caller(address, secure=True, origin="https://bridge.example")


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as one:
        yield one


async def told(ledger: Ledger) -> list[tuple[str, str, dict[str, Any]]]:
    rows = reversed(await ledger.audit_trail())
    return [(row["who"], row["what"], row["detail"]) for row in rows if row["what"] != "users"]


async def test_the_trail_says_who_came_who_was_refused_and_who_left(admin: Site) -> None:
    async with admin.person("vera") as vera:
        await vera.get("/")
        await vera.post("/logout")
        await vera.log_in("Anna", "wrong")
        await vera.log_in("correct horse battery", "")
    here = {"from": "127.0.0.1"}
    assert await told(admin.ledger) == [
        ("vera", "log in", {"role": "viewer", **here}),
        ("vera", "log out", here),
        ("somebody", "log in refused", {"as": "anna", **here}),
        ("somebody", "log in refused", {"as": "an unknown name", **here}),
    ]
    assert (await admin.ledger.verify()).whole
    rows = await admin.ledger.audit_trail()
    assert all(row["at"].startswith("20") and row["entry"] is None for row in rows)


async def test_the_address_is_the_one_a_trusted_proxy_tells(tmp_path: Path) -> None:
    table = '[web]\nproxies = ["127.0.0.1"]\n'
    async with site(tmp_path, table) as admin, admin.person() as vera:
        form = {"name": "vera", "password": "wrong"}
        await vera.post("/login", headers={"X-Forwarded-For": "192.0.2.7"}, **form)
        [(_, _, detail)] = await told(admin.ledger)
        assert detail == {"as": "vera", "from": "192.0.2.7"}


async def test_a_log_in_that_takes_the_place_of_another_ends_it(admin: Site) -> None:
    async with admin.person("vera") as vera:
        await vera.log_in("anna")
        assert [(who, what) for who, what, _ in await told(admin.ledger)] == [
            ("vera", "log in"),
            ("anna", "log in"),
            ("vera", "log out"),
        ]


async def test_a_log_out_of_nobody_is_no_row(admin: Site) -> None:
    async with admin.person() as nobody:
        await nobody.post("/logout")
        assert nobody.at == "/login"
    assert await told(admin.ledger) == []


async def test_nobody_comes_in_whom_the_ledger_cannot_write_down(
    admin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise LedgerFailed("the disk is full")

    async with admin.person() as vera, admin.person("anna") as anna:
        await anna.get("/unreadable")
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "put", full)
            seen = await vera.log_in("vera")
            assert (vera.status, "the ledger fails: the disk is full" in seen) == (503, True)
            assert not list(vera.session.cookie_jar)
            await vera.log_in("vera", "wrong")
            assert vera.status == 503, "that it is wrong is not told either"
            await anna.post("/logout")
            assert anna.at == "/login", "whoever wants to leave may"
        await vera.log_in("vera")
        assert vera.status == 200
        await anna.get("/unreadable")
        assert anna.at == "/login?to=/unreadable"


async def test_an_hour_of_refused_ones_is_so_many_rows_and_a_sum() -> None:
    trail, seconds = Trail(), Seconds()
    book = Doorbook(trail.write, seconds)
    for number in range(5_000):
        await book.refused(ANNA if number % 10 == 0 else None, at(f"192.0.2.{number % 250}"))
        seconds.now += 0.5
    assert len(trail.deeds) == MOST_REFUSED
    await book.sum_up()
    assert len(trail.deeds) == MOST_REFUSED, "the hour is not over"
    seconds.now += HOUR_S
    await book.sum_up()
    *rows, last = trail.deeds
    assert len(rows) == MOST_REFUSED
    assert {key: last.detail[key] for key in ("more", "as")} == {
        "more": 5_000 - MOST_REFUSED,
        "as": f"an unknown name {4_500 - 18}, anna {500 - 2}",
    }
    addresses = dict(part.rsplit(" ", 1) for part in str(last.detail["from"]).split(", "))
    assert len(addresses) == MOST_TOLD + 1
    assert sum(int(number) for number in addresses.values()) == 5_000 - MOST_REFUSED
    await book.sum_up()
    await book.sum_up(at_once=True)
    assert len(trail.deeds) == MOST_REFUSED + 1, "a sum is told once"


async def test_the_next_hour_begins_with_rows_of_their_own_again() -> None:
    trail, seconds = Trail(), Seconds()
    book = Doorbook(trail.write, seconds)
    for _ in range(MOST_REFUSED + 3):
        await book.refused(VERA, at("192.0.2.7"))
    seconds.now += HOUR_S
    await book.refused(VERA, at("192.0.2.8"))
    sum_of_them, first = (deed.detail for deed in trail.deeds[MOST_REFUSED:])
    assert sum_of_them == {"more": 3, "within": "60 min", "as": "vera 3", "from": "192.0.2.7 3"}
    assert first == {"as": "vera", "from": "192.0.2.8"}


async def test_a_ledger_that_fails_loses_no_count() -> None:
    trail, seconds = Trail(), Seconds()
    book = Doorbook(trail.write, seconds)
    await book.refused(VERA, at("192.0.2.7"))
    trail.fails = True
    with pytest.raises(LedgerFailed):
        await book.refused(VERA, at("192.0.2.8"))
    seconds.now += HOUR_S
    with pytest.raises(LedgerFailed):
        await book.sum_up()
    trail.fails = False
    await book.sum_up()
    assert [deed.detail.get("more", 1) for deed in trail.deeds] == [1, 1]
    assert trail.deeds[-1].detail["from"] == "192.0.2.8 1"


async def test_what_was_only_counted_is_told_when_the_bridge_ends(
    admin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.doorbook.MOST_REFUSED", 2)
    assert admin.door is not None
    watch = asyncio.create_task(admin.door.watch())
    async with admin.person() as somebody:
        for _ in range(4):
            await somebody.log_in("vera", "wrong")
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
    found = await told(admin.ledger)
    assert [detail.get("more", 1) for _, _, detail in found] == [1, 1, 2]


async def test_the_watch_tells_of_an_hour_without_anybody_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.web.doorbook.MOST_REFUSED", 0)
    monkeypatch.setattr(door, "LOOK_EVERY_S", 0.01)
    seconds = Seconds()
    async with site(tmp_path, now=seconds) as admin, admin.person() as somebody:
        assert admin.door is not None
        await somebody.log_in("vera", "wrong")
        seconds.now += HOUR_S
        watch = asyncio.create_task(admin.door.watch())
        async with asyncio.timeout(60):
            while not (found := await told(admin.ledger)):
                await asyncio.sleep(0.01)
        assert found[0][2]["more"] == 1
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
