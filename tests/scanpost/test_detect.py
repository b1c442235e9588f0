"""`scanpost detect`: what is plugged in, and a configuration that can be taken as it is printed."""

import asyncio
import json
import shutil
import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.kit import plugged
from drivers.kit.selectors import choose, parse
from drivers.simulators.cable import TcpPort
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from drivers.simulators.toledo_8217 import Toledo8217Simulator
from gateway import config as gateway_config
from scanpost import detect, probing
from scanpost.probing import Line
from tests.drivers.records import FOLDER as DATA
from tests.drivers.usb_sockets import HOST, Sockets
from tests.house import udev
from tests.scanpost.shell import scanpost

SCANNER_REPORTS = bytes.fromhex("058c 0902 a101 8502 09fe 7508 9538 8102 c0")
SCALE_REPORTS = bytes.fromhex("058d 0920 a101 8503 0940 7510 9501 8102 c0")
UMOCKDEV = shutil.which("umockdev-run")
KEYBOARD_REPORTS = bytes.fromhex("0501 0906 a101 0507 19e0 29e7 7501 9508 8102 c0")
STATION = 'site = "s"\ngateway = "g"\n[[station]]\nname = "a"\njob = "pass_through"\n'


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets.made(tmp_path, monkeypatch)


def reported() -> str:
    return "\n".join(detect.report(plugged.look()))


def configured(text: str) -> list[tuple[str, str, str]]:
    """Return id, driver and address of each device, as the gateway reads what was printed."""
    tables = text[text.index("# For /etc/scanpost/") : text.index("# For /etc/udev/")]
    problems: list[str] = []
    config = gateway_config.parse(tomllib.loads(STATION + tables), problems)
    assert config is not None, problems
    return [(each.id, each.driver, each.url) for each in config.stations[0].devices]


def test_nothing_there_is_said(sockets: Sockets, capsys: pytest.CaptureFixture[str]) -> None:
    assert detect.main([]) == 1
    assert "Nothing is plugged into USB" in capsys.readouterr().out


def bench(sockets: Sockets) -> None:
    sockets.plug("1-1.1", "0c2e", "0b61", product="Xenon 1900", serial="S1").tty()
    typing = sockets.plug("1-1.2", "05e0", "1200", product="Symbol")
    typing.keyboard(0)
    typing.keyboard(1, keys=(113,))
    typing.hidraw(2, KEYBOARD_REPORTS)
    scanner = sockets.plug("1-1.3", "0c2e", "0b67")
    scanner.keyboard(0)
    scanner.hidraw(1, SCANNER_REPORTS)
    sockets.plug("1-1.4", "0922", "8009", product="M25").hidraw(0, SCALE_REPORTS)


def test_each_device_gets_the_driver_that_loses_least(sockets: Sockets) -> None:
    bench(sockets)
    assert configured(reported()) == [
        ("scanner-1", "lines", "usb://?path=1-1.1&vid=0c2e&pid=0b61&node=tty"),
        ("scanner-2", "wedge", "usb://?path=1-1.2&vid=05e0&pid=1200&node=input"),
        ("scanner-3", "hid_pos", "usb://?path=1-1.3&vid=0c2e&pid=0b67&node=hidraw"),
        ("scale-1", "usb_hid", "usb://?path=1-1.4&vid=0922&pid=8009&node=hidraw"),
    ]


def test_the_rules_give_these_devices_to_the_daemon_and_no_other(
    sockets: Sockets, tmp_path: Path
) -> None:
    bench(sockets)
    text = reported()
    path = tmp_path / "61-scanpost-devices.rules"
    path.write_text(text[text.index("# For /etc/udev/") :])
    rules = udev.read(path)

    def group(subsystem: str, kernel: str, vid: str, pid: str) -> str:
        parents = [{"idVendor": vid, "idProduct": pid}]
        return udev.play(rules, udev.Device(subsystem, kernel, parents)).group

    assert group("tty", "ttyACM0", "0c2e", "0b61") == "scanpost"
    assert group("input", "event7", "05e0", "1200") == "scanpost"
    assert group("hidraw", "hidraw3", "0922", "8009") == "scanpost"
    assert group("input", "event7", "046d", "c31c") == "root"
    assert group("tty", "ttyACM0", "0c2e", "0b62") == "root"


