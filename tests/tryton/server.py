"""A real Tryton of the test's own: built once from PyPI, seeded, copied for each run.

`python -m tests.tryton.server build` builds it, `... run --port N` runs one until interrupted and
prints the `[target]` table a bridge needs to write to it.
"""

import argparse
import datetime
import json
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.erp import ErpServer, Say, built_once, install, interpreter, run, settled, tell

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "modules" / "trytond_scanpost"
"""The module that Scanpost brings for Tryton."""
REQUIREMENTS = HERE / "requirements.txt"
SEED = HERE / "seed.py"
DATABASE = "depot"
MODULES = ("production", "purchase", "sale", "stock_lot_sled")
RECIPE = 1
"""Raise this when the way of building changes."""


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


def build(say: Say = tell) -> Built:
    """Return the built Tryton, building it first if need be.

    Raises:
        Unavailable: pip could not get the packages.
        subprocess.CalledProcessError: a later step failed; its output is in the message.
    """
    parts = [
        REQUIREMENTS.read_bytes(),
        SEED.read_bytes(),
        repr((RECIPE, MODULES, DATABASE)).encode(),
        f"{sys.version_info[:2]} {platform.machine()}".encode(),
        # The seed opens the fiscal year of its day.
        f"{datetime.date.today():%Y}".encode(),  # noqa: DTZ011 - Tryton's own day
    ]
    return Built(built_once("tryton", parts, lambda folder, _: _build(Built(folder), say), say))


def build_with_module(say: Say = tell) -> Built:
    """Return the built Tryton with `modules/trytond_scanpost` installed and activated.

    Raises:
        Unavailable: pip could not get the packages.
        subprocess.CalledProcessError: a later step failed; its output is in the message.
    """
    base = build(say)
    files = sorted(each for each in MODULE.rglob("*") if each.is_file())
    kept = [each for each in files if "__pycache__" not in each.parts]
    parts = [part for each in kept for part in (each.name.encode(), each.read_bytes())]

    def make(folder: Path, scratch: Path) -> None:
        say("tryton: adding the module")
        _add_module(Built(folder, on=base.folder), base, scratch)

    return Built(built_once(base.folder.name, parts, make, say), on=base.folder)


def _add_module(made: Built, base: Built, scratch: Path) -> None:
    source = scratch / "source"  # pip builds in the folder it is given
    shutil.copytree(MODULE, source, ignore=shutil.ignore_patterns("__pycache__"))
    install(base.python, "--no-deps", "--target", made.folder / "site", source)
    for file in ("seeded.json", "password", f"{DATABASE}.sqlite"):
        shutil.copyfile(base.folder / file, made.folder / file)
    settings = write_settings(made.folder, made.folder)
    admin = base.python.with_name("trytond-admin")
    run(
        *(base.python, admin, "--config", settings, "--database", DATABASE),
        *("--update", "scanpost", "--activate-dependencies"),
        extra=made.packages,
    )
    settled(made.database)


def _build(made: Built, say: Say) -> None:
    started = time.monotonic()

    def step(what: str) -> None:
        say(f"tryton: {time.monotonic() - started:5.1f} s  {what}")

    step("installing from PyPI")
    interpreter(made.folder / "venv", REQUIREMENTS)
    settings = write_settings(made.folder, made.folder)
    made.database.touch()
    (made.folder / "password").write_text("a database for tests\n")
    step("making the database")
    run(
        *(made.python, made.python.with_name("trytond-admin"), "--config", settings),
        *("--database", DATABASE, "--password", "--email", "admin@example.com"),
        *("--activate-dependencies", "--update", *MODULES),
        extra={"TRYTONPASSFILE": str(made.folder / "password")},
    )
    step("seeding it")
    run(made.python, SEED, settings, made.folder / "seeded.json")
    settled(made.database)
    step("done")


def write_settings(folder: Path, databases: Path) -> Path:
    """Write a `trytond.conf` into `folder` for databases that lie in `databases`."""
    settings = folder / "trytond.conf"
    # the path of an SQLite database stands apart: Tryton ignores one in the URI
    settings.write_text(f"[database]\nuri = sqlite://\npath = {databases}\n")
    return settings


class Server(ErpServer):
    """One running Tryton. It takes connections once its one worker has loaded Tryton."""

    name = "Tryton"

    def __init__(self, built: Built, folder: Path, port: int = 0) -> None:
        super().__init__(built.database, folder / f"{DATABASE}.sqlite", port)
        self.built = built
        self._settings = write_settings(folder, folder)

    def command(self, fd: int) -> list[str]:
        return [
            *(str(self.built.python), "-m", "gunicorn", "--no-control-socket"),
            *("--bind", f"fd://{fd}", "--workers", "1", "--threads", "4"),
            *("--timeout", "60", "--graceful-timeout", "2", "--keep-alive", "30"),
            "trytond.application:app",
        ]

    def surroundings(self) -> dict[str, str]:
        return self.built.packages | {
            "TRYTOND_CONFIG": str(self._settings),
            # without this, two first requests at once can break loading
            "TRYTOND_DATABASE_NAMES": DATABASE,
        }


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
    one = todo.add_parser("run", help="run one until interrupted")
    one.add_argument("--port", type=int, default=0, help="default: a free one")
    one.add_argument("--folder", type=Path, help="keep the database here; default: forget it")
    given = parser.parse_args()
    built = build()
    if given.todo == "build":
        sys.stdout.write(f"{built.folder}\n")
        return
    with tempfile.TemporaryDirectory() as forgotten:
        folder = given.folder or Path(forgotten)
        folder.mkdir(parents=True, exist_ok=True)
        server = Server(built, folder, given.port)
        orders = f"# open purchase orders: {built.seeded['orders']}\n"
        server.run(lambda: target(server, folder / "api-key") + orders)


if __name__ == "__main__":
    main()
