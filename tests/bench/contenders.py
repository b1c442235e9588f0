"""Who is measured, and how each is started."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.mosquitto import free_port


@dataclass(frozen=True, slots=True)
class Place:
    """What a contender is given to work with."""

    folder: Path
    broker_port: int
    ttys: tuple[Path, ...]
    tell: bool = False
    """Whether it must say on standard error which scans are safe, where it does not anyway."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One program."""

    name: str
    command: Callable[[Place], list[str]]
    safe: re.Pattern[bytes]
    """A line of its standard error that says that a scan is safe."""
    backlog_share: int = 1
    """It gets only this part of a backlog, since it would need too long for all of it."""
    environment: dict[str, str] = field(default_factory=dict)
    """Over and above that of the bench."""
    companion: Callable[[Place], list[str]] | None = None
    """A program it cannot do without; it says ``ready`` when it is."""
    broker_lines: Callable[[Path], str] = lambda folder: ""
    """What mosquitto must be told for it."""
    up_within: float = 20.0
    """Seconds from the start to the first scan, on a very busy machine."""
    keeps: bool = True
    """Whether it has a store: what has none is not asked what survives."""


def program(module: str, *words: str) -> Callable[[Place], list[str]]:
    """Return how to start a module of the bench's own."""

    def command(place: Place) -> list[str]:
        tell = "tell" if place.tell else "quiet"
        where = [str(place.broker_port), str(place.folder), tell, *map(str, place.ttys)]
        return [sys.executable, "-m", module, *words, *where]

    return command


def _gateway(*, page: bool) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        stations = "".join(
            f'[[station]]\nname = "station-{number}"\njob = "pass_through"\n'
            f'[[station.device]]\nid = "scanner-{number}"\ndriver = "lines"\n'
            f'url = "serial://{tty}?baudrate=115200"\n'
            for number, tty in enumerate(place.ttys)
        )
        web = f'listen = "127.0.0.1:{free_port()}"' if page else "enabled = false"
        log = '[log]\nlevel = "debug"\n' if place.tell else ""
        config = place.folder / "gateway.toml"
        config.write_text(
            'site = "bench"\ngateway = "dock"\n'
            f'[store]\npath = "{place.folder / "outbox.db"}"\n'
            f'[broker]\nurl = "mqtt://127.0.0.1:{place.broker_port}"\n'
            f"[web]\n{web}\n{log}{stations}"
        )
        on_its_core = ["taskset", "--cpu-list", CORE]
        return [*on_its_core, sys.executable, "-m", "gateway", "run", "--config", str(config)]

    return command


def told_by(words: str) -> re.Pattern[bytes]:
    """Return what finds the lines that begin with `words`."""
    return re.compile(b"^%s .*$" % words.encode(), re.MULTILINE)


FLOOR = "floor-sqlite"
"""Whose figures the others are divided by."""
OURS = "scanpost"

AS_INSTALLED = {"MALLOC_ARENA_MAX": "1", "PYTHONNODEBUGRANGES": "1"}
"""What the unit of systemd sets."""
CORE = str(min(os.sched_getaffinity(0)))
"""The core to which it keeps the gateway: the first that we are given, which need not be 0."""

CONTENDERS = (
    Contender("floor-raw", program("tests.bench.floor", "raw"), told_by("ok")),
    Contender(FLOOR, program("tests.bench.floor", "sqlite"), told_by("ok")),
    Contender("naive", program("tests.bench.naive"), told_by("ok"), backlog_share=10),
    Contender(OURS, _gateway(page=False), told_by("debug signal ok"), environment=AS_INSTALLED),
)
WITH_PAGE = Contender(
    "scanpost + page", _gateway(page=True), told_by("debug signal ok"), environment=AS_INSTALLED
)
