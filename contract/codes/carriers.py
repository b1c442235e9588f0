"""What carried the data: AIM symbology identifiers and the bytes behind them.

Source: ISO/IEC 15424 and the symbology standards it names.
"""

import re

GS1_CARRIERS = frozenset(
    {"]C1", "]e0", "]d2", "]d5", "]d8", "]Q3", "]Q4", "]J1", "]J4", "]z1", "]z4"}
)
"""FNC1 in first position: the data is a GS1 element string (and, with `]Q4` say, has ECIs)."""
RETAIL_CARRIERS = frozenset({"]E0", "]E3", "]E4"})
"""EAN and UPC: the data is a GTIN. `]E3` has an add-on behind it, `]E4` is EAN-8."""
ADD_ONS = frozenset({"]E1", "]E2"})
"""The small code beside an EAN, sent alone: an issue number or a price, never an item."""
_ECI_CARRIERS = frozenset({"]d4", "]d5", "]d6", "]Q2", "]Q4", "]Q6", "]z3", "]z4", "]z5", "]L1"})

_AIM = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_ECI = re.compile(r"\\([0-9]{6}|\\)")


def split_carrier(text: str) -> tuple[str | None, str]:
    """Split an AIM identifier off the start of `text`, if there is one.

    >>> split_carrier("]C10012")
    (']C1', '0012')
    >>> split_carrier("]?1")
    (None, ']?1')
    """
    match = _AIM.match(text)
    return (match[0], text[3:]) if match else (None, text)


def without_ecis(text: str, symbology: str | None) -> str:
    r"""Take the ECI designators out of what an ECI carrier sent, and undouble its backslashes.

    >>> without_ecis(r"\000026a\\b", "]Q2")
    'a\\b'
    """
    if symbology not in _ECI_CARRIERS or "\\" not in text:
        return text
    return _ECI.sub(lambda match: "\\" if match[1] == "\\" else "", text)


def decoded(data: bytes) -> str:
    """Return the text of `data`: UTF-8, or Latin-1 where it is not. No byte is lost."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
