"""axe, the checker of Deque, finds nothing serious on any page, in light and in dark."""

import importlib.resources
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from scanpost.demo.goods import DOCUMENTS
from tests.browser.axe import serious
from tests.browser.bench import DRILL, PIN, site
from tests.browser.chromium import page
from tests.browser.looks import Screen
from tests.gateway.rig import gateway

UNKNOWN = "5012345678900"


async def test_the_station_screen_in_every_state(browser: Browser, tmp_path: Path) -> None:
    found: list[str] = []
    async with (
        site(tmp_path, gateway(quarantine="Q-1")) as door,
        page(browser) as one,
    ):
        screen = await Screen(one).open(f"{door.url}/?station=door-1")
        await screen.headline("Scan a document to begin")
        found += await serious(one)
        await door.scan("OP:7", "PO:PO-1001", *[DRILL] * 4)
        await door.weigh("1.250")
        await door.confirm(4, 3)
        await screen.shows("#recent", "rejected")
        await screen.shows("#count", "1 of 4")
        found += await serious(one)
        await door.scan(UNKNOWN)
        await screen.latched("not_ok", UNKNOWN)
        found += await serious(one)
        await door.card("CANCEL")
        await door.scan(DRILL)
        await screen.latched("attention", "too much")
        door.unplug("scale-1")
        await screen.shows("#devices", "not there")
        found += await serious(one)
        await door.card("ACK")
        await screen.is_shown("#question")
        found += await serious(one)
        await one.evaluate("reached = 0; watch()")
        found += await serious(one)
    assert found == []


async def test_the_bench_page(browser: Browser, tmp_path: Path) -> None:
    async with site(tmp_path) as door, page(browser) as one:
        await door.scan("PO:PO-1001", DRILL)
        door.unplug("scale-1")
        await one.goto(f"{door.url}/bench")
        found = await serious(one)
        await one.fill("#pin", PIN)
        await one.keyboard.press("Enter")
        await expect(one.locator("#devices")).to_contain_text("not there")
        await one.fill("#text", "drill")
        await one.keyboard.press("Enter")
        await expect(one.locator("#answers")).to_contain_text("DRILL")
        found += await serious(one)
    assert found == []


async def test_what_nobody_could_read_is_found(browser: Browser) -> None:
    async with page(browser) as one:
        await one.set_content("<p style='color: #bbb; background: #fff'>hardly there</p>")
        assert [each for each in await serious(one) if "color-contrast" in each]


async def test_the_demo_page(browser: Browser) -> None:
    """With what its server would say, not with a running demo: that is tried elsewhere."""
    html = (importlib.resources.files("scanpost.demo") / "page.html").read_text("utf-8")

    async def answer(route: Route) -> None:
        if route.request.url.endswith("/api/state"):
            await route.fulfill(json=STATE)
        else:
            await route.fulfill(body=html, content_type="text/html")

    async with page(browser) as one:
        await one.route("**/*", answer)
        await one.goto("http://127.0.0.1:9/")
        await expect(one.locator("#told")).to_contain_text("NOT OK")
        assert await serious(one) == []


STATE = {
    "broker_kind": "mosquitto",
    "running": {"gateway": True, "broker": False, "bridge": True},
    "cable": True,
    "auto": True,
    "load": "0",
    "status": {"last": 3, "waiting": 1, "oldest_s": 2, "broker": "offline", "upto": 2, "posted": 2},
    "rows": [
        {
            "seq": n,
            "state": state,
            "why": "no such item" if state == "rejected" else None,
            "transaction": {"event": {"type": "reading", "text": "X"}, "station": "dock"},
        }
        for n, state in enumerate(("saved", "at broker", "booked", "posted", "rejected"), 1)
    ],
    "stock": [{"gtin": "1", "lot": "L", "location": "A", "quantity": "1", "unit": "EA"}],
    "elsewhere": False,
    "told": [
        {"station": "dock", "kind": kind, "text": "1 EA"}
        for kind in ("ok", "not_ok", "ignored", "attention")
    ],
    "saved": 3,
    "goods": [{"name": "Cordless drill", "gtin": "1"}],
    "documents": list(DOCUMENTS),
}
