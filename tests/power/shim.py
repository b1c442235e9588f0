"""The shim in front of the C library: how it is built, and its words in Python.

What it can do is said in `shim.c`. A process has it when it was started with `preloaded()`.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
_SOURCE = Path(__file__).with_name("shim.c")
_BUILT = ROOT / ".cache" / "power"
_COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


def why_not() -> str | None:
    """Return why the shim cannot be had here; None if it can."""
    if _COMPILER is None:
        return "no C compiler (cc) to build tests/power/shim.c: apt install gcc libc6-dev"
    try:
        built()
    except subprocess.CalledProcessError as error:
        return f"tests/power/shim.c cannot be built here: {error.stderr}"
    return None


@cache
def built() -> Path:
    """Return the shared library, compiled if its source has changed.

    Raises:
        subprocess.CalledProcessError: the compiler says no; its words are in `stderr`.
    """
    assert _COMPILER is not None
    source = _SOURCE.read_bytes()
    library = _BUILT / f"shim-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if not library.exists():
        _BUILT.mkdir(parents=True, exist_ok=True)
        fresh = library.with_suffix(f".{os.getpid()}")
        words = [_COMPILER, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(fresh), str(_SOURCE)]
        subprocess.run([*words, "-ldl", "-lpthread"], check=True, capture_output=True, text=True)
        fresh.rename(library)  # whoever builds at the same time gets a whole one
    return library


def preloaded(**more: str) -> dict[str, str]:
    """Return the environment of a process that gets the shim; `more` goes with it."""
    return {**os.environ, "LD_PRELOAD": str(built()), "PYTHONPATH": str(ROOT), **more}


Only = Literal["any", "reads", "place"]
"""Which calls fail: of a disk that is gone, of one that still writes, or reads of a bad block."""
_ONLY: tuple[Only, ...] = ("any", "reads", "place")  # in the order of shim.c


class Shim:
    """The shim of this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.power_fail.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p]
        self._library.power_kill.argtypes = [ctypes.c_long]

    def store(self, folder: Path) -> None:
        """Look after the files of `folder` from now on, and count from here."""
        self._library.power_store(os.fsencode(folder.resolve()))

    def tape(self, path: Path, *, data: bool) -> None:
        """Write down what is done; with `data`, what is written too. See `tests.power.tape`."""
        self._library.power_tape(os.fsencode(path), int(data))

    def mark(self, text: str) -> None:
        """Put a word on the tape: what was told to somebody just now."""
        self._library.power_mark(text.encode())

    def fail(
        self, nth: int, error: int, as_long_as: Path | None = None, only: Only = "any"
    ) -> None:
        """Let the `nth` I/O call on the store fail with `error`; 0 cuts a write short instead.

        Later calls fail too as long as the file `as_long_as` is there, but not what always works:
        a disk that is full still reads, deletes and opens what is there. With `only` these are
        reads, or reads of the bytes that the `nth` call, which reads, was to give.
        """
        self._library.power_fail_only(_ONLY.index(only))
        self._library.power_fail(nth, error, os.fsencode(as_long_as or ""))

    def kill(self, nth: int) -> None:
        """Die by SIGKILL before the `nth` call that changes anything outside this process."""
        self._library.power_kill(nth)

    def lie(self) -> None:
        """Let fsync and fdatasync say yes and do nothing."""
        self._library.power_lie(1)
