"""Scanners in keyboard mode (USB or Bluetooth HID keyboard), all makers.

What comes in are the kernel's `struct input_event`s of the scanner's event node. This is the way of
last resort: it works with every scanner, but a scanner that can be a serial port or HID POS loses
less.

A key that types no character spoils its scan: a code with a hole in it is never handed on. CapsLock
and NumLock are ignored; the scanner itself presses Shift. AltGr may be Ctrl with Alt. A dead key
waits for the next one, as on Windows: with a letter it is an accent on it, with the space bar, or a
sign that takes none, it stands for itself.

What is no scan is told from one where it can be: a person types slower than any scanner, and a code
of nothing but the digit row's signs (``&é"'(-`` or ``!@#$%``) was typed for another country.

Control characters such as GS arrive as Ctrl with a key, as Alt with ``029``, as a function key, or
as whatever text the scanner was set to instead: `function_keys` and `substitutes` turn the last two
back. If a scanner sends none of these, its GS1 codes cannot be split; set it to one of them.

Source: Linux `input.h`, `input-event-codes.h` and Documentation/input/event-codes.rst; for Alt with
keypad digits and Ctrl with letters the keyboard chapters of the Zebra and Honeywell manuals.
"""

import re
import struct
import unicodedata
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
SLOWEST = 0.08
"""Seconds from key to key. Scanners take 0.001 to 0.04, with Shift and over Bluetooth; nobody types
12 keys a second for long."""
FEWEST_SIGNS = 4
"""Signs of the digit row without a digit that make a wrong country; no shorter code is judged."""
_DIGIT_ROW = range(2, 12)
_US = keymaps.load("us")


def _known(layout: str) -> str:
    if layout not in keymaps.names():
        raise ValueError(f"no layout {layout!r}; there are {', '.join(keymaps.names())}")
    return layout


Character = Annotated[str, Field(min_length=1, max_length=1)]
Text = Annotated[str, Field(min_length=1, max_length=16)]
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

    substitutes: dict[Text, Character] = Field(default_factory=dict, max_length=32)
    """Characters that the scanner types as another text: ``{GS}``, ``^]``, ``í``, ``|`` for GS."""

    oem_page: Literal["cp437", "cp850"] = "cp437"
    """What Alt with keypad digits means from 128 on; with a leading 0 it is Windows' page."""

    slowest: float = Field(default=SLOWEST, ge=0.01, le=5)
    """Seconds from key to key. Where most take longer it is a person who types, and no scan."""


class _Pace:
    """How fast the keys of one scan follow one another, by the kernel's own times."""

    def __init__(self, slowest: float) -> None:
        self._slowest = slowest
        self.restart()

    def restart(self) -> None:
        self._last: float | None = None
        self._fast = self._slow = 0

    def key(self, at: float) -> None:
        if self._last is not None:
            # Most decide, not the mean: when the clock is set, one interval is wild.
            fast = at - self._last <= self._slowest
            self._fast, self._slow = self._fast + fast, self._slow + (not fast)
        self._last = at

    @property
    def by_hand(self) -> bool:
        return self._slow > self._fast

    @property
    def keys(self) -> int:
        """Return how many keys there were."""
        return self._fast + self._slow + (self._last is not None)


