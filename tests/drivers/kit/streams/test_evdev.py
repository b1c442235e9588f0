"""Keyboards, with the real python-evdev on a made-up kernel (umockdev) where both are installed."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.kit.errors import DeviceMisconfigured, StreamLost
from drivers.kit.streams import open_stream

UMOCKDEV = shutil.which("umockdev-run")
HAS_EVDEV = importlib.util.find_spec("evdev") is not None
DATA = Path(__file__).parents[3] / "data" / "drivers" / "umockdev"

needs_evdev = pytest.mark.skipif(not HAS_EVDEV, reason="python-evdev is not installed")
needs_umockdev = pytest.mark.skipif(UMOCKDEV is None, reason="umockdev-run is not installed")

LISTEN = """
import asyncio, json, sys
from drivers.kit import registry
from drivers.kit.errors import DeviceError
from drivers.kit.session import converse
from drivers.kit.streams import open_stream

import evdev
grab = evdev.InputDevice.grab
def tell(device):
    grab(device)
    print(json.dumps(["grabbed", device.path]), flush=True)
evdev.InputDevice.grab = tell

async def main(url):
    module = registry.load("wedge")
    async def emit(readings):
        print(json.dumps([[type(r).__name__, r.raw.decode()] for r in readings]), flush=True)
        raise SystemExit
    async with asyncio.timeout(50), await open_stream(url) as stream:
        await converse(module.dialogue(module.Config(driver="wedge")), stream, emit)

asyncio.run(main(sys.argv[1]))
"""


@needs_evdev
@needs_umockdev
def test_a_keyboard_scanner_is_grabbed_and_read() -> None:
    assert UMOCKDEV is not None
    node = "/dev/input/event5"
    made_up = ["--device", str(DATA / "scanner.umockdev")]
    made_up += ["--ioctl", f"{node}={DATA / 'scanner.ioctl'}"]
    made_up += ["--ioctl", f"/dev/input/event6={DATA / 'media_keys.ioctl'}"]
    made_up += ["--evemu-events", f"{node}={DATA / 'scan.events'}"]
    command = [UMOCKDEV, *made_up, "--", sys.executable, "-c", LISTEN, f"evdev://{node}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    *grabs, scan = map(json.loads, done.stdout.splitlines())
    assert grabs == [["grabbed", node], ["grabbed", "/dev/input/event6"]]
    assert scan == [["Scan", "ABC-5901234123457\r"]]


@needs_evdev
async def test_a_keyboard_that_is_not_there_may_come() -> None:
    with pytest.raises(StreamLost, match="is not there"):
        await open_stream("evdev:///dev/input/event-nowhere")


@needs_evdev
async def test_a_node_that_is_no_keyboard_is_named() -> None:
    with pytest.raises(DeviceMisconfigured, match="/dev/null"):
        await open_stream("evdev:///dev/null")


async def test_without_the_library_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)
    with pytest.raises(DeviceMisconfigured) as caught:
        await open_stream("evdev:///dev/input/event0")
    assert "python3-evdev" in str(caught.value)
    assert "--system-site-packages" in str(caught.value)
    assert "scanpost[evdev]" in str(caught.value)
