from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit import hid
from drivers.kit.readings import MAX_SCAN, Noise, Refusal, Reply, Scan, Step
from drivers.scanners.hid_pos import HONEYWELL, PART, USUAL, report
from drivers.simulators.hid_pos import HidPosSimulator
from tests.drivers.conversation import dialogue, talking
from tests.drivers.records import records

LONG = bytes(range(256))


def framed(*reports: bytes, descriptor: bytes | None = USUAL) -> bytes:
    wire = hid.frame(hid.DESCRIPTOR, descriptor) if descriptor else b""
    return wire + b"".join(hid.frame(hid.REPORT, each) for each in reports)


def read(wire: bytes, **settings: Any) -> list[Step]:
    return dialogue("hid_pos", **settings).decoder.feed(wire)


def parts(code: bytes, symbology: str = "]Q1") -> list[bytes]:
    return [
        report(code[at : at + PART], symbology, continued=at + PART < len(code))
        for at in range(0, len(code), PART)
    ]


@pytest.mark.parametrize("record", records("hid_pos"), ids=lambda record: record["hex"][:24])
def test_the_record_is_understood(record: dict[str, Any]) -> None:
    decoder = dialogue("hid_pos").decoder
    steps = decoder.feed(bytes.fromhex(record["hex"])) + decoder.quiet()
    [scan] = steps
    assert isinstance(scan, Scan)
    assert scan.data.decode("latin-1") == record["expect"]["data"]
    assert scan.symbology == record["expect"]["aim"]


@given(st.binary(min_size=1, max_size=600))
@pytest.mark.parametrize("honeywell", [False, True])
def test_every_byte_of_a_code_arrives(honeywell: bool, code: bytes) -> None:
    scanner = HidPosSimulator(honeywell=honeywell)
    wire = scanner.described() + b"".join(scanner.parts(code, "]d1"))
    [scan] = read(wire, aim="required")
    assert isinstance(scan, Scan)
    assert (scan.data, scan.symbology) == (code, "]d1")


def test_nothing_comes_out_before_the_last_part() -> None:
    first, *rest = parts(LONG)
    decoder = dialogue("hid_pos").decoder
    assert decoder.feed(framed(first, *rest[:-1])) == []
    [scan] = decoder.feed(framed(rest[-1], descriptor=None))
    assert isinstance(scan, Scan)
    assert scan.data == LONG
    assert scan.raw == b"".join([first, *rest])


def test_half_a_code_is_noise_after_a_second() -> None:
    talk = dialogue("hid_pos")
    assert talk.gap == 1.0
    assert talk.decoder.feed(framed(*parts(LONG)[:2])) == []
    [noise] = talk.decoder.quiet()
    assert isinstance(noise, Noise)
    assert noise.why == "a scan without its end"
    [scan] = talk.decoder.feed(framed(report(b"next", "]C0")))
    assert isinstance(scan, Scan)
    assert scan.data == b"next"


def test_parts_with_different_identifiers_are_no_code_nor_is_the_rest() -> None:
    first, second, *rest = parts(LONG)
    stranger = second[:2] + b"]C1" + second[5:]
    [noise, scan] = read(framed(first, stranger, *rest, report(b"next", "]C0")))
    assert isinstance(noise, Noise)
    assert noise.why == "the parts of a scan do not fit together"
    assert isinstance(scan, Scan)
    assert scan.data == b"next"


def test_the_end_of_another_code_is_dropped_with_the_beginning_it_followed() -> None:
    steps = read(framed(parts(LONG)[0], report(b"tail", "]C1"), report(b"next", "]C0")))
    assert [type(step) for step in steps] == [Noise, Scan]


