"""What dies in the chaos is a daemon's own process, whatever it was started from."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from scanpost.demo.processes import NotUp, Process, free_port
from tests.chaos.lives import COLD, Lives
from tests.chaos.walltime import YEAR, WallClock, library

_CONFIG = """\
site = "chaos"
gateway = "desk"
[store]
path = {store}
[broker]
url = "mqtt://127.0.0.1:9"
[web]
listen = "127.0.0.1:{port}"
[[station]]
name = "desk"
job = "pass_through"
[[station.device]]
id = "scanner"
driver = "lines"
url = "serial:///dev/not-plugged-in"
"""


@pytest.fixture
def lives() -> Iterator[Lives]:
    with Lives() as lives:
        yield lives


def _gateway(lives: Lives, folder: Path) -> Process:
    port = free_port()
    config = folder / "gateway.toml"
    config.write_text(_CONFIG.format(store=json.dumps(str(folder / "outbox.db")), port=port))
    command = [sys.executable, "-m", "gateway", "run", "--config", str(config)]
    return lives.process("gateway", command, port, folder / "gateway.log")


def _words(process: Process) -> bytes:
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


async def test_a_fork_is_a_process_of_its_own_and_dies_for_real(
    tmp_path: Path, lives: Lives
) -> None:
    gateway = _gateway(lives, tmp_path)
    await gateway.start()
    assert b"-m\0gateway\0run" in _words(gateway)
    await gateway.kill()
    open_before = len(os.listdir("/proc/self/fd"))
    pids = set()
    for _ in range(3):
        await gateway.start()
        assert b"tests.chaos.forked\0gateway" in _words(gateway)
        assert gateway.pid is not None
        pids.add(gateway.pid)
        assert os.getsid(gateway.pid) == gateway.pid
        await gateway.kill()
        assert not gateway.running()
    assert len(pids) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids), "not even a zombie"
    assert len(os.listdir("/proc/self/fd")) == open_before


async def test_a_fork_ends_in_good_order_when_it_is_asked_to(tmp_path: Path, lives: Lives) -> None:
    gateway = _gateway(lives, tmp_path)
    for _ in range(2):
        await gateway.start()
        await gateway.stop()
    assert gateway.log_tail().count("stopped gateway=") == 2


async def test_a_fork_that_does_not_come_up_says_why(tmp_path: Path, lives: Lives) -> None:
    gateway = _gateway(lives, tmp_path)
    await gateway.start()
    await gateway.stop()
    (tmp_path / "gateway.toml").write_text("site = 7\n")
    with pytest.raises(NotUp, match="site"):
        await gateway.start()


async def test_now_and_then_a_start_is_a_cold_one(tmp_path: Path, lives: Lives) -> None:
    gateway = _gateway(lives, tmp_path)
    for _ in range(COLD + 1):
        await gateway.start()
        await gateway.kill()
    assert lives.cold == {"gateway": 2}


@pytest.mark.skipif(library() is None, reason="no libfaketime: apt install libfaketime")
async def test_a_fork_has_the_wall_clock_of_now_not_that_of_its_warm_process(
    tmp_path: Path,
) -> None:
    clock = WallClock(tmp_path / "faketime")
    with clock.under(), Lives() as lives:
        gateway = _gateway(lives, tmp_path)
        await gateway.start()
        await gateway.kill()
        for years in (10, -30):
            clock.step(years * YEAR)
            await gateway.start()
            told = await _born(gateway.port)
            await gateway.kill()
            assert abs((told - datetime.now(UTC)).days - years * 365) < 2


async def _born(port: int) -> datetime:
    """Return when the gateway was not yet online: when it began, by its own clock."""
    async with (
        asyncio.timeout(60),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/api/status") as answer,
    ):
        return datetime.fromisoformat((await answer.json())["offline_since"])
