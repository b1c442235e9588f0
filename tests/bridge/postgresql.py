"""A real PostgreSQL of the test's own: its port, its files, its process."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.mosquitto import free_port


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start a server, yield its SQLAlchemy URL without a database name, and stop it."""
    # It refuses to be root; the user its package makes has no way into a test's own folder.
    user = pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None
    data = Path(tempfile.mkdtemp(prefix="scanpost-postgresql-"))
    if user is not None:
        shutil.chown(data, user)
    port = free_port()
    try:
        options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1"
        where = ["-D", str(data / "data")]
        for command in (
            ["initdb", *where, "-A", "trust", "-U", "postgres"],
            ["pg_ctl", *where, "-w", "-l", str(data / "log"), "-o", options, "start"],
        ):
            subprocess.run(
                [str(folder / command[0]), *command[1:]],
                check=True,
                user=user,
                stdout=subprocess.DEVNULL,
                cwd=data,
            )
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    finally:
        stop = ["-D", str(data / "data"), "-m", "immediate", "stop"]
        subprocess.run(
            [str(folder / "pg_ctl"), *stop],
            check=False,
            user=user,
            stdout=subprocess.DEVNULL,
            cwd=data,
        )
        shutil.rmtree(data)
