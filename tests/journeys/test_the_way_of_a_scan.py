"""One scan's way, and a death between any two of its steps."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from scanpost.demo.audit import audit, drained, read_books
from scanpost.demo.operator import Offer, Operator
from scanpost.demo.stack import BENCH, DOCK, Stack, running
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.timeout(300)
GENEROUS = 90.0  # seconds


@pytest.fixture
async def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    # Nobody works here while the gateway is gone: no answer is a slow one.
    monkeypatch.setattr("scanpost.demo.operator._PATIENCE", GENEROUS)
    async with running(tmp_path) as parts:
        assert await parts.feed.wait_open(GENEROUS)
        yield parts


def at_the_bench(stack: Stack) -> Operator:
    return Operator(BENCH, stack.bench_scanner, stack.feed)


async def scans(operator: Operator, count: int) -> list[Offer]:
    dice = random.Random(7)
    return [await operator.scan(dice) for _ in range(count)]


async def everything_is_booked_once(stack: Stack, *operators: Operator) -> None:
    assert await drained(stack, GENEROUS), f"{stack.gateway.log_tail()}\n{stack.bridge.log_tail()}"
    offers = [offer for operator in operators for offer in operator.offers]
    report = audit(dict(stack.feed.saved), offers, read_books(stack))
    assert report.notes == []
    assert report.order_violations == 0
    assert report.ok == report.booked == report.posted
    assert all(offer.told is not None for offer in offers)


async def test_a_beep_and_a_weight_become_one_entry_each_in_the_books(stack: Stack) -> None:
    clerk = Operator(DOCK, stack.dock_scanner, stack.feed, scale=stack.dock_scale)
    await stack.dock_scanner.send("PO:PO-1001")
    assert await stack.feed.wait_for(lambda heard: "PO-1001" in heard.text, 0, GENEROUS)
    dice = random.Random(1)
    item = await clerk.scan(dice)
    weight = await clerk.weigh(dice)
    assert item.told is not None
    assert weight is not None
    assert weight.told is not None
    await everything_is_booked_once(stack, clerk)
    with contextlib.closing(sqlite3.connect(stack.books)) as books:
        kinds = books.execute("SELECT type FROM movements ORDER BY rowid").fetchall()
        [(quantity,)] = books.execute("SELECT quantity FROM stock_on_hand").fetchall()
    assert kinds == [("receipt",), ("weighing",)]
    assert Decimal(str(quantity)) == 1


async def test_scans_made_with_the_cable_out_are_booked_when_it_is_back(stack: Stack) -> None:
    packer = at_the_bench(stack)
    await stack.network.pull()
    offers = await scans(packer, 25)
    assert all(offer.told is not None for offer in offers), "OK must not need a network"
    assert len(read_books(stack).entries) == 0
    stack.network.plug()
    await everything_is_booked_once(stack, packer)


async def test_a_gateway_killed_before_it_could_send_sends_after_its_restart(stack: Stack) -> None:
    packer = at_the_bench(stack)
    await stack.network.pull()
    await scans(packer, 5)
    await stack.gateway.kill()
    stack.network.plug()
    await stack.gateway.start()
    await everything_is_booked_once(stack, packer)


async def test_what_the_broker_took_and_forgot_is_sent_again(stack: Stack) -> None:
    packer = at_the_bench(stack)
    await stack.bridge.kill()
    await scans(packer, 5)
    await stack.broker.kill()
    await stack.broker.start()
    await stack.bridge.start()
    await everything_is_booked_once(stack, packer)


async def test_a_bridge_killed_between_ledger_and_erp_posts_once_after_its_restart(
    stack: Stack,
) -> None:
    packer = at_the_bench(stack)
    await scans(packer, 1)
    assert await drained(stack, GENEROUS)
    with contextlib.closing(sqlite3.connect(stack.books, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the ERP is busy with somebody else
        await scans(packer, 3)
        async with asyncio.timeout(GENEROUS):
            while not any(entry[2] == "sending" for entry in read_books(stack).entries):
                await asyncio.sleep(0.05)
        await stack.bridge.kill()
        other.execute("ROLLBACK")
    await stack.bridge.start()
    await everything_is_booked_once(stack, packer)


async def test_an_operator_is_told_what_was_recorded_last_after_a_crash(stack: Stack) -> None:
    packer = at_the_bench(stack)
    [offer] = await scans(packer, 1)
    since = len(stack.feed.heard)
    await stack.gateway.kill()
    await stack.gateway.start()
    heard = await stack.feed.wait_for(lambda each: each.kind == "attention", since, GENEROUS)
    assert heard is not None
    assert offer.mark in heard.text
    assert offer.told is not None
    assert heard.booked == offer.told.booked


async def test_a_hanging_broker_holds_up_no_operator(stack: Stack) -> None:
    packer = at_the_bench(stack)
    await scans(packer, 2)
    pid = stack.broker.pid
    assert pid is not None
    dice = random.Random(8)

    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(10):
            with Stopwatch(stack.gateway.pid) as stopwatch:
                offer = await packer.scan(dice)
            assert offer.told is not None
            assert offer.tries == 1
            assert stopwatch.waited < 3
    finally:
        os.kill(pid, signal.SIGCONT)
    await everything_is_booked_once(stack, packer)
