from hypothesis import given
from hypothesis import strategies as st

from drivers.kit.readings import Noise, Reply, Step
from drivers.kit.telegrams import LOSS, TelegramDecoder, enclosed, exclusive


class Numbers(TelegramDecoder):
    """``<`` and digits and ``>``, or ``#`` and two bytes."""

    def __init__(self, bits: int = 8) -> None:
        super().__init__(b"<#", 8, bits=bits)

    def measure(self, text: bytes) -> int | None:
        if text[0] == ord("#"):
            return 3 if len(text) >= 3 else None
        return enclosed(text, ord(">"), 8)

    def read(self, text: bytes, raw: bytes) -> list[Step]:
        return [Reply(text.decode("latin-1"), raw)]


def test_a_telegram_that_begins_anew_is_looked_for_one_byte_later() -> None:
    assert Numbers().feed(b"<12<34>") == [
        Noise(b"<12", "bytes outside any frame"),
        Reply("<34>", b"<34>"),
    ]


def test_the_quiet_looks_behind_a_beginning_that_was_none() -> None:
    decoder = Numbers()
    assert decoder.feed(b"<1#ab") == []
    assert decoder.quiet() == [
        Noise(b"<1", "bytes outside any frame"),
        Reply("#ab", b"#ab"),
    ]
    assert decoder.quiet() == []


def test_a_telegram_is_never_waited_for_too_long() -> None:
    decoder = Numbers()
    assert decoder.feed(b"<1234567") == []
    [noise] = decoder.quiet()
    assert noise == Noise(b"<1234567", "bytes outside any frame")


def test_padding_is_nothing_and_the_rest_is_reported_in_pieces() -> None:
    decoder = Numbers()
    assert decoder.feed(b"\r\n\0<1>\r\n") == [Reply("<1>", b"<1>")]
    assert decoder.feed(b"x" * (LOSS + 1)) == [Noise(b"x" * LOSS, "bytes outside any frame")]
    assert decoder.quiet() == [Noise(b"x", "bytes outside any frame")]


def test_parity_is_taken_off_what_is_read_and_kept_in_what_came() -> None:
    assert Numbers(bits=7).feed(b"\xbc1\xbe") == [Reply("<1>", b"\xbc1\xbe")]


@given(st.lists(st.sampled_from([b"<", b">", b"#", b"1", b"\r", b"x"]), max_size=40), st.data())
def test_the_wire_may_cut_anywhere(bits: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(bits)
    cut = data.draw(st.integers(0, len(stream)))
    whole, parts = Numbers(), Numbers()
    expected = whole.feed(stream) + whole.quiet()
    assert parts.feed(stream[:cut]) + parts.feed(stream[cut:]) + parts.quiet() == expected


def test_the_xor_of_nothing_is_nothing() -> None:
    assert (exclusive(b""), exclusive(b"98\x0000000")) == (0, 0x31 ^ 0x30 ^ 0x30)
