"""The demo's third station: every job is played through bytes, and its books tell the same."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.stations import registry
from scanpost.demo.audit import read_books
from scanpost.demo.page import Page
from scanpost.demo.shelves import ORDERS, worlds
from scanpost.demo.shifts import Script, Shift, Shifts
from scanpost.demo.stack import Stack, running
from scanpost.rehearse.acts import Trouble, Undo
from scanpost.rehearse.scripts import SCRIPTS

SCANS = 3
WORLDS = worlds()
CEILING = 90.0


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running(tmp_path, every_job=True) as parts:
        assert parts.shifts is not None
        parts.shifts.scans, parts.shifts.pace = SCANS, 0.0
        assert await parts.feed.wait_open(CEILING)
        yield parts


async def played(shifts: Shifts, job: str) -> Shift:
    shifts.start(job)
    async with asyncio.timeout(CEILING):
        await shifts.over()
    return shifts.played[job]


async def test_every_job_is_played_and_booked_and_goes_on_where_it_stopped(stack: Stack) -> None:
    shifts = stack.shifts
    assert shifts is not None
    for job in SCRIPTS:
        shift = await played(shifts, job)
        assert shift.trouble == "", job
        assert shift.scans >= SCANS
        assert shift.saved, job
    # The other jobs have left it in the middle of nothing.
    before = shifts.played["packing"].scans
    again = await played(shifts, "packing")
    assert again.trouble == ""
    assert again.scans >= before + SCANS
    assert await everything_is_booked(stack, shifts)


async def everything_is_booked(stack: Stack, shifts: Shifts) -> bool:
    saved = {seq for shift in shifts.played.values() for seq in shift.saved}
    async with asyncio.timeout(CEILING):
        while True:
            entries = await asyncio.to_thread(read_books, stack)
            posted = {seq for seq, _, state, _ in entries.entries if state == "posted"}
            if saved <= posted:
                return all(state == "posted" for _, _, state, _ in entries.entries)
            await asyncio.sleep(0.1)


async def test_a_gateway_killed_between_two_scans_is_waited_for(stack: Stack) -> None:
    shifts = stack.shifts
    assert shifts is not None
    shifts.scans = 12
    shifts.start("adjustment")
    async with asyncio.timeout(CEILING):
        while not (shifts.played and shifts.played["adjustment"].saved):
            await asyncio.sleep(0.01)
        async with shifts.hands:
            await stack.gateway.kill()
        await stack.gateway.start()
        await shifts.over()
    assert shifts.played["adjustment"].trouble == ""
    assert shifts.played["adjustment"].scans >= shifts.scans
    assert await everything_is_booked(stack, shifts)


@pytest.mark.parametrize("job", sorted(SCRIPTS))
def test_a_shift_ends_where_another_job_may_begin(job: str) -> None:
    _, script = SCRIPTS[job]
    acts = [
        act
        for act in itertools.islice(script(WORLDS[job], random.Random(1)), 300)
        if not isinstance(act, Trouble)
    ]
    walk, ends = Script(iter(acts)), []
    for number, act in enumerate(acts):
        assert walk.next == act
        if walk.at_an_end:
            ends.append(number)
        walk.advance()
    assert len(ends) > 3
    assert not any(isinstance(acts[number], Undo) for number in ends)
    assert max(b - a for a, b in itertools.pairwise(ends)) < 60


def test_a_document_has_one_number_in_the_house() -> None:
    numbers = Counter(
        order.number
        for world in {id(w): w for w in WORLDS.values()}.values()
        for order in world.orders
    )
    assert len(numbers) == 5 * ORDERS
    assert set(numbers.values()) == {1}


def test_what_is_played_is_what_a_station_can_do() -> None:
    assert sorted(WORLDS) == registry.names()


async def test_a_button_of_the_page_plays_a_shift_and_the_page_tells_what_came_of_it(
    stack: Stack,
) -> None:
    async with served(Page(stack).app()) as url, aiohttp.ClientSession(url) as browser:

        async def state() -> dict[str, Any]:
            async with browser.get("/api/state") as answer:
                jobs = (await answer.json())["jobs"]
                return {**jobs, "shifts": {each["job"]: each for each in jobs["shifts"]}}

        async def play(job: object) -> int:
            async with browser.post("/api/do/play", json={"job": job}) as answer:
                return answer.status

        assert list((await state())["shifts"]) == list(SCRIPTS)
        assert await play("juggling") == 400
        assert await play("assembly") == 200
        assert await play("weighing") == 409
        async with asyncio.timeout(CEILING):
            while (now := await state())["playing"] or not now["shifts"]["assembly"]["booked"]:
                await asyncio.sleep(0.05)
        shift = now["shifts"]["assembly"]
        assert shift["trouble"] == ""
        assert shift["scans"] >= SCANS
        assert shift["saved"] >= shift["booked"] > 0
        async with browser.get(now["screen"]) as screen:
            assert screen.status == 200


@contextlib.asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
