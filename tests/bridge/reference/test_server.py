"""Pages go over a real broker, to who asks and nobody else."""

import asyncio
from pathlib import Path

from contract.reference import Ask
from contract.topics import Topics
from runtime.mqtt import Broker, connect
from tests.bridge.reference.room import LONG, Room, both, dock, put, room
from tests.bridge.reference.test_keeper import receipt
from tests.bridge.streams import EPOCH, envelope, name, transaction
from tests.mosquitto import Mosquitto


async def test_a_gateway_nobody_knew_reads_everything_and_is_told_of_more(
    bridge: Room, folder: Path, mosquitto: Mosquitto
) -> None:
    async with bridge.running(mosquitto.url), dock(mosquitto.url) as one:
        await one.until(lambda one: one.whole() and len(one.records) == 3)
        put(folder, "documents.csv", "document,number,line,sku,quantity\npo,PO-1,1,BOLT-8,99\n")
        clock = asyncio.get_running_loop()
        began = clock.time()
        await one.until(lambda one: "99" in str(one.records["document", "PO-1"]))
        print(f"a change was there after {clock.time() - began:.2f} s")


@both
async def test_two_gateways_agree_on_one_document(bridge: Room, mosquitto: Mosquitto) -> None:
    async with (
        bridge.running(mosquitto.url),
        dock(mosquitto.url) as one,
        dock(mosquitto.url, "dock-2") as two,
    ):
        await one.until(lambda one: one.done("PO-1") == "0")
        await two.until(lambda two: two.done("PO-1") == "0")
        await bridge.ledger.apply(envelope(1, [transaction(1, receipt("4"))]))
        await two.until(lambda two: two.done("PO-1") == "4")
        other = transaction(1, receipt("3"), gateway="dock-2", id=name(1, 2))
        await bridge.ledger.apply(envelope(1, [other], gateway="dock-2"))
        await one.until(lambda one: one.done("PO-1") == "7" and one.whole())
        assert one.newest is not None
        assert (one.newest.epoch, one.newest.includes, one.includes) == (EPOCH, 1, 1)


async def test_what_is_newest_is_retained_and_said_again_to_a_broker_that_forgot(
    bridge: Room, mosquitto: Mosquitto
) -> None:
    async with bridge.running(mosquitto.url):
        async with dock(mosquitto.url) as one:
            await one.until(lambda one: one.whole())
        topics = Topics("north", "dock-1")
        for _ in range(2):
            async with (
                asyncio.timeout(LONG),
                connect(Broker(url=mosquitto.url), client_id="dock-1") as connection,
            ):
                await connection.subscribe(topics.newest)
                [told, *_] = await connection.receive()
                assert told.topic == topics.newest
            mosquitto.kill()
            await mosquitto.start()


async def test_a_page_goes_to_nobody_else_and_nonsense_is_passed_over(
    bridge: Room, mosquitto: Mosquitto
) -> None:
    topics = Topics("north", "dock-1")
    async with (
        bridge.running(mosquitto.url),
        connect(Broker(url=mosquitto.url), client_id="ear") as ear,
    ):
        await ear.subscribe("scanpost/v1/+/+/ref/page")
        ear.publish(topics.ask, "{" * 5_000)
        ear.publish(topics.ask, '{"set": 5}')
        ear.publish(topics.ask, b"\xff\x00")
        ear.publish("scanpost/v1/north/Dock 1/ref/ask", Ask().model_dump_json())
        ear.publish(Topics("south", "dock-7").ask, Ask().model_dump_json())
        async with asyncio.timeout(LONG):
            [page] = await ear.receive()
        assert page.topic == Topics("south", "dock-7").page


@both
async def test_a_gateway_goes_on_where_it_stood_and_another_bridge_may_answer(
    ledger_url: str, folder: Path, mosquitto: Mosquitto
) -> None:
    rows = "".join(f"ITEM-{number},{'x' * 190}\n" for number in range(900))
    put(folder, "items.csv", f"sku,name\nBOLT-8,b\nNUT-8,n\n{rows}")
    async with (
        room(ledger_url, folder) as first,
        first.running(mosquitto.url),
        dock(mosquitto.url) as one,
    ):
        await one.until(lambda one: bool(one.pages))
        stood, known, at = one.set, one.records, one.at
    assert len(known) < 900
    async with (
        room(ledger_url, folder) as second,
        second.running(mosquitto.url, "2"),
        dock(mosquitto.url) as one,
    ):
        one.set, one.records, one.at = stood, known, at
        await one.until(lambda one: one.whole() and len(one.records) == 903)
        assert one.restarts == 0


async def test_a_set_nobody_has_any_more_is_read_again_from_the_start(
    bridge: Room, mosquitto: Mosquitto
) -> None:
    async with bridge.running(mosquitto.url), dock(mosquitto.url) as one:
        await one.until(lambda one: one.whole() and len(one.records) == 3)
        one.set, one.at = "another", 7
        one.ask()
        await one.until(lambda one: one.restarts == 1 and one.whole() and len(one.records) == 3)
