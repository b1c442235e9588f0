from typing import Any

import pytest

from drivers.kit.readings import MAX_SCAN, Noise, Reply, Scan, Step
from tests.drivers.conversation import dialogue
from tests.drivers.records import records


def read(data: bytes, **settings: Any) -> list[Step]:
    return dialogue("lines", **settings).decoder.feed(data)


def scans(data: bytes, **settings: Any) -> list[bytes]:
    return [step.data for step in read(data, **settings) if isinstance(step, Scan)]


@pytest.mark.parametrize("record", records("lines"), ids=lambda record: record["hex"][:16])
def test_the_record_is_understood(record: dict[str, Any]) -> None:
    raw, expect = bytes.fromhex(record["hex"]), record["expect"]
    if expect.get("no_read"):
        assert read(raw, no_read="NR") == [Reply("no read", raw)]
        return
    usual = {"terminator": "etx" if raw.endswith(b"\x03") else "any"}
    steps = read(raw, **record.get("settings", usual))
    found = [step for step in steps if isinstance(step, Scan)]
    expected = expect["data"] if isinstance(expect["data"], list) else [expect["data"]]
    assert [scan.data.decode() for scan in found] == expected
    assert found[0].symbology == expect.get("aim")


def test_cr_lf_makes_no_empty_scan() -> None:
    assert scans(b"one\r\ntwo\r\n\r\nthree\n") == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("terminator", "end"),
    [("cr", b"\r"), ("lf", b"\n"), ("crlf", b"\r\n"), ("tab", b"\t"), ("etx", b"\x03")],
)
def test_the_terminator_can_be_chosen(terminator: str, end: bytes) -> None:
    assert read(b"one" + end + b"two", terminator=terminator) == [Scan(b"one", b"one" + end)]


def test_etx_keeps_line_ends_inside_and_drops_those_between() -> None:
    wire = b"\x02LINE1\r\nLINE2\x03\r\n\x02next\x03"
    assert scans(wire, terminator="etx") == [b"LINE1\r\nLINE2", b"next"]


def test_the_tail_of_an_older_scan_before_stx_is_noise() -> None:
    tail, scan = read(b"33931\x02whole\x03", terminator="etx")
    assert tail == Noise(b"33931", "bytes before STX")
    assert isinstance(scan, Scan)
    assert scan.data == b"whole"


@pytest.mark.parametrize(
    ("aim", "wire", "data", "symbology"),
    [
        ("auto", b"]C10104", b"0104", "]C1"),
        ("auto", b"0104", b"0104", None),
        ("auto", b"]0104", b"]0104", None),
        ("auto", b"]C", b"]C", None),
        ("required", b"]E04006381333931", b"4006381333931", "]E0"),
        ("never", b"]C10104", b"]C10104", None),
    ],
)
def test_the_aim_identifier_is_split_off(
    aim: str, wire: bytes, data: bytes, symbology: str | None
) -> None:
    assert read(wire + b"\r", aim=aim) == [Scan(data, wire + b"\r", symbology)]


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"33931<", "prefix"),
        (b"<>33931", "suffix"),
        (b"<>33931<", "AIM"),
        (b"<>]C1<", "without a code"),
        (b"<", "prefix"),
    ],
)
def test_a_scan_without_what_surrounds_it_is_noise(wire: bytes, why: str) -> None:
    [step] = read(wire + b"\r", prefix="<>", suffix="<", aim="required")
    assert isinstance(step, Noise)
    assert why in step.why
    assert step.raw == wire + b"\r"


def test_what_surrounds_a_code_is_taken_off() -> None:
    [step] = read(b"\x02]C1code\xff\r", prefix="\x02", suffix="\xff")
    assert step == Scan(b"code", b"\x02]C1code\xff\r", "]C1")


def test_a_scan_that_is_too_long_is_noise_once_and_the_next_is_whole() -> None:
    longest = b"7" * MAX_SCAN
    assert scans(longest + b"\r") == [longest]
    noise, scan = read(longest + b"77777\rnext\r")
    assert isinstance(noise, Noise)
    assert len(noise.raw) < 100
    assert isinstance(scan, Scan)
    assert scan.data == b"next"


def test_quiet_makes_a_torn_scan_noise() -> None:
    decoder = dialogue("lines").decoder
    assert decoder.feed(b"40063") == []
    assert decoder.quiet() == [Noise(b"40063", "a scan without its terminator")]
    assert decoder.feed(b"96385074\r") == [Scan(b"96385074", b"96385074\r")]


def test_quiet_ends_a_scan_that_has_no_terminator() -> None:
    decoder = dialogue("lines", terminator="none").decoder
    assert decoder.feed(b"]E040063") + decoder.feed(b"81333931") == []
    assert decoder.quiet() == [Scan(b"4006381333931", b"]E04006381333931", "]E0")]
    assert decoder.quiet() == []


def test_the_gap_fits_the_terminator() -> None:
    assert dialogue("lines").gap == 0.5
    assert dialogue("lines", terminator="none").gap == 0.05
    assert dialogue("lines", gap=0.2).gap == 0.2
