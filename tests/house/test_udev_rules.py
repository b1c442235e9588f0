"""The device rules, played for devices as udev sees them."""

import os
import re
import shutil
import subprocess

import pytest

from tests.house import udev
from tests.house.examples import ROOT

PATH = ROOT / "systemd" / "60-scanpost.rules"
RULES = udev.read(PATH)
HUB = {"idVendor": "0424", "idProduct": "2514"}


def _plugged(subsystem: str, kernel: str, vendor: str, product: str, **words: str) -> udev.Device:
    parents = [{}, {"idVendor": vendor, "idProduct": product}, HUB]
    return udev.play(RULES, udev.Device(subsystem, kernel, parents, **words))  # type: ignore[arg-type]


@pytest.mark.parametrize("vendor", ["05e0", "0c2e", "0536", "05f9", "1eab", "065a"])
@pytest.mark.parametrize(
    ("subsystem", "kernel"), [("tty", "ttyACM0"), ("input", "event3"), ("hidraw", "hidraw0")]
)
def test_a_scanner_is_the_daemon_s_whatever_it_plugs_in_as(
    vendor: str, subsystem: str, kernel: str
) -> None:
    device = _plugged(subsystem, kernel, vendor, "1200")
    assert (device.group, device.mode) == ("scanpost", "0660")
    assert device.env["ID_MM_DEVICE_IGNORE"] == "1"


def test_a_desktop_leaves_a_keyboard_scanner_alone() -> None:
    assert _plugged("input", "event3", "0c2e", "0901").env["LIBINPUT_IGNORE_DEVICE"] == "1"
    assert _plugged("input", "input7", "0c2e", "0901").env["LIBINPUT_IGNORE_DEVICE"] == "1"


@pytest.mark.parametrize(("subsystem", "kernel"), [("input", "event0"), ("hidraw", "hidraw1")])
def test_a_keyboard_people_type_on_stays_theirs(subsystem: str, kernel: str) -> None:
    device = _plugged(subsystem, kernel, "046d", "c31c")
    assert (device.group, device.mode) == ("root", "0600")
    assert not device.env


@pytest.mark.parametrize("product", ["8003", "8004", "8009"])
def test_a_dymo_scale_is_the_daemon_s(product: str) -> None:
    assert _plugged("hidraw", "hidraw0", "0922", product).group == "scanpost"


def test_a_dymo_label_printer_is_not_taken_for_a_scale() -> None:
    assert _plugged("hidraw", "hidraw0", "0922", "0028").group == "root"


def test_a_vendor_and_a_product_of_different_parents_are_no_scale() -> None:
    parents = [{"idVendor": "046d", "idProduct": "8003"}, {"idVendor": "0922", "idProduct": "1"}]
    device = udev.play(RULES, udev.Device("hidraw", "hidraw0", parents))
    assert device.group == "root"


@pytest.mark.parametrize("vendor", ["0403", "067b", "1a86", "10c4"])
def test_a_serial_adapter_keeps_its_group_and_is_spared_the_modem_manager(vendor: str) -> None:
    device = _plugged("tty", "ttyUSB0", vendor, "6001")
    assert device.group == "root"  # what a rule file does not say, Debian's own say: dialout
    assert device.env == {"ID_MM_DEVICE_IGNORE": "1"}


def test_a_disk_behind_a_scanner_s_cradle_is_nobody_s_business() -> None:
    assert not _plugged("block", "sda", "05e0", "1200").env


def test_nothing_is_done_when_a_device_goes() -> None:
    assert not _plugged("tty", "ttyACM0", "0c2e", "0901", action="remove").env


def test_every_rule_for_a_device_has_ids_as_the_kernel_writes_them() -> None:
    ids = [token.value for rule in RULES for token in rule if token.key == "ATTRS"]
    assert len(ids) > 20
    assert all(re.fullmatch(r"[0-9a-f]{4}(\|[0-9a-f]{4})*", each) for each in ids)


@pytest.mark.parametrize(
    "wrong",
    [
        'SUBSYTEM=="tty", MODE="0660"',
        'SUBSYSTEM=="tty" MODE="0660"',
        'ATTRS=="0c2e"',
        'MODE=="0660"',
        "GROUP=scanpost",
    ],
)
def test_a_misspelt_rule_is_found(wrong: str) -> None:
    with pytest.raises(AssertionError):
        udev._rule(wrong, "here")


def test_udev_itself_finds_nothing_wrong() -> None:
    udevadm = shutil.which("udevadm", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if udevadm is None:
        pytest.skip("no udevadm here")
    found = subprocess.run([udevadm, "--version"], check=True, capture_output=True, text=True)
    if int(found.stdout.split()[0]) < 254:
        pytest.skip("`udevadm verify` came with systemd 254")
    # Which groups there are is the machine's business, not the rules'.
    checked = subprocess.run(
        [udevadm, "verify", "--resolve-names=never", "--no-style", str(PATH)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
