"""How long from a scan's last byte to its signal on the page: `python -m tests.browser.latency`.

The daemon is a process of its own with a real store, its scanner a pseudo-terminal, its broker not
there. The page is in Chromium; a signal counts when the frame that shows it is about to be painted.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from scanpost.demo.processes import Process, free_port
from tests.browser.chromium import chromium, connected, page
from tests.browser.looks import Screen

_CONFIG = """\
site = "north"
gateway = "dock-1"
[store]
path = {store}
[broker]
url = "mqtt://127.0.0.1:{nobody}"
[web]
listen = "127.0.0.1:{web}"
[[station]]
name = "door-1"
job = "pass_through"
[[station.device]]
id = "scanner-1"
driver = "lines"
url = {scanner}
"""
_WATCH = """() => {
  window.seen = {};
  new MutationObserver(() => requestAnimationFrame(() => {
    const text = document.querySelector("#last").innerText;
    const found = /SCAN-[0-9]+/.exec(text);
    const now = performance.timeOrigin + performance.now();
    if (found && !(found[0] in seen)) seen[found[0]] = now;
  })).observe(document.querySelector("#last"),
    {subtree: true, childList: true, characterData: true});
}"""
_WITHIN = 30.0  # seconds a signal may take before it is missing


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds from last byte to page."""

    scans: int
    p50_ms: float
    p95_ms: float
    worst_ms: float

    @classmethod
    def of(cls, took: Sequence[float]) -> "Figures":
        ordered = sorted(took)
        return cls(
            len(ordered),
            round(statistics.median(ordered), 1),
            round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1),
            round(ordered[-1], 1),
        )


async def measure(address: str, folder: Path, scans: int, apart: float = 0.15) -> Figures:
    """Scan `scans` labels, `apart` seconds after each was shown.

    Args:
        address: of a Chromium.
        folder: for the store.
        scans: how many count; five more warm up.
        apart: seconds.
    """
    async with ScannerSimulator(Pty(folder / "scanner")) as scanner:
        daemon = _daemon(folder, scanner.url)
        await daemon.start()
        try:
            async with connected(address) as browser, page(browser) as one:
                await Screen(one).open(f"http://127.0.0.1:{daemon.port}/?station=door-1")
                await expect(one.locator("#devices .good")).to_have_count(1)
                await one.evaluate(_WATCH)
                took = [await _once(one, scanner, number, apart) for number in range(scans + 5)]
        finally:
            await daemon.stop()
    return Figures.of(took[5:])


async def _once(one: Page, scanner: ScannerSimulator, number: int, apart: float) -> float:
    label = f"SCAN-{number}"
    await asyncio.sleep(apart)
    await scanner.send(label)
    sent = time.time() * 1000
    async with asyncio.timeout(_WITHIN):
        while (seen := await one.evaluate(f"seen['{label}'] ?? 0")) == 0:
            await asyncio.sleep(0.02)
    return float(seen) - sent


def _daemon(folder: Path, scanner: str) -> Process:
    web = free_port()
    file = folder / "gateway.toml"
    file.write_text(
        _CONFIG.format(
            store=json.dumps(str(folder / "outbox.db")),
            nobody=free_port(),
            web=web,
            scanner=json.dumps(scanner),
        )
    )
    command = [sys.executable, "-m", "gateway", "run", "--config", str(file)]
    return Process("gateway", command, web, folder / "gateway.log")


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.latency", description=__doc__)
    parser.add_argument("--scans", type=int, default=200)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        chromium(Path(profile)) as address,
    ):
        figures = asyncio.run(measure(address, Path(folder), options.scans))
    print(
        json.dumps(
            {"scans": figures.scans, "p50_ms": figures.p50_ms, "p95_ms": figures.p95_ms,
             "worst_ms": figures.worst_ms}
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
