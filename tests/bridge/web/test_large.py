"""A page is there soon, however large the ledger: SCANPOST_ADMIN_ENTRIES=200000 tries it."""

import os
from pathlib import Path

from tests.bridge.web.large import measured

ENTRIES = os.environ.get("SCANPOST_ADMIN_ENTRIES")
MOST_MS = 300


async def test_every_page_is_there_within_300_ms(tmp_path: Path) -> None:
    """By the clock where it was asked for; else by the work done: others may be at work too."""
    pages = await measured(tmp_path, int(ENTRIES or 3_000))
    what = "ms" if ENTRIES else "cpu_ms"
    assert {path: took for path, took in pages.items() if took[what] > MOST_MS} == {}
