"""A busy store that is on tape: rows in groups, acknowledgements, trimming, closing and opening.

python -m tests.power.workload FOLDER --tape FILE --seed N [--broken off|normal|delete|lie]

Runs with the shim. What it does follows from the seed alone, but for ids and salts.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import sqlite3
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

from contract.envelope import Ack
from gateway import outbox
from gateway.group import Write
from gateway.outbox import Outbox, open_outbox
from tests.power.shim import Shim

NAME = "outbox.db"
RING = 40
"""Confirmed rows that are kept: few, so that there is much to delete."""

_SETTING = re.compile(r"(?i)(pragma\s+(synchronous|journal_mode)\s*)=\s*\w+")
_QUESTION = re.compile(r"(?i)\s*pragma\s+(synchronous|journal_mode)\s*;?\s*")


class Stored(Protocol):
    """A row, as far as it matters here."""

    @property
    def seq(self) -> int: ...
    @property
    def body(self) -> str: ...


class Broken(sqlite3.Connection):
    """SQLite as a careless person sets it up, behind the back of who asks what is set."""

    settings: ClassVar[dict[str, str]] = {}
    done: ClassVar[set[str]] = set()

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        asked = _QUESTION.fullmatch(sql)
        if asked and asked[1].lower() in self.settings:
            answer = {"synchronous": "2", "journal_mode": "'wal'"}[asked[1].lower()]
            return super().execute(f"SELECT {answer}")
        return super().execute(_SETTING.sub(self._instead, sql), *parameters)

    def executescript(self, sql_script: str) -> sqlite3.Cursor:
        return super().executescript(_SETTING.sub(self._instead, sql_script))

    def _instead(self, found: re.Match[str]) -> str:
        name = found[2].lower()
        if name not in self.settings:
            return found[0]
        self.done.add(name)
        return f"{found[1]}= {self.settings[name]}"


BREAKS = {
    "off": {"synchronous": "OFF"},
    "normal": {"synchronous": "NORMAL"},
    "delete": {"journal_mode": "DELETE"},
}


def break_store(how: str) -> None:
    """Let every connection of this process be `Broken`."""
    Broken.settings = BREAKS[how]
    connect = sqlite3.connect

    def broken(*words: Any, **more: Any) -> sqlite3.Connection:
        return connect(*words, factory=Broken, **more)

    sqlite3.connect = broken  # type: ignore[assignment]


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[Outbox]:
    """Open the store as the daemon does, with its writer beside it."""
    async with open_outbox(path) as outbox:
        writer = asyncio.create_task(outbox.write())
        try:
            yield outbox
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


def digest(row: Stored) -> str:
    return hashlib.sha256(row.body.encode()).hexdigest()


def row(text: str) -> Write:
    def write(epoch: uuid.UUID, seq: int) -> str:
        body = {"epoch": str(epoch), "seq": seq, "text": text}
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    return write


class Shift:
    """What is done to the store, from seed to tape."""

    def __init__(self, path: Path, seed: int, shim: Shim) -> None:
        self._path = path
        self._dice = random.Random(seed)
        self._shim = shim

    async def work(self, steps: int) -> None:
        """Do `steps` things, some of them with the store closed and opened in between."""
        done = 0
        while done < steps:
            async with running(self._path) as outbox:
                fewest = steps if steps < 100 else steps // 4
                for _ in range(self._dice.randint(fewest, max(fewest, steps // 2))):
                    await self._step(outbox)
                    done += 1

    async def _step(self, outbox: Outbox) -> None:
        match self._dice.randrange(10):
            case 0 | 1:
                await self._acknowledged(outbox)
            case 2:
                # One statement for all that come together, and more of them while it runs.
                await asyncio.gather(*(self._put(outbox, 1) for _ in range(12)))
            case 3:
                await self._put(outbox, self._dice.randint(2, 8))
            case _:
                await self._put(outbox, 1)

    async def _put(self, outbox: Outbox, count: int) -> None:
        # Long ones so that a checkpoint comes in some hundred steps and not in some thousand.
        length = self._dice.choice((120, 250, 600, 1500, 9000))
        texts = [f"{self._dice.getrandbits(64):x}".ljust(length, "x") for _ in range(count)]
        rows = await outbox.put([row(text) for text in texts])
        told = [[each.seq, digest(each)] for each in rows]
        self._shim.mark(json.dumps({"epoch": str(outbox.standing.epoch), "rows": told}))

    async def _acknowledged(self, outbox: Outbox) -> None:
        standing = outbox.standing
        upto = standing.last - self._dice.randint(0, 30)
        if upto <= standing.upto:
            return
        outbox.confirm(Ack(epoch=standing.epoch, upto=upto, posted=upto))
        # Said before it is done: from now on these rows may be gone.
        self._shim.mark(json.dumps({"trimmed": upto - RING}))
        await outbox.keep(RING)


def main() -> None:
    """Do a shift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tape", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--broken", choices=["", *BREAKS, "lie"], default="")
    options = parser.parse_args()
    shim = Shim()
    if options.broken in BREAKS:
        break_store(options.broken)
    elif options.broken == "lie":
        shim.lie()
    outbox._WORD_APART = 0.0  # each word of the bridge is written down, and lets rows go
    shim.store(options.folder)
    shim.tape(options.tape, data=True)
    asyncio.run(Shift(options.folder.resolve() / NAME, options.seed, shim).work(options.steps))
    if options.broken in BREAKS and Broken.done != set(BREAKS[options.broken]):
        raise SystemExit("the store sets itself up in another way now: it could not be broken")


if __name__ == "__main__":
    main()
