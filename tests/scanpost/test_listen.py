"""`scanpost listen`, as a person at a shell runs it, with devices on real pseudo-terminals."""

import asyncio
import json
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from tests.scanpost.shell import scanpost


async def test_a_scan_is_shown_with_its_meaning_and_ctrl_c_ends_it_cleanly() -> None:
    async with (
        ScannerSimulator() as scanner,
        scanpost("listen", "--driver", "lines", "--url", scanner.url) as shell,
    ):
        await shell.said("device open")
        await scanner.send("0104006381333931" + "10LOT\x1b[2J", aim="]C1")
        line = await shell.line()
        assert "scan    ]C10104006381333931" in line
        assert "gtin=04006381333931" in line
        assert "\x1b" not in line
        code, out, err = await shell.ended(signal.SIGINT)
    assert (code, out) == (0, "")
    assert "Traceback" not in err


async def test_a_scale_is_asked_and_shown_as_json_until_it_is_told_to_end() -> None:
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        scanpost(
            "listen", "--driver", "mt_sics", "--url", scale.url, "--set", "every=0.1", "--json"
        ) as shell,
    ):
        told = [json.loads(await shell.line()) for _ in range(3)]
        assert {each["value"] for each in told} == {"1.250"}
        assert [each["at"] for each in told] == sorted(each["at"] for each in told)
        code, _, _ = await shell.ended(signal.SIGTERM)
    assert code == 0


async def test_a_device_that_goes_is_waited_for(tmp_path: Path) -> None:
    async with (
        ScannerSimulator(Pty(tmp_path / "scanner")) as scanner,
        scanpost("listen", "--driver", "lines", "--url", scanner.url) as shell,
    ):
        await shell.said("device open")
        scanner.unplug()
        await shell.said("device waiting")
        scanner.replug()
        await shell.said("device open")
        await scanner.send("5901234123457")
        assert "gtin=05901234123457" in await shell.line()


async def _scan_on(scanner: ScannerSimulator) -> None:
    while True:
        await scanner.send("A")
        await asyncio.sleep(0.1)


async def test_when_nobody_reads_on_it_ends() -> None:
    async with (
        ScannerSimulator() as scanner,
        scanpost("listen", "--driver", "lines", "--url", scanner.url) as shell,
    ):
        await shell.said("device open")
        shell.close_output()
        # The pipe is closed some turns later: what was written before does not end it.
        scanning = asyncio.create_task(_scan_on(scanner))
        code, _, err = await shell.ended()
        scanning.cancel()
        await asyncio.gather(scanning, return_exceptions=True)
    assert code == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--driver", "mt_sicz"], "did you mean mt_sics"),
        (["--driver", "mt_sics", "--set", "colour=red"], "colour"),
        (["--driver", "mt_sics", "--set", "every"], "KEY=VALUE"),
    ],
)
async def test_wrong_arguments_are_said_plainly(words: list[str], why: str) -> None:
    async with scanpost("listen", "--url", "serial:///dev/ttyNONE", *words) as shell:
        code, out, err = await shell.ended()
    assert (code, out) == (2, "")
    assert why in err
    assert "Traceback" not in err
