"""The configuration: a wrong file is refused whole, with every problem named by its place."""

from pathlib import Path

import pytest

from gateway import config
from gateway.__main__ import main
from gateway.config import Gateway
from gateway.errors import ConfigError

MINIMAL = """
site = "north"
gateway = "dock-1"

[[station]]
name = "door-1"
job = "pass_through"
"""

WHOLE = """
site = "north"
gateway = "dock-1"

[store]
path = "/data/outbox.db"
keep_rows = 500

[broker]
url = "mqtts://broker.example:8883"
username = "dock-1"

[web]
listen = "[::1]:0"

[log]
level = "debug"
format = "json"

[codes]
badge = ["STAFF:"]

[[station]]
name = "door-1"
job = "receiving"
book = "weight"
bounce = 0.2
settle = 5

[[station.device]]
id = "scanner-1"
url = "serial:///dev/ttyACM0"
driver = "lines"
prefix = "A"

[[station.device]]
id = "scale-1"
url = "tcp://192.0.2.7:4001"
driver = "mt_sics"
every = 0.5

[[station]]
name = "door-2"
job = "pass_through"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def refusal(file: Path, text: str) -> list[str]:
    """Return what is said of a wrong file, without the file's name that each line begins with."""
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        config.load(file)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def loaded(file: Path, text: str) -> Gateway:
    file.write_text(text)
    return config.load(file)


def test_a_minimal_file_is_enough(file: Path) -> None:
    gateway = loaded(file, MINIMAL)
    assert (gateway.site, gateway.gateway) == ("north", "dock-1")
    [station] = gateway.stations
    assert (station.name, station.modes[0].job, station.devices) == ("door-1", "pass_through", ())
    assert gateway.broker.url == "mqtt://127.0.0.1:1883"
    assert gateway.web.listen == "127.0.0.1:8480"


def test_every_table_reaches_whom_it_is_for(file: Path) -> None:
    gateway = loaded(file, WHOLE)
    first, second = gateway.stations
    assert (first.bounce, first.settle) == (0.2, 5)
    assert getattr(first.modes[0].settings, "book", None) == "weight"
    assert [device.id for device in first.devices] == ["scanner-1", "scale-1"]
    assert getattr(first.devices[0].settings, "prefix", None) == "A"
    assert getattr(first.devices[1].settings, "every", None) == 0.5
    assert second.devices == ()
    assert gateway.codes.badge == ("STAFF:",)
    assert gateway.store.keep_rows == 500
    assert gateway.broker.tls


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: .*No such file"):
        config.load(tmp_path / "none.toml")


def test_a_file_that_is_not_toml_names_the_line(file: Path) -> None:
    [problem] = refusal(file, 'site = "north"\ngateway = dock-1\n')
    assert "line 2" in problem


def test_a_file_that_is_not_utf_8_is_refused(file: Path) -> None:
    file.write_bytes(b'site = "n\xf6rth"\n')
    with pytest.raises(ConfigError, match="utf-8"):
        config.load(file)


def test_an_empty_file_is_told_all_it_lacks(file: Path) -> None:
    assert refusal(file, "") == [
        "site: Field required",
        "gateway: Field required",
        "station: Field required",
    ]


@pytest.mark.parametrize("name", ["North", "north/dock", "n" * 33, "", "n\n"])
def test_a_name_that_is_no_topic_level_is_refused(file: Path, name: str) -> None:
    [problem] = refusal(file, MINIMAL.replace('"north"', '"' + name.replace("\n", "\\n") + '"'))
    assert problem.startswith("site: ")


def test_a_wrong_key_is_named_with_what_was_probably_meant(file: Path) -> None:
    assert refusal(file, MINIMAL + "bounse = 0.3") == [
        "station[0].bounse: there is no such setting; did you mean bounce?"
    ]
    assert refusal(file, MINIMAL + "[stor]\n") == [
        "stor: there is no such setting; did you mean store?"
    ]
    assert refusal(file, MINIMAL + "colour = 1") == ["station[0].colour: there is no such setting"]


def test_a_wrong_key_of_a_nested_table_is_named_with_its_whole_place(file: Path) -> None:
    assert refusal(file, MINIMAL + "[store]\nkeep_row = 500") == [
        "store.keep_row: there is no such setting"
    ]


