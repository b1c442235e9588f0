import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import keymaps
from drivers.kit.readings import MAX_SCAN, Noise, Scan, Step
from drivers.scanners.wedge import (
    ENTER,
    EV_KEY,
    EV_SYN,
    EVENT,
    KP_ENTER,
    SYN_DROPPED,
    SYN_REPORT,
    TAB,
)
from drivers.simulators.wedge import WedgeSimulator, packed
from tests.drivers.conversation import dialogue
from tests.drivers.records import records

SHIFT, CAPS_LOCK, LEFT_ALT, LEFT_CTRL, F8, VOLUME_UP = 42, 58, 56, 29, 66, 115
ALT_GR = 100
ONE, TWO, A, BRACKET = 2, 3, 30, 27


def keys(*strokes: tuple[int, int]) -> bytes:
    return packed((EV_KEY, code, value) for code, value in strokes)


def tapped(*codes: int) -> bytes:
    return keys(*((code, value) for code in codes for value in (1, 0)))


def read(events: bytes, **settings: Any) -> list[Step]:
    return dialogue("wedge", **settings).decoder.feed(events)


def typed(events: bytes, **settings: Any) -> list[str]:
    steps = read(events, **settings)
    return [step.data.decode() for step in steps if isinstance(step, Scan)]


@pytest.mark.parametrize(
    "record", records("wedge"), ids=lambda record: f"{record['case']} {record['expect']['data']}"
)
def test_the_record_is_understood(record: dict[str, Any]) -> None:
    events = packed(record["events"])
    expect = record["expect"]
    settings = {"function_keys": {"F8": "\x1d"}} if "F8" in record["case"] else {}
    [scan] = read(events, **settings)
    assert isinstance(scan, Scan)
    assert scan.data.decode() == expect.get("correct_with_us", expect["data"])
    assert scan.symbology == expect.get("aim")
    if "host decodes with " in record["case"]:
        layout = record["case"].rpartition(" ")[2]
        assert typed(events, layout=layout) == [expect["data"]]


def test_enter_keypad_enter_and_tab_end_a_scan() -> None:
    wire = tapped(ONE, ENTER, TWO, KP_ENTER, ONE, TAB)
    assert read(wire) == [Scan(b"1", b"1\r"), Scan(b"2", b"2\r"), Scan(b"1", b"1\t")]


def test_a_tab_can_be_part_of_a_code() -> None:
    assert typed(tapped(ONE, TAB, TWO, ENTER), terminator="enter") == ["1\t2"]
    assert typed(tapped(ONE, ENTER, TWO, TAB), terminator="tab") == ["1\r2"]


def test_repeat_is_no_character() -> None:
    assert typed(keys((ONE, 1), (ONE, 2), (ONE, 2), (ONE, 0)) + tapped(ENTER)) == ["1"]


def test_caps_lock_changes_nothing() -> None:
    assert typed(tapped(CAPS_LOCK, A, ENTER)) == ["a"]


def test_shift_counts_only_while_it_is_held() -> None:
    wire = keys((SHIFT, 1), (A, 1), (A, 0), (SHIFT, 0)) + tapped(A, ENTER)
    assert typed(wire) == ["Aa"]


def test_ctrl_bracket_is_gs_even_with_shift_held() -> None:
    gs = keys((LEFT_CTRL, 1), (BRACKET, 1), (BRACKET, 0), (LEFT_CTRL, 0))
    assert typed(tapped(ONE) + gs + tapped(TWO, ENTER)) == ["1\x1d2"]
    assert typed(keys((SHIFT, 1)) + gs + keys((SHIFT, 0)) + tapped(ENTER)) == ["\x1d"]


def alt(digits: str) -> bytes:
    keypad = {text: code for code, text in keymaps.KEYPAD.items()}
    return keys((LEFT_ALT, 1)) + tapped(*(keypad[d] for d in digits)) + keys((LEFT_ALT, 0))


@pytest.mark.parametrize(
    ("digits", "character"),
    [("029", "\x1d"), ("65", "A"), ("0228", "ä"), ("132", "ä"), ("004", "\x04")],
)
def test_alt_with_keypad_digits_is_one_character(digits: str, character: str) -> None:
    assert typed(alt(digits) + tapped(ENTER)) == [character]


