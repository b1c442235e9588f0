"""HID devices, with the real file and ioctl calls on a made-up kernel (umockdev) where it is."""

import asyncio
import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import tty
from pathlib import Path

import pytest

from drivers.kit import hid
from drivers.kit.errors import DeviceBusy, DeviceDenied, DeviceMisconfigured, StreamLost
from drivers.kit.streams import hidraw, open_stream
from drivers.scales.usb_hid import USUAL
from tests.drivers.conversation import CEILING

UMOCKDEV = shutil.which("umockdev-run")
DATA = Path(__file__).parents[3] / "data" / "drivers" / "umockdev"

needs_umockdev = pytest.mark.skipif(UMOCKDEV is None, reason="umockdev-run is not installed")

NODE = "/dev/hidraw0"

LISTEN = """
import asyncio, json, sys
from drivers.kit import hid, registry
from drivers.kit.session import converse
from drivers.kit.streams import open_stream

async def main(url):
    module = registry.load("usb_hid")
    talk = module.dialogue(module.Config(driver="usb_hid"))
    heard = []
    async def emit(readings):
        heard.extend(readings)
        if len(heard) == 3:
            await stream.write(talk.commands["zero"])
            print(json.dumps([getattr(r, "text", str(getattr(r, "value", r))) for r in heard]))
            raise SystemExit
    async with asyncio.timeout(50), await open_stream(url) as stream:
        await converse(talk, stream, emit)

asyncio.run(main(sys.argv[1]))
"""

SET = """
import asyncio, sys
from drivers.kit import hid
from drivers.kit.streams import open_stream

async def main(url, report):
    async with asyncio.timeout(50), await open_stream(url) as stream:
        await stream.write(hid.frame(hid.REPORT, bytes.fromhex(report)))
        print("taken")

asyncio.run(main(*sys.argv[1:]))
"""


def made_up(program: str, *arguments: str, ioctl: Path) -> subprocess.CompletedProcess[str]:
    """Run `program` with a scale at `NODE`."""
    assert UMOCKDEV is not None
    command = [UMOCKDEV, "--device", str(DATA / "hid_scale.umockdev")]
    command += ["--ioctl", f"{NODE}={ioctl}", "--script", f"{NODE}={DATA / 'hid_scale.script'}"]
    command += ["--", sys.executable, "-c", program, f"hidraw://{NODE}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs_umockdev
def test_a_scale_is_described_read_and_told() -> None:
    done = made_up(LISTEN, ioctl=DATA / "hid_scale.ioctl")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["the weight of before, not counted", "7.85", "0.00"]


@needs_umockdev
def test_what_the_descriptor_calls_a_feature_is_set_as_one(tmp_path: Path) -> None:
    ioctl = tmp_path / "ioctl"
    # Report 5 of the scale is a feature of four bytes.
    kernel = (DATA / "hid_scale.ioctl").read_text() + "HIDIOCSFEATURE 5 050C00E803\n"
    ioctl.write_text(kernel)
    done = made_up(SET, "050C00E803", ioctl=ioctl)
    assert done.stdout == "taken\n", done.stderr


@needs_umockdev
def test_a_feature_the_device_does_not_take_is_named() -> None:
    done = made_up(SET, "050C00E803", ioctl=DATA / "hid_scale.ioctl")
    assert "DeviceMisconfigured" in done.stderr
    assert "does not take report 5" in done.stderr


async def test_a_node_that_is_not_there_may_come() -> None:
    with pytest.raises(StreamLost, match="is not there"):
        await open_stream("hidraw:///dev/hidraw-nowhere")


async def test_a_node_that_is_none_is_named() -> None:
    with pytest.raises(DeviceMisconfigured, match="/dev/null is no hidraw node"):
        await open_stream("hidraw:///dev/null")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("hidraw://dev/hidraw0", "must look like hidraw:///dev"),
        ("hidraw:///dev/hidraw0?grab=1", "no option 'grab'; there are none"),
    ],
)
async def test_a_wrong_address_is_named(url: str, why: str) -> None:
    with pytest.raises(DeviceMisconfigured, match=why):
        await open_stream(url)