def test_a_setting_of_another_job_is_refused(file: Path) -> None:
    assert refusal(file, MINIMAL + 'book = "weight"') == [
        "station[0].book: there is no such setting"
    ]


def test_a_wrong_value_is_named_with_its_place(file: Path) -> None:
    [problem] = refusal(file, MINIMAL + "bounce = -1")
    assert problem == "station[0].bounce: Input should be greater than or equal to 0"
    [problem] = refusal(file, MINIMAL + '[broker]\nurl = "http://x"')
    assert problem == ("broker.url: Value error, write it as mqtt://host:port or mqtts://host:port")


def test_a_wrong_job_lists_those_there_are(file: Path) -> None:
    [problem] = refusal(file, MINIMAL.replace("pass_through", "passthrough"))
    assert problem.startswith("station[0].job: ")
    assert "pass_through, picking" in problem


def device(**settings: str) -> str:
    lines = {"id": "scanner-1", "url": "serial:///dev/ttyACM0", "driver": "lines", **settings}
    return "[[station.device]]\n" + "".join(f'{key} = "{lines[key]}"\n' for key in lines)


def test_a_wrong_driver_is_named_with_what_was_probably_meant(file: Path) -> None:
    [problem] = refusal(file, MINIMAL + device(driver="mt_sic"))
    assert problem.startswith("station[0].device[0].driver: ")
    assert "mt_sics" in problem


def test_a_wrong_setting_of_a_driver_is_named(file: Path) -> None:
    assert refusal(file, MINIMAL + device(prefx="A")) == [
        "station[0].device[0].prefx: there is no such setting; did you mean prefix?"
    ]


@pytest.mark.parametrize("url", ["/dev/ttyACM0", "http://x", "serial:", ""])
def test_an_address_nobody_can_open_is_refused(file: Path, url: str) -> None:
    [problem] = refusal(file, MINIMAL + device(url=url))
    assert problem.startswith("station[0].device[0].url: ")
    assert "serial://" in problem


@pytest.mark.parametrize("listen", ["8480", "127.0.0.1:65536", "host:x", "a b:80"])
def test_a_place_nobody_can_listen_at_is_refused(file: Path, listen: str) -> None:
    [problem] = refusal(file, MINIMAL + f'[web]\nlisten = "{listen}"')
    assert problem.startswith("web.listen: ")


def test_names_that_are_used_twice_are_refused(file: Path) -> None:
    station = '[[station]]\nname = "door-1"\njob = "pass_through"\n'
    assert refusal(file, MINIMAL + device() + station + device()) == [
        "station name 'door-1' is used more than once",
        "device id 'scanner-1' is used more than once",
    ]


def test_all_problems_are_reported_together(file: Path) -> None:
    problems = refusal(
        file,
        MINIMAL.replace('"north"', '"North"').replace('"door-1"', '"Door 1"')
        + device(driver="mt_sic")
        + '[[station]]\nname = "door-2"\njob = "packaging"\n'
        + "[web]\nlisen = 1\n",
    )
    assert [problem.split(": ")[0] for problem in problems] == [
        "site",
        "web.lisen",
        "station[0].name",
        "station[0].device[0].driver",
        "station[1].job",
    ]


def test_a_station_that_is_no_table_is_refused(file: Path) -> None:
    head = MINIMAL.partition("[[")[0]
    assert [each.split(":")[0] for each in refusal(file, head + "station = 1")] == ["station"]
    assert refusal(file, head + "station = [1]")[0].startswith("station[0]: ")
    assert [each.split(":")[0] for each in refusal(file, head + "station = []")] == ["station"]
    assert [each.split(":")[0] for each in refusal(file, MINIMAL + "device = [1]")] == [
        "station[0].device[0]"
    ]


def test_check_says_what_it_found_and_run_refuses_a_wrong_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WHOLE)
    assert main(["check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 2 stations, 2 devices\n"
    file.write_text(WHOLE + "x = 1")
    for action in ("check", "run"):
        assert main([action, "--config", str(file)]) == 2
        said = capsys.readouterr()
        assert said.err == f"{file}: station[1].x: there is no such setting\n"
        assert said.out == ""
