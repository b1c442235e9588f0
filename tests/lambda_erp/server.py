"""A real lambda-erp of the test's own: installed once from PyPI, seeded once, copied for each run.

`python -m tests.lambda_erp.server run --port N` runs one until interrupted and prints the
`[target]` table a bridge needs to write to it.
"""

import argparse
import contextlib
import itertools
import json
import platform
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.erp import ErpServer, Unavailable, built_once, interpreter, settled
from tests.lambda_erp.house import Company, Setup, seed

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
RECIPE = 1
"""Raise this when the way of building changes."""


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


def build() -> Built:
    """Return the built lambda-erp, building it first if need be.

    Raises:
        Unavailable: pip could not get it, or it does not start: it needs Debian's libpango.
    """
    parts = [REQUIREMENTS.read_bytes(), (HERE / "house.py").read_bytes()]
    parts.append(f"{RECIPE} {sys.version_info[:2]} {platform.machine()}".encode())
    return Built(built_once("lambda-erp", parts, _build))


def _build(folder: Path, scratch: Path) -> None:
    made = Built(folder)
    interpreter(folder / "venv", REQUIREMENTS)
    once = scratch / "run"
    once.mkdir()
    server = Server(made, once)
    server.start()
    try:
        (folder / "keys.json").write_text(json.dumps(seed(server.url)))
    finally:
        server.stop()
    settled(server.file)
    shutil.copyfile(server.file, made.database)


class Server(ErpServer):
    """One running lambda-erp."""

    name = "lambda-erp"
    hello = b"GET /api/health HTTP/1.0\r\n\r\n"
    not_started = Unavailable

    def __init__(self, built: Built, folder: Path, port: int = 0) -> None:
        super().__init__(built.database, folder / "lambda.db", port)
        self.built = built
        self._companies = itertools.count(1)

    def command(self, fd: int) -> list[str]:
        return [
            *(str(self.built.python), "-m", "uvicorn", "api.main:app"),
            *("--fd", str(fd), "--no-access-log", "--log-level", "warning"),
        ]

    def surroundings(self) -> dict[str, str]:
        return {"LAMBDA_ERP_DB": str(self.file)}

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
    one = todo.add_parser("run", help="run one until interrupted")
    one.add_argument("--port", type=int, default=0, help="default: a free one")
    given = parser.parse_args()
    built = build()
    if given.todo == "build":
        sys.stdout.write(f"{built.folder}\n")
        return
    with tempfile.TemporaryDirectory() as name:
        server = Server(built, Path(name), given.port)
        server.run(lambda: target(server, server.company(), Path(name) / "api-key"))


if __name__ == "__main__":
    main()
