"""Which machine this is, so that a store can tell that it was carried to another one.

A cloned SD card carries the machine-id with it; the serial number of the board stays behind.
"""

import hashlib
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
_SERIAL = Path("/sys/firmware/devicetree/base/serial-number")
_UNKNOWN = "-"


def this_machine() -> str:
    """Return an opaque name of this machine: two parts, `-` where one is not known.

    Both are hashed: machine-id(5) asks not to hand it about.
    """
    return f"{_part(_MACHINE_ID)}.{_part(_SERIAL)}"


def _part(path: Path) -> str:
    try:
        said = path.read_bytes().strip(b"\0\n ")
    except OSError:
        return _UNKNOWN
    if len(said) < 8:  # empty, "uninitialized" is longer: then it is at least the same everywhere
        return _UNKNOWN
    return hashlib.sha256(b"scanpost " + said).hexdigest()[:16]


def other_machine(one: str, two: str) -> bool:
    """Return whether two names are surely of two machines.

    >>> other_machine("aa.bb", "aa.cc"), other_machine("aa.-", "aa.cc"), other_machine("", "aa.cc")
    (True, False, False)
    """
    pairs = zip(one.split("."), two.split("."), strict=False)
    return any(a != b and a and b and _UNKNOWN not in (a, b) for a, b in pairs)
