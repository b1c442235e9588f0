"""Scanners in keyboard mode (USB or Bluetooth HID keyboard), all makers.

What comes in are the kernel's `struct input_event`s of the scanner's event node. This is the way of
last resort: it works with every scanner, but a scanner that can be a serial port or HID POS loses
less.

A key that types no character spoils its scan: a code with a hole in it is never handed on. CapsLock
and NumLock are ignored; the scanner itself presses Shift.

Source: Linux `input.h`, `input-event-codes.h` and Documentation/input/event-codes.rst; for Alt with
keypad digits and Ctrl with letters the keyboard chapters of the Zebra and Honeywell manuals.
"""

import struct
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drivers import keymaps
from drivers.kit.readings import MAX_SCAN, Dialogue, Noise, Step
from drivers.kit.wrapping import MAX_NOISE, Wrapped

EVENT = struct.Struct("llHHi")
"""Seconds, microseconds, type, code, value: 24 bytes, or 16 on a 32-bit machine."""

EV_SYN, EV_KEY = 0, 1
SYN_REPORT, SYN_DROPPED = 0, 3
RELEASE, PRESS = 0, 1
"""Values of a key event; 2 is the kernel's own repeat and never a character."""

ENTER, KP_ENTER, TAB = 28, 96, 15
SHIFT, CTRL, ALT, ALT_GR = "shift", "ctrl", "alt", "altgr"

_MODIFIERS = {42: SHIFT, 54: SHIFT, 29: CTRL, 97: CTRL, 56: ALT, 100: ALT_GR}
_LOCKS = {58, 69, 70}
_FUNCTION_KEYS = {**{f"F{n}": 58 + n for n in range(1, 11)}, "F11": 87, "F12": 88}
_ENDS = {
    "any": {ENTER: "\r", KP_ENTER: "\r", TAB: "\t"},
    "enter": {ENTER: "\r", KP_ENTER: "\r"},
    "tab": {TAB: "\t"},
    "none": {},
}
_CONTROL = {ENTER: "\r", KP_ENTER: "\r", TAB: "\t"}

DROP_AFTER = 0.5
"""Seconds after which a scan without terminator is torn: Bluetooth pauses 30 ms at most."""
END_AFTER = 0.15
"""Seconds of quiet that end a scan without terminator."""


def _known(layout: str) -> str:
    if layout not in keymaps.names():
        raise ValueError(f"no layout {layout!r}; there are {', '.join(keymaps.names())}")
    return layout


Character = Annotated[str, Field(min_length=1, max_length=1)]
FunctionKey = Literal["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12"]


class Config(Wrapped):
    """A scanner that types."""

    driver: Literal["wedge"]

    layout: Annotated[str, AfterValidator(_known)] = "us"
    """The keyboard country the scanner is set to."""

    terminator: Literal["any", "enter", "tab", "none"] = "any"
    """The key that ends a scan. `any`: Enter or Tab. `none`: only quiet ends it; two scans within
    `gap` are then one, so prefer a terminator."""

    gap: float | None = Field(default=None, ge=0.02, le=5)
    """Seconds of quiet after which what is pending is a scan (`none`, 0.15) or torn (0.5)."""

    function_keys: dict[FunctionKey, Character] = Field(default_factory=dict)
    """Characters that older scanners type as function keys: F8 for GS."""


