"""The container files, checked by structure and played without containers."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bridge import config as bridge_config
from gateway import config as gateway_config
from tests.house.examples import ROOT
from tests.mosquitto import MOSQUITTO, free_port

DOCKER = ROOT / "docker"
LONG = 100.0  # s: four programs start on a busy machine

COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def _instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions and their arguments, lines joined."""
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, rest in found]


def _all(word: str) -> list[str]:
    return [rest for each, rest in _instructions() if each == word]


# --- Dockerfile ---


def test_every_instruction_is_one_there_is() -> None:
    known = {"ARG", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN"}
    known |= {"STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
    assert {word for word, _ in _instructions()} <= known


def test_what_is_copied_is_there_and_is_all_a_wheel_needs() -> None:
    copied: set[str] = set()
    for rest in _all("COPY"):
        *sources, _ = rest.split()
        if not sources[0].startswith("--from="):
            assert all((ROOT / source).exists() for source in sources), rest
            copied |= {source.rstrip("/") for source in sources}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied == {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *packages,
    }


def test_the_engine_is_given_what_is_copied_and_nothing_else() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}
    copied = {
        source.rstrip("/")
        for rest in _all("COPY")
        if not rest.startswith("--from=")
        for source in rest.split()[:-1]
    }
    assert let_in == copied


def test_the_image_does_not_run_as_root() -> None:
    words = [word for word, _ in _instructions()]
    assert _all("USER") == ["scanpost"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "useradd --system" in _all("RUN")[-1]


def test_every_image_has_a_version() -> None:
    images = [rest.split()[0] for rest in _all("FROM")]
    images += [service["image"] for service in SERVICES.values()]
    for image in images:
        name, _, tag = image.partition(":")
        assert name
        assert re.match("^[0-9]+[.][0-9]+", tag), image


def test_our_own_images_have_the_version_of_the_project() -> None:
    ours = {s["image"] for s in SERVICES.values() if s["image"].startswith("scanpost")}
    assert {image.partition(":")[2] for image in ours} == {version("scanpost")}


def test_every_extra_that_is_asked_for_is_one_there_is() -> None:
    asked = {
        service["build"]["args"]["EXTRAS"] for service in SERVICES.values() if "build" in service
    }
    asked |= {rest.partition("=")[2] for rest in _all("ARG")}
    known = set(metadata("scanpost").get_all("Provides-Extra") or [])
    assert asked
    assert {extra for each in asked for extra in each.split(",")} <= known


# --- compose.yaml ---


def test_compose_itself_finds_nothing_wrong() -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("no docker here")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no `docker compose` here")
    done = subprocess.run(
        [docker, "compose", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@each_service
def test_a_service_says_nothing_compose_does_not_know(name: str) -> None:
    known = {"build", "cap_drop", "command", "entrypoint", "environment", "healthcheck", "image"}
    known |= {"ports", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs"}
    known |= {"user", "volumes"}
    assert set(SERVICES[name]) <= known


@each_service
def test_a_port_is_open_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:([0-9]+):\1", port)


@each_service
def test_a_container_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    for mount in SERVICES[name]["volumes"]:
        source, target, *flags = mount.split(":")
        assert target.startswith("/")
        if source.startswith("./"):
            assert (DOCKER / source).is_file(), mount
            assert flags == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize(("name", "port"), [("gateway", "8480"), ("bridge", "8481")])
def test_a_daemon_is_asked_for_its_health_where_it_listens(name: str, port: str) -> None:
    service = SERVICES[name]
    tables = tomllib.loads((DOCKER / f"{name}.toml").read_text("utf-8"))
    assert service["environment"]["SCANPOST_PORT"] == port
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert tables["web"]["listen"] == f"0.0.0.0:{port}"
    assert service["command"] == [name, "run", "--config", f"/etc/scanpost/{name}.toml"]
    assert f"./{name}.toml:/etc/scanpost/{name}.toml:ro" in service["volumes"]


def test_the_settings_name_containers_that_there_are() -> None:
    gateway = gateway_config.load(DOCKER / "gateway.toml")
    bridge = bridge_config.load(DOCKER / "bridge.toml")
    assert gateway.broker.host in SERVICES
    assert bridge.broker == gateway.broker
    script = (DOCKER / "devices.py").read_text("utf-8")
    for device in gateway.stations[0].devices:
        match = re.fullmatch("tcp://(.*):([0-9]+)", device.url)
        assert match is not None
        assert match[1] in SERVICES
        assert f"default={match[2]}," in script


# --- The whole way, without containers ---


@contextlib.asynccontextmanager
async def _started(*words: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=out, stderr=out)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONG):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


def _moved(name: str, folder: Path, **changes: str) -> str:
    """Write a file of this folder with other addresses, and return where."""
    text = (DOCKER / name).read_text("utf-8")
    for said, meant in {**changes, "/var/lib/scanpost": str(folder)}.items():
        text = text.replace(said, meant)
    path = folder / name
    path.write_text(text)
    return str(path)


async def _json(session: aiohttp.ClientSession, url: str) -> Any:
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(url) as response:
            return await response.json()
    return None


async def test_what_compose_starts_brings_scans_to_the_books(tmp_path: Path) -> None:
    assert MOSQUITTO is not None, "install mosquitto: apt install mosquitto"
    mqtt, page, books, scanner, scale = (free_port() for _ in range(5))
    conf = _moved(
        "mosquitto.conf",
        tmp_path,
        **{"listener 1883": f"listener {mqtt} 127.0.0.1", "/mosquitto/data": str(tmp_path)},
    )
    Path(conf).write_text(Path(conf).read_text() + "user root\n")
    broker = {"mosquitto:1883": f"127.0.0.1:{mqtt}"}
    gateway = _moved(
        "gateway.toml",
        tmp_path,
        **broker,
        **{
            "0.0.0.0:8480": f"127.0.0.1:{page}",
            "devices:4001": f"127.0.0.1:{scanner}",
            "devices:4002": f"127.0.0.1:{scale}",
        },
    )
    bridge = _moved("bridge.toml", tmp_path, **broker, **{"0.0.0.0:8481": f"127.0.0.1:{books}"})
    devices = [str(DOCKER / "devices.py"), "--scanner", str(scanner), "--scale", str(scale)]
    logs = [tmp_path / f"{name}.log" for name in ("mosquitto", "bridge", "gateway", "devices")]
    async with (
        _started(MOSQUITTO, "-c", conf, log=logs[0]),
        _started(sys.executable, "-m", "bridge", "run", "--config", bridge, log=logs[1]),
        _started(sys.executable, "-m", "gateway", "run", "--config", gateway, log=logs[2]),
        _started(sys.executable, *devices, "--every", "0.8", log=logs[3]) as virtual,
        aiohttp.ClientSession() as session,
    ):
        wanted = {("04006381333931", "", "DOCK-1"), ("04012345123456", "LOT7", "DOCK-1")}
        found: set[tuple[str, str, str]] = set()
        try:
            async with asyncio.timeout(LONG):
                while not wanted <= found:
                    await asyncio.sleep(0.1)
                    rows = await _json(session, f"http://127.0.0.1:{books}/api/stock") or []
                    found = {(row["item"], row["lot"], row["location"]) for row in rows}
        except TimeoutError:
            pytest.fail("\n".join(log.read_text()[-2000:] for log in logs))
        await _health_is_asked_as_the_image_asks(page)
        assert virtual.returncode is None


async def _health_is_asked_as_the_image_asks(port: int) -> None:
    [check] = _all("HEALTHCHECK")
    _, *words = json.loads(check.partition(" CMD ")[2])

    async def asked(at: int) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words,
            env={"SCANPOST_PORT": str(at)}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return await process.wait()

    assert await asked(free_port()) == 1
    async with asyncio.timeout(LONG):
        while await asked(port) != 0:  # Docker, too, asks one again that was slow
            continue
