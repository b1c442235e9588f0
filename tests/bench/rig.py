"""One set-up: scanners, a private mosquitto, the tap, and one contender between them."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from tests.bench.contenders import Contender, Place
from tests.bench.scanners import Scanner
from tests.bench.tally import Scan, scans_in
from tests.bench.tap import Tap
from tests.mosquitto import Mosquitto

ROOT = Path(__file__).resolve().parents[2]

_KNOCK_EVERY = 0.02  # seconds between the scans that find out whether it listens

# As much as the broker can take: the limits measured are to be the contenders' own.
_NO_LIMITS = "max_inflight_messages 0\nmax_queued_bytes 0\nlog_type error\nlog_type warning\n"


class Trouble(Exception):
    """The contender could not be measured, and why."""


class Rig:
    """Use as a context; nothing outlives it."""

    def __init__(
        self,
        contender: Contender,
        folder: Path,
        ports: int,
        *,
        tell: bool = False,
        preload: dict[str, str] | None = None,
    ) -> None:
        """Lay out the set-up.

        Args:
            contender: who is measured.
            folder: of its own; made here.
            ports: number of scanners.
            tell: it must say which scans are safe.
            preload: environment that changes what the machine is to it, such as a slow disk.
        """
        folder.mkdir(parents=True)
        self.folder = folder
        self.broker = Mosquitto(folder, extra=_NO_LIMITS + contender.broker_lines(folder))
        self.tap = Tap(self.broker.port)
        self.scanners = [Scanner(index, folder) for index in range(ports)]
        paths = tuple(scanner.path for scanner in self.scanners)
        self._place = Place(folder, self.broker.port, paths, tell)
        self._contender = contender
        self._process: subprocess.Popen[bytes] | None = None
        self._companion: subprocess.Popen[bytes] | None = None
        self._stderr = folder / "stderr"
        self._heard = 0  # bytes of it that were looked at
        self._safe: set[Scan] = set()
        # A program as it is installed has its byte code beside it.
        self._environment = {
            name: value
            for name, value in (os.environ | contender.environment | (preload or {})).items()
            if name != "PYTHONDONTWRITEBYTECODE"
        }

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as parts:
            for scanner in self.scanners:
                parts.callback(scanner.close)
            parts.callback(self.broker.kill)
            parts.callback(self.tap.close)
            parts.callback(self._dismiss)
            parts.callback(self.kill)
            self.broker_up()
            self._accompany()
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # A run that is stopped while it tidies up must still end every process.
        self._parts.close()

    @property
    def pid(self) -> int:
        """The contender's process."""
        if self._process is None or self._process.poll() is not None:
            raise Trouble(f"{self._contender.name} is not running:\n{self._last_words()}")
        return self._process.pid

    def _accompany(self) -> None:
        if self._contender.companion is None:
            return
        self._companion = subprocess.Popen(
            self._contender.companion(self._place), cwd=ROOT, stdout=subprocess.PIPE
        )
        self._await_companion()

    def _await_companion(self) -> None:
        """Wait until it says again that it is ready: it lost the broker too."""
        if self._companion is None:
            return
        assert self._companion.stdout is not None
        if b"ready" not in self._companion.stdout.readline():
            raise Trouble(f"what {self._contender.name} needs beside it did not start")

    def _dismiss(self) -> None:
        if self._companion is not None:
            assert self._companion.stdout is not None
            self._companion.kill()
            self._companion.wait()
            self._companion.stdout.close()
            self._companion = None

    def _last_words(self) -> str:
        return self._stderr.read_text("utf-8", "replace")[-2000:]

    def broker_up(self) -> None:
        """Start the broker, and the tap before anybody else: mosquitto keeps nothing for it."""
        with self._held():
            asyncio.run(self.broker.start())
            self.tap.connect()
            self._await_companion()

    def broker_down(self) -> None:
        """Kill the broker."""
        self.broker.kill()
        self.tap.close()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        if self._process is None:
            yield
            return
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def start(self) -> float:
        """Start the contender; return seconds until a scan came through."""
        began = time.monotonic()
        with self._stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                self._contender.command(self._place),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        # What is sent before the port is open may be flushed: knock until one is heard.
        knocks: set[Scan] = set()
        knock_at = began
        while not knocks & self.tap.tally.first.keys():
            now = time.monotonic()
            if now - began > self._contender.up_within or self._process.poll() is not None:
                raise Trouble(f"{self._contender.name} took no scan:\n{self._last_words()}")
            if now >= knock_at:
                knocks.update(self.scanners[0].scan())
                knock_at = now + _KNOCK_EVERY
            self.pump(knock_at - now)
        took = time.monotonic() - began
        self.quiet(0.3)
        return took

    def kill(self) -> None:
        """SIGKILL the contender. Twice is once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def told(self) -> set[Scan]:
        """Return every scan of which the contender has said that it is safe."""
        lines = self._contender.safe.findall(self._stderr.read_bytes())
        return {scan for line in lines for scan in scans_in(line)}

    def told_lately(self) -> set[Scan]:
        """As `told`, reading on from where it was read last; for lines that are whole."""
        with self._stderr.open("rb") as stderr:
            stderr.seek(self._heard)
            whole, newline, _ = stderr.read().rpartition(b"\n")
        self._heard += len(whole) + len(newline)
        for line in self._contender.safe.findall(whole):
            self._safe.update(scans_in(line))
        return self._safe

    def pump(self, within: float) -> None:
        """Wait up to `within` seconds for messages, and take those that came."""
        if self.tap.fileno() < 0:
            time.sleep(within)
            return
        poll = select.poll()
        poll.register(self.tap, select.POLLIN)
        wait = max(0.0, min(within, self.tap.due() - time.monotonic()))
        if poll.poll(wait * 1000):
            self.tap.read()
        else:
            self.tap.answer()

    def rest(self, seconds: float) -> None:
        """Let `seconds` go by."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)

    def until(self, done: Callable[[], bool], within: float) -> bool:
        """Take messages until `done()`, at most `within` seconds; say whether it is."""
        end = time.monotonic() + within
        while not done():
            if time.monotonic() > end:
                return False
            self.pump(0.01)
        return True

    def arrived(self, wanted: set[Scan], within: float) -> bool:
        """Take messages until all of `wanted` are there, at most `within` seconds."""
        left = set(wanted)

        def done() -> bool:
            left.difference_update([scan for scan in left if scan in self.tap.tally.first])
            return not left

        return self.until(done, within)

    def quiet(self, seconds: float) -> None:
        """Take messages until none has come for `seconds`; at most 10 s."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            before = self.tap.messages
            self.rest(seconds)
            if self.tap.messages == before:
                return

    def feed(
        self, count: int, per_second: float, scanners: list[Scanner] | None = None
    ) -> set[Scan]:
        """Send `count` scans at a steady pace, ports in turn; slower where they are not read."""
        ports = scanners or self.scanners
        sent: set[Scan] = set()
        began = time.monotonic()
        limit = began + 2 * count / per_second + 5
        while len(sent) < count and time.monotonic() < limit:
            due = min(count, int((time.monotonic() - began) * per_second) + 1)
            for number in range(len(sent), due):
                scanner = ports[number % len(ports)]
                sent.update(scanner.scan())
            self.push()
            self.pump(0.001)
        self.until(self.push, 5)
        return sent

    def push(self) -> bool:
        """Send what the kernel had not taken yet; say whether it has all."""
        for scanner in self.scanners:
            scanner.push()
        return not any(scanner.pending for scanner in self.scanners)
