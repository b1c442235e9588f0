"""A scanner that types: key events as the kernel would write them, through a pseudo-terminal.

A keyboard is no terminal, but bytes are bytes: the driver reads the same event structs.
"""

import unicodedata
from collections.abc import Iterable
from typing import Literal

from drivers import keymaps
from drivers.scanners.wedge import ENTER, EV_KEY, EV_SYN, EVENT, SYN_DROPPED, SYN_REPORT
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device

LEFT_SHIFT, LEFT_CTRL, LEFT_ALT, ALT_GR = 42, 29, 56, 100
KeyEvent = tuple[int, int, int]
"""Type, code and value."""
_KEYPAD_DIGITS = {text: code for code, text in keymaps.KEYPAD.items() if text.isdigit()}


class WedgeSimulator(Device):
    """A keyboard scanner set to one country."""

    def __init__(
        self,
        cable: Cable | None = None,
        *,
        layout: str = "us",
        control: Literal["ctrl", "alt"] = "ctrl",
    ) -> None:
        """Prepare a scanner.

        Args:
            cable: see `Device`.
            layout: the keyboard country it types for.
            control: how it types control characters: Ctrl+] or Alt+029.
        """
        super().__init__(cable)
        self._strokes = {
            character: (code, level)
            for code, levels in reversed(keymaps.load(layout).items())
            for level, character in reversed(list(enumerate(levels)))
        }
        self._control = control
        self.pace = 0.002
        """Seconds from one event to the next: each USB report brings one. A person takes 0.1."""

    async def take(self, text: str) -> None:
        """Scan `text`."""
        await self.type(text)

    async def type(self, text: str, *, end: int | None = ENTER) -> None:
        """Type `text` and the key `end`."""
        await self.say(self.events(text, end=end))

    async def lose_events(self) -> None:
        """Let the kernel drop events, as it does when nobody reads for long."""
        await self.say(packed([(EV_SYN, SYN_DROPPED, 0), (EV_SYN, SYN_REPORT, 0)]))

    def events(self, text: str, *, end: int | None = ENTER) -> bytes:
        """Return the events of typing `text` and the key `end`."""
        strokes = [event for character in text for event in self._stroke(character)]
        if end is not None:
            strokes += _pressed(end)
        return packed(strokes, every=self.pace)

    def _stroke(self, character: str) -> list[KeyEvent]:
        if character in self._strokes:
            code, level = self._strokes[character]
            held = [LEFT_SHIFT] * (level % 2) + [ALT_GR] * (level // 2)
            return _pressed(code, held=held)
        parts = list(unicodedata.normalize("NFD", character))
        if len(parts) == 2 and all(part in self._strokes for part in parts):
            return self._stroke(parts[1]) + self._stroke(parts[0])
        for dead, sign in keymaps.ACCENTS.items():
            if sign == character and dead in self._strokes:
                return self._stroke(dead) + self._stroke(" ")
        if self._control == "ctrl" and ord(character) < 32:
            code, _ = self._strokes[chr(ord(character) | 0x40).lower()]
            return _pressed(code, held=[LEFT_CTRL])
        digits = (
            f"{ord(character):03}" if ord(character) < 128 else f"0{character.encode('cp1252')[0]}"
        )
        return _pressed(*(_KEYPAD_DIGITS[digit] for digit in digits), held=[LEFT_ALT])


def packed(events: Iterable[KeyEvent], *, every: float = 0.0) -> bytes:
    """Return events as the kernel's structs, `every` seconds apart; reports take no time."""
    structs = []
    micros = 0
    for event in events:
        micros += round(every * 1_000_000) if event[0] == EV_KEY else 0
        structs.append(EVENT.pack(micros // 1_000_000, micros % 1_000_000, *event))
    return b"".join(structs)


def _pressed(*codes: int, held: Iterable[int] = ()) -> list[KeyEvent]:
    held = list(held)
    strokes = [(code, 1) for code in held]
    for code in codes:
        strokes += [(code, 1), (code, 0)]
    strokes += [(code, 0) for code in reversed(held)]
    return [
        event
        for code, value in strokes
        for event in ((EV_KEY, code, value), (EV_SYN, SYN_REPORT, 0))
    ]


Simulator = WedgeSimulator
