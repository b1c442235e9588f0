import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import MAX_SCAN, Noise, Refusal, Reply, Scan, Send, Step
from drivers.scanners.ssi import AGAIN, AIM, DECODED, EVENT, MORE, NAK, SCANNER, packet
from drivers.simulators.ssi import SsiSimulator
from tests.drivers.conversation import CEILING, dialogue, talking
from tests.drivers.records import records

ACK, RESEND = Send(bytes.fromhex("04d00400ff28")), Send(bytes.fromhex("05d1040001ff25"))


def read(wire: bytes, **settings: Any) -> list[Step]:
    decoder = dialogue("ssi", **settings).decoder
    return decoder.feed(wire) + decoder.quiet()


def sent(data: bytes, kind: int = 3, status: int = 0) -> bytes:
    return packet(DECODED, bytes([kind]) + data, source=SCANNER, status=status)


def scans(wire: bytes, **settings: Any) -> list[bytes]:
    return [step.data for step in read(wire, **settings) if isinstance(step, Scan)]


@pytest.mark.parametrize("record", records("ssi"), ids=lambda record: record["hex"])
def test_the_record_is_understood(record: dict[str, Any]) -> None:
    expect, steps = record["expect"], read(bytes.fromhex(record["hex"]))
    readings = [step for step in steps if not isinstance(step, Send)]
    if not expect["valid"]:
        assert not [step for step in readings if not isinstance(step, Noise)]
        return
    assert ACK in steps
    [reading] = readings
    if expect.get("no_read"):
        assert isinstance(reading, Reply)
        assert reading.text == "no read"
        return
    assert isinstance(reading, Scan)
    assert reading.data.decode() == expect["data"]
    assert reading.symbology == expect.get("aim", AIM.get(expect["code_type"]))


@pytest.mark.parametrize(
    ("opcode", "data", "wire"),
    [
        (0xD0, "", "04d00400ff28"),
        (0xD1, "01", "05d1040001ff25"),
        (0xD1, "06", "05d1040006ff20"),
        (0xE7, "01", "05e7040001ff0f"),
        (0xE9, "", "04e90400ff0f"),
        (0xA3, "", "04a30400ff55"),
        (0xE4, "", "04e40400ff14"),
        (0xE5, "", "04e50400ff13"),
        (0xE6, "10", "05e6040010ff01"),
        (0xC6, "ffee01", "07c60400ffee01fd41"),
        (0x10, "", "04100400ffe8"),
        (0x00, "12", "0500040012ffe5"),
    ],
)
def test_what_the_host_says_has_the_right_sum(opcode: int, data: str, wire: str) -> None:
    assert packet(opcode, bytes.fromhex(data)).hex() == wire


def test_a_good_packet_is_acknowledged_before_anyone_else_hears() -> None:
    assert read(sent(b"A1"))[0] == ACK


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_wrong_byte_gets_through(at: int, wrong: int) -> None:
    wire = bytearray(sent(b"5901234123457", 0x0B))
    wire[at % len(wire)] ^= wrong
    assert not scans(bytes(wire))


def test_a_broken_packet_is_asked_for_again() -> None:
    wire = bytearray(sent(b"5901234123457", 0x0B))
    wire[8] ^= 1
    steps = read(bytes(wire))
    assert steps[0] == RESEND
    assert ACK not in steps
    assert scans(bytes(wire) + sent(b"5901234123457", 0x0B, AGAIN)) == [b"5901234123457"]


def test_a_packet_that_was_cut_is_asked_for_again_and_hides_no_whole_one() -> None:
    begun = sent(b"5901234123457")[:9]
    assert read(begun)[0] == RESEND
    assert scans(begun + sent(b"5901234123457", status=AGAIN)) == [b"5901234123457"]


def test_what_was_sent_again_although_it_arrived_is_one_scan() -> None:
    steps = read(sent(b"A1") + sent(b"A1", status=AGAIN) + sent(b"A1", status=AGAIN))
    assert steps.count(ACK) == 3
    assert [type(step) for step in steps if not isinstance(step, Send)] == [Scan, Reply, Reply]


