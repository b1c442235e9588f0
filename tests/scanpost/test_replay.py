"""`scanpost replay`: what a capture means, and whether it still means the same."""

import json
from pathlib import Path

import pytest

from scanpost import replay

WEIGHTS = b"S S      1.250 kg\r\n", b"S D      1.3", b"00 kg\r\n", b"@@\r\n"
SCAN = b"]C10104006381333931" + b"17260131" + b"\r"


def capture(folder: Path, *pieces: bytes, heading: str = "") -> str:
    path = folder / "capture.hexl"
    lines = [f"{at / 4} {piece.hex(' ')}" for at, piece in enumerate(pieces)]
    path.write_text(heading + "\n".join(lines) + "\n")
    return str(path)


def test_a_capture_of_a_scale_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.main([capture(tmp_path, *WEIGHTS), "--driver", "mt_sics"]) == 0
    stable, moving, noise = capsys.readouterr().out.splitlines()
    assert stable.split() == ["0.000", "weight", "1.250", "kg", "stable"]
    assert moving.split() == ["0.500", "weight", "1.300", "kg", "moving"]
    assert noise.split()[:2] == ["0.750", "noise"]


def test_a_capture_that_names_its_driver_needs_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = capture(
        tmp_path, b"A5901234123457\r", heading="# driver: lines\n# a word\n# set: prefix=A\n\n"
    )
    assert replay.main([file]) == 0
    assert "gtin=05901234123457" in capsys.readouterr().out
    assert replay.main([file, "--set", "prefix=B"]) == 0
    assert "without its prefix" in capsys.readouterr().out
    # What was set was set for another driver.
    assert replay.main([file, "--driver", "mt_sics"]) == 0


def test_what_was_expected_is_found_and_anything_else_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = capture(tmp_path, SCAN, SCAN)
    assert replay.main([file, "--driver", "lines", "--json"]) == 0
    told = capsys.readouterr().out
    first, second = map(json.loads, told.splitlines())
    assert first["identifier"]["gtin"] == "04006381333931"
    assert first["identifier"]["expiry"] == "2026-01-31"
    assert (first["at"], second["at"]) == (0, 0.25)
    expect = tmp_path / "expect"
    expect.write_text(told)
    assert replay.main([file, "--driver", "lines", "--expect", str(expect)]) == 0
    assert "2 readings, as expected" in capsys.readouterr().out
    expect.write_text(told.replace("2026-01-31", "2062-01-31", 1))
    assert replay.main([file, "--driver", "lines", "--expect", str(expect)]) == 1
    difference = capsys.readouterr().out
    assert any(line.startswith("-") and "2062" in line for line in difference.splitlines())
    expect.write_text(told + told)
    assert replay.main([file, "--driver", "lines", "--expect", str(expect)]) == 1


def test_a_damaged_capture_is_told_up_to_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path, WEIGHTS[0]))
    path.write_text(path.read_text() + "half a li")
    assert replay.main([str(path), "--driver", "mt_sics"]) == 1
    told = capsys.readouterr()
    assert "1.250 kg" in told.out
    assert "line 2" in told.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "--driver NAME"),
        (["--driver", "nothing"], "no driver called"),
        (["--driver", "mt_sics", "--set", "colour=1"], "colour"),
        (["--driver", "mt_sics", "--expect", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_arguments_end_with_2(
    words: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.main([capture(tmp_path, *WEIGHTS), *words]) == 2
    assert why in capsys.readouterr().err


def test_a_capture_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main(["/nowhere/x.hexl", "--driver", "mt_sics"]) == 2
    assert "/nowhere/x.hexl" in capsys.readouterr().err
