r"""Scanners in HID POS mode, opened as ``hidraw://`` (Honeywell, Youjie, Newland, Opticon, others).

Nothing is lost on this way: every byte of the code arrives, GS too, with its AIM identifier, and
no keyboard layout or terminator is in between. A long code comes in several reports, each with the
identifier and a mark that more follows; they are joined. Where each thing lies is read from the
report descriptor; a report that comes without one is read by the usual layouts: 62 bytes, or
Honeywell's 64 with two of its own before the mark.

Parts with different identifiers, or with a second of silence between them, are not one code: they
are noise, and so is the rest of such a code where it can be known.

`profile` honeywell switches the scanner over to these reports and lets it beep; other makers'
beepers have no common command.

Source: USB HID usage tables 1.5, page 8Ch; NielsLeenheer/WebHidBarcodeScanner and HenkVanAsselt's
python_hon_usbhid for Honeywell's layout, switch and commands.

>>> decoder = dialogue(Config(driver="hid_pos")).decoder
>>> decoder.feed(report(b"5901234123457", "]E0"))
[]
>>> [(scan.data, scan.symbology) for scan in decoder.quiet()]
[(b'5901234123457', ']E0')]
"""

import re
from dataclasses import dataclass
from typing import Literal

from drivers.kit import hid
from drivers.kit.readings import MAX_SCAN, Dialogue, Noise, Refusal, Reply, Step
from drivers.kit.wrapping import MAX_NOISE, Wrapped

PAGE = 0x8C << 16
AIM_1, AIM_2, AIM_3, DATA, CONTINUED = (PAGE | usage for usage in range(0xFB, 0x100))
BYTE_COUNT = 0x01003B

USUAL = bytes.fromhex(
    "058c 0902 a101 8502 0912 a102 1500 26ff00"
    # how many bytes, three of AIM, 56 of the code, one bit whether more follows
    "7508 9501 0501 093b 8102 9503 058c 09fb 09fc 09fd 8102 9538 09fe 820201"
    "2501 7501 9501 09ff 8102 7507 8103 c0 c0"
)
HONEYWELL = USUAL.replace(
    bytes.fromhex("820201 2501 7501"), bytes.fromhex("820201 7510 9501 8103 2501 7501")
)
"""The same, with two bytes of the maker's own before the last."""

REPORT_SIZE, PART = 62, 56
"""Bytes of a usual report, and of the code in it."""

SILENCE = 1.0
"""Seconds after which the rest of a code will not come: its reports follow within milliseconds."""
SWITCH_OVER = b"\xfe\x01"
"""Feature report 254: send these reports from now on."""
_BEEP = b"\x16\x07\x0d"
"""SYN BEL CR, in report 253 with its length in front."""

_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]")
_ACK, _REFUSED = b"\x06", {b"\x05": "unknown", b"\x15": "refused"}


class Config(Wrapped):
    """A scanner in HID POS mode."""

    driver: Literal["hid_pos"]

    profile: Literal["standard", "honeywell"] = "standard"
    """Whose scanner it is. `honeywell`: also Youjie; it is switched over, and beeps once when a
    scan was stored and three times when it was refused."""


def report(data: bytes, symbology: str = "", *, continued: bool = False) -> bytes:
    """Return a usual report with up to `PART` bytes of a code, as a scanner sends it."""
    head = bytes([2, len(data)]) + symbology.encode().ljust(3, b"\0")
    return head + data.ljust(PART, b"\0") + bytes([continued])


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the parts of a scan are, by the scanner's descriptor."""

    data: hid.Field
    length: int
    count: hid.Field | None
    aim: tuple[hid.Field, ...]
    continued: hid.Field | None


@dataclass(frozen=True, slots=True)
class _Part:
    data: bytes
    aim: bytes
    continued: bool


def _layout(descriptor: bytes) -> _Layout | None:
    fields = [field for field in hid.walk(descriptor) if field.way == "input"]
    for data in fields:
        if data.usages != (DATA,) or data.size != 8 or data.offset % 8:
            continue
        beside = {
            field.usages[0]: field for field in reversed(fields) if field.report == data.report
        }
        aims = [beside[usage] for usage in (AIM_1, AIM_2, AIM_3) if usage in beside]
        return _Layout(
            data,
            hid.lengths(tuple(fields))["input", data.report],
            beside.get(BYTE_COUNT),
            tuple(aims),
            beside.get(CONTINUED),
        )
    return None


def _known(descriptor: bytes) -> _Layout:
    layout = _layout(descriptor)
    assert layout is not None, descriptor  # noqa: S101 - both are in this file
    return layout


_BARE = {_known(each).length: _known(each) for each in (USUAL, HONEYWELL)}


