"""Every setting there is stands in an example, every example loads, and what it says is true."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge import config as bridge_config
from bridge import registry as connectors
from bridge.errors import ConfigError
from bridge.mapping import folder as mapping
from bridge.mapping.rules import Rules
from drivers.kit import registry as drivers
from drivers.kit.errors import StreamLost
from drivers.kit.streams import open_stream
from gateway import config as gateway_config
from gateway.stations import registry as jobs
from tests.house.examples import CONFIG, Example, missing, untrue

GATEWAY = Example(CONFIG / "gateway.toml")
GATEWAYS = [
    GATEWAY,
    *(Example(path) for path in sorted((CONFIG / "gateway").glob("*.toml"))),
    *(Example(path) for path in sorted((CONFIG / "jobs").glob("*.toml"))),
]
BRIDGES = {
    "sql": Example(CONFIG / "bridge.toml"),
    "tryton": Example(CONFIG / "bridge-tryton.toml"),
}
"""Those that show every setting of a bridge."""
TARGETS = {
    name: Example(CONFIG / f"bridge-{name}.toml")
    for name in connectors.names()
    if name not in BRIDGES
}
"""Those that show every setting of a target, and of the rest what a bridge must have."""
MAPPING = Example(CONFIG / "mapping" / "mapping.toml")
EITHER = ('path = "', 'api_key_file = "')
OR = ('url = "postgresql', 'password_file = "/etc/scanpost/credentials/ledger', "api_key_env")
"""Lines of a bridge's file that exclude each other."""
INSTEAD = (
    'folder = "/var/lib/scanpost/epcis',
    *('token_url = "https://s4', 'client_id = "scanpost-s4'),
    'client_secret_file = "/etc/scanpost/credentials/sap',
)
"""Lines of a target's example that say something instead of another line."""
NOT_FOR_FILES = {"target.api_key"}
"""A secret in the file itself is for tests."""
DRIVERS = sorted({*drivers.names()["scales"], *drivers.names()["scanners"]})

each_target = pytest.mark.parametrize("connector", sorted(TARGETS))
each_bridge = pytest.mark.parametrize("connector", sorted(BRIDGES))
each_gateway = pytest.mark.parametrize("example", GATEWAYS, ids=lambda example: example.name)


def _written(text: str, folder: Path) -> Path:
    path = folder / "example.toml"
    path.write_text(text, "utf-8")
    return path


def _stations(tables: dict[str, Any]) -> list[dict[str, Any]]:
    stations: list[dict[str, Any]] = tables["station"]
    return stations


@each_gateway
def test_a_gateway_example_loads_as_it_is(example: Example) -> None:
    assert gateway_config.load(example.path).stations


@each_gateway
def test_a_gateway_example_loads_with_every_setting_on(example: Example, tmp_path: Path) -> None:
    assert gateway_config.load(_written(example.everything_on, tmp_path)).stations


def test_gateway_toml_shows_every_setting_that_is_no_driver_s() -> None:
    shown = tomllib.loads(GATEWAY.everything_on)
    stations: dict[str, Any] = {}
    for station in _stations(shown):
        stations |= station
    devices: dict[str, Any] = {}
    for device in stations["device"]:
        devices |= device
    assert not [
        *missing(gateway_config._File, shown),
        *missing(gateway_config._Station, stations, "station"),
        *missing(gateway_config._Device, devices, "station.device"),
    ]


