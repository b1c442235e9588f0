"""The doors of the house: every command answers for itself, and opens no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from scanpost.__main__ import _ROOMS
from tests.house.examples import CONFIG, ROOT

SCANPOST = str(Path(sys.executable).with_name("scanpost"))


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_command_lists_every_room(flag: str) -> None:
    done = _run(SCANPOST, flag)
    assert (done.returncode, done.stderr) == (0, "")
    for room, (_, text) in _ROOMS.items():
        assert f"  {room}" in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("room", sorted(_ROOMS))
def test_every_room_says_how_it_is_used(room: str) -> None:
    done = _run(SCANPOST, room, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: scanpost {room}")


@pytest.mark.parametrize("words", [["nonsense"], ["gateways", "run"], ["--nonsense"]])
def test_a_command_there_is_not_is_answered_with_those_there_are(words: list[str]) -> None:
    done = _run(SCANPOST, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[0] in done.stderr
    assert all(f"  {room}" in done.stderr for room in _ROOMS)


@pytest.mark.parametrize("room", ["gateway", "bridge"])
def test_a_daemon_without_its_file_says_so(room: str, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.toml")
    done = _run(SCANPOST, room, "check", "--config", nowhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert nowhere in done.stderr
    assert "Traceback" not in done.stderr


def test_modules_that_are_run_say_how() -> None:
    for module in (
        "gateway",
        "bridge",
        "scanpost",
        "drivers.simulators",
        "drivers.table",
        "contract.schema",
    ):
        done = _run(sys.executable, "-m", module, "--help")
        assert done.returncode == 0, module
        assert done.stdout.startswith("usage: "), module


# --- What is loaded for what: a Pi has little memory, and starts slowly ---

EVERY = """
import importlib, pkgutil
for package in {packages}:
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, package + "."):
        if not module.name.endswith(("__main__", "migrations.env")):
            importlib.import_module(module.name)
"""
CHECK = """
from {room}.__main__ import main
assert main(["check", "--config", {config!r}]) == 0
"""
LOADED = """
import sys
print(" ".join(sorted(name.partition(".")[0] for name in sys.modules)))
"""


def _loaded(code: str) -> set[str]:
    done = _run(sys.executable, "-c", code + LOADED)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_contract_loads_nothing_that_touches_the_world() -> None:
    loaded = _loaded(EVERY.format(packages=["contract"]))
    assert "pydantic" in loaded
    assert not loaded & {
        "aiohttp", "aiomqtt", "aiosqlite", "alembic", "evdev", "paho", "serial", "sqlalchemy",
        "sqlite3", "bridge", "drivers", "gateway", "runtime",
    }  # fmt: skip


def test_the_drivers_load_no_web_no_broker_and_no_database() -> None:
    loaded = _loaded(EVERY.format(packages=["drivers"]))
    assert "pydantic" in loaded
    # Nor pyserial: it comes with the first port that is opened.
    assert not loaded & {
        "aiohttp", "aiomqtt", "aiosqlite", "alembic", "paho", "serial", "sqlalchemy", "contract",
        "runtime", "gateway", "bridge",
    }  # fmt: skip


def test_looking_at_a_gateway_s_file_loads_no_office() -> None:
    loaded = _loaded(CHECK.format(room="gateway", config=str(CONFIG / "gateway.toml")))
    assert "gateway" in loaded
    assert not loaded & {"aiohttp", "alembic", "bridge", "evdev", "serial", "sqlalchemy"}


def test_a_gateway_loads_nothing_of_the_office() -> None:
    loaded = _loaded(EVERY.format(packages=["gateway"]))
    assert "aiosqlite" in loaded
    assert not loaded & {"alembic", "bridge", "sqlalchemy"}


def test_a_bridge_loads_nothing_of_the_bench() -> None:
    loaded = _loaded(EVERY.format(packages=["bridge"]))
    assert "sqlalchemy" in loaded
    assert not loaded & {"drivers", "evdev", "gateway", "serial"}


def test_looking_for_help_loads_no_room() -> None:
    loaded = _loaded(
        'import sys; sys.argv = ["scanpost", "--help"]\nimport scanpost.__main__ as s\ns.main()\n'
    )
    assert not loaded & {"aiohttp", "bridge", "drivers", "gateway", "pydantic", "sqlalchemy"}