async def test_a_node_that_somebody_has_is_busy(tmp_path: Path) -> None:
    node = tmp_path / "hidraw0"
    node.write_bytes(b"")
    with node.open("rb") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        with pytest.raises(DeviceBusy, match="another program"):
            await open_stream(f"hidraw://{node}")


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, DeviceDenied), (errno.EBUSY, DeviceBusy), (errno.ENODEV, StreamLost)],
)
def test_a_failure_is_sorted_by_who_acts(number: int, kind: type[Exception]) -> None:
    assert type(hidraw._explained("/dev/hidraw0", OSError(number, "x"))) is kind


# A pseudo-terminal in place of the node: reading and writing are the same calls.

WITHOUT_IDS = bytes.fromhex("058d 0920 a101 7508 9504 0940 9102 9504 0940 8102 c0")
WEIGHED = bytes.fromhex("03040bff6f04")


class Wire:
    """A node whose other end is the test."""

    def __init__(self, descriptor: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hidraw, "_descriptor", lambda _: descriptor)
        self.device, self.host = os.openpty()
        tty.setraw(self.host)

    async def __aenter__(self) -> "Wire":
        self.stream = await open_stream(f"hidraw://{os.ttyname(self.host)}")
        os.close(self.host)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stream.close()
        self.unplug()

    def unplug(self) -> None:
        if self.device >= 0:
            os.close(self.device)
            self.device = -1

    async def read(self) -> bytes:
        async with asyncio.timeout(CEILING):
            return await self.stream.read()


async def test_the_descriptor_comes_first_and_then_each_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Wire(USUAL, monkeypatch) as wire:
        assert await wire.read() == hid.frame(hid.DESCRIPTOR, USUAL)
        for report in (WEIGHED, b"\x04\x04"):
            os.write(wire.device, report)
            assert await wire.read() == hid.frame(hid.REPORT, report)
        wire.unplug()
        with pytest.raises(StreamLost):
            await wire.read()


async def test_a_report_goes_out_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(USUAL, monkeypatch) as wire:
        reports = (b"\x02", b"\x02\x02", b"\x09\x01\x02")
        await wire.stream.write(b"".join(hid.frame(hid.REPORT, each) for each in reports))
        heard = b""
        while len(heard) < 7:
            heard += os.read(wire.device, 99)
        assert heard == b"\x02\x00" + b"\x02\x02" + b"\x09\x01\x02", (
            "filled up if its length is known"
        )


async def test_a_report_without_an_id_has_a_zero_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(WITHOUT_IDS, monkeypatch) as wire:
        await wire.stream.write(hid.frame(hid.REPORT, b"\0\x07\x08"))
        assert os.read(wire.device, 99) == b"\0\x07\x08\0\0"


async def test_bytes_that_are_no_reports_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(USUAL, monkeypatch) as wire:
        with pytest.raises(DeviceMisconfigured, match="takes HID reports"):
            await wire.stream.write(b"SI\r\n")


async def test_a_device_that_takes_nothing_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    held, may_go = threading.Event(), threading.Event()

    def stuck(_: int, data: bytes) -> int:
        held.set()
        may_go.wait(CEILING)
        return len(data)

    async with Wire(USUAL, monkeypatch) as wire:
        await wire.read()
        os.write(wire.device, WEIGHED)
        monkeypatch.setattr(os, "write", stuck)
        writing = asyncio.create_task(wire.stream.write(hid.frame(hid.REPORT, b"\x02\x02")))
        async with asyncio.timeout(CEILING):
            while not held.is_set():
                await asyncio.sleep(0.01)
        assert await wire.read() == hid.frame(hid.REPORT, WEIGHED)
        assert not writing.done()
        closing = asyncio.create_task(wire.stream.close())
        await asyncio.wait([closing], timeout=0.1)
        assert not closing.done(), "a number that is in use must not be given to another file"
        may_go.set()
        await asyncio.wait_for(asyncio.gather(closing, writing), CEILING)
        with pytest.raises(StreamLost):
            await wire.stream.write(hid.frame(hid.REPORT, b"\x02\x02"))
