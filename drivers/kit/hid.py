r"""USB HID: how reports travel as bytes, and what a report descriptor says is in them.

A stream is bytes without boundaries, but a report means nothing without its own, nor without the
descriptor of its device. So whoever carries reports puts each into a frame, and the descriptor
into one before the first report:

| bytes | meaning |
|---|---|
| 2 | ``HD``: a report descriptor, ``HR``: a report, read or to be written |
| 2 | length n, big-endian, 1 to `MAX_REPORT` |
| n | the descriptor, or the report with its id in front where the device has ids |
| 2 | CRC-16/CCITT of all before it, big-endian |

A written report always begins with its id, 0 where the device has none, as the kernel wants it.
Frames find their way back after damage byte by byte.

Source: Device Class Definition for HID 1.11, section 6.2.2; HID Usage Tables 1.5; Linux
Documentation/hid/hidraw.rst.

>>> Frames().feed(frame(REPORT, bytes.fromhex("03 04 0b ff 6f 04")))
[Piece(kind='report', data=b'\x03\x04\x0b\xffo\x04')]
"""

import binascii
import struct
from dataclasses import dataclass, replace
from typing import Literal

DESCRIPTOR, REPORT = b"HD", b"HR"
_MARKS: dict[bytes, Literal["descriptor", "report"]] = {DESCRIPTOR: "descriptor", REPORT: "report"}

MAX_REPORT = 4096
"""Bytes of a descriptor (Linux takes no longer one), and of a report: real ones have 64."""
MAX_STRAY = 256
"""Bytes outside any frame that are kept: more than any report of a scale or scanner."""
MAX_FIELDS = 4096
"""Fields of one descriptor: the longest descriptor cannot say more in earnest."""
MAX_NESTED = 32
"""Collections within collections, and globals pushed; real descriptors need four."""

_HEAD = struct.Struct(">2sH")
_CHECK = struct.Struct(">H")

# Frames


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that came: a descriptor, a report, or bytes in no frame.

    A `bare` piece is all that came between two silences, on a line on which no frame was ever
    seen: maybe a report that somebody typed in.
    """

    kind: Literal["descriptor", "report", "bare", "stray"]
    data: bytes


def frame(mark: bytes, payload: bytes) -> bytes:
    """Return `payload` in a frame; `mark` is `DESCRIPTOR` or `REPORT`.

    Raises:
        ValueError: it is empty or longer than `MAX_REPORT`.
    """
    if not 1 <= len(payload) <= MAX_REPORT:
        raise ValueError(f"a frame holds 1 to {MAX_REPORT} bytes, not {len(payload)}")
    body = _HEAD.pack(mark, len(payload)) + payload
    return body + _CHECK.pack(binascii.crc_hqx(body, 0xFFFF))


class Frames:
    """Cuts bytes into frames, however they arrived, and never holds more than one."""

    def __init__(self) -> None:
        self._pending = b""
        self._stray = b""
        self._framed = False
        """Whether a frame was seen: what is in none is damage from then on."""
        self._flooded = False

    def feed(self, data: bytes) -> list[Piece]:
        """Take what arrived and return the pieces that are complete."""
        return self._cut(self._pending + data, final=False)

    def quiet(self) -> list[Piece]:
        """Return what the pending bytes are, now that no more will come."""
        pieces = self._cut(self._pending, final=True)
        stray, self._stray = self._stray, b""
        if stray:
            pieces.append(Piece("stray" if self._framed or self._flooded else "bare", stray))
        self._flooded = False
        return pieces

    def _cut(self, text: bytes, *, final: bool) -> list[Piece]:
        pieces: list[Piece] = []
        at = 0
        while at < len(text):
            begin = text.find(b"H", at)
            if begin != at:
                end = begin if begin > at else len(text)
                pieces += self._strayed(text[at:end])
                at = end
                continue
            size = _frame_size(text, at)
            if size is None and not final:
                break
            if not size:
                pieces += self._strayed(text[at : at + 1])
                at += 1
                continue
            pieces += self._stray_end()
            payload = text[at + _HEAD.size : at + size - _CHECK.size]
            pieces.append(Piece(_MARKS[text[at : at + 2]], payload))
            self._framed = True
            at += size
        self._pending = text[at:]
        return pieces

    def _strayed(self, data: bytes) -> list[Piece]:
        self._stray += data
        pieces: list[Piece] = []
        while len(self._stray) >= MAX_STRAY:
            pieces.append(Piece("stray", self._stray[:MAX_STRAY]))
            self._stray = self._stray[MAX_STRAY:]
            self._flooded = True
        return pieces

    def _stray_end(self) -> list[Piece]:
        stray, self._stray, self._flooded = self._stray, b"", False
        return [Piece("stray", stray)] if stray else []


def _frame_size(text: bytes, at: int) -> int | None:
    """Return the bytes of the frame at `at`, 0 if there is none, None if it has not arrived."""
    mark = text[at : at + 2]
    if mark not in _MARKS:
        return None if len(mark) < 2 else 0
    if len(text) < at + _HEAD.size:
        return None
    _, length = _HEAD.unpack_from(text, at)
    if not 1 <= length <= MAX_REPORT:
        return 0
    end = at + _HEAD.size + length
    if len(text) < end + _CHECK.size:
        return None
    good = _CHECK.unpack_from(text, end)[0] == binascii.crc_hqx(text[at:end], 0xFFFF)
    return end + _CHECK.size - at if good else 0


# Descriptors

Way = Literal["input", "output", "feature"]


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value lies in a report.

    A usage is its page times 65536 plus its id: 0x8D0040 is the weight of a scale.
    """

    way: Way
    report: int
    """The report's id; 0 where the device has none, and reports begin with data at once."""
    usages: tuple[int, ...]
    """One, of a variable; of an array those that its values choose from."""
    offset: int
    """Bits from the beginning of the report, its id included."""
    size: int
    """Bits of one value."""
    count: int
    """How many values follow one another."""
    minimum: int
    array: bool

    def values(self, report: bytes) -> list[int]:
        """Return the values in `report` that are there whole."""
        bits = int.from_bytes(report, "little")
        there = max(0, len(report) * 8 - self.offset) // self.size if self.size else 0
        mask = (1 << self.size) - 1
        found = [
            bits >> (self.offset + number * self.size) & mask
            for number in range(min(self.count, there))
        ]
        if self.minimum < 0:
            sign = 1 << (self.size - 1)
            found = [(value ^ sign) - sign for value in found]
        return found

    def chosen(self, report: bytes) -> int | None:
        """Return the usage that the first value of an array chooses; None where it is none."""
        for value in self.values(report)[:1]:
            if self.array and 0 <= value - self.minimum < len(self.usages):
                return self.usages[value - self.minimum]
        return None


