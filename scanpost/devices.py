"""`scanpost devices`: the scanners and scales that are supported, and where they were seen.

How many frames from captures, manuals and standards each driver is held to by its tests stands in
the table of `drivers/README.md`, which `--markdown` prints.
"""

import argparse
import sys
import textwrap

from drivers import table

_WIDTH = 100
_NAME = 20


def main(arguments: list[str]) -> int:
    """Print the table, and return 0."""
    parser = argparse.ArgumentParser(
        prog="scanpost devices", description="Show the scanners and scales that are supported."
    )
    parser.add_argument("--markdown", action="store_true", help="the table with its evidence")
    options = parser.parse_args(arguments)
    if options.markdown:
        print(table.README.read_text("utf-8"), end="")
        return 0
    kind = ""
    for row in table.rows():
        if row.kind != kind:
            print(f"{'' if not kind else chr(10)}{row.kind.upper()}")
            kind = row.kind
        hanging = " " * (_NAME + 2)
        lines = textwrap.wrap(row.what, _WIDTH - len(hanging)) or [""]
        print(f"  {row.name:{_NAME}}{lines[0]}")
        for line in lines[1:]:
            print(f"{hanging}{line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
