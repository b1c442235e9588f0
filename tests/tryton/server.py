"""A real Tryton of the test's own: built once from PyPI, seeded, copied for each run.

`python tests/tryton/server.py build` builds it, `... run --port N` runs one until interrupted and
prints the `[target]` table a bridge needs to write to it.

What is built lies outside the tree, in `$SCANPOST_CACHE` or the user's cache folder, in a folder
named after everything that goes into it; several test runs share it.
"""

import argparse
import contextlib
import fcntl
import hashlib
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "modules" / "trytond_scanpost"
"""The module that Scanpost brings for Tryton."""
REQUIREMENTS = HERE / "requirements.txt"
SEED = HERE / "seed.py"
DATABASE = "depot"
MODULES = ("production", "purchase", "sale", "stock_lot_sled")
RECIPE = 1
"""Raise this when the way of building changes."""
BUILD_WITHIN = 600.0
"""Seconds for one step of building, or for somebody else to finish theirs."""
START_WITHIN = 60.0
STOP_WITHIN = 10.0

Say = Callable[[str], None]


def tell(text: str) -> None:
    """Say it on standard error, where it does not mix with what `run` prints."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class TrytonUnavailable(Exception):
    """Tryton could not be installed from PyPI."""


@dataclass(frozen=True)
class Built:
    """A folder with an interpreter that has Tryton, and a seeded database."""

    folder: Path
    on: Path | None = None
    """Folder of the Tryton it was built on; that one has the interpreter."""

    @property
    def python(self) -> Path:
        return (self.on or self.folder) / "venv" / "bin" / "python"

    @property
    def packages(self) -> dict[str, str]:
        """The environment in which more than the interpreter's own packages are found."""
        return {"PYTHONPATH": str(self.folder / "site")} if self.on else {}

    @property
    def database(self) -> Path:
        return self.folder / f"{DATABASE}.sqlite"

    @property
    def seeded(self) -> dict[str, object]:
        """What `seed.py` made."""
        made: dict[str, object] = json.loads((self.folder / "seeded.json").read_text())
        return made


def cache() -> Path:
    """Return the folder everything built lies in."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SCANPOST_CACHE") or home) / "scanpost"


def build(say: Say = tell) -> Built:
    """Return the built Tryton, building it first if need be.

    Whoever comes second waits for the first; a build that dies leaves nothing that counts.

    Raises:
        TrytonUnavailable: pip could not get the packages.
        subprocess.CalledProcessError: a later step failed; its output is in the message.
    """
    root = cache()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"tryton-{_fingerprint()}"
    if not folder.exists():
        with _only_builder(folder.with_suffix(".lock"), say):
            if not folder.exists():
                _build(folder, say)
    return Built(folder)


def build_with_module(say: Say = tell) -> Built:
    """Return the built Tryton with `modules/trytond_scanpost` installed and activated.

    Raises:
        TrytonUnavailable: pip could not get the packages.
        subprocess.CalledProcessError: a later step failed; its output is in the message.
    """
    base = build(say)
    files = sorted(each for each in MODULE.rglob("*") if each.is_file())
    kept = [each for each in files if "__pycache__" not in each.parts]
    parts = (part for each in kept for part in (each.name.encode(), each.read_bytes()))
    mark = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    folder = base.folder.with_name(f"{base.folder.name}-{mark}")
    if not folder.exists():
        with _only_builder(folder.with_suffix(".lock"), say):
            if not folder.exists():
                _add_module(base, folder, say)
    return Built(folder, on=base.folder)


def _add_module(base: Built, folder: Path, say: Say) -> None:
    say("tryton: adding the module")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as name:
        made = Built(Path(name) / "tryton", on=base.folder)
        made.folder.mkdir()
        source = Path(name) / "source"  # pip builds in the folder it is given
        shutil.copytree(MODULE, source, ignore=shutil.ignore_patterns("__pycache__"))
        pip = (base.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        try:
            _run(*pip, "--no-deps", "--target", made.folder / "site", source)
        except subprocess.CalledProcessError as error:
            why = " ".join(error.stderr.split())[-300:]
            raise TrytonUnavailable(f"pip could not install the module: {why}") from None
        for file in ("seeded.json", "password", f"{DATABASE}.sqlite"):
            shutil.copyfile(base.folder / file, made.folder / file)
        settings = write_settings(made.folder, made.folder)
        admin = base.python.with_name("trytond-admin")
        _run(
            *(base.python, admin, "--config", settings, "--database", DATABASE),
            *("--update", "scanpost", "--activate-dependencies"),
            extra=made.packages,
        )
        with contextlib.closing(sqlite3.connect(made.database)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made.folder.rename(folder)


def _fingerprint() -> str:
    parts = [
        REQUIREMENTS.read_bytes(),
        SEED.read_bytes(),
        repr((RECIPE, MODULES, DATABASE)).encode(),
        f"{sys.version_info[:2]} {platform.machine()}".encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextlib.contextmanager
def _only_builder(path: Path, say: Say) -> Iterator[None]:
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
                    say("tryton: somebody else is building it")
                    told = True
                time.sleep(0.5)
        yield  # closing the file releases the lock, and so does death


def _build(folder: Path, say: Say) -> None:
    started = time.monotonic()

    def step(what: str) -> None:
        say(f"tryton: {time.monotonic() - started:5.1f} s  {what}")

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as name:
        made = Built(Path(name) / "tryton")
        made.folder.mkdir()
        step("making an environment")
        _run(sys.executable, "-m", "venv", made.folder / "venv")
        step("installing from PyPI")
        pip = (made.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        try:
            _run(*pip, "--retries", "2", "--timeout", "20", "--requirement", REQUIREMENTS)
        except subprocess.CalledProcessError as error:
            why = " ".join(error.stderr.split())[-300:]
            raise TrytonUnavailable(f"pip could not install Tryton: {why}") from None
        settings = write_settings(made.folder, made.folder)
        made.database.touch()
        (made.folder / "password").write_text("a database for tests\n")
        step("making the database")
        _run(
            *(made.python, made.python.with_name("trytond-admin"), "--config", settings),
            *("--database", DATABASE, "--password", "--email", "admin@example.com"),
            *("--activate-dependencies", "--update", *MODULES),
            extra={"TRYTONPASSFILE": str(made.folder / "password")},
        )
        step("seeding it")
        _run(made.python, SEED, settings, made.folder / "seeded.json")
        with contextlib.closing(sqlite3.connect(made.database)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the file alone is now the whole
        made.folder.rename(folder)
        step("done")


def _run(*command: object, extra: dict[str, str] | None = None) -> None:
    subprocess.run(
        [str(part) for part in command],
        check=True,
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN,
        stdin=subprocess.DEVNULL,
        env=_environment() | (extra or {}),
    )


def _environment() -> dict[str, str]:
    """Our environment without what would lead Tryton's Python astray."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "TRYTON", "GUNICORN")) and name != "VIRTUAL_ENV"
    }


