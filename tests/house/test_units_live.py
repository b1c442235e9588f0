"""The units under a real systemd: started, watched, killed, hung, stopped."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import units
from tests.house.examples import ROOT
from tests.house.user_manager import BEYOND_A_CONTAINER, Manager, user_manager, why_not
from tests.stopwatch import Stopwatch

UNITS = {name: ROOT / "systemd" / f"scanpost-{name}.service" for name in ("gateway", "bridge")}
each_unit = pytest.mark.parametrize("name", sorted(UNITS))

NAMESPACE = "226"  # what systemd exits with where it cannot set up a unit's mounts

NOBODY = '[broker]\nurl = "mqtt://127.0.0.1:1"\n[web]\nenabled = false\n'
CONFIGS = {
    "gateway": 'site = "north"\ngateway = "dock-1"\n'
    + NOBODY
    + '[store]\npath = "{folder}/outbox.db"\n'
    '[[station]]\nname = "bench-1"\njob = "pass_through"\n',
    "bridge": 'site = "north"\n' + NOBODY + '[ledger]\npath = "{folder}/ledger.db"\n'
    '[target]\nconnector = "sql"\nurl = "sqlite+aiosqlite:///{folder}/stock.db"\n',
}


@pytest.fixture(scope="module")
def systemd() -> Iterator[Manager]:
    """A user manager for this file's tests."""
    if reason := why_not():
        pytest.skip(reason)
    with user_manager() as manager:
        if manager is None:
            pytest.skip("systemd does not come up here")
        yield manager


def _unit(name: str, folder: Path, **changes: str | None) -> str:
    config = folder / f"{name}.toml"
    config.write_text(CONFIGS[name].format(folder=folder))
    program = Path(sys.executable).with_name("scanpost")
    here = {
        "ExecStart": f"{program} {name} run --config {config}",
        "ReadWritePaths": str(folder),
        "RestartSec": "100ms",
    }
    return units.changed(UNITS[name], {**BEYOND_A_CONTAINER, **here, **changes})


@pytest.fixture
def service(
    systemd: Manager, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Manager, str]]:
    """A running daemon of the name and with the changes to its unit that a test is for."""
    name, changes = request.param
    unit = f"scanpost-{name}.service"
    systemd.install(unit, _unit(name, tmp_path, **changes))
    try:
        systemd.do("start", unit)
    except AssertionError:
        if systemd.show(unit, "ExecMainStatus") == NAMESPACE:
            pytest.skip("this container refuses the mounts a unit asks for")
        raise
    yield systemd, unit
    systemd.do("stop", unit)
    systemd.do("reset-failed")


def _each(**changes: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "service", [(name, changes) for name in sorted(UNITS)], ids=sorted(UNITS), indirect=True
    )


each_service = _each()


def _pid(systemd: Manager, unit: str) -> int:
    return int(systemd.show(unit, "MainPID"))


@each_service
def test_a_daemon_is_ready_under_its_whole_hardening(service: tuple[Manager, str]) -> None:
    systemd, unit = service
    assert systemd.show(unit, "ActiveState") == "active"
    assert systemd.show(unit, "StatusText")
    status = Path(f"/proc/{_pid(systemd, unit)}/status").read_text()
    words = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.MULTILINE))
    assert int(words["CapEff"], 16) == int(words["CapBnd"], 16) == 0
    assert (words["NoNewPrivs"], words["Seccomp"]) == ("1", "2")
    # Half of what the unit allows, or the limit is too near.
    limit = int(systemd.show(unit, "MemoryMax"))
    assert int(words["VmRSS"].split()[0]) * 1024 < limit / 2


@each_service
def test_a_daemon_that_was_killed_comes_back(service: tuple[Manager, str]) -> None:
    systemd, unit = service
    os.kill(_pid(systemd, unit), signal.SIGKILL)
    systemd.wait(unit, "NRestarts", "1")
    systemd.wait(unit, "ActiveState", "active")


@_each(WatchdogSec="5s", TimeoutStopSec="2s")
def test_a_daemon_that_hangs_is_ended_by_the_watchdog(service: tuple[Manager, str]) -> None:
    systemd, unit = service
    os.kill(_pid(systemd, unit), signal.SIGSTOP)
    systemd.wait(unit, "NRestarts", "1")
    systemd.wait(unit, "ActiveState", "active")


@each_service
def test_a_daemon_that_is_told_to_stop_stops_well(service: tuple[Manager, str]) -> None:
    systemd, unit = service
    with Stopwatch(_pid(systemd, unit)) as stopwatch:
        systemd.do("stop", unit)
    assert stopwatch.waited < 2
    assert systemd.show(unit, "Result") == "success"
    assert systemd.show(unit, "ExecMainStatus") == "0"


@each_unit
def test_a_wrong_configuration_is_said_once(systemd: Manager, name: str, tmp_path: Path) -> None:
    unit = f"scanpost-{name}.service"
    systemd.install(unit, _unit(name, tmp_path))
    (tmp_path / f"{name}.toml").write_text("nonsense = true\n")
    systemd.do("start", "--no-block", unit)
    systemd.wait(unit, "ActiveState", "failed")
    assert systemd.show(unit, "ExecMainStatus") == "2"
    assert systemd.show(unit, "NRestarts") == "0"
    systemd.do("reset-failed")


ASKS = """
import pathlib, sys
sys.path.insert(0, {root!r})
from runtime.clock import Clock
clock = Clock()
state = clock._adjtimex(clock._timex)
boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
pathlib.Path({answer!r}).write_text(f"{{state >= 0}} {{str(clock.boot) == boot}}")
"""


def test_the_gateway_sees_the_clock_and_the_boot(systemd: Manager, tmp_path: Path) -> None:
    answer, asks = tmp_path / "answer", tmp_path / "asks.py"
    asks.write_text(ASKS.format(root=str(ROOT), answer=str(answer)))
    once: dict[str, str | None] = {
        "Type": "oneshot",
        "Restart": None,
        "NotifyAccess": None,
        "WatchdogSec": None,
        "ExecStart": f"{sys.executable} {asks}",
    }
    systemd.install("scanpost-asks.service", _unit("gateway", tmp_path, **once))
    systemd.do("start", "scanpost-asks.service")
    assert answer.read_text() == "True True"
