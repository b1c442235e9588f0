"""The station screen in a real browser: what an operator sees, without a keyboard or a mouse."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from contract.reference import DocumentLine, DocumentRecord
from gateway.stations.job import Signal
from tests.browser.bench import BEANS, BOLTS, DRILL, ITEMS, SERUM, Site, site
from tests.browser.chromium import page
from tests.browser.looks import Screen
from tests.gateway.rig import gateway
from tests.mosquitto import free_port

CARTON = "]C100340123450000000017"
UNKNOWN = "5012345678900"
HOSTILE = "<img src=x onerror=\"document.title='gone'\">\u202e\x1b"
BATCH = f"]C1010{SERUM}10L2411"


@contextlib.asynccontextmanager
async def at_the_door(
    browser: Browser, folder: Path, lang: str = "en", **settings: Any
) -> AsyncIterator[tuple[Site, Screen]]:
    config = gateway(language=lang, **settings)
    async with site(folder, config) as door, page(browser) as one:
        screen = await Screen(one).open(f"{door.url}/?station=door-1")
        yield door, screen


async def test_a_receipt_from_the_order_to_done(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        asked: set[str] = set()
        screen.page.on("request", lambda request: asked.add(request.url.split("/api")[0]))
        await screen.headline("Scan a document to begin")
        await door.scan("OP:7", "PO:PO-1001")
        await screen.shows("#operator", "Operator 7")
        await screen.shows("#document", "PO-1001")
        await screen.shows("#count", "0 of 4 lines")
        await door.scan(*[DRILL] * 4)
        await screen.shows("#count", "1 of 4 lines")
        await screen.shows("#last .text", "1 EA DRILL-18V")
        assert (await screen.table())[-1] == ["✓ DRILL-18V\nA-12-3", "4 / 4", "0"]
        await door.scan(*[BOLTS] * 12, *[BEANS] * 18, BATCH, BATCH)
        await screen.shows("#count", "4 of 4 lines")
        await door.card("DONE")
        await screen.headline("Scan a document to begin")
        await screen.shows("#recent li:first-child", "SERUM")
        await screen.shows("#recent li:first-child", "saved")
        last = door.rig.outbox.standing.last
        assert last == 36
        await door.confirm(last, last)
        await screen.shows("#recent li:first-child", "rejected")
        await screen.nothing_latched()
        assert asked == {door.url}


async def test_a_carton_from_its_label_to_done(browser: Browser, tmp_path: Path) -> None:
    order = DocumentRecord(
        document="so",
        number="SO-7",
        lines=(
            DocumentLine(line="1", sku="DRILL-18V", quantity=2),
            DocumentLine(line="2", sku="BOLT-M8", quantity=1),
        ),
    )
    config = gateway("packing", carton_g=200)
    async with site(tmp_path, config, *ITEMS, order) as bench, page(browser) as one:
        screen = await Screen(one).open(f"{bench.url}/?station=door-1")
        await bench.scan("SO:SO-7", CARTON, DRILL, DRILL, BOLTS)
        await screen.shows("#count", "2 of 2 lines")
        await screen.shows("#facts", CARTON[5:])
        await bench.scan(BEANS)
        await screen.latched("not_ok", "WRONG ITEM")
        await bench.card("ACK")
        await bench.scan(CARTON)
        await screen.headline("Put the closed carton on the scale")
        await bench.weigh("9.9")
        await screen.latched("attention", "WEIGHT")
        await bench.weigh("0.000")
        await bench.weigh("5.400")
        await screen.nothing_latched()
        await screen.shows("#recent li:first-child", "pack")
        await bench.card("DONE")
        await screen.headline("Scan an order to begin")
        await screen.shows("#recent li:first-child", "shipment")


async def test_what_is_wrong_stays_until_somebody_has_seen_it(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await door.scan("PO:PO-1001", UNKNOWN)
        await screen.latched("not_ok", f"Unknown code {UNKNOWN}")
        await screen.shows("#latched .todo", "support")
        # A bounce does not take it away, and nor does a reload.
        door.rig.signals.tell("door-1", Signal("ignored", "Same code again"))
        await screen.shows("#last .word", "Not counted")
        await screen.latched("not_ok", "Unknown code")
        await screen.open(screen.page.url)
        await screen.latched("not_ok", "Unknown code")
        await door.card("ACK")
        await screen.nothing_latched()
        # Nor is a card needed: a key will do, and the next thing that is right.
        await door.scan(UNKNOWN)
        await screen.latched("not_ok", "Unknown code")
        await screen.page.keyboard.press("Escape")
        await screen.nothing_latched()
        await door.scan(UNKNOWN)
        await screen.latched("not_ok", "Unknown code")
        await door.scan(DRILL)
        await screen.nothing_latched()
        await screen.shows("#last .text", "1 EA DRILL-18V")


async def test_the_band_covers_the_work_and_leaves_the_state_of_things(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await door.scan("PO:PO-1001", UNKNOWN)
        await screen.latched("not_ok", "Unknown code")
        band = await screen.page.locator("#latched").bounding_box()
        foot = await screen.page.locator("footer").bounding_box()
        assert band is not None
        assert foot is not None
        assert band["width"] * band["height"] > 0.8 * 1920 * 1080
        assert band["y"] + band["height"] <= foot["y"]


async def test_a_question_waits_for_its_answer(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path, quarantine="Q-1") as (door, screen):
        await door.scan("PO:PO-1001", *[DRILL] * 5)
        await screen.latched("attention", "5 of 4 is too much")
        await screen.is_hidden("#ack")
        await screen.open(screen.page.url)
        await screen.latched("attention", "5 of 4 is too much")
        # To be told that it was seen is no answer.
        await door.card("ACK")
        await screen.nothing_latched()
        await screen.shows("#question", "5 of 4 is too much")
        await door.card("CANCEL")
        await screen.is_hidden("#question")


async def test_a_reload_in_the_middle_shows_the_same(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await door.scan("OP:7", "PO:PO-1001", DRILL, DRILL)
        await screen.shows("#recent", "DRILL-18V")
        await screen.shows("tbody", "2 / 4")
        await screen.page.evaluate("refresh()")
        await screen.is_hidden("#latched")

        async def seen() -> list[str]:
            texts: list[str] = await screen.page.evaluate(
                "['station','job','operator','headline','last','booked','lines','broker']"
                ".map(id => document.getElementById(id).innerText)"
            )
            return texts

        before = await seen()
        await screen.open(screen.page.url)
        await screen.shows("#recent", "DRILL-18V")
        await screen.shows("#last .text", "DRILL-18V")
        await screen.until(lambda: _same(seen, before))


async def _same(seen: object, before: list[str]) -> bool:
    return await seen() == before  # type: ignore[operator, no-any-return]


async def test_a_long_order_shows_what_fits_and_counts_the_rest(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await door.scan("PO:PO-1002")
        await screen.shows("#count", "0 of 40 lines")
        shown = len(await screen.table())
        assert 5 < shown < 40
        await screen.shows("#more", f"and {40 - shown} more")
        assert await screen.page.evaluate(
            "document.documentElement.scrollHeight <= innerHeight && "
            "document.getElementById('room').scrollHeight <= "
            "document.getElementById('room').clientHeight + 1"
        )


async def test_the_weight_is_live_and_says_when_it_is_settled(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await screen.is_hidden("#scale")
        await door.weigh("1.245", stable=False)
        await screen.shows("#weight", "1.245 kg")
        await screen.shows("#settled", "moving")
        await door.weigh("1.250")
        await screen.shows("#weight", "1.250 kg")
        await expect(screen.page.locator("#settled.good")).to_have_text("settled")


async def test_what_is_not_as_it_should_be_is_said(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await expect(screen.page.locator("#broker.note")).to_contain_text("Offline since ")
        await screen.shows("#waiting", "All booked")
        await screen.is_hidden("#clock")
        await door.scan("PO:PO-1001", DRILL)
        door.rig.clock.now += 1800
        door.rig.clock.synchronised = lambda: False  # type: ignore[method-assign]
        door.unplug("scale-1")
        await expect(screen.page.locator("#waiting.bad")).to_have_text("1 waiting, oldest 30 min")
        await expect(screen.page.locator("#clock.bad")).to_have_text("Clock not synchronised")
        await screen.shows("#devices", "scale-1: not there")
        door.forwarder.connected = True
        await expect(screen.page.locator("#broker.good")).to_have_text("Online")


async def test_a_gateway_that_is_gone_is_said_and_one_that_is_back_is_heard(
    browser: Browser, tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    address = f"127.0.0.1:{free_port()}"
    async with page(browser) as one:
        screen = Screen(one)
        await one.clock.install()
        async with site(first, listen=address) as door:
            await screen.open(f"{door.url}/?station=door-1")
            await door.scan("PO:PO-1001")
            await screen.shows("#document", "PO-1001")
            await screen.is_hidden("#lost")
            now = await one.evaluate("Date.now()")
            await one.clock.pause_at(datetime.fromtimestamp(now / 1000 + 1, UTC))
            await screen.is_hidden("#lost")
        await expect(one.locator("html[data-stream=closed]")).to_have_count(1)
        await one.clock.run_for(3000)  # milliseconds of the page: so much is promised
        await screen.is_shown("#lost")
        await screen.shows("#lost", "Stop scanning")
        await one.clock.resume()
        async with site(second, listen=address) as door:
            await screen.is_hidden("#lost")
            await screen.listens()
            await door.scan("PO:PO-1002")
            await screen.shows("#document", "PO-1002")


SPOKEN = {"es": "Código desconocido", "fr": "Code inconnu", "en": "Unknown code"}


async def test_a_station_speaks_its_language_and_answers_in_yours(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_the_door(browser, tmp_path, "de") as (door, screen):
        await screen.headline("Zum Beginnen einen Beleg scannen")
        assert await screen.page.get_attribute("html", "lang") == "de"
        await door.scan("PO:PO-1001", UNKNOWN)
        await screen.latched("not_ok", f"Unbekannter Code {UNKNOWN}")
        for lang, not_ok in SPOKEN.items():
            await screen.open(f"{door.url}/?station=door-1&lang={lang}")
            await screen.latched("not_ok", f"{not_ok} {UNKNOWN}")
            assert await screen.page.get_attribute("html", "lang") == lang


async def test_a_hostile_label_is_only_text(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen):
        await door.scan("PO:PO-1001", HOSTILE)
        await screen.latched("not_ok", "<img src=x")
        text = await screen.page.inner_text("#latched")
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "gone" not in await screen.page.title()


async def test_sound_that_the_browser_blocks_is_said(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path) as (_, screen):
        await screen.shows("#sound", "Sound is off: press a key")
        await screen.page.keyboard.press("Shift")
        await screen.is_hidden("#sound")


async def test_light_and_dark_are_kept_and_found_without_a_mouse(
    browser: Browser, tmp_path: Path
) -> None:
    async with at_the_door(browser, tmp_path) as (_, screen):
        one = screen.page
        ground = await _ground(one)
        await one.keyboard.press("Tab")
        assert await one.evaluate("document.activeElement.id") == "theme"
        await one.keyboard.press("Enter")
        dark = await _ground(one)
        assert dark != ground
        await screen.open(one.url)
        assert await _ground(one) == dark


async def _ground(one: Page) -> str:
    colour: str = await one.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


async def test_two_screens_show_one_station(browser: Browser, tmp_path: Path) -> None:
    async with at_the_door(browser, tmp_path) as (door, screen), page(browser, "small") as other:
        second = await Screen(other).open(f"{door.url}/?station=door-1&lang=de")
        await door.scan("PO:PO-1001", UNKNOWN)
        await asyncio.gather(
            screen.latched("not_ok", "Unknown code"), second.latched("not_ok", "Unbekannter Code")
        )
        await second.page.keyboard.press("Escape")
        await asyncio.gather(screen.nothing_latched(), second.nothing_latched())