def test_what_nobody_can_be_sure_of_is_left_off(sockets: Sockets) -> None:
    sockets.plug("1-1", "046d", "c31c", product="USB Keyboard").keyboard(0)
    sockets.plug("1-2", "0403", "6001", product="USB Serial").tty(name="ttyUSB")
    text = reported()
    assert configured(text) == []
    assert "maybe people type on it" in text
    assert "what is behind it, --probe may tell" in text
    assert '#url = "usb://?path=1-2&vid=0403&pid=6001&node=tty"' in text
    assert "046d" not in text[text.index("# For /etc/udev/") :]


def test_a_scanner_of_no_known_maker_is_known_by_its_name(sockets: Sockets) -> None:
    sockets.plug("1-1", "ffff", "0035", product="BARCODE SCANNER").keyboard(0)
    assert [driver for _, driver, _ in configured(reported())] == ["wedge"]


def test_a_serial_number_that_says_nothing_is_said(sockets: Sockets) -> None:
    for path in ("1-1", "1-2"):
        sockets.plug(path, "1a86", "7523", serial="0123456789").tty(name="ttyUSB")
    assert reported().count("its serial number tells it from no other: it only counts up") == 2
    for path in ("1-3", "1-4"):
        sockets.plug(path, "0c2e", "0b61", serial="B4711").tty()
    assert reported().count("its serial number tells it from no other: 2 devices have it") == 2


@pytest.fixture
def crowd(sockets: Sockets) -> Sockets:
    """Everything that makes a selector hard: two controllers, many ports, many interfaces."""
    other = "platform/xhci-hcd.1"
    sockets.plug("1-1", "0c2e", "0b61").tty()
    sockets.plug("3-1", "0c2e", "0b61", host=other).tty()
    adapter = sockets.plug("3-2", "0403", "6011", host=other)
    for number in range(4):
        adapter.tty(number, name="ttyUSB")
    moxa = sockets.plug("1-2", "110a", "1450", host=HOST)
    for port in range(4):
        moxa.multiport(port)
    return sockets


def test_what_is_printed_for_a_node_means_that_node(crowd: Sockets) -> None:
    nodes = plugged.look()
    assert len(nodes) == 10
    for node in nodes:
        selector = detect.selector(node, nodes)
        assert parse(urlsplit(str(selector)))[0] == selector
        assert choose(selector, nodes) == node
        assert selector.host == node.host, "with two controllers the bus may change its number"