def test_alt_with_keypad_digits_means_the_page_that_was_set() -> None:
    wire = alt("155") + alt("184") + tapped(ENTER)
    assert typed(wire) == ["¢╕"]
    assert typed(wire, oem_page="cp850") == ["ø©"]


@pytest.mark.parametrize("layout", ["us", "de", "fr", "se"])
def test_ctrl_with_the_american_key_is_gs_in_countries_without_one_there(layout: str) -> None:
    gs = keys((LEFT_CTRL, 1), (BRACKET, 1), (BRACKET, 0), (LEFT_CTRL, 0))
    assert typed(gs + tapped(ENTER), layout=layout) == ["\x1d"]


@pytest.mark.parametrize("digits", ["999", "00065", "0129", "123456"])
def test_alt_with_an_impossible_number_spoils_the_scan(digits: str) -> None:
    [step] = read(tapped(ONE) + alt(digits) + tapped(ENTER))
    assert isinstance(step, Noise)


def test_a_key_that_types_nothing_spoils_its_scan_only() -> None:
    spoilt, scan = read(tapped(ONE, VOLUME_UP, TWO, ENTER, ONE, ENTER))
    assert spoilt == Noise(b"12\r", "key 115 types no character")
    assert scan == Scan(b"1", b"1\r")


DEAD_CIRCUMFLEX, SPACE, Q, E = 41, 57, 16, 18


@pytest.mark.parametrize(
    ("second", "typed_text"),
    [(SPACE, "^"), (A, "â"), (ONE, "^1"), (DEAD_CIRCUMFLEX, "^^"), (ENTER, "^")],
)
def test_a_dead_key_waits_for_the_next_as_on_windows(second: int, typed_text: str) -> None:
    assert typed(tapped(DEAD_CIRCUMFLEX, second, ENTER), layout="de") == [typed_text]


def test_on_the_international_american_layout_dead_quotes_are_quotes() -> None:
    quotes = tapped(40, SPACE) + keys((SHIFT, 1)) + tapped(40) + keys((SHIFT, 0)) + tapped(SPACE)
    assert typed(quotes + tapped(ENTER), layout="us_intl") == ["'\""]
    assert typed(tapped(27, SPACE, ENTER), layout="pt") == ["\u00b4"]


def test_a_dead_key_that_cannot_stand_alone_spoils_its_scan() -> None:
    dot_below = keys((ALT_GR, 1)) + tapped(36) + keys((ALT_GR, 0))
    assert typed(dot_below + tapped(A, ENTER), layout="de") == ["ạ"]
    [step] = read(dot_below + tapped(ONE, ENTER), layout="de")
    assert step == Noise(b"1\r", "a dead key without its letter")


def test_a_dead_key_waits_for_nothing_of_the_next_scan() -> None:
    assert typed(tapped(DEAD_CIRCUMFLEX, ENTER, A, ENTER), layout="de") == ["^", "a"]
    decoder = dialogue("wedge", layout="de").decoder
    decoder.feed(tapped(ONE, DEAD_CIRCUMFLEX))
    decoder.quiet()
    assert decoder.feed(tapped(A, ENTER)) == [Scan(b"a", b"a\r")]


@pytest.mark.parametrize("alt_gr", [[ALT_GR], [LEFT_CTRL, LEFT_ALT]])
def test_alt_gr_is_one_key_or_ctrl_with_alt(alt_gr: list[int]) -> None:
    pressed = keys(*((code, 1) for code in alt_gr))
    released = keys(*((code, 0) for code in alt_gr))
    assert typed(pressed + tapped(Q) + released + tapped(ENTER), layout="de") == ["@"]
    assert typed(pressed + tapped(E) + released + tapped(ENTER), layout="de") == ["€"]


def test_a_function_key_is_a_character_if_it_is_set_up_so() -> None:
    assert typed(tapped(ONE, F8, TWO, ENTER), function_keys={"F8": "\x1d"}) == ["1\x1d2"]
    [step] = read(tapped(ONE, F8, TWO, ENTER))
    assert isinstance(step, Noise)