class Decoder:
    """Scans out of key events."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._keys = keymaps.load(config.layout)
        self._accents = _accents(self._keys)
        self._digit_signs = _digit_signs(self._keys)
        self._ends: dict[int, str] = _ENDS[config.terminator]
        self._functions = {
            _FUNCTION_KEYS[name]: character for name, character in config.function_keys.items()
        }
        longest_first = sorted(config.substitutes, key=len, reverse=True)
        self._substitutes = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._pace = _Pace(config.slowest)
        self._pending = b""
        self._held: set[int] = set()
        self._text = ""
        self._dead = ""
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
        for seconds, micros, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == EV_KEY and not self._overrun:
                steps += self._key(code, value, seconds + micros / 1_000_000)
            elif kind == EV_SYN:
                steps += self._sync(code)
        return steps

    def quiet(self) -> list[Step]:
        """Say what is pending after a quiet gap: a scan, or the first half of one."""
        # No scanner holds a key that long, and the kernel repeats one that a person holds: what
        # still seems to be held has lost its release.
        self._held.clear()
        self._pending = b""
        if self._config.terminator != "none":
            self._spoilt = self._spoilt or "a scan without its terminator"
        elif self._pace.keys == 1:
            # A person's keys come one by one then.
            self._spoilt = self._spoilt or "a single key"
        return self._finish("")

    def _sync(self, code: int) -> list[Step]:
        if code == SYN_DROPPED:
            # What follows may be the tail of the torn scan: nothing counts until that has ended.
            self._overrun, self._skipping = True, True
            self._held.clear()
            torn = self._take("")
            return [Noise(torn[:MAX_NOISE], "the kernel dropped key events; scan again")]
        if code == SYN_REPORT:
            self._overrun = False
        return []

    def _key(self, code: int, value: int, at: float) -> list[Step]:
        if value == RELEASE:
            return self._release(code)
        if value != PRESS or code in _LOCKS:
            return []
        if code in _MODIFIERS:
            self._held.add(code)
            return []
        self._pace.key(at)
        if code in self._ends:
            return self._finish(self._ends[code])
        held = {_MODIFIERS[key] for key in self._held}
        if {CTRL, ALT} <= held:
            held = held - {CTRL, ALT} | {ALT_GR}
        if ALT in held and keymaps.KEYPAD.get(code, "").isdigit() and len(self._alt_digits) < 5:
            self._alt_digits += keymaps.KEYPAD[code]
            return []
        return self._type(self._character(code, held), f"key {code} types no character")

    def _release(self, code: int) -> list[Step]:
        self._held.discard(code)
        if _MODIFIERS.get(code) != ALT or not self._alt_digits:
            return []
        digits, self._alt_digits = self._alt_digits, ""
        return self._type(_by_number(digits, self._config.oem_page), f"no character Alt+{digits}")

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
            # Some scanners press the American key, whatever country they are set to.
            return _controlled(levels) or _controlled(_US.get(code, ()))
        # The space bar and some others have one level only.
        return character or (levels[0] if len(levels) == 1 and ALT_GR not in held else None)

    def _type(self, character: str | None, problem: str) -> list[Step]:
        if self._skipping:
            return []
        if character is None:
            self._spoilt = self._spoilt or problem
            return []
        self._text += self._composed(character)
        if len(self._text) <= MAX_SCAN:
            return []
        self._skipping = True
        return [Noise(self._take("")[:MAX_NOISE], f"a scan of more than {MAX_SCAN} characters")]

    def _composed(self, character: str) -> str:
        """Return what `character` types after the dead key that waits, if one does."""
        dead, self._dead = self._dead, ""
        if unicodedata.combining(character):
            if not dead:
                self._dead = character
                return ""
            return self._alone(dead) + self._alone(character)
        if not dead:
            return character
        if character == " ":
            return self._alone(dead)
        composed = unicodedata.normalize("NFC", character + dead)
        return composed if len(composed) == 1 else self._alone(dead) + character

    def _alone(self, dead: str) -> str:
        if dead not in self._accents:
            self._spoilt = self._spoilt or "a dead key without its letter"
        return self._accents.get(dead, "")

    def _finish(self, end: str) -> list[Step]:
        skipped, self._skipping = self._skipping, False
        if self._dead:
            self._text += self._alone(self._dead)
        spoilt, empty, by_hand = self._spoilt, not self._text, self._pace.by_hand
        text = self._text
        raw = self._take(end)
        if skipped or (empty and (spoilt is None or not end)):
            return []
        if by_hand:
            spoilt = "typed by hand, slower than a scanner"
        elif self._of_another_country(text):
            spoilt = (
                "only signs of the digit row: the scanner is set to another keyboard country than"
                f" layout {self._config.layout!r}"
            )
        if spoilt is not None:
            return [Noise(raw[:MAX_NOISE], spoilt)]
        code = self._substitutes.sub(lambda found: self._config.substitutes[found[0]], text)
        return [self._config.unwrap(code.encode("utf-8", "replace"), raw)]

    def _of_another_country(self, text: str) -> bool:
        # The AIM identifier in front has a letter, which is the same in most countries.
        code = text[3:] if text[1:2].isalpha() else text
        signs = set(code)
        return len(code) >= FEWEST_SIGNS and len(signs) > 1 and signs <= self._digit_signs

    def _take(self, end: str) -> bytes:
        text, self._text, self._spoilt = self._text + end, "", None
        self._alt_digits = self._dead = ""
        self._pace.restart()
        return text.encode("utf-8", "replace")


def _accents(keys: keymaps.Keys) -> dict[str, str]:
    """Return what dead keys type alone. Where ' and " are nowhere else, acute and umlaut do."""
    typed = {character for levels in keys.values() for character in levels[:2]}
    plain = {"\u0301": "'", "\u0308": '"'}
    return keymaps.ACCENTS | {
        dead: sign for dead, sign in plain.items() if dead in typed and sign not in typed
    }


def _digit_signs(keys: keymaps.Keys) -> set[str]:
    """Return what the keys of the digits type when Shift is the wrong way round."""
    typed = {character for code in _DIGIT_ROW for character in keys.get(code, ())[:2]}
    return {keymaps.ACCENTS.get(character, character) for character in typed if character} - set(
        "0123456789"
    )


def _by_number(digits: str, oem_page: str) -> str | None:
    """Return the character of Alt with keypad digits: with a leading 0 Windows', else the PC's."""
    if int(digits) > 255 or len(digits) > 4:
        return None
    if int(digits) < 128:
        return chr(int(digits))
    try:
        return bytes([int(digits)]).decode("cp1252" if digits.startswith("0") else oem_page)
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
