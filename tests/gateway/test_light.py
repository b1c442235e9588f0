"""A gateway on a small computer loads what its configuration needs, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs the daemon until it is ready for scans, then says what it has loaded.
RUN = """
import asyncio, json, sys
from pathlib import Path
from gateway import config, daemon

async def ready_once(path):
    ready = asyncio.Event()
    daemon.notify_ready = lambda *_: ready.set()
    running = asyncio.ensure_future(daemon.run(config.load(path)))
    waiting = asyncio.ensure_future(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert ready.is_set(), running
    running.cancel()
    await asyncio.wait({running})

asyncio.run(ready_once(Path(sys.argv[1])))
print(json.dumps(sorted(sys.modules)))
"""
OFFICE = {"bridge", "sqlalchemy", "alembic", "psycopg"}
PAGE = {"aiohttp", "prometheus_client"}
TESTS = {"biip", "hypothesis", "matplotlib", "numpy", "pytest"}
OTHER_DEVICES = {"evdev", "drivers.kit.streams.evdev", "drivers.kit.streams.hidraw"}
SIMULATORS = {"drivers.simulators", "scanpost"}


def loaded(folder: Path, web: str) -> set[str]:
    scanner, host = os.openpty()
    try:
        config = folder / "gateway.toml"
        config.write_text(
            'site = "test"\ngateway = "dock"\n'
            f'[store]\npath = "{folder / "outbox.db"}"\n'
            '[broker]\nurl = "mqtt://127.0.0.1:9"\n'
            f"[web]\n{web}\n"
            '[[station]]\nname = "door"\njob = "pass_through"\n'
            '[[station.device]]\nid = "gun"\ndriver = "lines"\n'
            f'url = "serial://{os.ttyname(host)}"\n'
        )
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
    finally:
        os.close(scanner)
        os.close(host)
    assert done.returncode == 0, done.stderr
    modules: set[str] = set(json.loads(done.stdout.splitlines()[-1]))
    return modules


@pytest.fixture(scope="module")
def without_page(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return loaded(tmp_path_factory.mktemp("light"), "enabled = false")


@pytest.mark.parametrize("heavy", sorted(OFFICE | PAGE | TESTS | OTHER_DEVICES | SIMULATORS))
def test_a_gateway_without_a_page_does_not_load(without_page: set[str], heavy: str) -> None:
    assert heavy not in without_page


def test_only_the_drivers_and_jobs_of_the_configuration_are_loaded(without_page: set[str]) -> None:
    registry = {"drivers.scanners", "drivers.scales", "gateway.stations"}
    kit = {"gateway.stations.job", "gateway.stations.labels", "gateway.stations.registry"}
    mine = {"drivers.scanners.lines", "gateway.stations.pass_through"}
    found = {
        name for name in without_page if name.startswith(tuple(f"{each}." for each in registry))
    }
    assert mine <= found
    assert found - kit == mine


def test_a_gateway_with_a_page_loads_what_the_page_needs(tmp_path: Path) -> None:
    modules = loaded(tmp_path, 'listen = "127.0.0.1:0"')
    assert modules >= {"aiohttp"}, "else this test looks at the wrong names"
    assert not modules & (OFFICE | TESTS | OTHER_DEVICES | SIMULATORS)
