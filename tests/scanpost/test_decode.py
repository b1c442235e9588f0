"""`scanpost decode`, as a person at a shell runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract.identifiers import command_card, identify
from scanpost.decode import MAX_LINE, shown

ROOT = Path(__file__).parents[2]


def run(*arguments: str, lines: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "scanpost.decode", *arguments],
        input=lines,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


def answers(*arguments: str, lines: bytes) -> list[dict[str, Any]]:
    done = run(*arguments, lines=lines)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_frame_of_a_scale_becomes_its_readings() -> None:
    frames = [b"S S      1.250 kg\r\n", b"S D      1.251 kg\r\n", b"S +\r\n", b"@@@\r\n"]
    lines = b"".join(frame.hex(" ").encode() + b"\n" for frame in frames)
    stable, moving, over, noise = answers("scale", "--driver", "mt_sics", lines=lines)
    assert stable["readings"] == [
        {
            "kind": "weight",
            "value": "1.250",
            "unit": "kg",
            "stable": True,
            "measure": None,
            "range": "ok",
            "zero": None,
            "usable": True,
        }
    ]
    assert moving["readings"][0]["stable"] is False
    assert over["readings"][0]["value"] is None
    assert (over["readings"][0]["range"], over["readings"][0]["usable"]) == ("over", False)
    assert noise["readings"][0]["kind"] == "noise"
    assert bytes.fromhex(noise["readings"][0]["hex"]).startswith(b"@@@")


def test_each_line_meets_a_fresh_driver() -> None:
    half, rest = b"S S      1.2", b"50 kg\r\n"
    lines = b"\n".join(part.hex().encode() for part in (half, rest, half + rest))
    *broken, whole = answers("scale", "--driver", "mt_sics", lines=lines)
    assert [reading["kind"] for reading in whole["readings"]] == ["weight"]
    assert all(r["kind"] != "weight" for answer in broken for r in answer["readings"])


def test_a_setting_reaches_the_driver_and_a_wrong_one_is_said_plainly() -> None:
    assert answers("scale", "--driver", "mt_sics", "--set", "every=1.5", lines=b"") == []
    for setting, word in [
        ("every=soon", "every"),
        ("colour=red", "colour"),
        ("every", "KEY=VALUE"),
    ]:
        done = run("scale", "--driver", "mt_sics", "--set", setting)
        assert (done.returncode, done.stdout) == (2, b"")
        assert word in done.stderr.decode()
        assert "Traceback" not in done.stderr.decode()


def test_a_driver_nobody_has_is_said_plainly() -> None:
    done = run("scale", "--driver", "mt_sicz")
    assert done.returncode == 2
    assert "mt_sics" in done.stderr.decode()


@pytest.mark.parametrize(
    "arguments", [(), ("scale",), ("lamp",), ("barcode", "--symbology", "C1"), ("barcode", "x")]
)
def test_wrong_arguments_end_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2


def test_a_bad_line_never_stops_the_rest() -> None:
    lines = b"zz\n5\nff\xff\n\n" + b"LOC:A".hex().encode() + b"\r\n" + b"4f 50 3a\t37"
    bad, odd, binary, empty, location, badge = answers("barcode", lines=lines)
    assert {*bad} == {*odd} == {*binary} == {"error"}
    assert empty["kind"] == "unknown"
    assert location["kind"] == "location"
    assert (badge["kind"], badge["operator"]) == ("badge", "7")


def test_an_endless_line_is_one_error() -> None:
    lines = b"30" * MAX_LINE + b"\n" + b"LOC:A".hex().encode() + b"\n"
    endless, location = answers("barcode", lines=lines)
    assert "error" in endless
    assert location["kind"] == "location"


def test_a_barcode_says_kind_elements_gtin_and_problems() -> None:
    labels = ["]C1" + "0105901234123457" + "10LOT7", "5901234123457", "]C100376130321109103420"]
    lines = "\n".join(label.encode().hex() for label in labels).encode()
    line, item, unit = answers("barcode", lines=lines)
    assert (line["kind"], line["gtin"], line["problems"]) == ("gs1", "05901234123457", [])
    assert line["elements"] == {"01": "05901234123457", "10": "LOT7"}
    assert line["lot"] == "LOT7"
    assert (item["kind"], item["elements"], item["gtin"]) == ("gtin", {}, "05901234123457")
    assert (unit["kind"], unit["sscc"], unit["gtin"]) == ("sscc", "376130321109103420", None)
    assert unit["elements"] == {"00": "376130321109103420"}


def test_the_symbology_may_come_from_outside_the_data() -> None:
    lines = b"10LOT7".hex().encode()
    assert answers("barcode", lines=lines)[0]["kind"] == "unknown"
    inside = answers("barcode", "--symbology", "]C1", lines=lines)
    assert inside[0]["elements"] == {"10": "LOT7"}


def test_each_answer_comes_before_the_next_question() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "scanpost.decode", "barcode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdin
        assert process.stdout
        for label in (b"LOC:A", b"LOC:B"):
            process.stdin.write(label.hex().encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == label.decode()


def test_an_element_that_comes_twice_is_shown_twice() -> None:
    answer = shown(identify(b"]C1" + b"10A" + b"\x1d" + b"10B"))
    assert answer["elements"] == [["10", "A"], ["10", "B"]]


@pytest.mark.parametrize(
    "text",
    [
        "]C1" + "17260131" + "3103001250",
        "PO:4500001",
        "QTY:1.50",
        command_card("DONE"),
        "MODE:X",
        "REASON:Y",
        "\x00\x1d",
    ],
)
def test_every_kind_can_be_shown_as_json(text: str) -> None:
    answer = json.loads(json.dumps(shown(identify(text.encode()))))
    assert list(answer)[:6] == ["kind", "text", "symbology", "elements", "gtin", "problems"]


def test_exact_values_are_shown_exactly() -> None:
    weight = shown(identify(b"]C1" + b"17260131" + b"3103001250"))
    assert weight["expiry"] == "2026-01-31"
    assert weight["measures"] == [
        {"ai": "3103", "what": "net weight", "value": "1.250", "unit": "KGM"}
    ]
    assert shown(identify(b"QTY:1.50"))["value"] == "1.50"
    order = shown(identify(b"PO:4500001"))
    assert order["document"] == {"kind": "po", "number": "4500001"}
