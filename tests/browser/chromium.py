"""Debian's Chromium, started once, with a page of it for each test."""

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
UP_WITHIN = 60.0
SCREENS = {"hd": (1920, 1080), "small": (1024, 600)}

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)


@contextlib.contextmanager
def chromium(folder: Path, *flags: str) -> Iterator[str]:
    """Start Chromium and yield where it is spoken to; end it afterwards."""
    assert CHROMIUM is not None, "install chromium: apt install chromium"
    port = folder / "DevToolsActivePort"
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + UP_WITHIN
        while not (port.exists() and port.read_text().count("\n")):
            assert process.poll() is None, (folder / "chromium.log").read_text("utf-8", "replace")
            assert time.monotonic() < end, "Chromium did not come up"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def connected(address: str) -> AsyncIterator[Browser]:
    """Yield the browser at `address`, and let go of it afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(address, timeout=UP_WITHIN * 1000)
        try:
            yield browser
        finally:
            await browser.close()
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def page(browser: Browser, size: str = "hd", scheme: Any = "light") -> AsyncIterator[Page]:
    """Yield an empty page in a profile of its own."""
    width, height = SCREENS[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
    )
    try:
        one = await context.new_page()
        one.set_default_timeout(UP_WITHIN * 1000)
        yield one
    finally:
        await context.close()
