"""The admin page in a real Chromium: hostile labels do nothing, and everybody can use it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.async_api import Browser, Page, expect

from bridge.outcome import Outcome, Refused
from bridge.reconciliation import keeping
from bridge.reconciliation.differences import Difference
from bridge.wire import heard, sent
from contract.transactions import Transaction
from tests.bridge.running import running
from tests.bridge.streams import envelope, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget
from tests.bridge.web.admin import PASSWORD, Site, site
from tests.browser.axe import serious
from tests.browser.chromium import page
from tests.browser.looks import CEILING

expect.set_options(timeout=CEILING)
HOSTILE = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "'-alert(1)-'",
    "</pre></textarea><svg/onload=document.title='taken'>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:document.title='taken'",
    "\u202egnp.exe\x1d\x00\u200b",
    "https://evil.example/?" + "A" * 60,
)
PAGES = {
    "overview": "/",
    "entries": "/entries",
    "entries found": "/entries?text=PO-1&type=receipt",
    "dead letter": "/entries/2",
    "posted": "/entries/1",
    "in line": "/entries/12",
    "dead letters": "/dead-letters",
    "dead letters of a reason": "/dead-letters?code=unknown_document",
    "discard all": "/dead-letters/all?code=unknown_document&what=discard",
    "modes": "/modes",
    "go live": "/modes/switch?to=live&station=bench",
    "roll back": "/modes/switch?to=shadow",
    "shadow": "/shadow?draw=1",
    "reconciliation": "/reconciliation",
    "test a scan": "/test-scan?try=1&type=receipt&sku=BOLT-8&quantity=3",
    "audit": "/audit?verify=1",
    "log-ins": "/audit?show=log-ins",
    "unreadable": "/unreadable",
    "unreadable message": "/unreadable/1",
    "not found": "/entries/999",
}


async def _script(target: ScriptedTarget, tx: Transaction) -> Outcome:
    documents = getattr(tx.event, "documents", ())
    sent("POST /api/receipts", f'{{"order": "{documents[0].number if documents else ""}"}}')
    if documents and documents[0].number == "PO-1":
        heard("201 Created", '{"name": "MAT-PRE-2026-00017"}')
        return target.book(tx)
    heard("422 Unprocessable Entity", HOSTILE[0])
    return Refused("unknown_document", f"no such order {HOSTILE[1]}")


@contextlib.asynccontextmanager
async def busy(folder: Path) -> AsyncIterator[Site]:
    """A bridge with something on every page, much of it hostile."""
    rules = '[modes]\ndefault = "live"\nrule = [{ station = "bench-2", mode = "shadow" }]\n'
    async with site(folder, rules, target=ScriptedTarget(_script)) as one:
        hostile = [receipt(text, sku=text) for text in HOSTILE]
        events = [receipt("PO-1"), receipt("PO-7"), *hostile]
        await one.ledger.apply(
            envelope(1, [transaction(n, each) for n, each in enumerate(events, 1)])
        )
        async with running(one.ledger, one.target) as run:
            await run.until_posted(len(events))
        waiting = [transaction(n).model_copy(update={"station": "bench-2"}) for n in range(11, 15)]
        await one.ledger.apply(envelope(11, waiting))
        await one.ledger.discard(3, "olga", HOSTILE[1])
        for text in HOSTILE:
            await one.ledger.quarantine(text, text.encode("utf-8", "surrogatepass"), text)
        await one.ledger.apply(run_of(1, 1, gateway="dock-2"))
        [first] = (await one.ledger.entries(1000))[-1:]
        lost = Difference("absent", first["id"], 1)
        odd = Difference("draft_unknown", HOSTILE[1], None, (HOSTILE[0],))
        at = first["received_at"]
        said = keeping.Outcome("sql", at, at, (lost, odd), (), (HOSTILE[0],), 14, 3)
        await one.ledger.put(lambda connection, now: keeping.keep(connection, now, said))
        yield one


async def log_in(one: Page, url: str, name: str = "anna") -> None:
    await one.goto(f"{url}/login")
    await one.fill("input[name=name]", name)
    await one.fill("input[name=password]", PASSWORD)
    await one.keyboard.press("Enter")
    await expect(one.locator("h1")).to_have_text("Overview")


class Watched:
    """What a page did that it must not do."""

    def __init__(self, one: Page, url: str) -> None:
        self.found: list[str] = []
        self._url = url
        one.on("dialog", lambda dialog: self.found.append(f"dialog {dialog.message}"))
        one.on("pageerror", lambda error: self.found.append(f"error {error}"))
        one.on("console", self._said)
        one.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.found.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self._url, "data:,")):
            self.found.append(f"asked for {request.url}")


STRANGE = """() => [...document.querySelectorAll('main img, main svg, main script, main iframe')]
    .map(one => one.outerHTML).concat(
    [...document.querySelectorAll('a, form')].map(one => one.href ?? one.action)
    .filter(to => !to.startsWith(location.origin)))"""


async def test_every_page_is_safe_and_for_everybody(browser: Browser, tmp_path: Path) -> None:
    """What labels and the ERP say is text; axe finds nothing; and all of it fits a phone."""
    strange: dict[str, list[str]] = {}
    unfit: dict[str, list[str]] = {}
    async with busy(tmp_path) as admin, page(browser) as one:
        watched = Watched(one, admin.url)
        await one.goto(f"{admin.url}/login?to={quote(HOSTILE[1])}")
        unfit["login"] = await serious(one)
        await log_in(one, admin.url)
        for name, path in PAGES.items():
            await one.set_viewport_size({"width": 1280, "height": 900})
            await one.goto(admin.url + path)
            strange[name] = await one.evaluate(STRANGE)
            unfit[name] = await serious(one)
            await one.set_viewport_size({"width": 390, "height": 844})
            if await one.evaluate("document.documentElement.scrollWidth") > 390:
                unfit[name].append("it is wider than a phone")
            if "taken" in await one.title():
                strange[name].append("its title was taken")
        await one.goto(f"{admin.url}/entries/9")
        await expect(one.locator(".lead")).to_contain_text("⟨U+202E⟩gnp.exe⟨GS⟩⟨NUL⟩⟨U+200B⟩")
        for text in HOSTILE[:5]:
            await one.goto(f"{admin.url}/entries?text={quote(text)}")
            assert await one.locator("input[name=text]").input_value() == text
            await expect(one.locator("tbody tr")).not_to_have_count(0)
            strange[text] = await one.evaluate(STRANGE)
    assert {name: faults for name, faults in strange.items() if faults} == {}
    assert watched.found == []
    assert {name: faults for name, faults in unfit.items() if faults} == {}


async def test_a_page_that_could_do_harm_is_found(browser: Browser, tmp_path: Path) -> None:
    async with site(tmp_path) as admin, page(browser) as one:
        watched = Watched(one, admin.url)
        await log_in(one, admin.url)
        await one.evaluate(
            "document.querySelector('main').innerHTML ="
            " `<img src=\"http://127.0.0.1:9/x\"><a href='https://evil.example'>x</a>`"
        )
        assert len(await one.evaluate(STRANGE)) == 2
        async with asyncio.timeout(60):
            while not watched.found:
                await one.evaluate("new Promise(requestAnimationFrame)")


async def test_a_dead_letter_is_put_right_without_a_script_and_without_a_mouse(
    browser: Browser, tmp_path: Path
) -> None:
    async with busy(tmp_path) as admin:
        context = await browser.new_context(java_script_enabled=False)
        try:
            one = await context.new_page()
            await log_in(one, admin.url, "olga")
            await one.goto(f"{admin.url}/entries/2")
            await one.get_by_label("Document PO-7 is").focus()
            await one.keyboard.press("Control+A")
            await one.keyboard.type("PO-1")
            await one.keyboard.press("Tab")  # the SKU
            await one.keyboard.press("Tab")
            await one.keyboard.type("misread")
            await one.keyboard.press("Enter")
            await expect(one.locator(".said")).to_have_text("Entry 2 is amended, and back in line")
            async with running(admin.ledger, admin.target) as run:
                await run.until_posted(10)
            await one.reload()
            await expect(one.locator("h1")).to_contain_text("posted")
            await expect(one.locator("main")).to_contain_text("olga amend: misread")
            await expect(one.locator("button", has_text="Look it up")).to_have_count(0)
        finally:
            await context.close()


async def test_the_overview_looks_again_by_itself_until_the_login_is_over(
    browser: Browser, tmp_path: Path
) -> None:
    seconds = [1_000.0]
    async with site(tmp_path, now=lambda: seconds[0]) as admin, page(browser) as one:
        await one.clock.install()
        await log_in(one, admin.url)
        await expect(one.locator("#live")).to_contain_text("No gateway was heard yet")
        await admin.ledger.apply(run_of(1, 3))
        await one.clock.fast_forward(5_000)
        await expect(one.locator("#live")).to_contain_text("dock-1")
        seconds[0] += 31 * 60
        await one.clock.fast_forward(5_000)
        await expect(one.locator("h1")).to_have_text("Log in")


async def test_the_first_tab_leads_to_the_content(browser: Browser, tmp_path: Path) -> None:
    async with site(tmp_path) as admin, page(browser) as one:
        await log_in(one, admin.url)
        await one.goto(f"{admin.url}/entries")
        await one.keyboard.press("Tab")
        await expect(one.locator(".skip")).to_be_focused()
        await one.keyboard.press("Enter")
        await expect(one.locator("#main")).to_be_focused()
