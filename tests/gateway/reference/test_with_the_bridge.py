"""Both halves at once: files at the bridge become look-ups at the gateway."""

import asyncio
import random
import time
from pathlib import Path

from runtime.mqtt import Broker
from tests.bridge.reference.room import put, room
from tests.gateway.reference.stock import gtin
from tests.gateway.reference.test_subscription import CEILING, desk
from tests.mosquitto import Mosquitto

ITEMS = 3000
ORDERS = 200


def check_digit(first: str) -> str:
    odd = sum(int(digit) for digit in first[-1::-2]) * 3
    return str(-(odd + sum(int(digit) for digit in first[-2::-2])) % 10)


def code(number: int) -> str:
    first = gtin(number)[1:]
    return first + check_digit(first)


def write(folder: Path, quantity: int = 10) -> None:
    folder.mkdir(exist_ok=True)
    items = "".join(f"ITEM-{n:06};Bolt {n}\n" for n in range(ITEMS))
    packs = "".join(f"ITEM-{n:06},{code(n)}\n" for n in range(ITEMS))
    lines = "".join(
        f"po,PO-{n},{line},ITEM-{(n + line):06},{quantity if n == 7 else 10}\n"
        for n in range(ORDERS)
        for line in range(1, 6)
    )
    put(folder, "items.csv", "sku;name\n" + items)
    put(folder, "packs.csv", "sku,gtin\n" + packs)
    put(folder, "documents.csv", "document,number,line,sku,quantity\n" + lines)
    put(folder, "locations.csv", "name,gln,extension\nA-1,4012345000009,1\n")


async def test_files_of_the_bridge_are_look_ups_at_the_gateway(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    files = tmp_path / "files"
    await asyncio.to_thread(write, files)
    ledger = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    async with (
        room(ledger, files) as bridge,
        bridge.running(mosquitto.url),
        desk(tmp_path / "reference", Broker(url=mosquitto.url)) as gateway,
    ):
        subscription, catalog = gateway.subscription, gateway.subscription.catalog
        began = time.monotonic()
        async with asyncio.timeout(2 * CEILING):
            while (subscription.state.items, subscription.state.documents) != (ITEMS, ORDERS):
                await asyncio.sleep(0.02)
        fetched = time.monotonic() - began
        for number in random.Random(1).sample(range(ITEMS), 200):
            trade = catalog.by_gtin(code(number))
            assert trade is not None
            assert trade.item.sku == f"ITEM-{number:06}"
        place = catalog.location("4012345000009-1")
        assert place is not None
        assert place.name == "A-1"
        record = catalog.document("PO-7")
        assert record is not None
        assert [line.quantity for line in record.lines] == [10] * 5
        await asyncio.to_thread(write, files, 12)
        began = time.monotonic()
        async with asyncio.timeout(CEILING):
            while (found := catalog.document("PO-7")) is None or found.lines[0].quantity != 12:
                await asyncio.sleep(0.02)
        changed = time.monotonic() - began
    print(f"{ITEMS} items fetched in {fetched:.1f} s, a change in {changed:.1f} s")
