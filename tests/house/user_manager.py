"""A systemd of the test's own: a user manager that obeys nearly all of a unit.

It needs root and a mount namespace, for systemd only runs where `/run/systemd/system` is, and a
container has none. Nothing outside the namespace changes.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PROGRAMS = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
_START = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec {program} --user"
LONG = 60.0  # s

BEYOND_A_CONTAINER: dict[str, str | None] = {
    "User": None,
    "Group": None,
    "SupplementaryGroups": None,
    "StateDirectory": None,
    "StateDirectoryMode": None,
    "ProtectHome": None,  # hides where this checkout and its Python may be
    "PrivateTmp": None,  # hides the test's folder
    "ProtectKernelTunables": None,  # needs mounts that containers refuse
    "ProtectKernelLogs": None,
    "PrivateUsers": None,
    "PrivateDevices": None,
    "Wants": None,
    "After": None,
}
"""Options that a user manager in a container cannot obey. `changed` takes them out."""


class Manager:
    """What `systemctl --user` says and does."""

    def __init__(self, runtime: Path) -> None:
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        self._units = runtime / "systemd" / "user"
        self._units.mkdir(parents=True)

    def do(self, *words: str) -> str:
        """Run one command of systemctl."""
        done = subprocess.run(
            ["systemctl", "--user", *words],
            env=self._environment, check=False, capture_output=True, text=True, timeout=LONG,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def install(self, name: str, text: str) -> None:
        """Make a unit known."""
        (self._units / name).write_text(text)
        self.do("daemon-reload")

    def show(self, unit: str, key: str) -> str:
        """Return one property of a unit."""
        return self.do("show", "--value", f"--property={key}", unit)

    def wait(self, unit: str, key: str, value: str) -> None:
        """Wait until a property has a value."""
        until = time.monotonic() + LONG
        while (now := self.show(unit, key)) != value:
            assert time.monotonic() < until, f"{unit}: {key} is {now}, not {value}"
            time.sleep(0.05)


def why_not() -> str | None:
    """Return why no manager can run here, or None."""
    for tool in ("systemctl", "unshare"):
        if shutil.which(tool) is None:
            return f"no {tool} here"
    if not any(Path(program).exists() for program in _PROGRAMS):
        return "no systemd here"
    if os.geteuid() != 0:
        return "a mount namespace of one's own takes root"
    return None


@contextlib.contextmanager
def user_manager() -> Iterator[Manager | None]:
    """Start a manager and end it, and all it started; None where it cannot run."""
    program = next(each for each in _PROGRAMS if Path(each).exists())
    # Not below tmp_path: the path of a socket has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="sd-") as folder:
        runtime = Path(folder)
        manager = Manager(runtime)
        with (runtime / "log").open("wb") as log:
            process = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "sh", "-c",
                 _START.format(program=program) + " --unit=basic.target"],
                env={**os.environ, "XDG_RUNTIME_DIR": folder}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield manager if _up(process, runtime) else None
        finally:
            process.terminate()
            try:
                process.wait(timeout=LONG)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _up(process: subprocess.Popen[bytes], runtime: Path) -> bool:
    until = time.monotonic() + LONG
    while time.monotonic() < until and process.poll() is None:
        if (runtime / "systemd" / "private").exists():
            return True
        time.sleep(0.05)
    return False
