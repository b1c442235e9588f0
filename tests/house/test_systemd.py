"""The units and what belongs to them: known options, little exposure, commands that exist."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge import __main__ as bridge_main
from bridge import health as bridge_health
from drivers.kit.streams import SCHEMES
from gateway import __main__ as gateway_main
from gateway import daemon as gateway_daemon
from tests.bench import contenders
from tests.house import units
from tests.house.examples import CONFIG, ROOT
from tests.stopwatch import Stopwatch

SYSTEMD = ROOT / "systemd"
UNITS = {name: SYSTEMD / f"scanpost-{name}.service" for name in ("gateway", "bridge")}
LONG = 60.0  # s: a start takes one or two

each_unit = pytest.mark.parametrize("name", sorted(UNITS))


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


def _run(*words: str, code: int | None = 0) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def _verify(text: str, folder: Path, name: str) -> str:
    """Return what systemd has to say against a unit; empty if nothing."""
    path = folder / f"scanpost-{name}.service"
    path.write_text(text)
    return _run(_tool("systemd-analyze"), "verify", "--man=no", str(path), code=None)


@each_unit
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    # The program is not installed where the unit says; everything else is as it is.
    text = units.changed(UNITS[name], {"ExecStart": "/bin/true"})
    assert _verify(text, tmp_path, name) == ""


def test_a_misspelt_option_is_found(tmp_path: Path) -> None:
    text = units.changed(UNITS["gateway"], {"ExecStart": "/bin/true", "WatchDogSec": "30"})
    assert "WatchDogSec" in _verify(text, tmp_path, "gateway")


@pytest.mark.parametrize(("name", "tenths"), [("gateway", 20), ("bridge", 15)])
def test_a_unit_is_little_exposed(name: str, tenths: int, tmp_path: Path) -> None:
    analyze = _tool("systemd-analyze")
    if "--offline" not in _run(analyze, "--help"):
        pytest.skip("`systemd-analyze security --offline` came with systemd 250")
    path = tmp_path / f"scanpost-{name}.service"
    shutil.copy(UNITS[name], path)
    _run(analyze, "security", "--offline=true", f"--threshold={tenths}", str(path))


@each_unit
def test_a_unit_says_no_option_twice_but_the_lists(name: str) -> None:
    unit = units.read(UNITS[name])
    lists = {"SystemCallFilter", "DeviceAllow", "After", "Wants"}
    keys = [key for _, key, _ in unit.settings if key not in lists]
    assert len(keys) == len(set(keys))


@each_unit
def test_the_command_of_a_unit_is_one_the_program_has(name: str) -> None:
    program, room, action, *rest = units.read(UNITS[name]).one("ExecStart").split()
    assert (program, room, action) == ("/opt/scanpost/bin/scanpost", name, "run")
    assert rest == ["--config", f"/etc/scanpost/{name}.toml"]
    scanpost = str(Path(sys.executable).with_name("scanpost"))
    said = _run(scanpost, room, "check", "--config", str(CONFIG / f"{name}.toml"))
    assert f"{name}.toml" in said
    assert "run" in _run(scanpost, room, "--help")


def test_the_units_and_the_program_agree_where_the_configuration_is() -> None:
    for name, main in (("gateway", gateway_main), ("bridge", bridge_main)):
        command = units.read(UNITS[name]).one("ExecStart")
        assert command.endswith(f" --config {main.DEFAULT_CONFIG}")


@each_unit
def test_a_wrong_configuration_is_not_tried_again_and_again(name: str, tmp_path: Path) -> None:
    code = int(units.read(UNITS[name]).one("RestartPreventExitStatus"))
    scanpost = str(Path(sys.executable).with_name("scanpost"))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("nonsense = true\n")
    assert "wrong.toml" in _run(scanpost, name, "run", "--config", str(wrong), code=code)


@each_unit
def test_a_daemon_comes_back_without_end(name: str) -> None:
    unit = units.read(UNITS[name])
    assert unit.one("Restart") == "always"
    assert unit.one("StartLimitIntervalSec") == "0"
    assert 0 < unit.seconds("RestartSec") <= 5


@pytest.mark.parametrize(
    ("name", "noticed"),
    [("gateway", gateway_daemon._STUCK), ("bridge", bridge_health.FROZEN_AFTER)],
)
def test_a_daemon_that_hangs_is_ended_in_time_and_one_that_waits_is_not(
    name: str, noticed: float
) -> None:
    # Signs of life stop when disk or database have not answered for `noticed` seconds.
    watchdog = units.read(UNITS[name]).seconds("WatchdogSec")
    assert noticed + watchdog <= 120
    # A worn SD card stops everything for seconds, the daemon's own code too.
    assert watchdog >= 20


def test_the_gateway_is_measured_as_it_is_installed() -> None:
    unit = units.read(UNITS["gateway"])
    environment = dict(word.split("=", 1) for word in unit.one("Environment").split())
    assert environment == contenders.AS_INSTALLED
    assert unit.one("AllowedCPUs").isdigit(), "one core, as the bench has it"


def test_every_way_to_a_device_is_allowed() -> None:
    needed = {
        "serial": {"char-ttyACM", "char-ttyUSB", "char-ttyAMA", "char-ttyS"},
        "evdev": {"char-input"},
        "hidraw": {"char-hidraw"},
        "usb": set[str](),  # finds one of the others
        "tcp": set[str](),
        "replay": set[str](),
    }
    unit = units.read(UNITS["gateway"])
    allowed = {entry.removesuffix(" rw") for entry in unit.all("DeviceAllow")}
    assert {each for scheme in SCHEMES for each in needed[scheme]} <= allowed
    # A driver that is not loaded when the unit starts cannot be allowed by name.
    for module in ("usbserial", "cdc_acm"):
        assert all(f"modprobe@{module}.service" in unit.all(key)[-1] for key in ("Wants", "After"))


def test_the_gateway_may_see_whether_the_clock_is_right_and_which_boot_this_is() -> None:
    unit = units.read(UNITS["gateway"])
    assert not unit.all("ProtectClock")  # takes adjtimex away, and so every "synchronised"
    assert not unit.all("ProcSubset")  # hides /proc/sys/kernel/random/boot_id
    assert "adjtimex" in unit.all("SystemCallFilter")[-1]


# --- What Type=notify and the watchdog expect of the daemon ---


NOBODY = '[broker]\nurl = "mqtt://127.0.0.1:1"\n[web]\nenabled = false\n'
CONFIGS = {
    "gateway": 'site = "north"\ngateway = "dock-1"\n'
    + NOBODY
    + '[store]\npath = "{folder}/outbox.db"\n'
    '[[station]]\nname = "bench-1"\njob = "pass_through"\n',
    "bridge": 'site = "north"\n' + NOBODY + '[ledger]\npath = "{folder}/ledger.db"\n'
    '[target]\nconnector = "sql"\nurl = "sqlite+aiosqlite:///{folder}/stock.db"\n',
}
"""A gateway without devices, a bridge without gateways; both without a broker, and that is fine."""


@contextlib.asynccontextmanager
async def _daemon(
    name: str, folder: Path, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    config = folder / f"{name}.toml"
    config.write_text(CONFIGS[name].format(folder=folder))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name, "run", "--config", str(config),
        cwd=ROOT, env={**os.environ, **environment}, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@each_unit
async def test_a_daemon_is_ready_lives_and_says_goodbye(name: str, tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notified:
        notified.bind(str(address))
        loop = asyncio.get_running_loop()
        environment = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"}
        async with asyncio.timeout(LONG), _daemon(name, tmp_path, **environment) as process:
            assert (await loop.sock_recv(notified, 4096)).startswith(b"READY=1\nSTATUS=")
            assert await loop.sock_recv(notified, 4096) == b"WATCHDOG=1"
            assert await loop.sock_recv(notified, 4096) == b"WATCHDOG=1"
            with Stopwatch(process.pid) as stopwatch:
                process.send_signal(signal.SIGTERM)
                while (said := await loop.sock_recv(notified, 4096)) == b"WATCHDOG=1":
                    continue
                assert said == b"STOPPING=1"
                assert await process.wait() == 0
            assert stopwatch.waited < units.read(UNITS[name]).seconds("TimeoutStopSec")


# --- Users, folders, and the commands of the README ---


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (SYSTEMD / "README.md").read_text("utf-8"), re.DOTALL)
    lines = "\n".join(blocks).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_readme_installs_every_file_there_is_to_where_it_belongs() -> None:
    copied = {}
    for line in _commands():
        words = line.split()
        if words[1] == "install" and words[-2] != "/dev/null":
            assert (ROOT / words[-2]).is_file(), line
            copied[words[-2]] = words[-1]
    for path in sorted(SYSTEMD.iterdir()):
        if path.suffix != ".md":
            assert copied[f"systemd/{path.name}"].startswith(("/etc/", "/usr/lib/"))
    for name, unit in UNITS.items():
        program, *_, config = units.read(unit).one("ExecStart").split()
        assert copied[f"config/{name}.toml"] == config
        assert f"sudo -u scanpost {program} {name} check --config {config}" in _commands()
        assert f"sudo systemctl enable --now {unit.name}" in _commands()
    mosquitto = (CONFIG / "mosquitto.conf").read_text("utf-8")
    assert f"acl_file {copied['config/mosquitto.acl']}\n" in mosquitto


def test_user_and_folders_come_to_be(tmp_path: Path) -> None:
    sysusers, tmpfiles = _tool("systemd-sysusers"), _tool("systemd-tmpfiles")
    if os.geteuid() != 0:
        pytest.skip("making users, even below a folder of one's own, takes root")
    for name in ("etc", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    _run(sysusers, f"--root={tmp_path}", str(SYSTEMD / "scanpost.sysusers"))
    [line] = (tmp_path / "etc/passwd").read_text().splitlines()
    name, _, uid, gid, _, home, shell = line.split(":")
    assert (name, home) == ("scanpost", "/var/lib/scanpost")
    assert shell.endswith("nologin")
    shutil.copy(CONFIG / "gateway.toml", tmp_path / "etc")
    _run(tmpfiles, f"--root={tmp_path}", "--create", str(SYSTEMD / "scanpost.tmpfiles"))
    for folder in ("etc/scanpost", "etc/scanpost/credentials"):
        status = (tmp_path / folder).stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o750, 0, int(gid)), uid
    (tmp_path / "etc/scanpost/credentials/key").write_text("secret")
    _run(tmpfiles, f"--root={tmp_path}", "--create", str(SYSTEMD / "scanpost.tmpfiles"))
    status = (tmp_path / "etc/scanpost/credentials/key").stat()
    assert (status.st_mode & 0o7777, status.st_gid) == (0o640, int(gid))


@each_unit
def test_a_unit_runs_as_the_user_that_is_made(name: str) -> None:
    unit = units.read(UNITS[name])
    made = (SYSTEMD / "scanpost.sysusers").read_text("utf-8")
    assert f"\nu {unit.one('User')} " in made
    assert unit.one("Group") == unit.one("User")
    assert unit.one("StateDirectory") == "scanpost"