def test_a_code_without_end_is_noise_once_and_the_next_is_whole() -> None:
    endless = report(b"7" * PART, "]Q1", continued=True)
    wire = framed(*[endless] * (MAX_SCAN // PART + 9), report(b"end", "]Q1"), report(b"next"))
    noise, scan = read(wire)
    assert isinstance(noise, Noise)
    assert len(noise.raw) <= 64
    assert isinstance(scan, Scan)
    assert scan.data == b"next"
    empty = framed(*[report(b"", "]Q1", continued=True)] * 9000)
    assert isinstance(read(empty)[0], Noise)


def test_a_count_beyond_the_report_is_noise() -> None:
    broken = bytearray(report(b"4006381333931", "]E0"))
    broken[1] = PART + 1
    [step] = read(framed(bytes(broken)))
    assert isinstance(step, Noise)


PLAIN = bytes.fromhex(
    # no count, the identifier in three fields, a mark in a byte of its own
    "058c 0902 a101 8502 1500 26ff00 7508 9501 09fb 8102 09fc 8102 09fd 8102"
    "9538 09fe 820201 7501 9501 2501 09ff 8102 7507 8103 c0"
)


def test_without_a_count_the_padding_ends_the_code() -> None:
    plain = b"\x02]E0" + b"4006381333931".ljust(56, b"\0") + b"\0"
    assert read(framed(plain, descriptor=PLAIN)) == [Scan(b"4006381333931", plain, "]E0")]


def test_without_an_identifier_there_is_no_symbology() -> None:
    wire = framed(report(b"4006381333931"))
    assert read(wire) == [Scan(b"4006381333931", report(b"4006381333931"))]
    assert isinstance(read(wire, aim="required")[0], Noise)


def test_what_surrounds_a_code_is_taken_off() -> None:
    wire = framed(report(b"#code\r", "]C0"))
    [scan] = read(wire, prefix="#", suffix="\r", aim="required")
    assert isinstance(scan, Scan)
    assert (scan.data, scan.symbology) == (b"code", "]C0")
    [noise] = read(wire, prefix="%")
    assert isinstance(noise, Noise)


@pytest.mark.parametrize("said", [b"", b"NR"])
def test_a_scanner_that_saw_nothing_says_so(said: bytes) -> None:
    assert read(framed(report(said)), no_read="NR") == [Reply("no read", report(said))]


def test_another_report_is_no_scan() -> None:
    [step] = read(framed(b"\x05" + bytes(61)))
    assert isinstance(step, Reply)


@pytest.mark.parametrize("wire", [report(b"x")[:-1], report(b"x") + b"\0", b"]E04006381333931"])
def test_what_is_no_usual_report_cannot_be_read_bare(wire: bytes) -> None:
    decoder = dialogue("hid_pos").decoder
    [step] = decoder.feed(wire) + decoder.quiet()
    assert isinstance(step, Noise)


def test_a_node_that_is_no_scanner_is_named() -> None:
    keyboard = bytes.fromhex("05010906a101050719e029e7150025017501950881 02c0")
    why, report_of_it = read(framed(report(b"x"), descriptor=keyboard))
    assert isinstance(why, Noise)
    assert "HID POS" in why.why
    assert isinstance(report_of_it, Noise)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"BEPLVL2\x06!", Reply("BEPLVL2", b"")),
        (b"CBRMIN100\x15.", Refusal("CBRMIN100 refused", b"")),
        (b"NOSUCH\x05.", Refusal("NOSUCH unknown", b"")),
    ],
)
def test_what_a_honeywell_scanner_answers_is_no_scan(said: bytes, expected: Step) -> None:
    [step] = read(framed(report(said, "]Z6")), profile="honeywell")
    assert type(step) is type(expected)
    assert getattr(step, "text", "") == getattr(expected, "text", "")
    assert getattr(step, "code", "") == getattr(expected, "code", "")
    assert isinstance(read(framed(report(said, "]X0")))[0], Scan)


async def test_a_honeywell_scanner_is_switched_over_and_told() -> None:
    talk = dialogue("hid_pos", profile="honeywell")
    assert (talk.blocks, dialogue("hid_pos").good) == (False, b"")
    async with (
        HidPosSimulator(honeywell=True) as scanner,
        talking(scanner.url, talk) as heard,
    ):
        await scanner.send(LONG, "]Q1")
        await heard.expect(lambda r: isinstance(r, Scan) and r.data == LONG)
        await scanner.cut(LONG, "]Q1", after=2)
        await heard.expect(lambda r: isinstance(r, Noise))
        assert scanner.reports == [b"\xfe\x01"]
    scanner.answer(talk.good)
    assert scanner.reports[1:] == [b"\xfd\x03\x16\x07\x0d"]
    assert talk.bad == talk.good * 3
    assert hid.lengths(hid.walk(HONEYWELL)) == {("input", 2): 64}
