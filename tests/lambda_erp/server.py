"""A real lambda-erp of the test's own: installed once from PyPI, seeded once, copied for each run.

`python -m tests.lambda_erp.server run --port N` runs one until interrupted and prints the
`[target]` table a bridge needs to write to it.

What is installed lies outside the tree, in `$SCANPOST_CACHE` or the user's cache folder, in a
folder named after everything that goes into it; several test runs share it.
"""

import argparse
import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import platform
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lambda_erp.house import Company, Setup, seed

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
RECIPE = 1
"""Raise this when the way of building changes."""
BUILD_WITHIN = 600.0
"""Seconds for one step of building, or for somebody else to finish theirs."""
START_WITHIN = 240.0
STOP_WITHIN = 10.0


class LambdaUnavailable(Exception):
    """lambda-erp could not be installed, or does not run here: it needs Debian's libpango."""


@dataclass(frozen=True)
class Built:
    """A folder with an interpreter that has lambda-erp, and a database with a key."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def database(self) -> Path:
        return self.folder / "seeded.db"

    @property
    def key(self) -> str:
        """The key of a bridge."""
        return self.keys["bridge"]

    @property
    def keys(self) -> dict[str, str]:
        """Keys by whose they are."""
        keys: dict[str, str] = json.loads((self.folder / "keys.json").read_text())
        return keys


def cache() -> Path:
    """Return the folder everything built lies in."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SCANPOST_CACHE") or home) / "scanpost"


def build() -> Built:
    """Return the built lambda-erp, building it first if need be.

    Whoever comes second waits for the first; a build that dies leaves nothing that counts.

    Raises:
        LambdaUnavailable: pip could not get it, or it does not start.
    """
    parts = [REQUIREMENTS.read_bytes(), (HERE / "house.py").read_bytes()]
    parts.append(f"{RECIPE} {sys.version_info[:2]} {platform.machine()}".encode())
    name = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    folder = cache() / f"lambda-erp-{name}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        with _only_builder(folder.with_suffix(".lock")):
            if not folder.exists():
                _build(folder)
    return Built(folder)


@contextlib.contextmanager
def _only_builder(path: Path) -> Iterator[None]:
    give_up = time.monotonic() + BUILD_WITHIN
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)
        yield  # closing the file lets go of it, and so does death


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as name:
        made = Built(Path(name) / "lambda-erp")
        made.folder.mkdir()
        _run(sys.executable, "-m", "venv", str(made.folder / "venv"))
        pip = (str(made.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run(*pip, "--retries", "2", "--timeout", "20", "--requirement", str(REQUIREMENTS))
        run = Path(name) / "run"
        run.mkdir()
        server = Server(made, run)
        server.start()
        try:
            (made.folder / "keys.json").write_text(json.dumps(seed(server.url)))
        finally:
            server.stop()
        with contextlib.closing(sqlite3.connect(server.file)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the file alone is now the whole
        shutil.copyfile(server.file, made.database)
        made.folder.rename(folder)


def _run(*command: str) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=BUILD_WITHIN,
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
    except subprocess.CalledProcessError as error:
        why = " ".join(error.stderr.split())[-300:]
        raise LambdaUnavailable(f"lambda-erp could not be installed: {why}") from None


def _environment() -> dict[str, str]:
    """Our environment without what would lead its Python astray."""
    astray = ("PYTHON", "LAMBDA_ERP", "UVICORN")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(astray) and name != "VIRTUAL_ENV"
    }


class Server:
    """One running lambda-erp with its own copy of the seeded database, on one port for life."""

    def __init__(self, built: Built, folder: Path, port: int = 0) -> None:
        self.built = built
        self.folder = folder
        self.file = folder / "lambda.db"
        if built.database.exists() and not self.file.exists():
            shutil.copyfile(built.database, self.file)
        self._process: subprocess.Popen[bytes] | None = None
        self._companies = itertools.count(1)
        with socket.create_server(("127.0.0.1", port)) as sock:
            self.port: int = sock.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it answers.

        The listening socket is made here and handed over, so no one else can get the port.

        Raises:
            LambdaUnavailable: it did not start; its log says why.
        """
        with self._listen() as sock, (self.folder / "server.log").open("ab") as log:
            sock.set_inheritable(True)
            # Inherited by what is accepted: uvicorn does so itself, but not for a socket given
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._process = subprocess.Popen(
                [
                    *(str(self.built.python), "-m", "uvicorn", "api.main:app"),
                    *("--fd", str(sock.fileno()), "--no-access-log", "--log-level", "warning"),
                ],
                cwd=self.folder,
                env=_environment() | {"LAMBDA_ERP_DB": str(self.file)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(sock.fileno(),),
                start_new_session=True,
            )
        self._wait()

    def _listen(self) -> socket.socket:
        give_up = time.monotonic() + START_WITHIN
        while True:
            try:
                return socket.create_server(("127.0.0.1", self.port))
            except OSError:  # one that was killed a moment ago may still hold it
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def _wait(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + START_WITHIN
        while True:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock,
            ):
                sock.settimeout(START_WITHIN)
                sock.sendall(b"GET /api/health HTTP/1.0\r\n\r\n")
                if sock.recv(1):
                    return
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                log = (self.folder / "server.log").read_text(errors="replace")
                raise LambdaUnavailable(f"lambda-erp did not start:\n{log[-2000:]}")
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
        """SIGKILL it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # it leads a session of its own
            self._process.wait(STOP_WITHIN)
            self._process = None

    def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Return rows of its database, read past it."""
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(statement, values)]

    def company(self) -> Company:
        """Make a company of a test's own."""
        # Accounts are named after a company's first four letters, whoever else has those
        return Setup(self.url, self.built.keys["office"]).company(f"C{next(self._companies):03d}")


def target(server: Server, company: Company, key_file: Path, *, url: str | None = None) -> str:
    """Return the `[target]` table of a bridge that writes to `server`, maybe by way of `url`.

    Writes the key it needs to `key_file`.
    """
    key_file.touch(0o600)
    key_file.write_text(server.built.key)
    settings = company.settings | {"url": url or server.url, "api_key_file": str(key_file)}
    lines = ["[target]", 'connector = "lambda_erp"']
    for name, value in settings.items():
        if isinstance(value, dict):
            inside = ", ".join(f"{json.dumps(key)} = {json.dumps(of)}" for key, of in value.items())
            lines.append(f"{name} = {{ {inside} }}")
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    todo = parser.add_subparsers(dest="todo", required=True)
    todo.add_parser("build", help="build it and say where it lies")
    run = todo.add_parser("run", help="run one until interrupted")
    run.add_argument("--port", type=int, default=0, help="default: a free one")
    given = parser.parse_args()
    built = build()
    if given.todo == "build":
        sys.stdout.write(f"{built.folder}\n")
        return
    with tempfile.TemporaryDirectory() as name:
        server = Server(built, Path(name), given.port)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        server.start()
        try:
            sys.stdout.write(target(server, server.company(), Path(name) / "api-key"))
            sys.stdout.flush()
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()


if __name__ == "__main__":
    main()
