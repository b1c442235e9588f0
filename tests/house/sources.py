"""The product's own source files, parsed once."""

import ast
import functools
import subprocess
from pathlib import Path

from tests.house.examples import ROOT

PACKAGES = ("bridge", "contract", "drivers", "gateway", "runtime", "scanpost")


@functools.cache
def modules() -> dict[Path, ast.Module]:
    """Return every module of the product that is not empty, by its path from the root."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text("utf-8")
            if text.strip():
                found[path.relative_to(ROOT)] = ast.parse(text, str(path))
    return found


def name_of(path: Path) -> str:
    """Return the name a module is imported by."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked() -> list[Path] | None:
    """Return every file that git knows, or None where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z"],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return [ROOT / name for name in done.stdout.split("\0") if name]
