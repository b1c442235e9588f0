"""A real ERP of the tests' own: built once from PyPI, copied for each run, started on one port.

What is built lies outside the tree, in `$SCANPOST_CACHE` or the user's cache folder, in a folder
named after everything that goes into it; several test runs share it.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

BUILD_WITHIN = 600.0
"""Seconds for one step of building, or for somebody else to finish theirs."""
START_WITHIN = 240.0
STOP_WITHIN = 10.0
_ASTRAY = ("PYTHON", "TRYTON", "GUNICORN", "LAMBDA_ERP", "UVICORN")

Say = Callable[[str], None]
Make = Callable[[Path, Path], None]
"""Builds into the first folder; the second is for what is thrown away."""


def tell(text: str) -> None:
    """Say it on standard error, where it does not mix with what a program prints."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Unavailable(Exception):
    """An ERP could not be installed, or does not run here."""


def built_once(name: str, parts: Iterable[bytes], make: Make, say: Say = tell) -> Path:
    """Return the folder of what `make` builds of `parts`, building it first if need be.

    Whoever comes second waits for the first; a build that dies leaves nothing that counts.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get("SCANPOST_CACHE") or home) / "scanpost"
    root.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    folder = root / f"{name}-{mark}"
    if not folder.exists():
        with _only_builder(folder.with_suffix(".lock"), name, say):
            if not folder.exists():
                with tempfile.TemporaryDirectory(dir=root, prefix="building-") as scratch:
                    made = Path(scratch) / "made"
                    made.mkdir()
                    make(made, Path(scratch))
                    made.rename(folder)
    return folder


@contextlib.contextmanager
def _only_builder(path: Path, name: str, say: Say) -> Iterator[None]:
    with path.open("w") as lock:
        give_up = time.monotonic() + BUILD_WITHIN
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise
                if not told:
                    say(f"{name}: somebody else is building it")
                    told = True
                time.sleep(0.5)
        yield  # closing the file lets go of it, and so does death


def interpreter(folder: Path, requirements: Path) -> Path:
    """Make an environment with these packages in a folder, and return its Python.

    Raises:
        Unavailable: pip could not get them.
    """
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    install(python, "--retries", "2", "--timeout", "20", "--requirement", requirements)
    return python


def install(python: Path, *what: object) -> None:
    """Let pip install something. Raises Unavailable where it cannot."""
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    try:
        run(*pip, *what)
    except subprocess.CalledProcessError as error:
        why = " ".join(error.stderr.split())[-300:]
        raise Unavailable(f"pip could not install {what[-1]}: {why}") from None


def run(*command: object, extra: dict[str, str] | None = None) -> None:
    """Run a step of building. Raises CalledProcessError, with what it said."""
    subprocess.run(
        [str(part) for part in command],
        check=True,
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN,
        stdin=subprocess.DEVNULL,
        env=environment() | (extra or {}),
    )


def environment() -> dict[str, str]:
    """Our environment without what would lead another Python astray."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_ASTRAY) and name != "VIRTUAL_ENV"
    }


def settled(database: Path) -> None:
    """See that the file of an SQLite database nobody has open is the whole of it."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class ErpServer(ABC):
    """One running ERP with a copy of its own of the seeded database, on one port for life."""

    name: ClassVar[str]
    hello: ClassVar[bytes] = b"GET / HTTP/1.0\r\n\r\n"
    """Answered as soon as it takes connections."""
    not_started: ClassVar[type[Exception]] = RuntimeError

    def __init__(self, seeded: Path, file: Path, port: int = 0) -> None:
        self.folder = file.parent
        self.file = file
        if seeded.exists() and not file.exists():
            shutil.copyfile(seeded, file)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", port)) as sock:
            self.port: int = sock.getsockname()[1]

    @abstractmethod
    def command(self, fd: int) -> list[str]:
        """Return what to run, with the listening socket it is given."""

    @abstractmethod
    def surroundings(self) -> dict[str, str]:
        """Return the environment it needs besides."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it takes connections.

        The listening socket is made here and handed over, so no one else can get the port.
        """
        with self._listen() as sock, (self.folder / "server.log").open("ab") as log:
            sock.set_inheritable(True)
            # Inherited by what is accepted: servers do so themselves, but not for a socket given
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._process = subprocess.Popen(
                self.command(sock.fileno()),
                cwd=self.folder,
                env=environment() | self.surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(sock.fileno(),),
                start_new_session=True,
            )
        self.wait()

    def _listen(self) -> socket.socket:
        give_up = time.monotonic() + START_WITHIN
        while True:
            try:
                return socket.create_server(("127.0.0.1", self.port))
            except OSError:  # one that was killed a moment ago may still hold it
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def wait(self) -> None:
        """Return when it takes connections."""
        assert self._process is not None
        give_up = time.monotonic() + START_WITHIN
        while True:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock,
            ):
                sock.settimeout(START_WITHIN)
                sock.sendall(self.hello)
                if sock.recv(1):
                    return
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise self.not_started(f"{self.name} did not start:\n{self.log()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Let it finish what it does, then end it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """SIGKILL it and its workers."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # it leads a session of its own
            self._process.wait(STOP_WITHIN)
            self._process = None

    def kill_worker(self) -> None:
        """SIGKILL the worker; the server starts another."""
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for child in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def run(self, says: Callable[[], str]) -> None:
        """Run until interrupted; print what `says` once it runs."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.start()
        try:
            sys.stdout.write(says())
            sys.stdout.flush()
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()
