"""What a transaction is called in SAP: its id in 25 characters, which a header text holds. Pure.

The texts of SAP's headers are short: 16 characters for a reference document, 25 for the header text
of a material document. A UUID has 36 as text and 32 as digits; as a number to base 36 it has 25 at
most (36^25 > 2^128), so that nothing of it is cut and it can be read back.

>>> reference(UUID("0190b7a0-0000-7000-8000-000000000001"))
'03C3LG080303G1KJE6UEC5RSX'
>>> named("03C3LG080303G1KJE6UEC5RSX")
UUID('0190b7a0-0000-7000-8000-000000000001')
"""

import re
from uuid import UUID

LENGTH = 25
"""Characters: those of `MaterialDocumentHeaderText`."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TEXT = re.compile(rf"[0-9A-Z]{{{LENGTH}}}")


def reference(name: UUID) -> str:
    """Return a transaction's id as SAP keeps it: `LENGTH` digits and capital letters."""
    number, text = name.int, ""
    for _ in range(LENGTH):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text


def named(text: str) -> UUID | None:
    """Return the id that a text of SAP's is, or None where it is somebody else's text."""
    if not _TEXT.fullmatch(text):
        return None
    number = int(text, 36)
    return UUID(int=number) if number < 2**128 else None
