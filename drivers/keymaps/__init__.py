"""Keyboard layouts, one file each: which character a key types.

A scanner in keyboard mode types for the country it is set to; the driver must read with the same
layout.
"""

import importlib
import pkgutil
from typing import cast

Keys = dict[int, tuple[str, ...]]
"""Key code to its characters: plain, with Shift, with AltGr, with both.

A dead key, which waits for the next letter, is the combining accent that it puts on it."""

ACCENTS = {
    "\u0300": "`", "\u0301": "\u00b4", "\u0302": "^", "\u0303": "~", "\u0304": "\u00af",
    "\u0306": "\u02d8", "\u0307": "\u02d9", "\u0308": "\u00a8", "\u030a": "\u02da",
    "\u030b": "\u02dd", "\u030c": "\u02c7", "\u0327": "\u00b8", "\u0328": "\u02db",
}  # fmt: skip
"""What a dead key types with the space bar, on most layouts. Other accents never stand alone."""

KEYPAD = {
    55: "*", 71: "7", 72: "8", 73: "9", 74: "-", 75: "4", 76: "5", 77: "6", 78: "+",
    79: "1", 80: "2", 81: "3", 82: "0", 83: ".", 98: "/",
}  # fmt: skip
"""Keypad key code to its character, the same everywhere and whatever NumLock says."""


def names() -> list[str]:
    """Return the names of all layouts, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Keys:
    """Return the layout `name`, one of `names()`."""
    return cast("Keys", importlib.import_module(f"drivers.keymaps.{name}").KEYS)
