from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.frames import BLOCK, Frame, FrameDecoder, Frames
from drivers.kit.readings import Noise, Step, Weight


def test_only_what_follows_an_end_has_surely_begun() -> None:
    frames = Frames(b"\r\n", limit=80)
    assert frames.feed(b"0 kg\r\n1 kg\n") == [
        Frame(b"0 kg", b"0 kg\r", begun=False),
        Frame(b"1 kg", b"1 kg\n", begun=True),
    ]


def test_a_frame_without_text_is_none() -> None:
    assert Frames(b"\r\n", limit=80).feed(b"\r\n\r\n") == []


def test_parity_is_taken_off_the_text_and_kept_in_the_raw_bytes() -> None:
    [frame] = Frames(b"\r", limit=80, bits=7).feed(b"\xb1\xae5\x8d")
    assert frame == Frame(b"1.5", b"\xb1\xae5\x8d", begun=False)
    assert Frames(b"\r", limit=80).feed(b"\xb1\xae5\x8d") == []


def test_the_rest_may_have_lost_what_comes_next() -> None:
    frames = Frames(b"\r", limit=80)
    frames.feed(b"a\rb")
    assert frames.rest() == Frame(b"b", b"b", begun=True)
    assert frames.rest() is None
    assert frames.feed(b"c\r") == [Frame(b"c", b"c\r", begun=False)]


def test_the_front_of_what_is_too_long_is_noise() -> None:
    frames = Frames(b"\r", limit=8)
    found = frames.feed(b"7" * (BLOCK + 8) + b"\r9\r")
    assert [type(each) for each in found] == [Noise, Frame, Frame]
    assert [each.raw for each in found] == [b"7" * BLOCK, b"7" * 8 + b"\r", b"9\r"]
    assert [each.begun for each in found if isinstance(each, Frame)] == [False, True]


@given(st.lists(st.binary(max_size=150), max_size=6))
def test_nothing_is_lost(pieces: list[bytes]) -> None:
    frames = Frames(b"\r", limit=16)
    found = [each.raw for piece in pieces for each in frames.feed(piece)]
    rest = frames.rest()
    whole = b"".join(found) + (rest.raw if rest else b"")
    assert whole.replace(b"\r", b"") == b"".join(pieces).replace(b"\r", b"")


def test_what_no_driver_reads_is_noise() -> None:
    decoder = FrameDecoder(Frames(b"\r", limit=16))
    assert decoder.feed(b"abc\rd") == [Noise(b"abc\r", "not a frame of this protocol")]
    assert decoder.quiet() == [Noise(b"d", "a frame without its end")]
    assert decoder.quiet() == []


class Numbers(FrameDecoder):
    def read(self, frame: Frame) -> list[Step]:
        value = Decimal(frame.text.decode()) if frame.text != b"OVER" else None
        return [Weight(value, None, True, frame.raw)]


def test_a_weight_of_another_length_is_noise() -> None:
    def values(length: int | None) -> list[Decimal | None]:
        steps = Numbers(Frames(b"\r", 16), length).feed(b"1.250\r1.20\rOVER\r")
        return [step.value for step in steps if isinstance(step, Weight)]

    assert values(None) == [Decimal("1.250"), Decimal("1.20"), None]
    assert values(5) == [Decimal("1.250"), None]
