"""Streams of bytes for every driver: its own frames, spoilt, glued, and rubbish between them.

However a stream is cut its readings are the same; nothing raises, nothing is kept without bound;
and after a silence a good frame is read as if nothing had been.
"""

import pickle
from collections.abc import Callable
from random import Random

from drivers import keymaps
from drivers.kit import hid, registry
from drivers.kit.readings import Decoder, Noise
from drivers.scales import usb_hid
from drivers.scanners import hid_pos
from drivers.scanners.wedge import EV_KEY, EV_SYN, SYN_DROPPED, SYN_REPORT
from drivers.simulators.wedge import packed
from tests.drivers.cases import CASES, HELD, Setting, carried, frames, said, told, wakened
from tests.drivers.conversation import dialogue
from tests.fuzz.spoiling import spoilt, torn

Try = Callable[[Random], None]
"""Makes one input and judges what becomes of it: raises where that is not what was promised."""

_WEIGHED = 64
"""One in so many is looked at for what it holds: that takes longer than reading it."""


class Wire:
    """The streams of one driver."""

    def __init__(self, name: str) -> None:
        self._ways = [_Way(name, setting) for each, setting in CASES if each == name]

    def __call__(self, r: Random) -> None:
        way = r.choice(self._ways)
        stream = b"".join(way.piece(r) for _ in range(r.randint(1, 5)))
        judge(r, way.decoder, stream)
        if way.pauses and r.random() < 0.2:
            way.listens_again(r, stream)


def fresh(name: str, setting: Setting) -> Callable[[], Decoder]:
    """Return what makes decoders of `name`, its settings checked once for all."""
    module = registry.load(name)
    config = module.Config.model_validate({"driver": name, **setting})
    return lambda: module.dialogue(config).decoder


class _Way:
    """A driver with one of its settings."""

    def __init__(self, name: str, setting: Setting) -> None:
        self.decoder = fresh(name, setting)
        self._awake = fresh(name, wakened(name, setting))
        self._frames = frames(name, setting)
        # What a device marks as sent again is not new after what it was sent before.
        self._whole = [
            each for each in carried(name, setting) if name != "ssi" or not each.wire[3] & 3
        ]
        self._wires = [each.wire for each in self._whole] or self._frames
        self.pauses = dialogue(name, **setting).gap is not None

    def piece(self, r: Random) -> bytes:
        kind = r.random()
        if kind < 0.08:
            return r.randbytes(r.randint(0, 60))
        good = r.choice(self._frames if kind < 0.3 else self._wires)
        return good if kind < 0.5 else spoilt(r, good)

    def listens_again(self, r: Random, stream: bytes) -> None:
        decoder = self._awake()
        said(decoder, [stream])
        each = r.choice(self._whole)
        assert told(said(decoder, [each.wire])) == each.says, each.wire


def judge(r: Random, fresh: Callable[[], Decoder], stream: bytes) -> None:
    """Hold a decoder to what it promises of any stream."""
    whole, cut = fresh(), fresh()
    steps = said(whole, [stream])
    pieces = torn(r, stream)
    assert said(cut, pieces) == steps, pieces
    explained = sum(len(step.raw) for step in steps if isinstance(step, Noise))
    assert explained <= len(stream), "noise is not made up"
    if r.randrange(_WEIGHED) == 0:
        assert len(pickle.dumps(whole)) < HELD


_HID = [fresh(name, {}) for name in ("usb_hid", "hid_pos")]


def descriptors(r: Random) -> None:
    """Report descriptors of scales and scanners, spoilt or made of random items, and reports."""
    descriptor = r.choice((usb_hid.USUAL, hid_pos.USUAL, hid_pos.HONEYWELL))
    if r.random() < 0.2:
        descriptor = b"".join(_item(r) for _ in range(r.randint(1, 60)))
    for _ in range(r.randint(0, 3)):
        descriptor = spoilt(r, descriptor)
    descriptor = descriptor[: hid.MAX_REPORT] or b"\0"
    report = (bytes([r.randint(1, 6)]) + r.randbytes(r.choice((2, 5, 61, 63, 64))))[:4096]
    fields = hid.walk(descriptor)
    assert len(fields) <= hid.MAX_FIELDS + 256
    for field in fields[:64]:
        assert len(field.values(report)) <= hid.MAX_REPORT * 8
    stream = hid.frame(hid.DESCRIPTOR, descriptor) + hid.frame(hid.REPORT, report) * 2
    for decoder in _HID:
        judge(r, decoder, stream)


def _item(r: Random) -> bytes:
    """Return an item as descriptors have them, mostly of those that say where a value lies."""
    tag = r.choice((0x04, 0x08, 0x14, 0x18, 0x24, 0x28, 0x74, 0x80, 0x84, 0x90, 0x94, 0xA0, 0xA4,
                    0xB0, 0xB4, 0xC0, 0xFE, r.randrange(0, 256, 4)))  # fmt: skip
    size = r.randrange(4)
    return bytes([tag & 0xFC | size]) + r.randbytes((0, 1, 2, 4)[size])


_CODES = (*range(1, 90), 96, 97, 98, 100, 113, 125, 700)
_KEYBOARDS = [
    fresh("wedge", {"layout": layout, "terminator": terminator, "oem_page": page})
    for layout in keymaps.names()
    for terminator, page in (("any", "cp437"), ("tab", "cp850"), ("none", "cp437"))
]


def keys(r: Random) -> None:
    """Key events of any keyboard country: codes, modifiers, dead keys, lost events."""
    events = []
    for _ in range(r.randint(1, 40)):
        if r.random() < 0.04:
            events.append((EV_SYN, r.choice((SYN_DROPPED, SYN_REPORT)), 0))
            continue
        code = r.choice((42, 54, 29, 56, 100, 28, r.choice(_CODES), r.choice(_CODES)))
        events += [(EV_KEY, code, value) for value in r.choice(((1, 0), (1,), (0,), (1, 2, 0)))]
    stream = packed(events, every=r.choice((0.0, 0.002, 0.1)))
    if r.random() < 0.1:
        stream = spoilt(r, stream)
    judge(r, r.choice(_KEYBOARDS), stream)
