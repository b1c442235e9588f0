"""`scanpost replay`: what a capture means, at once and without a device.

    $ scanpost replay scale.hexl --driver mt_sics
      0.251  weight  1.250 kg  stable
    $ scanpost replay scale.hexl --json > scale.expect
    $ scanpost replay scale.hexl --expect scale.expect

The driver is the one that the capture was made with, unless another is named. `--expect` compares
with what `--json` wrote once, and shows the difference.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from drivers.kit.captures import MAX_LINE, Chunk, NotACapture, chunk, play, said
from drivers.kit.errors import DeviceMisconfigured
from scanpost import spoken

MAX_HEADING = 100
"""Lines at the beginning of a capture in which it may say how it was made."""


def main(arguments: list[str]) -> int:
    """Decode a capture.

    Returns:
        0; 1 where the capture is damaged, or is not what was expected; 2 where the arguments are
        wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        with options.file.open("rb") as file:
            return _replay(options, file)
    except OSError as error:
        print(f"scanpost replay: {error.filename}: {error.strerror}", file=sys.stderr)
    except DeviceMisconfigured as error:
        print(f"scanpost replay: {error}", file=sys.stderr)
    except UnicodeDecodeError:
        print(f"scanpost replay: {options.expect} is no text", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scanpost replay", description="Say what a capture of a device means."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="made by `scanpost record`")
    spoken.add_driver(parser, required=False)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--expect", type=Path, metavar="FILE", help="what --json wrote; compare with it"
    )
    return parser


def _replay(options: argparse.Namespace, file: BinaryIO) -> int:
    made_with = _heading(file)
    name = options.driver or dict(made_with).get("driver")
    if not name:
        raise DeviceMisconfigured(f"{options.file} does not say its driver: add --driver NAME")
    # Settings belong to their driver: another one's would not even be known.
    own = [] if options.driver else [value for word, value in made_with if word == "set"]
    dialogue = spoken.dialogues(name, [*own, *options.set])()
    expected = options.expect.read_text("utf-8").splitlines() if options.expect else None
    found: list[str] = []
    try:
        for seconds, reading in play(_chunks(file), dialogue):
            plain = json.dumps({"at": round(seconds, 6), **spoken.as_json(reading)})
            if expected is not None:
                found.append(plain)
            elif options.json:
                spoken.say(plain)
            else:
                spoken.say(f"{seconds:9.3f}  {spoken.as_text(reading)}")
    except NotACapture as error:
        print(f"scanpost replay: {options.file}: {error}", file=sys.stderr)
        return 1
    return 0 if expected is None else _compare(expected, found, options.expect)


def _compare(expected: list[str], found: list[str], path: Path) -> int:
    difference = list(difflib.unified_diff(expected, found, str(path), "found", lineterm="", n=1))
    print("\n".join(difference) if difference else f"{len(found)} readings, as expected")
    return 1 if difference else 0


def _heading(file: BinaryIO) -> list[tuple[str, str]]:
    words = []
    for _ in range(MAX_HEADING):
        line = file.readline(MAX_LINE)
        if not line.startswith(b"#"):
            break
        if found := said(line):
            words.append(found)
    file.seek(0)
    return words


def _chunks(file: BinaryIO) -> Iterator[Chunk]:
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        try:
            found = chunk(line)
        except NotACapture as error:
            raise NotACapture(f"line {number}: {error}") from error
        if found is not None:
            yield found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
