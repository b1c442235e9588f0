"""The table of supported targets, made of the connectors themselves.

`python -m bridge.table --write` writes `bridge/connectors/README.md`; `--check` fails where that
file is not what the connectors say today.
"""

import argparse
import inspect
import sys
from pathlib import Path

from bridge import registry
from bridge.connector import Capabilities

README = Path(__file__).parent / "connectors" / "README.md"

_HEAD = """\
# Supported targets

Written by `python -m bridge.table --write`, from the connectors: edit those. What each setting
means stands in `config/bridge-<connector>.toml` (`config/bridge.toml` for `sql`).

*Evidence* says how far a connector is proven. `real`: run against the product itself, by the tests.
`vendor-contract`: what it sends is held against the vendor's own machine-readable contract, and it
runs against a fake of the vendor with its faults, but never ran against the vendor.
`documentation`: written from documentation alone; live mode needs a flag. Before going live on any
of them: `scanpost bridge probe`, `dry-run`, and `self-test --sandbox`.

*Once by* says what makes twice once. `unique`: a unique key in the target's own database
transaction. `key`: an idempotency key the target honours. `natural`: a number that is itself unique
there. `lookup`: the connector looks before it sends, which needs one bridge for each target.

What a connector does not book it refuses, and shows; nothing is dropped.
"""


def markdown() -> str:
    """Return the text of `bridge/connectors/README.md`."""
    lines = [
        _HEAD,
        "| connector | target | evidence | once by | books | reads |",
        "|---|---|---|---|---|---|",
    ]
    limits = []
    for name in registry.names():
        module = registry.load(name)
        can = module.CAPABILITIES
        cells = [
            f"`{name}`",
            _sentence(module),
            can.evidence,
            _key(can),
            ", ".join(sorted(can.books)),
            ", ".join(sorted(can.reads)) or "nothing",
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        limits += [
            "",
            f"## {name}",
            "",
            *(f"- {limit}" for limit in can.limits or ("None known.",)),
        ]
    return "\n".join([*lines, "", "# Limits", *limits, ""])


def _key(can: Capabilities) -> str:
    return can.key if can.key_days is None else f"{can.key}, {can.key_days:g} days"


def _sentence(module: object) -> str:
    """Return the first paragraph of a module's docstring, in one line, without its full stop."""
    first = " ".join(inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0].split())
    return first.removesuffix(".")


def main(words: list[str] | None = None) -> int:
    """Write or check the table; 1 where it is not what the connectors say."""
    parser = argparse.ArgumentParser(prog="python -m bridge.table", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write bridge/connectors/README.md")
    action.add_argument("--check", action="store_true", help="fail where it is out of date")
    options = parser.parse_args(words)
    if options.write:
        README.write_text(markdown(), "utf-8")
    elif not README.exists() or README.read_text("utf-8") != markdown():
        sys.stderr.write("bridge/connectors/README.md is old: python -m bridge.table --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