class Decoder:
    """Scans out of reports."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._frames = hid.Frames()
        self._layout: _Layout | None = None
        self._alien = False
        """Whether the descriptor said that this is no scanner."""
        self._parts: list[_Part] = []
        self._raw = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[Step]:
        """Take frames and return one step for each scan that is complete. Never raises."""
        return self._read(self._frames.feed(data))

    def quiet(self) -> list[Step]:
        """Read a bare report; drop a scan whose rest did not come."""
        steps = self._read(self._frames.quiet())
        self._skipping = False
        return steps + self._drop("a scan without its end")

    def _read(self, pieces: list[hid.Piece]) -> list[Step]:
        steps: list[Step] = []
        for piece in pieces:
            match piece.kind:
                case "descriptor":
                    steps += self._described(piece.data)
                case "report":
                    steps += self._report(self._layout or _BARE.get(len(piece.data)), piece.data)
                case "bare":
                    steps += self._report(_BARE.get(len(piece.data)), piece.data)
                case _:
                    steps += self._damaged(piece.data)
        return steps

    def _damaged(self, data: bytes) -> list[Step]:
        # A report may be lost in it. What is left of a scan is no scan: it ends with a part that
        # says so, or with silence.
        steps = self._drop("a scan without one of its parts")
        self._skipping = True
        return [*steps, Noise(data[:MAX_NOISE], "no report of a scanner")]

    def _described(self, descriptor: bytes) -> list[Step]:
        self._layout = _layout(descriptor)
        self._alien = self._layout is None
        if not self._alien:
            return []
        why = (
            "the device describes no barcode scanner (usage page 8C): is it another of its nodes,"
            " or is the scanner not set to HID POS?"
        )
        return [Noise(descriptor[:MAX_NOISE], why)]

    def _report(self, layout: _Layout | None, data: bytes) -> list[Step]:
        if layout is None or self._alien or len(data) < layout.length:
            return [Noise(data[:MAX_NOISE], "no report of a scanner")]
        if layout.data.report and data[0] != layout.data.report:
            return [Reply(f"report {data[0]}", data)]
        part = _part(layout, data)
        if part is None:
            return [
                *self._drop("a scan of a length there is not"),
                Noise(data[:MAX_NOISE], "a report of a length there is not"),
            ]
        return self._join(part, data)

    def _join(self, part: _Part, raw: bytes) -> list[Step]:
        if self._skipping:
            # The rest of what did not fit together, up to its last part.
            self._skipping = part.continued
            return []
        if self._parts and part.aim != self._parts[0].aim:
            self._skipping = part.continued
            self._raw += raw
            return self._drop("the parts of a scan do not fit together")
        self._parts.append(part)
        self._raw += raw
        held = max(sum(len(each.data) for each in self._parts), len(self._raw) // 2)
        if held > MAX_SCAN:
            self._skipping = part.continued
            return self._drop(f"a scan of more than {MAX_SCAN} bytes")
        return [] if part.continued else [self._whole()]

    def _whole(self) -> Step:
        aim, raw = self._parts[0].aim, self._raw
        data = b"".join(part.data for part in self._parts)
        self._parts, self._raw = [], b""
        if self._config.profile == "honeywell" and aim[:2] in {b"]X", b"]Z"}:
            return _answer(data, raw)
        if not data or data == (self._config.no_read or "").encode("latin-1"):
            return Reply("no read", raw)
        # The identifier has a place of its own; a prefix stands before it all the same.
        prefix = self._config.prefix.encode("latin-1")
        if aim and self._config.aim != "never" and data.startswith(prefix):
            data = prefix + aim + data[len(prefix) :]
        return self._config.unwrap(data, raw)

    def _drop(self, why: str) -> list[Step]:
        raw, self._parts, self._raw = self._raw, [], b""
        return [Noise(raw[:MAX_NOISE], why)] if raw else []


def _part(layout: _Layout, report: bytes) -> _Part | None:
    begin = layout.data.offset // 8
    data = report[begin : begin + layout.data.count]
    if layout.count is None:
        data = data.rstrip(b"\0")
    else:
        count = layout.count.values(report)[0]
        if count > len(data):
            return None
        data = data[:count]
    aim = bytes(value & 0xFF for field in layout.aim for value in field.values(report)[:3])
    return _Part(
        data,
        aim[:3] if _AIM.fullmatch(aim[:3]) else b"",
        layout.continued is not None and bool(layout.continued.values(report)[0]),
    )


def _answer(data: bytes, raw: bytes) -> Step:
    """Read what a Honeywell scanner says of a command: an echo, then ACK, ENQ or NAK and a stop."""
    text = data.rstrip(b".!,;\r\n")
    said, last = text[:-1].decode("latin-1"), text[-1:]
    if last in _REFUSED:
        return Refusal(f"{said} {_REFUSED[last]}", raw)
    return Reply(said if last == _ACK else text.decode("latin-1"), raw)


def dialogue(config: Config) -> Dialogue:
    """Listen; a scanner speaks unasked."""
    if config.profile != "honeywell":
        return Dialogue(Decoder(config), gap=SILENCE)
    beep = hid.frame(hid.REPORT, bytes([0xFD, len(_BEEP)]) + _BEEP)
    return Dialogue(
        Decoder(config),
        hello=hid.frame(hid.REPORT, SWITCH_OVER),
        gap=SILENCE,
        good=beep,
        bad=beep * 3,
    )