def lengths(fields: tuple[Field, ...]) -> dict[tuple[Way, int], int]:
    """Return the bytes of each report by way and id, its id included."""
    found: dict[tuple[Way, int], int] = {}
    for field in fields:
        bits = field.offset + field.size * field.count
        key = field.way, field.report
        found[key] = max(found.get(key, 0), (bits + 7) // 8)
    return found


@dataclass(frozen=True, slots=True)
class _Globals:
    page: int = 0
    minimum: int = 0
    size: int = 0
    count: int = 0
    report: int = 0


@dataclass(slots=True)
class _Walk:
    known: _Globals
    stack: list[_Globals]
    usages: list[int]
    first: int | None
    bits: dict[tuple[Way, int], int]
    fields: list[Field]


_WAYS: dict[int, Way] = {0x80: "input", 0x90: "output", 0xB0: "feature"}
_LONG_ITEM = 0xFE
_MAX_USAGES = 256
_MAX_BITS = MAX_REPORT * 8
_CONSTANT, _VARIABLE = 1, 2


def walk(descriptor: bytes) -> tuple[Field, ...]:
    """Return what the reports of a device hold, in the order of its descriptor; never raises.

    Padding is left out. A descriptor that is cut or wrong yields what it says up to there.
    """
    state = _Walk(_Globals(), [], [], None, {}, [])
    at = 0
    while at < len(descriptor) and len(state.fields) < MAX_FIELDS:
        prefix = descriptor[at]
        if prefix == _LONG_ITEM:
            at += 3 + (descriptor[at + 1] if at + 1 < len(descriptor) else 0)
            continue
        size = (0, 1, 2, 4)[prefix & 3]
        data = descriptor[at + 1 : at + 1 + size]
        if len(data) < size or not _item(state, prefix & 0xFC, data):
            break
        at += 1 + size
    return tuple(state.fields)


def _item(state: _Walk, tag: int, data: bytes) -> bool:
    """Take one item; False where the rest of the descriptor cannot be trusted."""
    value = int.from_bytes(data, "little")
    if tag in _WAYS:
        return _main(state, _WAYS[tag], value)
    if tag in {0xA0, 0xC0}:
        _forget_locals(state)
    elif tag in {0x08, 0x18, 0x28}:
        _local(state, tag, value, extended=len(data) == 4)
    elif tag == 0xA4:
        state.stack.append(state.known)
        return len(state.stack) <= MAX_NESTED
    elif tag == 0xB4:
        if not state.stack:
            return False
        state.known = state.stack.pop()
    else:
        _global(state, tag, value, int.from_bytes(data, "little", signed=True))
    return True


def _global(state: _Walk, tag: int, value: int, signed: int) -> None:
    match tag:
        case 0x04:
            state.known = replace(state.known, page=value)
        case 0x14:
            state.known = replace(state.known, minimum=signed)
        case 0x74:
            state.known = replace(state.known, size=value)
        case 0x84:
            state.known = replace(state.known, report=value)
        case 0x94:
            state.known = replace(state.known, count=value)
        case _:
            pass  # nothing that says where a value lies


def _local(state: _Walk, tag: int, value: int, *, extended: bool) -> None:
    usage = value if extended else state.known.page << 16 | value
    if tag == 0x08:
        state.usages.append(usage)
    elif tag == 0x18:
        state.first = usage
    elif state.first is not None:
        last = min(usage, state.first + _MAX_USAGES - 1)
        state.usages.extend(range(state.first, last + 1))
        state.first = None
    del state.usages[_MAX_USAGES:]


def _forget_locals(state: _Walk) -> None:
    state.usages, state.first = [], None


def _main(state: _Walk, way: Way, flags: int) -> bool:
    known, usages = state.known, tuple(state.usages)
    _forget_locals(state)
    key = way, known.report
    offset = state.bits.get(key, 8 if known.report else 0)
    if known.size > _MAX_BITS or offset + known.size * known.count > _MAX_BITS:
        return False
    state.bits[key] = offset + known.size * known.count
    if flags & _CONSTANT or not usages or not known.size or not known.count:
        return True
    field = Field(
        way, known.report, usages, offset, known.size, known.count, known.minimum, array=True
    )
    if not flags & _VARIABLE:
        state.fields.append(field)
        return True
    # Of several usages each is for one value, and the last for all that are left.
    for number, usage in enumerate(usages[: known.count]):
        last = number == min(len(usages), known.count) - 1
        state.fields.append(
            replace(
                field,
                usages=(usage,),
                offset=offset + number * known.size,
                count=known.count - number if last else 1,
                array=False,
            )
        )
    return True
