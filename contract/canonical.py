"""One JSON text for one value (RFC 8785), and its digest.

Transactions hold only objects, arrays, strings, booleans, nulls and integers below 2^53: amounts
travel as strings. For those `json` with sorted keys writes exactly what RFC 8785 asks for, at a
fifth of the cost of a general library; a test holds it against one.

>>> canonical({"b": 1, "a": "é"})
'{"a":"é","b":1}'
"""

import hashlib
import json
from typing import Any

_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
).encode
_empty = hashlib.sha256()  # copied: to make one, OpenSSL looks its methods up each time


def canonical(value: Any) -> str:
    """Return the RFC 8785 text of `value`, whose keys are ASCII and whose numbers are integers."""
    return _encode(value)


def digest(text: str) -> str:
    """Return the SHA-256 of a canonical text as 64 hexadecimal digits.

    >>> digest("{}")[:8]
    '44136fa3'
    """
    found = _empty.copy()
    found.update(text.encode("utf-8", "surrogatepass"))
    return found.hexdigest()
