r"""USB scales of the HID class: DYMO, Stamps.com, Fairbanks SCB-R9000, Mettler-Toledo PS and BC.

They are opened as ``hidraw://`` and send reports unasked, a few each second: status, unit, exponent
and weight, usually as report 3. Where each lies is read from the report descriptor; a report that
comes without one, as `scanpost decode` gets it, is read by the usual layout.

The first report after opening is often the weight of before, even of yesterday: it is a reply, not
a weight. The exponent is signed. Below zero the weight is a bare magnitude, or 0: no value is
given then. A scale that has switched itself off (DYMO: after 3 minutes) sends nothing, and eight
zero bytes, which some libraries return then, are noise.

The Holtek AccuPost (04D9:8010) has reports of its own kind and is not read.

Source: USB HID Point of Sale usage tables 1.02, page 8Dh; reports quoted in node-hid issue 286 and
qzind/tray pull request 25; vendors and zero commands as listed by usbscale.

>>> decoder = dialogue(Config(driver="usb_hid")).decoder
>>> decoder.feed(bytes.fromhex("03 04 0c fe 11 03")), decoder.quiet()[0].value
([], Decimal('7.85'))
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit import hid
from drivers.kit.readings import Dialogue, Noise, Range, Reply, ScaleCommand, Step, Weight

PAGE = 0x8D << 16
CLASSES, WEIGHT, SCALING, UNITS, CALIBRATIONS, REZEROS, STATES = (
    0x21,
    0x40,
    0x41,
    0x50,
    0x60,
    0x61,
    0x70,
)

USUAL = bytes.fromhex(
    "058d 0920 a101"
    # 1, attributes: class and unit, each one of a list
    "8501 0930 a102 7508 9501 1501 250a 1921 292a b100 250c 1951 295c b100 c0"
    # 2, control: enforced zero return, zero; two bits
    "8502 0931 a102 1500 2501 7501 9502 0981 0980 9102 9506 9103 c0"
    # 3, data: status, unit, exponent, weight
    "8503 0932 a102 7508 9501 1501 2508 1971 2978 8100 250c 1951 295c 8100"
    "1581 257f 0941 8102 1500 27ffff0000 7510 0940 8102 c0"
    # 4, status
    "8504 0933 a102 7508 1501 2508 1971 2978 8100 c0"
    # 5, weight limit: unit, exponent, weight
    "8505 0934 a102 1501 250c 1951 295c b100 1581 257f 0941 b102"
    "1500 27ffff0000 7510 0940 b102 c0"
    # 6, statistics: how often calibrated, and zeroed again
    "8506 0935 a102 7510 0960 b102 0961 b102 c0"
    "c0"
)
"""A report descriptor as the usage tables suggest it, for reports that come without one."""

_UNIT_NAMES = ("mg", "g", "kg", "ct", "tael", "gr", "dwt", "t", "ton", "ozt", "oz", "lb")
_CLASS_NAMES = (
    "I metric", "I metric", "II metric", "III metric", "IIIL metric", "IV metric",
    "III English", "IIIL English", "IV English", "generic",
)  # fmt: skip
_STATE_NAMES = (
    "fault", "stable at zero", "in motion", "stable", "under zero", "over the limit",
    "needs calibration", "needs zeroing",
)  # fmt: skip
AT_ZERO, MOVING, STABLE, UNDER, OVER = 2, 3, 4, 5, 6

_RANGES: dict[int, Range] = {UNDER: "under", OVER: "over", 1: "fault", 7: "fault", 8: "fault"}
_MOST_DECIMALS = 9
"""What no scale exceeds in either direction; an exponent beyond it is a damaged report."""
MAX_NOISE = 64

Profile = Literal["standard", "dymo", "stamps_com", "fairbanks", "mettler_toledo"]


@dataclass(frozen=True, slots=True)
class _Maker:
    stale: int
    """Reports after opening that are of before."""
    zero: bytes
    """The report that sets the scale to zero: its id, then bit 1 of the control report."""


_MAKERS: dict[Profile, _Maker] = {
    "standard": _Maker(1, b"\x02\x02"),
    "dymo": _Maker(1, b"\x02\x02"),
    # Another way, and after the standard one some report nothing any more.
    "stamps_com": _Maker(1, b"\x04\x01"),
    "fairbanks": _Maker(1, b"\x02\x02"),
    "mettler_toledo": _Maker(1, b"\x02\x02"),
}


class Config(BaseModel):
    """A HID scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: Literal["usb_hid"]

    profile: Profile = "standard"
    """Whose scale it is: they differ in how they are set to zero."""

    stale: int | None = Field(default=None, ge=0, le=10)
    """Weights after opening that do not count; None is what the maker's scales need (1)."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a scale's words are, by its descriptor."""

    weight: hid.Field
    scaling: hid.Field | None
    unit: hid.Field | None
    status: hid.Field | None
    fields: tuple[hid.Field, ...]
    lengths: dict[int, int]
    """Bytes of each report, by its id."""


