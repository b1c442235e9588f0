"""The table of supported hardware, made of the drivers themselves and of what their tests know.

`python -m drivers.table --write` writes `drivers/README.md`; `--check` fails where that file is not
what the drivers say today. Both need the tests beside the product, as in a checkout.
"""

import argparse
import inspect
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from drivers import simulators
from drivers.kit import registry
from drivers.kit.errors import DeviceMisconfigured

README = Path(__file__).parent / "README.md"
RECORDS = Path(__file__).parents[1] / "tests" / "data" / "drivers"

EVIDENCE = ("captured", "documented", "derived")
"""Where a frame that a driver is held to comes from, the best first."""

_CAPTURED = re.compile(r"\bcapture[sd]?\b|\bquoted in\b", re.IGNORECASE)
_HEAD = """\
# Supported hardware

Written by `python -m drivers.table --write`, from the drivers and their tests: edit those. The same
at a shell: `scanpost devices`. What each setting means stands in `config/gateway/<driver>.toml`.

Each driver is held to frames from elsewhere. *Captured*: somebody recorded them from a device.
*Documented*: they stand in a maker's manual, or in other people's programs. *Derived*: made by the
rules of a standard or a manual. A driver with nothing captured has not been seen with its hardware;
`scanpost record` makes a capture.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One driver."""

    name: str
    kind: str
    """`scales`, `scanners` or `elsewhere`."""
    what: str
    """The hardware, in a sentence."""
    settings: tuple[str, ...]
    frames: Counter[str] = field(default_factory=Counter)
    """How many frames its tests hold it to, by `EVIDENCE`."""


def rows() -> list[Row]:
    """Return a row for each driver that is installed; one that cannot be loaded says why."""
    return [_row(kind, name) for kind, names in registry.names().items() for name in names]


def _row(kind: str, name: str) -> Row:
    try:
        module = registry.load(name)
    except DeviceMisconfigured as error:
        return Row(name, kind, str(error), ())
    settings = tuple(each for each in module.Config.model_fields if each != "driver")
    return Row(name, kind, _sentence(module.__doc__ or ""), settings, _frames(name))


def _sentence(docstring: str) -> str:
    """Return the first paragraph of a docstring, in one line, without its full stop."""
    first = " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())
    return first if first.endswith("..") else first.removesuffix(".")


def _frames(name: str) -> Counter[str]:
    path = RECORDS / f"{name}.jsonl"
    if not path.exists():
        return Counter()
    lines = path.read_text("utf-8").splitlines()
    return Counter(_evidence(json.loads(line).get("source", "")) for line in lines if line)


def _evidence(source: str) -> str:
    if source.startswith("derived"):
        return "derived"
    return "captured" if _CAPTURED.search(source) else "documented"


def markdown() -> str:
    """Return the text of `drivers/README.md`."""
    tested = set(simulators.names())
    lines = [_HEAD]
    for kind in registry.KINDS:
        lines += [
            f"## {kind.capitalize()}\n",
            f"| driver | hardware | settings | simulator | {' | '.join(EVIDENCE)} |",
            "|---|---|---|---|" + "---|" * len(EVIDENCE),
        ]
        for row in rows():
            if row.kind == kind:
                cells = [
                    f"`{row.name}`",
                    row.what.replace("|", "\\|"),
                    ", ".join(f"`{each}`" for each in row.settings),
                    "yes" if row.name in tested else "no",
                    *(str(row.frames[each] or "") for each in EVIDENCE),
                ]
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Write or check the table; 1 where it is not what the drivers say."""
    parser = argparse.ArgumentParser(prog="python -m drivers.table", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write drivers/README.md")
    action.add_argument("--check", action="store_true", help="fail where it is out of date")
    options = parser.parse_args(words)
    if not RECORDS.is_dir():
        sys.stderr.write("this needs a checkout: the tests are not part of the installed product\n")
        return 2
    if options.write:
        README.write_text(markdown(), "utf-8")
    elif not README.exists() or README.read_text("utf-8") != markdown():
        sys.stderr.write("drivers/README.md is old: python -m drivers.table --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