@pytest.mark.parametrize(
    ("layout", "text", "substitute"),
    [("us", "10AB{GS}21X", "{GS}"), ("us", "10AB^]21X", "^]"), ("us", "10AB|21X", "|"),
     ("us", "10AB~21X", "~"), ("es", "10ABí21X", "í")],
)  # fmt: skip
def test_what_a_scanner_types_for_gs_is_turned_back(
    layout: str, text: str, substitute: str
) -> None:
    wire = WedgeSimulator(layout=layout).events(text)
    [scan] = read(wire, layout=layout, substitutes={substitute: "\x1d"})
    assert scan == Scan(b"10AB\x1d21X", f"{text}\r".encode())


def test_the_longest_substitute_is_taken() -> None:
    wire = WedgeSimulator().events("a{GS}b{RS}c{d")
    substitutes = {"{": "\x1c", "{GS}": "\x1d", "{RS}": "\x1e"}
    assert typed(wire, substitutes=substitutes) == ["a\x1db\x1ec\x1cd"]


# A person, and the wrong country


def by_hand(text: str, seconds: float) -> bytes:
    """Typed with this long from press to press, Shift aside."""
    person = WedgeSimulator()
    person.pace = seconds / 2
    return person.events(text)


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4])
def test_a_person_types_slower_than_a_scanner(seconds: float) -> None:
    assert read(by_hand("4006381333931", seconds)) == [
        Noise(b"4006381333931\r", "typed by hand, slower than a scanner")
    ]


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.03, 0.06])
def test_a_slow_scanner_is_no_person(seconds: float) -> None:
    assert typed(by_hand("4006381333931", seconds)) == ["4006381333931"]


def test_a_person_may_type_where_that_is_wanted() -> None:
    assert typed(by_hand("12", 0.4), slowest=1.0) == ["12"]


def test_a_clock_that_is_set_in_mid_scan_makes_nobody_a_person() -> None:
    wire = bytearray(WedgeSimulator().events("12345678"))
    half = len(wire) // 2 // EVENT.size * EVENT.size
    for at in range(half, len(wire), EVENT.size):
        seconds, *rest = EVENT.unpack_from(wire, at)
        EVENT.pack_into(wire, at, seconds + 86_400, *rest)
    assert typed(bytes(wire)) == ["12345678"]


def test_without_a_terminator_a_single_key_is_a_person() -> None:
    decoder = dialogue("wedge", terminator="none").decoder
    decoder.feed(tapped(ONE))
    assert decoder.quiet() == [Noise(b"1", "a single key")]


@pytest.mark.parametrize(
    ("scanner", "host", "wrong"),
    [("us", "fr", True), ("fr", "us", True), ("us", "be", True), ("us", "cz", True),
     ("fr_legacy", "de", True), ("us", "de", False), ("us", "us", False)],
)  # fmt: skip
def test_a_number_typed_for_another_country_is_explained_and_not_handed_on(
    scanner: str, host: str, wrong: bool
) -> None:
    [step] = read(WedgeSimulator(layout=scanner).events("4006381333931"), layout=host)
    if wrong:
        assert isinstance(step, Noise)
        assert f"another keyboard country than layout '{host}'" in step.why
    else:
        assert isinstance(step, Scan)


def test_an_identifier_in_front_does_not_hide_the_wrong_country() -> None:
    [step] = read(WedgeSimulator(layout="us").events("]C14006381333931"), layout="fr")
    assert isinstance(step, Noise)


@pytest.mark.parametrize("code", ["!!!!!!", "#1234", "$%$", "A-(B)"])
def test_a_code_with_some_signs_is_a_code(code: str) -> None:
    assert typed(WedgeSimulator().events(code)) == [code]


def test_enter_alone_is_nothing() -> None:
    assert read(tapped(ENTER, ENTER)) == []


def test_an_unknown_layout_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no layout 'klingon'.*us"):
        dialogue("wedge", layout="klingon")


DROPPED = packed([(EV_SYN, SYN_DROPPED, 0)])
REPORT = packed([(EV_SYN, SYN_REPORT, 0)])


def test_dropped_events_discard_the_scan_and_its_tail() -> None:
    wire = tapped(ONE, TWO) + DROPPED + tapped(ONE) + REPORT + tapped(TWO, ENTER)
    noise, scan = read(wire + tapped(A, ENTER))
    assert noise == Noise(b"12", "the kernel dropped key events; scan again")
    assert scan == Scan(b"a", b"a\r")


