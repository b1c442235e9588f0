"""A desk with a real gateway: scanners on pseudo-terminals, and an operator who hears what is told.

What the operator was told comes from the daemon's log through a pipe, and from nowhere else.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import termios
import time
import tty
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.power.office import SITE, Office
from tests.power.warm import Plan, Warm

NAME = "outbox.db"
_SHUT = "the store cannot be used"
GENEROUS = 60.0  # seconds for anything that takes a fraction of one on an idle machine


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of the log."""

    event: str
    station: str
    text: str
    seqs: tuple[int, ...]

    @property
    def verdict(self) -> bool:
        """Whether this is what an operator hears after a scan, and not of what ended before it."""
        announced = self.text.startswith("The store was damaged")
        return self.event in {"signal ok", "signal not_ok", "signal ignored"} and not announced


@dataclass(slots=True)
class Scanner:
    """Both ends of one pseudo-terminal: a restart of the gateway hangs nothing up."""

    device: int = field(init=False)
    host: int = field(init=False)

    def __post_init__(self) -> None:
        self.device, self.host = os.openpty()
        tty.setraw(self.host)
        os.set_blocking(self.device, False)

    @property
    def path(self) -> str:
        return os.ttyname(self.host)

    def scan(self, code: str) -> None:
        os.write(self.device, code.encode() + b"\r")

    def forget(self) -> None:
        """Drop what nobody read: a gateway that died takes it with it, as over USB."""
        termios.tcflush(self.host, termios.TCIOFLUSH)

    def close(self) -> None:
        os.close(self.device)
        os.close(self.host)


class Desk:
    """One gateway, started as often as it takes. Use as a context."""

    def __init__(
        self,
        warm: Warm,
        folder: Path,
        *,
        name: str = "desk",
        store: Path | None = None,
        scanners: int = 1,
        broker_port: int = 9,
        office: Office | None = None,
    ) -> None:
        """Prepare.

        Args:
            warm: what gateways are made of.
            folder: for the configuration.
            name: of the gateway.
            store: the folder of the store; one in `folder` without.
            scanners: how many stations there are, with one scanner each.
            broker_port: where it sends to; without, nobody listens there.
            office: answered to while the desk waits.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.store = store or folder / "store"
        self.store.mkdir(exist_ok=True)
        self.store = self.store.resolve()
        self.scanners = [Scanner() for _ in range(scanners)]
        self.heard: list[Heard] = []
        self.lives: list[bytes] = []
        """Everything the gateway wrote, from each start on."""
        self.code: int | None = None
        """How it ended last; None while it runs."""
        self._office = office
        self._warm = warm
        self._config = folder / "gateway.toml"
        self._config.write_text(self._written(name, broker_port))
        self._pid = 0
        self._born = 0
        self._pipe = -1
        self._rest = b""

    def _written(self, name: str, broker_port: int) -> str:
        stations = "".join(
            f'[[station]]\nname = "desk-{number}"\njob = "pass_through"\n'
            f'[[station.device]]\nid = "scanner-{number}"\ndriver = "lines"\n'
            f'url = "serial://{scanner.path}"\n'
            for number, scanner in enumerate(self.scanners)
        )
        return (
            f'site = "{SITE}"\ngateway = "{name}"\n[store]\npath = "{self.store / NAME}"\n'
            f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\n'
            f'[web]\nenabled = false\n[log]\nlevel = "debug"\nformat = "json"\n{stations}'
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for scanner in self.scanners:
            scanner.close()

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        return b"--- start\n".join(self.lives)[-4000:].decode(errors="replace")

    @property
    def path(self) -> Path:
        """The store."""
        return self.store / NAME

    def start(self, plan: Plan | None = None) -> bool:
        """Start the gateway; return whether it came up. What it says is in `heard` either way."""
        for scanner in self.scanners:
            scanner.forget()
        self._pipe, there = os.pipe()
        os.set_blocking(self._pipe, False)
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._rest = b""
        self.lives.append(b"")
        self.code = None
        try:
            self._pid = self._warm.start(self._config, plan or Plan(self.store), there)
        finally:
            os.close(there)
        self._born = len(self.heard)
        return self.until(lambda: self._up(self.this_life))

    @property
    def this_life(self) -> list[Heard]:
        """What was heard since the last start."""
        return self.heard[self._born :]

    def _up(self, heard: Sequence[Heard]) -> bool:
        events = [each.event for each in heard]
        answers = "ready" in events or _SHUT in events
        return answers and events.count("device open") == len(self.scanners)

    @property
    def shut(self) -> bool:
        """Whether it answers, but has no store."""
        said = [each.event for each in self.this_life if each.event in {"ready", _SHUT}]
        return self.alive and said[-1:] == [_SHUT]

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as was heard."""
        return self._pipe >= 0

    def until(self, done: Callable[[], bool], within: float = GENEROUS) -> bool:
        """Listen until `done()` or until the gateway has ended; return whether it is done.

        Raises:
            TimeoutError: neither has come.
        """
        end = time.monotonic() + within
        while not done():
            if not self.alive:
                return False
            if time.monotonic() > end:
                raise TimeoutError(f"nothing came of it:\n{self.log}")
            self.listen(0.05)
        return True

    def listen(self, within: float) -> None:
        """Take what is said, at most `within` seconds after the first silence."""
        far_end = -1 if self._office is None else self._office.fileno()
        sources = [each for each in (self._pipe, far_end) if each >= 0]
        ready = select.select(sources, [], [], within)[0]
        if self._office is not None and far_end in ready:
            self._office.read()
        if self._pipe in ready:
            self._take(os.read(self._pipe, 1 << 16))

    def _take(self, data: bytes) -> None:
        if not data:
            self._ended()
            return
        self.lives[-1] += data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                seqs = tuple(said.get("seq") or ()) if said["event"].startswith("signal") else ()
                self.heard.append(
                    Heard(said["event"], said.get("station", ""), said.get("text", ""), seqs)
                )

    def _ended(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            self.code = self._warm.wait(self._pid)

    def scan(self, code: str, scanner: int = 0) -> Heard | None:
        """Scan and wait for the verdict; None if the gateway ended without one."""
        before = len(self.heard)
        self.scanners[scanner].scan(code)
        station = f"desk-{scanner}"

        def told() -> Heard | None:
            later = self.heard[before:]
            return next((each for each in later if each.verdict and each.station == station), None)

        self.until(lambda: told() is not None)
        return told()

    def kill(self) -> None:
        """End it as a power cut does, and hear what it had said before."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self.until(lambda: False)

    def stop(self) -> int:
        """Ask it to end; return its exit code, or minus the signal it died of."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            self.until(lambda: False)
        assert self.code is not None
        return self.code
