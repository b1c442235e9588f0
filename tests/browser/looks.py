"""What a person sees on the station screen, as a test asks for it."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

CEILING = 60_000.0  # milliseconds, on a machine that does other things as well

expect.set_options(timeout=CEILING)


class Screen:
    """One station screen in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, url: str) -> "Screen":
        await self.page.goto(url)
        # Only then does it hear everything: a signal before would be in its past.
        await self.listens()
        return self

    async def listens(self) -> None:
        await expect(self.page.locator("html[data-stream=open]")).to_have_count(1)

    async def shows(self, selector: str, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(selector)).to_contain_text(text)

    async def is_hidden(self, selector: str) -> None:
        await expect(self.page.locator(selector)).to_be_hidden()

    async def is_shown(self, selector: str) -> None:
        await expect(self.page.locator(selector)).to_be_visible()

    async def headline(self, text: str) -> None:
        await expect(self.page.locator("#headline")).to_have_text(text)

    async def latched(self, kind: str, text: str) -> None:
        await expect(self.page.locator("#latched")).to_have_class(f"signal {kind}")
        await self.is_shown("#latched")
        await self.shows("#latched .text", text)

    async def nothing_latched(self) -> None:
        await self.is_hidden("#latched")

    async def table(self) -> list[list[str]]:
        rows: list[list[str]] = await self.page.evaluate(
            "[...document.querySelectorAll('tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.innerText))"
        )
        return rows

    async def until(self, there: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(CEILING / 1000):
            while not await there():
                await asyncio.sleep(0.05)
