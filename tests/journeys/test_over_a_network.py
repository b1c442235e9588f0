"""The broker on another machine: partitions of the kernel's own, one of them one-way."""

import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from scanpost.demo.audit import audit, drained, read_books
from scanpost.demo.operator import Operator
from scanpost.demo.processes import Process, free_port
from scanpost.demo.stack import BENCH, Stack, running
from tests.chaos.namespace import Break, Cable, FarSide, NoNamespace, far_side
from tests.mosquitto import MOSQUITTO

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

PARTED = float(os.environ.get("SCANPOST_CHAOS_PARTED", "2"))
"""Seconds; after 41 a side gives up a connection that says nothing."""


@pytest.fixture
def far() -> Iterator[FarSide]:
    try:
        with far_side() as side:
            yield side
    except NoNamespace as why:
        pytest.skip(f"no network namespace: {why}")


@pytest.fixture
async def stack(tmp_path: Path, far: FarSide) -> AsyncIterator[Stack]:
    def broker(folder: Path) -> tuple[Process, str]:
        assert MOSQUITTO is not None
        port, file = free_port(), folder / "mosquitto.conf"
        file.write_text(
            f"listener {port} {far.address}\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nmax_queued_messages 0\nuser root\n"
        )
        command = far.inside(MOSQUITTO, "-c", str(file))
        return Process("broker", command, port, folder / "broker.log", far.address), "mosquitto"

    with (
        patch("scanpost.demo.stack.broker", broker),
        patch("scanpost.demo.stack.NetworkCable", lambda port: Cable(far, port)),
        # The gateway is always there: no answer is a slow one, and who scans again books twice.
        patch("scanpost.demo.operator._PATIENCE", 90.0),
    ):
        async with running(tmp_path) as parts:
            assert await parts.feed.wait_open(90)
            yield parts


@pytest.mark.parametrize("how", ["no carrier", "no answers"])
async def test_scans_made_while_the_network_is_parted_are_booked_once(
    stack: Stack, far: FarSide, how: Break
) -> None:
    packer = Operator(BENCH, stack.bench_scanner, stack.feed, (0.0, 0.02))
    dice = random.Random(5)
    for _ in range(30):
        await packer.scan(dice)
    for forgets in (False, True):
        far.cut(how)
        parted = time.monotonic()
        while time.monotonic() - parted < PARTED:
            await packer.scan(dice)
        if forgets:
            await stack.broker.kill()  # and what it had of the bridge's is gone
        far.mend()
        if forgets:
            await stack.broker.start()
        for _ in range(20):
            await packer.scan(dice)
    assert all(offer.told is not None for offer in packer.offers), "OK must not need a network"
    assert await drained(stack, 120), f"{stack.gateway.log_tail()}\n{stack.bridge.log_tail()}"
    report = audit(dict(stack.feed.saved), packer.offers, read_books(stack))
    assert report.notes == []
    assert report.order_violations == 0
    assert report.ok == report.booked == report.posted == len(packer.offers)