def test_dropped_events_leave_no_modifier_held() -> None:
    wire = keys((SHIFT, 1)) + tapped(A) + DROPPED + REPORT + tapped(ENTER) + tapped(A, ENTER)
    assert typed(wire) == ["a"]


def test_events_up_to_the_next_report_are_as_lost_as_the_dropped_ones() -> None:
    wire = DROPPED + keys((SHIFT, 1)) + tapped(ENTER) + REPORT + tapped(ONE, ENTER, A, ENTER)
    assert typed(wire) == ["a"]


def test_quiet_after_dropped_events_makes_room_for_the_next_scan() -> None:
    decoder = dialogue("wedge").decoder
    assert len(decoder.feed(tapped(ONE) + DROPPED + REPORT + tapped(TWO))) == 1
    assert decoder.quiet() == []
    assert decoder.feed(tapped(A, ENTER)) == [Scan(b"a", b"a\r")]


def test_dropped_events_are_said_even_between_scans() -> None:
    [noise] = read(DROPPED + REPORT)
    assert isinstance(noise, Noise)


def test_quiet_drops_half_a_scan_and_says_so() -> None:
    decoder = dialogue("wedge").decoder
    decoder.feed(tapped(ONE, TWO))
    assert decoder.quiet() == [Noise(b"12", "a scan without its terminator")]
    assert decoder.feed(tapped(A, ENTER)) == [Scan(b"a", b"a\r")]


def test_quiet_ends_a_scan_that_has_no_terminator() -> None:
    decoder = dialogue("wedge", terminator="none").decoder
    assert decoder.feed(tapped(ONE, TWO)) == []
    assert decoder.quiet() == [Scan(b"12", b"12")]
    decoder.feed(tapped(ONE, VOLUME_UP))
    [spoilt] = decoder.quiet()
    assert isinstance(spoilt, Noise)


def test_a_scan_that_is_too_long_is_noise_once_and_the_next_is_whole() -> None:
    longest = tapped(*[ONE] * MAX_SCAN)
    assert len(typed(longest + tapped(ENTER))[0]) == MAX_SCAN
    noise, scan = read(longest + tapped(ONE, TWO, ENTER, A, ENTER))
    assert isinstance(noise, Noise)
    assert len(noise.raw) < 100
    assert scan == Scan(b"a", b"a\r")


def test_prefix_and_aim_identifier_are_taken_off() -> None:
    assert read(WedgeSimulator().events("~]E04006381333931"), prefix="~") == [
        Scan(b"4006381333931", b"~]E04006381333931\r", "]E0")
    ]


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


@given(PRINTABLE)
def test_what_the_simulator_types_is_what_is_read(text: str) -> None:
    [scan] = read(WedgeSimulator().events(text), aim="never")
    assert isinstance(scan, Scan)
    assert scan.data.decode() == text


@pytest.mark.parametrize("layout", keymaps.names())
@pytest.mark.parametrize("control", ["ctrl", "alt"])
def test_every_layout_types_a_gs1_code(layout: str, control: Any) -> None:
    code = "0104006381333931" + "10AB-c\x1d" + "21/x.9" + "!\"%&'()*+,:;<=>?_"
    events = WedgeSimulator(layout=layout, control=control).events(code)
    assert typed(events, layout=layout) == [code]


@pytest.mark.parametrize("layout", keymaps.names())
@given(data=st.data())
def test_every_layout_types_all_that_it_has_keys_for(layout: str, data: st.DataObject) -> None:
    characters = {character for levels in keymaps.load(layout).values() for character in levels}
    characters |= set("^`~")
    plain = sorted(character for character in characters if character and character != "\xad")
    plain = [character for character in plain if not unicodedata.combining(character)]
    text = data.draw(st.text(st.sampled_from(plain), min_size=1, max_size=3))
    events = WedgeSimulator(layout=layout).events(f"{text}5")
    assert typed(events, layout=layout, aim="never") == [f"{text}5"]


def test_a_shift_whose_release_was_lost_does_not_reach_the_next_scan() -> None:
    decoder = dialogue("wedge").decoder
    torn = decoder.feed(tapped(ONE) + keys((SHIFT, 1)) + tapped(A)) + decoder.quiet()
    assert [type(step) for step in torn] == [Noise]
    [scan] = decoder.feed(tapped(A, ENTER))
    assert isinstance(scan, Scan)
    assert scan.data == b"a"
