"""The folder tables lie in: read as a whole, checked as a whole."""

import hashlib
import stat
from collections.abc import Mapping as Table
from dataclasses import replace
from pathlib import Path

from bridge.errors import ConfigError
from bridge.mapping import items, locations, rules, units
from bridge.mapping.problems import Problems
from bridge.mapping.tables import Mapping, Tables
from contract.canonical import canonical, digest

MAX_FILE = 64_000_000
"""Bytes of one file: a million items. A log that was copied there by mistake is larger."""
FILES = (rules.NAME, items.SHEET.name, units.SHEET.name, locations.SHEET.name)
"""`mapping.toml` must be there, the others may be missing."""

Mark = tuple[int, int, int]
"""Time of the last change in ns, bytes, and inode of a file: a new content has another one."""


def marks(folder: Path) -> dict[str, Mark]:
    """Return the mark of every file that looks like a table, also of those no table is called.

    Raises:
        OSError: the folder is not there, or cannot be read.
    """
    found: dict[str, Mark] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in {".csv", ".toml"} or path.name.startswith((".", "~")):
            continue  # what an editor or a spreadsheet puts beside the file it has open
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise OSError(f"{path}: it is no file")
        found[path.name] = about.st_mtime_ns, about.st_size, about.st_ino
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file that looks like a table.

    Raises:
        ConfigError: one is far too large.
        OSError: one cannot be read.
    """
    found: dict[str, bytes] = {}
    for name, (_, size, _) in marks(folder).items():
        if size > MAX_FILE:
            raise ConfigError(f"{name}: it has {size} bytes, more than {MAX_FILE}: no table has")
        with (folder / name).open("rb") as file:
            found[name] = file.read(MAX_FILE)
    return found


def version_of(files: Table[str, bytes]) -> str:
    """Return the digest of all files together: what was edited and put back is the same one."""
    return digest(canonical(_digests(files)))


def made(files: Table[str, bytes]) -> Mapping:
    """Return the tables in `files`. Pure.

    Raises:
        ConfigError: with a line for each problem: file, line, what is wrong, what to do.
    """
    problems = Problems()
    for name in sorted(files.keys() - set(FILES)):
        problems.add(name, None, f"there is no such table; there are {', '.join(FILES)}")
    if rules.NAME not in files:
        problems.add(rules.NAME, None, "it is not there; it may be empty")
    said = rules.read_rules(files.get(rules.NAME, b""), problems)
    tables = Tables(said or rules.Rules())
    if items.SHEET.name in files:
        tables = replace(tables, items=items.read_items(files[items.SHEET.name], problems))
    if units.SHEET.name in files:
        tables = replace(tables, units=units.read_units(files[units.SHEET.name], problems))
    if locations.SHEET.name in files:
        data = files[locations.SHEET.name]
        warehouses = None if said is None else said.warehouse
        found = locations.read_locations(data, warehouses, problems)
        tables = replace(tables, locations=found)
    if problems:
        raise ConfigError(str(problems))
    return Mapping(version_of(files), tables, _digests(files))


def read(folder: Path) -> Mapping:
    """Return the tables of a folder.

    Raises:
        ConfigError: with a line for each problem.
    """
    try:
        return made(contents(folder))
    except OSError as error:
        raise ConfigError(f"{folder}: {error}") from error


def _digests(files: Table[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
