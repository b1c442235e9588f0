"""The bench page in a real browser: in by PIN, then what a card does, by hand."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from gateway.web import admin
from tests.browser.bench import DRILL, PIN, Site, site
from tests.browser.chromium import page
from tests.browser.looks import Screen
from tests.gateway.rig import gateway

TWO_JOBS: dict[str, Any] = {"mode": [{"job": "pass_through"}]}


async def _enter(one: Page, door: Site, pin: str = PIN) -> None:
    if "/bench" not in one.url:
        await one.goto(f"{door.url}/bench")
    await one.fill("#pin", pin)
    await one.keyboard.press("Enter")


async def test_a_person_with_the_pin_does_by_hand_what_cards_do(
    browser: Browser, tmp_path: Path
) -> None:
    async with site(tmp_path, gateway(**TWO_JOBS)) as door, page(browser) as one:
        screen = Screen(one)
        await door.scan("PO:PO-1001", DRILL, DRILL)
        await _enter(one, door, "0000")
        await screen.shows("#said", "wrong PIN")
        await screen.is_hidden("#stations")
        await _enter(one, door)
        await screen.shows("#where", "north / dock-1")
        await screen.shows("#devices", "Xenon 1900")
        # Another job.
        await one.get_by_role("button", name="pass through").click()
        await expect(one.get_by_role("button", name="pass through")).to_have_attribute(
            "aria-pressed", "true"
        )
        assert door.rig.bench.session.job == "pass_through"
        # The four signals.
        for name, kind in (
            ("Not counted", "ignored"), ("NOT OK", "not_ok"),
            ("Look here", "attention"), ("OK", "ok"),
        ):  # fmt: skip
            told = len(door.rig.told)
            await one.get_by_role("button", name=name, exact=True).click()
            await screen.until(lambda before=told: _more(door, before))  # type: ignore[misc]
            assert door.rig.told[-1].signal.kind == kind
        assert door.rig.latched is None
        # Where is it.
        await one.fill("#text", "drill")
        await one.keyboard.press("Enter")
        await expect(one.locator("#answers tbody tr")).to_have_count(2)
        await screen.shows("#answers", "saved")
        await one.fill("#text", "no such thing")
        await one.keyboard.press("Enter")
        await screen.shows("#said", "Not found")
        # Send again.
        await one.get_by_role("button", name="Send").click()
        await screen.shows("#said", "no row there is booked")
        await door.confirm(2)
        await one.get_by_role("button", name="Send").click()
        await screen.shows("#said", "Sent again: 1 to 2")
        # What is plugged in, and what is printed.
        await one.get_by_role("button", name="What is plugged in?").click()
        await expect(one.locator("#found > *").first).to_be_visible()
        async with one.context.expect_page() as opened:
            await one.get_by_role("link", name="Print cards").click()
        deck = await opened.value
        await expect(deck.locator("body")).to_contain_text("DONE")
        # Out again: a reload asks for the PIN.
        await one.get_by_role("button", name="Leave").click()
        await one.reload()
        await screen.is_shown("#pin")
        await screen.is_hidden("#stations")


async def _more(door: Site, before: int) -> bool:
    return len(door.rig.told) > before


async def test_a_test_signal_does_not_hide_what_somebody_must_resolve(tmp_path: Path) -> None:
    async with site(tmp_path) as door, entered(door) as http:
        await door.scan("PO:PO-1001", "5012345678900")
        assert door.rig.latched is not None
        assert await _post(http, door, "signal", {"station": "door-1", "kind": "ok"}) == 409
        assert door.rig.latched is not None
        await door.card("ACK")
        for kind in ("not_ok", "attention", "ok"):
            assert await _post(http, door, "signal", {"station": "door-1", "kind": kind}) == 202


def entered(door: Site, pin: str = PIN) -> "_Entered":
    return _Entered(door, pin)


class _Entered:
    """A session with the cookie of somebody who entered the PIN."""

    def __init__(self, door: Site, pin: str) -> None:
        self._door, self._pin = door, pin

    async def __aenter__(self) -> aiohttp.ClientSession:
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.status = await _post(self._http, self._door, "enter", {"pin": self._pin})
        return self._http

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()


async def _post(
    http: aiohttp.ClientSession, door: Site, what: str, body: Any, **headers: str
) -> int:
    async with http.post(f"{door.url}/api/bench/{what}", json=body, headers=headers) as response:
        await response.read()
        return response.status


EVERYTHING = {
    "job": {"station": "door-1", "job": "receiving"},
    "signal": {"station": "door-1", "kind": "not_ok"},
    "resend": {"last": 1},
    "look": {},
}


async def test_nothing_is_done_without_the_pin(tmp_path: Path) -> None:
    async with site(tmp_path) as door, entered(door, "0000") as http:
        for what, body in EVERYTHING.items():
            assert await _post(http, door, what, body) == 401, what
        for path in ("state", "where?text=x", "cards"):
            async with http.get(f"{door.url}/api/bench/{path}") as response:
                assert response.status == 401, path
        assert door.rig.told == []


async def test_a_page_of_another_site_does_nothing_with_our_cookie(tmp_path: Path) -> None:
    async with site(tmp_path) as door, entered(door) as http:
        [cookie] = http.cookie_jar
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        for what, body in EVERYTHING.items():
            assert await _post(http, door, what, body, Origin="http://shop.example") == 403, what
            async with http.post(f"{door.url}/api/bench/{what}", data={"a": "b"}) as form:
                assert form.status == 415, what
        assert door.rig.told == []


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("job", {"station": "door-9", "job": "receiving"}, 404),
        ("job", {"station": "door-1"}, 400),
        ("signal", {"station": "door-1", "kind": "loud"}, 400),
        ("resend", {"last": 0}, 400),
    ],
)
async def test_nonsense_is_refused(tmp_path: Path, what: str, body: Any, status: int) -> None:
    async with site(tmp_path) as door, entered(door) as http:
        assert await _post(http, door, what, body) == status
        assert door.rig.told == []


async def test_a_job_the_station_does_not_have_is_refused_as_its_card_is(tmp_path: Path) -> None:
    async with site(tmp_path) as door, entered(door) as http:
        assert await _post(http, door, "job", {"station": "door-1", "job": "packing"}) == 202
        assert door.rig.bench.session.job == "receiving"
        assert door.rig.told[-1].signal.text == "PACKING: not a job of this station"


async def test_whoever_guesses_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "holds", lambda pin, held: pin == PIN)
    async with site(tmp_path) as door, entered(door, "0000") as http:
        tries = [await _post(http, door, "enter", {"pin": "0000"}) for _ in range(6)]
        assert tries == [401, 401, 401, 401, 429, 429]
        assert await _post(http, door, "enter", {"pin": PIN}) == 429
