"""A disk whose every fsync takes as long as an SD card's, for one process and its children."""

import shutil
import subprocess
from pathlib import Path

SD_CARD_MS = 8.0
"""Milliseconds over and above: a common card takes 5 to 20 ms for a flush."""
COMPILER = shutil.which("cc")


def slow_disk(folder: Path, milliseconds: float = SD_CARD_MS) -> dict[str, str]:
    """Return the environment in which a program finds the disk slow. Needs a C compiler.

    Args:
        folder: where what it takes is built, once.
        milliseconds: what each fsync and fdatasync takes over and above.
    """
    assert COMPILER is not None, "install a C compiler: apt install gcc libc6-dev"
    library = folder / "slow_sync.so"
    if not library.exists():
        source = Path(__file__).with_name("slow_sync.c")
        subprocess.run(
            [COMPILER, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"],
            check=True,
        )
    return {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": str(milliseconds)}
