"""`scanpost record` and what is made of it: the bytes are the device's, and play again."""

import signal
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.kit.captures import chunk, said
from drivers.kit.streams import open_stream
from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from tests.scanpost.shell import scanpost


def data(path: Path) -> bytes:
    chunks = [chunk(line) for line in path.read_bytes().splitlines()]
    return b"".join(each.data for each in chunks if each)


async def test_bytes_are_written_down_as_they_came_and_play_again(tmp_path: Path) -> None:
    out = tmp_path / "scans.hexl"
    sent = [b"5901234123457\r", b"\x00\xff\x80\r\n"]
    async with (
        ScannerSimulator() as scanner,
        scanpost("record", "--url", scanner.url, "--out", str(out)) as shell,
    ):
        await shell.said("recording")
        for scan in sent:
            await scanner.say(scan)
            assert await shell.line() == f"{len(scan)} bytes  {scan.hex(' ')}"
        code, _, err = await shell.ended(signal.SIGINT)
    assert code == 0
    assert "Traceback" not in err
    assert data(out) == b"".join(sent)
    words = dict(filter(None, map(said, out.read_bytes().splitlines())))
    assert words["url"] == scanner.url
    assert words["began"].endswith("+00:00")
    async with await open_stream(f"replay://{out}?speed=0") as stream:
        assert await stream.read() + await stream.read() == b"".join(sent)


async def test_with_a_driver_the_scale_is_asked_and_the_capture_says_so(tmp_path: Path) -> None:
    out = tmp_path / "scale.hexl"
    driver = ["--driver", "mt_sics", "--set", "every=0.1"]
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        scanpost("record", "--url", scale.url, "--out", str(out), *driver) as shell,
    ):
        for _ in range(2):
            assert "1.250 kg" in await shell.line()
        assert (await shell.ended(signal.SIGINT))[0] == 0
    words = list(filter(None, map(said, out.read_bytes().splitlines())))
    assert words[2:] == [("driver", "mt_sics"), ("set", "every=0.1")]
    assert data(out).count(b"1.250 kg\r\n") >= 2


async def test_a_device_that_goes_ends_the_capture(tmp_path: Path) -> None:
    out = tmp_path / "scans.hexl"
    async with (
        ScannerSimulator(Pty(tmp_path / "port")) as scanner,
        scanpost("record", "--url", scanner.url, "--out", str(out)) as shell,
    ):
        await shell.said("recording")
        await scanner.send("A")
        await shell.line()
        scanner.unplug()
        code, _, err = await shell.ended()
    assert code == 0
    assert "the recording ends" in err
    assert data(out) == b"A\r"


async def test_a_device_that_is_not_there_leaves_no_file(tmp_path: Path) -> None:
    out = tmp_path / "scans.hexl"
    async with scanpost("record", "--url", "serial:///dev/ttyNONE", "--out", str(out)) as shell:
        code, _, err = await shell.ended()
    assert code == 1
    assert "/dev/ttyNONE is not there" in err
    assert not out.exists()


async def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    out = tmp_path / "scans.hexl"
    out.write_text("precious")
    async with scanpost("record", "--url", "serial:///dev/ttyNONE", "--out", str(out)) as shell:
        code, _, err = await shell.ended()
    assert code == 1
    assert "File exists" in err
    assert out.read_text() == "precious"


@pytest.mark.parametrize("words", [["--set", "every=1"], ["--driver", "nothing"]])
async def test_wrong_arguments_are_said_plainly(words: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "x")
    async with scanpost("record", "--url", "tcp://x:1", "--out", out, *words) as shell:
        code, _, err = await shell.ended()
    assert code == 2
    assert "driver" in err
    assert "Traceback" not in err