@pytest.mark.parametrize("job", jobs.names())
def test_every_job_has_an_example_with_all_its_settings(job: str) -> None:
    stations = [
        work
        for example in GATEWAYS
        for station in _stations(tomllib.loads(example.everything_on))
        for work in (station, *station.get("mode", ()))
        if work["job"] == job
    ]
    assert stations, f"no example in config/ has a station with the job {job}"
    assert not min(
        (list(missing(jobs.load(job).Config, station, job)) for station in stations), key=len
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver_has_an_example_with_all_its_settings(driver: str) -> None:
    example = Example(CONFIG / "gateway" / f"{driver}.toml")
    assert example.path.exists(), f"write {example.name}"
    [station] = _stations(tomllib.loads(example.everything_on))
    [device] = station["device"]
    assert device["driver"] == driver
    assert not list(missing(drivers.load(driver).Config, device, driver))


@each_gateway
def test_a_setting_that_is_off_shows_its_default(example: Example) -> None:
    shown, on = tomllib.loads(example.everything_on), example.as_it_is
    wrong = list(untrue(gateway_config._File, shown, on))
    for station, station_on in zip(_stations(shown), _stations(on), strict=True):
        wrong += untrue(gateway_config._Station, station, station_on, station["name"])
        works = zip(
            (station, *station.get("mode", ())),
            (station_on, *station_on.get("mode", ())),
            strict=True,
        )
        for work, work_on in works:
            wrong += untrue(jobs.load(work["job"]).Config, work, work_on, station["name"])
        for device, device_on in zip(station["device"], station_on["device"], strict=True):
            wrong += untrue(
                drivers.load(device["driver"]).Config, device, device_on, device["driver"]
            )
    assert not wrong


@each_gateway
async def test_the_addresses_of_an_example_can_be_opened_where_the_device_is(
    example: Example,
) -> None:
    for station in _stations(example.as_it_is):
        for device in station["device"]:
            if device["url"].startswith("evdev:"):
                pytest.importorskip("evdev")
            with pytest.raises(StreamLost, match="is not there"):
                await open_stream(device["url"])


@each_bridge
def test_a_bridge_example_loads_as_it_is(connector: str) -> None:
    assert bridge_config.load(BRIDGES[connector].path).target.connector == connector


@each_bridge
@pytest.mark.parametrize("without", [EITHER, OR], ids=["or", "either"])
def test_a_bridge_example_loads_with_every_setting_on(
    connector: str, without: tuple[str, ...], tmp_path: Path
) -> None:
    text = BRIDGES[connector].everything_on
    with pytest.raises(ConfigError):
        bridge_config.load(_written(text, tmp_path))
    lines = [line for line in text.splitlines() if not line.startswith(without)]
    loaded = bridge_config.load(_written("\n".join(lines), tmp_path))
    assert loaded.target.connector == connector


@each_bridge
def test_a_bridge_example_shows_every_setting(connector: str) -> None:
    shown = tomllib.loads(BRIDGES[connector].everything_on)
    absent = [
        *missing(bridge_config.Config, shown),
        *missing(connectors.load(connector).Config, shown["target"], "target"),
    ]
    assert set(absent) <= NOT_FOR_FILES


@each_bridge
def test_a_bridge_setting_that_is_off_shows_its_default(connector: str) -> None:
    example = BRIDGES[connector]
    shown, on = tomllib.loads(example.everything_on), example.as_it_is
    target = connectors.load(connector).Config
    assert not [
        *untrue(bridge_config.Config, shown, on),
        *untrue(target, shown["target"], on["target"], "target"),
    ]


@each_target
@pytest.mark.parametrize("everything", [False, True], ids=["as it is", "everything on"])
def test_a_target_example_loads(connector: str, everything: bool, tmp_path: Path) -> None:
    example = TARGETS[connector]
    text = example.everything_on if everything else example.path.read_text("utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith(INSTEAD))
    assert bridge_config.load(_written(text, tmp_path)).target.connector == connector


@each_target
def test_a_target_example_shows_every_setting_and_its_default(connector: str) -> None:
    example, model = TARGETS[connector], connectors.load(connector).Config
    shown = tomllib.loads(example.everything_on)["target"]
    assert not list(missing(model, shown, "target"))
    assert not list(untrue(model, shown, example.as_it_is["target"]))


def test_every_connector_has_an_example() -> None:
    assert set(BRIDGES) | set(TARGETS) == set(connectors.names())
    assert all(example.path.exists() for example in TARGETS.values())


@pytest.mark.parametrize("everything", [False, True], ids=["as it is", "everything on"])
def test_the_example_of_mapping_tables_is_sound_and_shows_every_setting(everything: bool) -> None:
    files = {path.name: path.read_bytes() for path in MAPPING.path.parent.iterdir()}
    assert set(files) == set(mapping.FILES)
    if everything:
        files[mapping.FILES[0]] = MAPPING.everything_on.encode()
    rules = mapping.made(files).tables.rules
    assert rules.warehouse
    shown = tomllib.loads(MAPPING.everything_on)
    assert not list(missing(Rules, shown))
    assert not list(untrue(Rules, shown, MAPPING.as_it_is))


def test_no_example_is_without_a_test() -> None:
    known = {example.path for example in [*GATEWAYS, *BRIDGES.values(), *TARGETS.values(), MAPPING]}
    strays = {path for path in CONFIG.rglob("*.toml") if path not in known}
    assert not strays


def test_a_setting_without_an_example_is_found() -> None:
    shown = tomllib.loads(GATEWAY.everything_on)
    del shown["broker"]["keepalive"]
    assert "broker.keepalive" in missing(gateway_config._File, shown)


def test_a_default_that_changed_is_found() -> None:
    text = GATEWAY.path.read_text("utf-8").replace("#keepalive = 20", "#keepalive = 60")
    shown = tomllib.loads(text.replace("#keepalive", "keepalive"))
    assert list(untrue(gateway_config._File, shown, tomllib.loads(text))) == [
        "broker.keepalive: the example shows 60, the default is 20"
    ]