def test_all_of_it_can_be_had_as_json(sockets: Sockets, capsys: pytest.CaptureFixture[str]) -> None:
    bench(sockets)
    assert detect.main(["--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == len(plugged.look())
    assert told[0]["url"] == "usb://?path=1-1.1&vid=0c2e&pid=0b61&node=tty"
    assert [fit["driver"] for fit in told[0]["fits"]] == ["lines"]
    assert told[0]["serial_useless"] is None


@pytest.mark.skipif(UMOCKDEV is None, reason="umockdev-run is not installed")
def test_a_scanner_that_is_many_things_at_once_is_seen_in_a_tree_as_udev_has_it() -> None:
    assert UMOCKDEV is not None
    command = [UMOCKDEV, "--device", str(DATA / "umockdev" / "composite.umockdev"), "--"]
    command += [sys.executable, "-m", "scanpost", "detect", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["node"], each["interface"], each["types"]) for each in told] == [
        ("/dev/ttyACM0", 0, True),
        ("/dev/hidraw0", 1, True),
        ("/dev/input/event5", 1, True),
    ]
    assert {(each["path"], each["vid"], each["serial"]) for each in told} == {
        ("1-1.4", "0c2e", "S1")
    }


async def test_this_machine_can_be_looked_at() -> None:
    async with scanpost("detect", "--json") as shell:
        code, _, err = await shell.ended()
    assert code in {0, 1}
    assert not err


# --- Probing ---


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated scales answer at once."""
    monkeypatch.setattr(probing, "LISTEN", 0.3)
    monkeypatch.setattr(probing, "ANSWER", 0.2)
    monkeypatch.setattr(probing, "SETTLE", 0.05)


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        ("A scale.", [Line()]),
        ("A scale (9600 8N1).", [Line()]),
        ("Scales (9600 7E1 or 8N1).", [Line(9600, 7, "E", 1), Line()]),
        ("Scales (4800 or 9600 8N1).", [Line(4800), Line()]),
        ("Scales (8N1, 8E1).\n\nSource: page 2400, model 7E1.", [Line(), Line(9600, 8, "E", 1)]),
    ],
)
def test_how_a_line_is_set_is_read_where_a_driver_says_it(
    docstring: str, found: list[Line]
) -> None:
    assert probing.lines(docstring) == found


def test_the_options_of_a_line_are_those_that_are_not_usual() -> None:
    assert Line().query == "baudrate=9600"
    assert Line(2400, 7, "E", 2).query == "baudrate=2400&bytesize=7&parity=E&stopbits=2"


def test_every_scale_that_needs_no_settings_is_tried() -> None:
    tried = {each.name for candidates in probing.plan().values() for each in candidates}
    assert {"mt_sics", "toledo_8217"} <= tried
    assert not tried & {"usb_hid", "generic_line", "lines"}


async def test_a_scale_that_must_be_asked_is_asked_in_its_own_words(hurried: None) -> None:
    async with MtSicsSimulator(load=Decimal("1.250")) as scale:
        first, *_ = await probing.probe(scale.url)
        assert (first.driver, first.line, first.noise, first.asked) == (
            "mt_sics", Line(), 0, True
        )  # fmt: skip


async def test_a_scale_on_seven_bits_is_found_on_seven_bits(hurried: None) -> None:
    async with Toledo8217Simulator(load=Decimal("1.250")) as scale:
        found = await probing.probe(scale.url)
        best = {each.driver: each for each in found if not each.noise}
        assert best["toledo_8217"].line == Line(9600, 7, "E", 1)


async def test_a_scale_behind_a_terminal_server_is_found_too(hurried: None) -> None:
    async with MtSicsSimulator(TcpPort(), load=Decimal("1.250")) as scale:
        first, *_ = await probing.probe(scale.url)
        assert first.driver == "mt_sics"


async def test_a_scanner_is_no_scale(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSWER", "LISTEN", "SETTLE"):
        monkeypatch.setattr(probing, name, 0.01)
    async with ScannerSimulator() as scanner:
        assert await probing.probe(scanner.url) == []
        assert scanner.heard, "it was asked"


async def test_probing_ends_in_time(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LISTEN", 3600.0)
    monkeypatch.setattr(probing, "WITHIN", 0.3)
    async with MtSicsSimulator() as scale:
        assert await probing.probe(scale.url) == []


async def test_what_was_found_is_printed_ready_to_be_taken(
    hurried: None, capsys: pytest.CaptureFixture[str]
) -> None:
    async with MtSicsSimulator(load=Decimal("1.250")) as scale:
        assert await asyncio.to_thread(detect.main, ["--probe", scale.url]) == 0
        out = capsys.readouterr().out
        assert "mt_sics: 1 weights when asked, 0 times noise" in out
        table = tomllib.loads(out[out.index("[[station.device]]") :])["station"]["device"][0]
        assert table == {
            "id": "scale-1",
            "url": f"{scale.url}?baudrate=9600",
            "driver": "mt_sics",
        }


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("serial:///dev/ttyNONE", "/dev/ttyNONE is not there"),
        ("serial:///dev/null", "/dev/null does not take these settings"),
        ("lamp:///x", "starts with none of"),
    ],
)
async def test_a_port_that_cannot_be_opened_is_said(url: str, why: str) -> None:
    async with scanpost("detect", "--probe", url) as shell:
        code, out, err = await shell.ended()
    assert (code, out) == (1, "")
    assert why in err
    assert "Traceback" not in err
