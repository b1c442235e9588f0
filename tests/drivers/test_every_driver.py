"""What holds for every driver in the folders, whatever it speaks and whatever bytes come.

What wires and devices do to good frames is in `test_every_driver_in_trouble.py`.
"""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.kit.readings import MAX_SCAN, Noise
from drivers.scanners.wedge import EV_KEY, EV_SYN
from drivers.simulators.wedge import WedgeSimulator, packed
from tests.drivers.cases import CASES, HELD, SCALES, Setting, frames, said, weighed
from tests.drivers.conversation import dialogue

every_driver = pytest.mark.parametrize(("name", "setting"), CASES)
every_scale = pytest.mark.parametrize(("name", "setting"), SCALES)

BLANK = b" \0"
"""What pads a field. A frame may lose it at its front and mean the same."""


def ended(frame: bytes) -> int:
    """Return how many bytes of `frame` are not its end; a single CR instead of CR LF is one."""
    return min(len(frame.rstrip(b"\r\n\x8d")), len(frame) - 1)


key_events = st.lists(
    st.tuples(
        st.sampled_from([EV_KEY, EV_KEY, EV_KEY, EV_SYN, 4, 17]),
        st.sampled_from([0, 2, 3, 15, 28, 29, 30, 42, 56, 58, 66, 79, 82, 96, 100, 113, 700]),
        st.sampled_from([0, 1, 2]),
    ),
    max_size=30,
).map(packed)


def wire(name: str, setting: Setting) -> st.SearchStrategy[bytes]:
    """Bytes as `name` may meet them: good frames, torn ones and rubbish."""
    good = st.sampled_from(frames(name, setting))
    torn = st.tuples(good, st.integers(0, 40), st.integers(0, 40)).map(
        lambda cut: cut[0][cut[1] : len(cut[0]) - cut[2]]
    )
    rubbish = st.binary(max_size=90)
    kinds = [good, torn, rubbish, *([key_events] if name == "wedge" else [])]
    return st.lists(st.one_of(kinds), max_size=8).map(b"".join)


@every_driver
@settings(max_examples=150)
@given(data=st.data())
def test_the_wire_may_cut_anywhere(name: str, setting: Setting, data: st.DataObject) -> None:
    stream = data.draw(wire(name, setting))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = said(dialogue(name, **setting).decoder, [stream])
    assert said(dialogue(name, **setting).decoder, pieces) == whole


@every_driver
def test_the_wire_may_deliver_byte_by_byte(name: str, setting: Setting) -> None:
    stream = b"".join(frames(name, setting))
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    whole = said(dialogue(name, **setting).decoder, [stream])
    assert said(dialogue(name, **setting).decoder, pieces) == whole


@every_driver
@settings(max_examples=100)
@given(pieces=st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_can_break_it(name: str, setting: Setting, pieces: list[bytes]) -> None:
    steps = said(dialogue(name, **setting).decoder, pieces)
    explained = sum(len(step.raw) for step in steps if isinstance(step, Noise))
    assert explained <= sum(map(len, pieces)), "noise is not made up"


FLOODS: dict[str, Callable[[list[bytes]], bytes]] = {
    "without an end": lambda _: b"7" * 100_000,
    "of zeros": lambda _: bytes(100_000),
    "of every byte": lambda _: bytes(range(256)) * 400,
    "of beginnings": lambda _: b"\x02" * 100_000,
    "of half status frames": lambda _: b"\x02?" * 50_000,
    "of keys": lambda _: WedgeSimulator().events("a" * 3 * MAX_SCAN, end=None),
    "of keys that type nothing": lambda _: packed([(EV_KEY, 113, 1), (EV_KEY, 56, 1)] * 3000),
    "of frames": lambda good: b"".join(good) * 100,
}


@every_driver
@pytest.mark.parametrize("flood", FLOODS)
def test_no_bytes_can_bloat_it(name: str, setting: Setting, flood: str) -> None:
    decoder = dialogue(name, **setting).decoder
    stream = FLOODS[flood](frames(name, setting))
    most = 0
    for at in range(0, len(stream), 4096):
        decoder.feed(stream[at : at + 4096])
        most = max(most, len(pickle.dumps(decoder)))
    assert most < HELD


@every_driver
def test_it_works_again_after_a_flood(name: str, setting: Setting) -> None:
    decoder = dialogue(name, **setting).decoder
    fresh = dialogue(name, **setting).decoder
    decoder.feed(b"7" * 100_008)
    decoder.quiet()
    for frame in frames(name, setting):
        assert said(decoder, [frame]) == said(fresh, [frame])


@every_driver
def test_quiet_twice_says_nothing_new(name: str, setting: Setting) -> None:
    for frame in frames(name, setting):
        decoder = dialogue(name, **setting).decoder
        decoder.feed(frame[: len(frame) // 2])
        decoder.quiet()
        assert decoder.quiet() == []


@every_scale
def test_a_weight_without_its_beginning_is_no_weight(name: str, setting: Setting) -> None:
    for frame in frames(name, setting):
        whole = weighed(name, setting, frame)
        for missing in range(1, len(frame)):
            values = weighed(name, setting, frame[missing:])
            allowed = [] if frame[:missing].strip(BLANK) else whole
            assert set(values) <= set(allowed), frame[missing:]


@every_scale
def test_a_weight_without_its_end_is_no_weight(name: str, setting: Setting) -> None:
    for frame in frames(name, setting):
        for length in range(ended(frame) + 1):
            assert not weighed(name, setting, frame[:length]), frame[:length]


@every_scale
def test_a_torn_weight_never_turns_the_next_into_another_number(
    name: str, setting: Setting
) -> None:
    values = {frame: weighed(name, setting, frame) for frame in frames(name, setting)}
    weights = {frame: found for frame, found in values.items() if found}
    assert weights
    for torn in weights:
        heads = [torn[:cut] for cut in range(ended(torn) + 1)]
        tails = [torn[cut:] for cut in range(1, ended(torn)) if torn[:cut].strip(BLANK)]
        for good, found in weights.items():
            for piece in heads + tails:
                assert set(weighed(name, setting, piece + good)) <= set(found), piece + good
