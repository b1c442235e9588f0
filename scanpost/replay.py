r"""`scanpost replay`: what a capture means, at once and without a device.

    $ scanpost replay scale.hexl --driver mt_sics
      0.251  weight  1.250 kg  stable
    $ scanpost replay scale.hexl --json > scale.expect
    $ scanpost replay scale.hexl --expect scale.expect
    $ scanpost replay scanner-1=scan.hexl scale-1=scale.hexl --compare rows.jsonl \
        --config gateway.toml --reference folder/

The driver is the one that the capture was made with, unless another is named. `--expect` compares
with what `--json` wrote once, and shows the difference.

`--compare` plays a whole shift again: captures of its devices (`ID=FILE`, the id as in the
configuration) through the gateway's own stations and jobs, with items and documents as the CSV
files of the reference data had them when the shift began. It compares the transactions with those
of the shift, as `scanpost outbox export` wrote them, and shows the difference.
"""

import argparse
import asyncio
import difflib
import json
import sys
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from drivers.kit.captures import MAX_LINE, Chunk, NotACapture, chunk, play, said
from drivers.kit.errors import DeviceMisconfigured
from scanpost import spoken

if TYPE_CHECKING:
    from scanpost.recorded import Tape


class _Unusable(Exception):
    """What was given cannot be played; the text says why."""


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
        if options.compare is not None:
            return _shift(options)
        if len(options.file) != 1:
            raise DeviceMisconfigured("one capture at a time, but for --compare")
        [options.file] = map(Path, options.file)
        with options.file.open("rb") as file:
            return _replay(options, file)
    except OSError as error:
        print(f"scanpost replay: {error.filename}: {error.strerror}", file=sys.stderr)
    except DeviceMisconfigured as error:
        print(f"scanpost replay: {error}", file=sys.stderr)
    except _Unusable as error:
        print(f"scanpost replay: {error}", file=sys.stderr)
    except UnicodeDecodeError:
        print(f"scanpost replay: {options.compare or options.expect} is no text", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scanpost replay", description="Say what a capture of a device means."
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="made by `scanpost record`")
    spoken.add_driver(parser, required=False)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--expect", type=Path, metavar="FILE", help="what --json wrote; compare with it"
    )
    shift = parser.add_argument_group("a whole shift, each capture as ID=FILE")
    shift.add_argument(
        "--compare", type=Path, metavar="FILE", help="what `scanpost outbox export` wrote"
    )
    shift.add_argument("--config", type=Path, metavar="FILE", help="of the gateway")
    shift.add_argument("--reference", type=Path, metavar="FOLDER", help="CSV files of the bridge")
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


def _shift(options: argparse.Namespace) -> int:
    """Play a shift again and compare its transactions."""
    # Imported here: what one capture means is said without a gateway.
    from bridge.errors import SourceFailed  # noqa: PLC0415
    from gateway.__main__ import DEFAULT_CONFIG  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.errors import ConfigError  # noqa: PLC0415
    from scanpost.recorded import again, comparable  # noqa: PLC0415

    try:
        config = load(options.config or DEFAULT_CONFIG)
        stations = {
            device.id: station.name for station in config.stations for device in station.devices
        }
        tapes = dict(_tape(word, stations) for word in options.file)
        played = {stations[device] for device in tapes}
        recorded = [each for each in _exported(options.compare) if each["station"] in played]
        made = asyncio.run(again(config, tapes, options.reference))
    except (ConfigError, SourceFailed) as error:
        raise _Unusable(str(error)) from error
    expected, found = comparable(recorded), comparable(made)
    difference = list(
        difflib.unified_diff(expected, found, str(options.compare), "played", lineterm="", n=1)
    )
    print("\n".join(difference) if difference else f"{len(found)} transactions, as recorded")
    return 1 if difference else 0


def _tape(word: str, devices: Container[str]) -> "tuple[str, Tape]":
    from scanpost.recorded import Tape, began  # noqa: PLC0415 - as above

    device, is_said, path = word.partition("=")
    if not is_said or device not in devices:
        raise _Unusable(f"{word}: say ID=FILE, with the id of a device of the configuration")
    with Path(path).open("rb") as file:
        words = dict(_heading(file))
        try:
            return device, Tape(began(words["began"]), list(_chunks(file)))
        except KeyError:
            raise _Unusable(f"{path}: it does not say when it began") from None
        except ValueError as error:
            raise _Unusable(f"{path}: {error}") from error


def _exported(path: Path) -> list[dict[str, Any]]:
    found = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                transaction = json.loads(line)["transaction"]
                known = {name: transaction[name] for name in ("id", "station", "event")}
            except (ValueError, KeyError, TypeError) as error:
                raise _Unusable(f"{path}:{number}: no exported row: {error}") from error
            found.append({**known, "operator": transaction.get("operator")})
    return found


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
