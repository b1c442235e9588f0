"""A scan's way into a real Tryton, over a bridge that is killed on it."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from scanpost.demo.audit import drained
from scanpost.demo.feed import Heard
from scanpost.demo.stack import DOCK, Stack, running
from tests.tryton.line import Line
from tests.tryton.office import Tryton
from tests.tryton.server import target

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

GENEROUS = 60.0
WIDGET = "]E04006381333931"


def serum(lot: str) -> str:
    """A GS1-128 label: GTIN, expiry date, lot."""
    return "]C1010590123412345717310501" + f"10{lot}"


Goods = tuple[str, str | None]
"""Product and lot."""


@dataclass
class Clerk:
    """Receives at the dock, and remembers what the gateway said OK to."""

    stack: Stack
    told: dict[str, tuple[Goods, int]] = field(default_factory=dict)
    """Transaction id to what it was told for."""

    async def scan(self, label: str) -> Heard:
        feed = self.stack.feed
        since = len(feed.heard)
        await self.stack.dock_scanner.send(label)
        heard = await feed.wait_for(lambda each: each.station == DOCK, since, GENEROUS)
        assert heard is not None
        assert heard.kind == "ok", heard
        return heard

    async def receive(self, count: int, label: str, product: str, lot: str | None = None) -> str:
        await self.scan(f"QTY:{count}")
        [(id_, _)] = (await self.scan(label)).booked
        self.told[id_] = ((product, lot), count)
        return id_


async def everything_is_decided(stack: Stack) -> None:
    assert await drained(stack, GENEROUS), f"{stack.gateway.log_tail()}\n{stack.bridge.log_tail()}"


async def the_gateway_shows(stack: Stack, shown: dict[str, tuple[str, str | None]]) -> None:
    """Wait until the gateway shows just these rows: transaction id to state and code."""
    url = f"http://127.0.0.1:{stack.gateway.port}/api/rows"
    found: dict[str, tuple[str, str | None]] = {}
    async with aiohttp.ClientSession() as session:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GENEROUS):
                while found != shown:
                    await asyncio.sleep(0.05)
                    async with session.get(url) as response:
                        rows = (await response.json())["rows"]
                    found = {row["transaction"]["id"]: (row["state"], row["code"]) for row in rows}
    assert found == shown


async def test_tryton_holds_what_was_told_ok_and_was_not_rejected(
    tryton: Tryton, tmp_path: Path
) -> None:
    office = tryton.office
    order = office.order(widget=10, serum=6)
    before = {product: office.on_hand(product, "DOCK-1") for product in ("widget", "serum")}
    async with Line(tryton.server.port) as wire:
        table = target(tryton.server, tmp_path / "key", url=wire.url) + "settle = 1\n"
        async with running(tmp_path, table) as stack:
            assert await stack.feed.wait_open(GENEROUS)
            clerk = Clerk(stack)
            await clerk.scan(f"PO:{order}")
            await clerk.receive(6, WIDGET, "widget")
            await clerk.receive(2, serum("A7"), "serum", "A7")
            await everything_is_decided(stack)
            assert office.order_state(order) == ("processing", "partially shipped")

            await stack.bridge.kill()  # between two deliveries
            unheard = wire.cut(r"POST .*/receive\?", "after", held=True)
            await clerk.receive(3, WIDGET, "widget")
            await stack.bridge.start()
            await asyncio.wait_for(unheard.wait(), GENEROUS)
            await stack.bridge.kill()  # within one: Tryton has done its part and nobody heard
            await stack.bridge.start()

            too_many = await clerk.receive(5, WIDGET, "widget")
            await clerk.receive(4, serum("B8"), "serum", "B8")
            await clerk.receive(1, WIDGET, "widget")
            await everything_is_decided(stack)
            posted: dict[str, tuple[str, str | None]] = dict.fromkeys(clerk.told, ("posted", None))
            await the_gateway_shows(stack, posted | {too_many: ("rejected", "over_receipt")})

    taken = {id_: what for id_, what in clerk.told.items() if id_ != too_many}
    assert office.references() == sorted(taken)
    assert {office.shipments(id_)[0][2] for id_ in taken} == {"done"}
    expected: Counter[Goods] = Counter()
    for goods, count in taken.values():
        expected[goods] += count
    assert office.received(order) == expected
    for product, had in before.items():
        came = sum(count for goods, count in expected.items() if goods[0] == product)
        assert office.on_hand(product, "DOCK-1") == had + came
    assert office.order_state(order)[1] == "received"