def write_settings(folder: Path, databases: Path) -> Path:
    """Write a `trytond.conf` into `folder` for databases that lie in `databases`."""
    settings = folder / "trytond.conf"
    # the path of an SQLite database stands apart: Tryton ignores one in the URI
    settings.write_text(f"[database]\nuri = sqlite://\npath = {databases}\n")
    return settings


class Server:
    """One running Tryton with its own copy of the seeded database, on one port for life."""

    def __init__(self, built: Built, folder: Path, port: int = 0) -> None:
        self.built = built
        self.folder = folder
        self.file = folder / f"{DATABASE}.sqlite"
        if not self.file.exists():
            shutil.copyfile(built.database, self.file)
        self._settings = write_settings(folder, folder)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            self.port: int = sock.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it takes connections: its one worker has loaded Tryton by then.

        The listening socket is made here and handed over, so no one else can get the port.
        """
        with self._listen() as sock:
            sock.set_inheritable(True)
            with (self.folder / "server.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *(str(self.built.python), "-m", "gunicorn", "--no-control-socket"),
                        *("--bind", f"fd://{sock.fileno()}", "--workers", "1", "--threads", "4"),
                        *("--timeout", "60", "--graceful-timeout", "2", "--keep-alive", "30"),
                        "trytond.application:app",
                    ],
                    cwd=self.folder,
                    env=_environment()
                    | self.built.packages
                    | {
                        "TRYTOND_CONFIG": str(self._settings),
                        # without this, two first requests at once can break loading
                        "TRYTOND_DATABASE_NAMES": DATABASE,
                    },
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
            except OSError:  # a worker that was killed a moment ago may still hold it
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def _wait(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + START_WITHIN
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                    sock.settimeout(START_WITHIN)
                    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    if sock.recv(1):
                        return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise RuntimeError(f"Tryton did not start:\n{self.log()[-2000:]}")
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
        """SIGKILL the server and its worker."""
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

    def wait(self) -> None:
        """Return when it takes connections."""
        self._wait()

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


def target(server: Server, key_file: Path, *, url: str | None = None) -> str:
    """Return the `[target]` table of a bridge that writes to `server`, maybe by way of `url`.

    Writes the key it needs to `key_file`.
    """
    key_file.touch(0o600)
    key_file.write_text(str(server.built.seeded["key"]))
    seeded = server.built.seeded
    return (
        "[target]\n"
        'connector = "tryton"\n'
        f'url = "{url or server.url}"\n'
        f'database = "{DATABASE}"\n'
        f'api_key_file = "{key_file}"\n'
        f"company = {seeded['company']}\n"
        f'warehouse = "{seeded["warehouse"]}"\n'
        'lot_expiry_field = "expiration_date"\n'
        'lot_best_before_field = "shelf_life_expiration_date"\n'
    )


def main() -> None:
    """Build Tryton, or run one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    todo = parser.add_subparsers(dest="todo", required=True)
    todo.add_parser("build", help="build it and say where it lies")
    run = todo.add_parser("run", help="run one until interrupted")
    run.add_argument("--port", type=int, default=0, help="default: a free one")
    run.add_argument("--folder", type=Path, help="keep the database here; default: forget it")
    given = parser.parse_args()
    built = build()
    if given.todo == "build":
        sys.stdout.write(f"{built.folder}\n")
        return
    with tempfile.TemporaryDirectory() as forgotten:
        folder = given.folder or Path(forgotten)
        folder.mkdir(parents=True, exist_ok=True)
        server = Server(built, folder, given.port)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        server.start()
        try:
            sys.stdout.write(target(server, folder / "api-key"))
            sys.stdout.write(f"# open purchase orders: {built.seeded['orders']}\n")
            sys.stdout.flush()
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()


if __name__ == "__main__":
    main()