def test_the_same_code_once_more_is_a_second_scan() -> None:
    assert scans(sent(b"A1") + sent(b"A1")) == [b"A1", b"A1"]


def test_what_was_sent_again_because_it_did_not_arrive_is_a_scan() -> None:
    assert scans(sent(b"A1") + sent(b"B2", status=AGAIN)) == [b"A1", b"B2"]


def test_the_packets_of_one_code_are_joined() -> None:
    wire = sent(b"http", 0x1C, MORE) + sent(b"://a/", 0x1C, MORE) + sent(b"b", 0x1C)
    assert scans(wire) == [b"http://a/b"]


def test_a_part_that_was_sent_again_is_joined_once() -> None:
    wire = sent(b"http", 0x1C, MORE) + sent(b"http", 0x1C, MORE | AGAIN) + sent(b"s", 0x1C)
    assert scans(wire) == [b"https"]


def test_half_a_code_is_noise_and_so_is_its_end_that_comes_late() -> None:
    decoder = dialogue("ssi").decoder
    decoder.feed(sent(b"http", 0x1C, MORE))
    noise = decoder.quiet()[-1]
    assert isinstance(noise, Noise)
    late = decoder.feed(sent(b"://a/b", 0x1C, AGAIN))
    assert [type(step) for step in late] == [Send, Noise]
    assert isinstance(decoder.feed(sent(b"next"))[1], Scan)


def damaged(wire: bytes) -> bytes:
    return wire[:5] + bytes([wire[5] ^ 1]) + wire[6:]


@pytest.mark.parametrize("at", [0, 1])
def test_a_scanner_that_minds_no_nak_leaves_no_code_with_a_hole(at: int) -> None:
    parts = [sent(b"http", 0x1C, MORE), sent(b"://a/", 0x1C, MORE), sent(b"b", 0x1C)]
    parts[at] = damaged(parts[at])
    steps = read(b"".join(parts) + sent(b"next", 0x1C))
    assert [step.data for step in steps if isinstance(step, Scan)] == [b"next"]
    assert any(isinstance(step, Noise) and "one of its packets" in step.why for step in steps)


def test_a_part_that_was_damaged_may_be_sent_again() -> None:
    first, last = sent(b"http", 0x1C, MORE), sent(b"://a/b", 0x1C)
    again = sent(b"://a/b", 0x1C, AGAIN)
    assert scans(first + damaged(last) + again + sent(b"next")) == [b"http://a/b", b"next"]
    assert scans(damaged(first) + sent(b"http", 0x1C, MORE | AGAIN) + last) == [b"http://a/b"]


def test_zeros_that_wake_the_host_are_no_hole() -> None:
    assert scans(sent(b"http", 0x1C, MORE) + bytes(3) + sent(b"://a", 0x1C)) == [b"http://a"]


def test_parts_of_different_kinds_are_no_code() -> None:
    steps = read(sent(b"http", 0x1C, MORE) + sent(b"A1", 0x03))
    assert [type(step) for step in steps if not isinstance(step, Send)] == [Noise, Scan]


def test_a_code_without_end_is_noise_once_and_the_next_is_whole() -> None:
    number = MAX_SCAN // 200 + 9
    endless = b"".join(sent(b"%3d" % n + b"7" * 197, 0x1C, MORE) for n in range(number))
    wire = endless + sent(b"end", 0x1C) + sent(b"next")
    assert [type(s) for s in read(wire) if not isinstance(s, Send)] == [Noise, Scan]
    assert scans(wire) == [b"next"]
    empty = b"".join(sent(b"", kind, MORE) for kind in [1, 1] for _ in range(9000))
    assert not scans(empty)


def test_a_scanner_that_saw_nothing_says_so() -> None:
    steps = read(bytes.fromhex("07f30000014e52fe65"))
    assert [getattr(step, "text", "") for step in steps[1:]] == ["no read"]


