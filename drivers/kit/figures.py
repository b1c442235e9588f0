"""Numbers as displays write them: padded, and with the sign far from the digits."""

import re
from decimal import Decimal

_FIGURE = re.compile(
    rb" *(?P<sign>[+-]?) *(?P<digits>[0-9]{1,12}(?:[.,][0-9]{0,9})?|[.,][0-9]{1,9}) *"
)


def figure(text: bytes, *, comma: bool = False) -> Decimal | None:
    """Return the number that `text` is, with all the digits it has, or None if it is none.

    Args:
        text: a number and spaces, nothing else.
        comma: whether a comma may stand for the decimal point.

    >>> figure(b"-  0.500"), figure(b"1,250", comma=True), figure(b"1,250"), figure(b"1.2.3")
    (Decimal('-0.500'), Decimal('1.250'), None, None)
    """
    match = _FIGURE.fullmatch(text)
    if match is None or (b"," in match["digits"] and not comma):
        return None
    return Decimal((match["sign"] + match["digits"].replace(b",", b".")).decode())