def _layout(descriptor: bytes) -> _Layout | None:
    fields = tuple(field for field in hid.walk(descriptor) if field.usages[0] & ~0xFFFF == PAGE)
    weights = [field for field in fields if field.way == "input" and _has(field, WEIGHT)]
    if not weights:
        return None
    beside = [each for each in fields if each.way == "input" and each.report == weights[0].report]
    lengths: dict[int, int] = {}
    for (_, report), length in hid.lengths(fields).items():
        lengths[report] = max(length, lengths.get(report, 0))
    return _Layout(
        weights[0],
        next((field for field in beside if _has(field, SCALING)), None),
        next((field for field in beside if _has(field, UNITS, 12)), None),
        next((field for field in beside if _has(field, STATES, 8)), None),
        fields,
        lengths,
    )


def _has(field: hid.Field, first: int, more: int = 0) -> bool:
    return any(PAGE | first <= usage <= PAGE | first + more for usage in field.usages)


class Decoder:
    """Weights out of reports."""

    def __init__(self, config: Config) -> None:
        self._frames = hid.Frames()
        self._layout = _layout(USUAL)
        maker = _MAKERS[config.profile]
        self._stale = maker.stale if config.stale is None else config.stale

    def feed(self, data: bytes) -> list[Step]:
        """Take frames and return one step for each report. Never raises."""
        return self._read(self._frames.feed(data))

    def quiet(self) -> list[Step]:
        """Read a bare report; drop a frame that was begun."""
        return self._read(self._frames.quiet())

    def _read(self, pieces: list[hid.Piece]) -> list[Step]:
        return [step for piece in pieces for step in self._piece(piece.kind, piece.data)]

    def _piece(self, kind: str, data: bytes) -> list[Step]:
        if kind == "descriptor":
            self._layout = _layout(data)
            if self._layout is None:
                why = "the device describes no scale (usage page 8D): is it another of its nodes?"
                return [Noise(data[:MAX_NOISE], why)]
            return []
        if kind == "stray" or self._layout is None:
            return [Noise(data[:MAX_NOISE], "no report of a scale")]
        step = _report(self._layout, data, whole=kind == "report")
        if kind == "report" and isinstance(step, Weight) and self._stale > 0:
            self._stale -= 1
            return [Reply("the weight of before, not counted", data)]
        return [step]


def _report(layout: _Layout, data: bytes, *, whole: bool) -> Step:
    report = layout.weight.report and data[0]
    length = layout.lengths.get(report)
    # Some fill a report up with zeros. A weight whose boundaries nobody vouches for must fit.
    fits = whole or report != layout.weight.report or len(data) == length
    if length is None or len(data) < length or any(data[length:]) or not fits:
        return Noise(data[:MAX_NOISE], "no report of this scale")
    if report == layout.weight.report:
        return _weight(layout, data)
    words = [
        word for field in layout.fields if field.report == report for word in _words(field, data)
    ]
    return Reply(", ".join(words) or f"report {report}", data)


def _weight(layout: _Layout, data: bytes) -> Step:
    unit = _code(layout.unit, data, UNITS)
    status = _code(layout.status, data, STATES)
    scaling = layout.scaling.values(data)[0] if layout.scaling else 0
    # The exponent is a signed byte, whatever limits the descriptor gives it.
    exponent = scaling - 256 if scaling > 127 else scaling
    name = _UNIT_NAMES[unit - 1] if unit and 1 <= unit <= len(_UNIT_NAMES) else None
    if status is not None and not 1 <= status <= len(_STATE_NAMES):
        return Noise(data[:MAX_NOISE], f"a status there is not: {status}")
    if status in _RANGES:
        return Weight(None, name, None, data, range=_RANGES[status])
    if layout.unit and name is None:
        return Noise(data[:MAX_NOISE], f"a unit there is not: {unit}")
    if abs(exponent) > _MOST_DECIMALS:
        return Noise(data[:MAX_NOISE], f"an exponent no scale has: {exponent}")
    value = layout.weight.values(data)[0]
    return Weight(
        # A positive exponent is zeros, not a power of ten: the digits are those of the display.
        Decimal(value * 10**exponent) if exponent > 0 else Decimal(value).scaleb(exponent),
        name,
        None if status is None else status != MOVING,
        data,
        zero={AT_ZERO: True, STABLE: False}.get(status or 0),
    )


def _code(field: hid.Field | None, data: bytes, first: int) -> int | None:
    """Return a code that counts from `first`: chosen from a list, or a plain number."""
    if field is None:
        return None
    if not field.array:
        return field.values(data)[0]
    usage = field.chosen(data)
    return 0 if usage is None else usage - (PAGE | first)


def _words(field: hid.Field, data: bytes) -> list[str]:
    """Say what `field` of a report that is no weight says."""
    for what, first, names in (
        ("class", CLASSES - 1, _CLASS_NAMES),
        ("unit", UNITS, _UNIT_NAMES),
        ("status", STATES, _STATE_NAMES),
    ):
        if _has(field, first + 1, len(names) - 1):
            code = _code(field, data, first) or 0
            return [f"{what} {names[code - 1] if 1 <= code <= len(names) else code}"]
    for what, usage in (
        ("weight", WEIGHT),
        ("exponent", SCALING),
        ("calibrations", CALIBRATIONS),
        ("re-zeros", REZEROS),
    ):
        if _has(field, usage):
            return [f"{what} {field.values(data)[0]}"]
    return []


def dialogue(config: Config) -> Dialogue:
    """Listen; the scale speaks unasked."""
    commands: dict[ScaleCommand, bytes] = {
        "zero": hid.frame(hid.REPORT, _MAKERS[config.profile].zero)
    }
    return Dialogue(Decoder(config), gap=0.5, commands=commands)