def test_kinds_that_leave_it_open_have_no_identifier() -> None:
    for kind, expected in ((0x01, None), (0x06, None), (0x1B, None), (0x0A, "]E4"), (0xC1, "]d2")):
        [_, scan] = read(sent(b"12345670", kind))
        assert isinstance(scan, Scan)
        assert scan.symbology == expected


def test_an_identifier_the_scanner_sends_itself_is_taken() -> None:
    [_, scan] = read(sent(b"]C10104006381333931", 0x03))
    assert isinstance(scan, Scan)
    assert (scan.data, scan.symbology) == (b"0104006381333931", "]C1")


def test_what_surrounds_a_code_is_taken_off() -> None:
    assert scans(sent(b"#A1\r\n"), prefix="#", suffix="\r\n") == [b"A1"]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (packet(0xD0, source=SCANNER), Reply),
        (packet(NAK, b"\x06", source=SCANNER), Refusal),
        (packet(NAK, source=SCANNER), Refusal),
        (packet(0xA4, b"PAAAAS00-001\x00", source=SCANNER), Reply),
        (packet(EVENT, b"\x0d", source=SCANNER), Reply),
        (packet(0xC6, b"\xff\xee\x01", source=SCANNER), Reply),
        (sent(b""), Noise),
        (packet(DECODED, source=SCANNER), Noise),
    ],
)
def test_what_else_a_scanner_says_is_no_scan(wire: bytes, expected: type[Step]) -> None:
    [step] = [step for step in read(wire) if not isinstance(step, Send)]
    assert isinstance(step, expected)


def test_acknowledgements_are_not_acknowledged() -> None:
    answers = packet(0xD0, source=SCANNER) + packet(NAK, b"\x01", source=SCANNER)
    assert not [step for step in read(answers) if isinstance(step, Send)]


def test_an_echo_of_the_host_is_noise() -> None:
    steps = read(packet(0xE6, b"\x00"))
    assert [type(step) for step in steps] == [Noise]


def test_the_beeps_can_be_chosen_or_left_out() -> None:
    assert dialogue("ssi").good == bytes.fromhex("05e6040000ff11")
    assert dialogue("ssi").bad == bytes.fromhex("05e6040010ff01")
    assert dialogue("ssi", bad_beep=1).bad == bytes.fromhex("05e6040001ff10")
    assert dialogue("ssi", beeps=False).good == dialogue("ssi", beeps=False).bad == b""


async def test_a_simulated_scanner_is_set_up_acknowledged_and_heard() -> None:
    long = bytes(range(256)) * 3
    async with SsiSimulator() as scanner, talking(scanner.url, dialogue("ssi")) as heard:
        await heard.expect(lambda r: isinstance(r, Reply) and r.text == "acknowledged")
        await scanner.send(long, 0x1C)
        await heard.expect(lambda r: isinstance(r, Scan) and r.data == long)
        async with asyncio.timeout(CEILING):
            while scanner.acknowledged < 4:
                await asyncio.sleep(0.01)


async def test_a_damaged_line_costs_time_and_no_scan() -> None:
    async with SsiSimulator() as scanner, talking(scanner.url, dialogue("ssi")) as heard:
        await heard.expect(lambda r: isinstance(r, Reply))
        scanner.lossy = 2
        await scanner.send(b"4006381333931", 0x0B)
        await heard.expect(lambda r: isinstance(r, Scan))
        await scanner.send(b"96385074", 0x0A)
        await heard.expect(lambda r: isinstance(r, Scan) and r.data == b"96385074")
    assert [r.data for r in heard.readings if isinstance(r, Scan)] == [
        b"4006381333931",
        b"96385074",
    ]


async def test_an_answer_that_was_lost_makes_no_second_scan() -> None:
    async with SsiSimulator() as scanner, talking(scanner.url, dialogue("ssi")) as heard:
        await scanner.send(b"A1")
        await heard.expect(lambda r: isinstance(r, Scan))
        await scanner.say(sent(b"A1", status=AGAIN))
        await heard.expect(lambda r: isinstance(r, Reply) and r.text == "sent again")
    assert len([r for r in heard.readings if isinstance(r, Scan)]) == 1
