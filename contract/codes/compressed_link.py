"""Compressed GS1 Digital Links: told from other web addresses, not read.

The end of the path of such a link is a number in base 64: eight bits that name the first AIs, then
their values. Where those bits name a GTIN or another key whose check digit is right, it is no
coincidence. To expand all of it needs tables that GS1 keeps changing; a label that is meant for a
warehouse can be printed uncompressed.

Source: GS1 Digital Link Standard 1.1, chapter 7 (compression).

>>> is_compressed("https://example.com/ARHKVAdpQg")
True
>>> is_compressed("https://example.com/departments")
False
"""

import re

from contract.codes.checks import gs1_digit_holds

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = re.compile(
    r"[A-Za-z]{4,5}://[^/?#]+/(?:[^?#]*/)?([0-9A-Za-z_-]{10,300})/?(?:[?#].*)?", re.DOTALL
)
_LONGEST = 1000
_DIGITS = {"00": 18, "01": 14, "25": 13, "41": 13}
"""Digits of the numeric keys, by the two digits of the AI that come first."""


def is_compressed(text: str) -> bool:
    """Whether a web address is a GS1 Digital Link in its compressed form. Never raises."""
    found = _LAST.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return False
    bits = "".join(f"{_ALPHABET.index(character):06b}" for character in found[1][:14])
    key = f"{int(bits[:4], 2):X}{int(bits[4:8], 2):X}"
    # A letter in it stands for several AIs at once, nearly all of which begin with a GTIN.
    digits = _DIGITS.get(key) if key.isdigit() else 14
    if digits is None:
        return False
    width = (10**digits - 1).bit_length()
    start = 12 if key in {"25", "41"} else 8  # a third digit tells 253 from 255, 414 from 417
    if len(bits) < start + width:
        return False
    value = f"{int(bits[start : start + width], 2):0{digits}}"
    return len(value) == digits and gs1_digit_holds(value)