class Decoder:
    """Scans out of key events."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._keys = keymaps.load(config.layout)
        self._ends: dict[int, str] = _ENDS[config.terminator]
        self._functions = {
            _FUNCTION_KEYS[name]: character for name, character in config.function_keys.items()
        }
        self._pending = b""
        self._held: set[int] = set()
        self._text: list[str] = []
        self._alt_digits = ""
        self._spoilt: str | None = None
        self._skipping = False
        self._overrun = False

    def feed(self, data: bytes) -> list[Step]:
        """Take event structs, however they were cut, and return what was typed. Never raises."""
        data = self._pending + data
        whole = len(data) - len(data) % EVENT.size
        self._pending = data[whole:]
        steps: list[Step] = []
        for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == EV_KEY and not self._overrun:
                steps += self._key(code, value)
            elif kind == EV_SYN:
                steps += self._sync(code)
        return steps

    def quiet(self) -> list[Step]:
        """Say what is pending after a quiet gap: a scan, or the first half of one."""
        if self._config.terminator == "none" and self._spoilt is None:
            return self._finish("")
        self._spoilt = self._spoilt or "a scan without its terminator"
        return self._finish("")

    def _sync(self, code: int) -> list[Step]:
        if code == SYN_DROPPED:
            # What follows may be the tail of the torn scan: nothing counts until that has ended.
            self._overrun, self._skipping = True, True
            self._held.clear()
            self._alt_digits = ""
            torn = self._take("")
            return [Noise(torn[:MAX_NOISE], "the kernel dropped key events; scan again")]
        if code == SYN_REPORT:
            self._overrun = False
        return []

    def _key(self, code: int, value: int) -> list[Step]:
        if value == RELEASE:
            return self._release(code)
        if value != PRESS or code in _LOCKS:
            return []
        if code in self._ends:
            return self._finish(self._ends[code])
        held = {_MODIFIERS[key] for key in self._held}
        if code in _MODIFIERS:
            self._held.add(code)
        elif ALT in held and keymaps.KEYPAD.get(code, "").isdigit() and len(self._alt_digits) < 5:
            self._alt_digits += keymaps.KEYPAD[code]
        else:
            return self._type(self._character(code, held), f"key {code} types no character")
        return []

    def _release(self, code: int) -> list[Step]:
        self._held.discard(code)
        if _MODIFIERS.get(code) != ALT or not self._alt_digits:
            return []
        digits, self._alt_digits = self._alt_digits, ""
        return self._type(_by_number(digits), f"no character Alt+{digits}")

    def _character(self, code: int, held: set[str]) -> str | None:
        if code in self._functions:
            return self._functions[code]
        if ALT in held:
            return None
        if code in keymaps.KEYPAD:
            return keymaps.KEYPAD[code]
        if code in _CONTROL:
            return _CONTROL[code]
        levels = self._keys.get(code, ())
        level = (SHIFT in held) + 2 * (ALT_GR in held)
        character = (levels[level : level + 1] or ("",))[0]
        if CTRL in held:
            return _controlled(levels)
        # The space bar and some others have one level only.
        return character or (levels[0] if len(levels) == 1 and ALT_GR not in held else None)

    def _type(self, character: str | None, problem: str) -> list[Step]:
        if self._skipping:
            return []
        if character is None:
            self._spoilt = self._spoilt or problem
            return []
        self._text.append(character)
        if len(self._text) <= MAX_SCAN:
            return []
        self._skipping = True
        return [Noise(self._take("")[:MAX_NOISE], f"a scan of more than {MAX_SCAN} characters")]

    def _finish(self, end: str) -> list[Step]:
        skipped, self._skipping = self._skipping, False
        spoilt, empty = self._spoilt, not self._text
        raw = self._take(end)
        if skipped or (empty and (spoilt is None or not end)):
            return []
        if spoilt is not None:
            return [Noise(raw[:MAX_NOISE], spoilt)]
        return [self._config.unwrap(raw[: len(raw) - len(end)], raw)]

    def _take(self, end: str) -> bytes:
        text, self._text, self._spoilt = "".join(self._text) + end, [], None
        return text.encode("utf-8", "replace")


def _by_number(digits: str) -> str | None:
    """Return the character of Alt with keypad digits: with a leading 0 Windows', else the PC's."""
    if int(digits) > 255 or len(digits) > 4:
        return None
    if int(digits) < 128:
        return chr(int(digits))
    try:
        return bytes([int(digits)]).decode("cp1252" if digits.startswith("0") else "cp437")
    except UnicodeDecodeError:
        return None


def _controlled(levels: tuple[str, ...]) -> str | None:
    """Return the control character of Ctrl with a key: Ctrl+] is GS, whatever Shift does."""
    for character in levels:
        if "@" <= character.upper() <= "_" and len(character.upper()) == 1:
            return chr(ord(character.upper()) & 0x1F)
    return None


def dialogue(config: Config) -> Dialogue:
    """Listen; a scanner speaks unasked."""
    usual = END_AFTER if config.terminator == "none" else DROP_AFTER
    return Dialogue(Decoder(config), gap=config.gap or usual)
