"""`scanpost decode`: what the bytes of a device mean, for support and for tests.

One hex string a line goes in on stdin, one JSON object a line comes out:

    $ echo 5d45303539303132333431323334353720 | scanpost decode barcode
    {"kind": "gtin", "text": "5901234123457 ", ..., "gtin": "05901234123457", "problems": []}
    $ echo 532053202020202020312e323530206b670d0a | scanpost decode scale --driver mt_sics
    {"readings": [{"kind": "weight", "value": "1.250", "unit": "kg", "stable": true, ...}]}
    $ echo 32313335303430303339373533 | scanpost decode barcode --set in_store_country=dk
    {"kind": "gtin", ..., "item": "02135040000005", "price": "39.75", "currency": "DKK", ...}

A line that is no hexadecimal gives `{"error": ...}` and never stops the rest.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, assert_never

from pydantic import BaseModel, ValidationError

from contract.identifiers import Identifier, Rules, Tracking, identify
from drivers.kit import registry
from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.readings import Noise, Reading, Refusal, Reply, Scan, Send, Weight

MAX_LINE = 1_000_000
"""Characters of one line: far more than any frame, and little for any machine."""

_AIM = re.compile(r"\][A-Za-z][0-9A-Za-z]")

Decode = Callable[[bytes], dict[str, Any]]


def main(arguments: list[str]) -> int:
    """Decode what stands on stdin, line by line, until it ends.

    Returns:
        0, or 2 where the arguments are wrong; the reason is on stderr.
    """
    options = _parser().parse_args(arguments)
    if options.what == "scale":
        try:
            decode = _scale(options.driver, settings_of(options.set))
        except (DeviceMisconfigured, ValueError) as error:
            print(f"scanpost decode scale: {error}", file=sys.stderr)
            return 2
    else:
        try:
            decode = _barcode(options.symbology, _rules(settings_of(options.set)))
        except ValueError as error:
            print(f"scanpost decode barcode: {error}", file=sys.stderr)
            return 2
    for line in _lines(sys.stdin.buffer):
        print(json.dumps(_answer(line, decode)), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scanpost decode",
        description="Say what bytes mean: one hex string a line in, one JSON object a line out.",
    )
    commands = parser.add_subparsers(dest="what", required=True)
    scale = commands.add_parser("scale", help="each line is one complete frame of a scale")
    scale.add_argument("--driver", required=True, help="such as mt_sics")
    scale.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the driver, as in the configuration file; may be repeated",
    )
    barcode = commands.add_parser("barcode", help="each line is one code as scanned")
    barcode.add_argument(
        "--symbology", type=_symbology, help="the AIM identifier such as ]C1, if not in the data"
    )
    barcode.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of [codes], as in the gateway's configuration file; may be repeated",
    )
    return parser


def _symbology(text: str) -> str:
    if not _AIM.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no AIM identifier such as ]C1")
    return text


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of `stream`, and None for one that is longer than `MAX_LINE`."""
    while line := stream.readline(MAX_LINE):
        if len(line) < MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        yield None
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)


def _answer(line: bytes | None, decode: Decode) -> dict[str, Any]:
    if line is None:
        return {"error": f"the line has more than {MAX_LINE} characters"}
    try:
        data = bytes.fromhex("".join(line.decode("ascii").split()))
    except ValueError:
        return {"error": "the line is not hexadecimal: pairs of 0-9 a-f"}
    return decode(data)


# Scales


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """Return settings from `key=value` words: TOML values where they are any, else text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--set wants KEY=VALUE, not {pair!r}")
        settings[key] = _scalar(value)
    return settings


def _scalar(value: str) -> Any:
    """Read a value as TOML would, and as text where TOML cannot."""
    if "\n" in value:
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def faults_of(error: ValidationError) -> str:
    """Say in one line what is wrong with settings, each fault with its place."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )


def _scale(driver: str, settings: dict[str, Any]) -> Decode:
    module = registry.load(driver)
    try:
        config: BaseModel = module.Config.model_validate({"driver": driver, **settings})
    except ValidationError as error:
        raise DeviceMisconfigured(f"driver {driver}: {faults_of(error)}") from error

    def decode(frame: bytes) -> dict[str, Any]:
        decoder = module.dialogue(config).decoder
        steps = [*decoder.feed(frame), *decoder.quiet()]
        return {"readings": [plain_reading(step) for step in steps if not isinstance(step, Send)]}

    return decode


def plain_reading(reading: Reading) -> dict[str, Any]:
    """Return a reading as the JSON that `scanpost decode` prints."""
    match reading:
        case Weight(value=value):
            return {
                "kind": "weight",
                "value": None if value is None else format(value, "f"),
                "unit": reading.unit,
                "stable": reading.stable,
                "measure": reading.measure,
                "range": reading.range,
                "zero": reading.zero,
                "usable": reading.usable,
            }
        case Scan(data=data, symbology=symbology):
            return {"kind": "scan", "text": data.decode("latin-1"), "symbology": symbology}
        case Reply(text=text):
            return {"kind": "reply", "text": text}
        case Refusal(code=code):
            return {"kind": "error", "code": code}
        case Noise(raw=raw, why=why):
            return {"kind": "noise", "hex": raw.hex(), "why": why}
        case _:
            assert_never(reading)


# Barcodes


def _rules(settings: dict[str, Any]) -> Rules:
    try:
        return Rules.model_validate(settings)
    except ValidationError as error:
        raise ValueError(faults_of(error)) from error


def _barcode(symbology: str | None, rules: Rules) -> Decode:
    today = datetime.now(UTC).date()
    return lambda data: shown(identify(data, symbology, rules, today))


def shown(identifier: Identifier) -> dict[str, Any]:
    """Return an identifier as plain JSON values.

    `elements`, `gtin` and `problems` are always there.
    `elements` is an object of AI (GS1), data identifier (MH10) or name (HIBC) to raw value, or a
    list of pairs where one comes twice. `carrier` of a parcel number is null where it can be of
    several carriers; `matches` has them all.
    """
    found = {field.name: getattr(identifier, field.name) for field in fields(identifier)}
    elements = found.pop("elements", ())
    by_ai = dict(elements)
    return {
        "kind": identifier.kind,
        "text": found.pop("text"),
        "symbology": found.pop("symbology"),
        "elements": by_ai if len(by_ai) == len(elements) else [list(pair) for pair in elements],
        "gtin": found.pop("gtin", None),
        "problems": list(found.pop("problems")),
        **({"carrier": identifier.carrier} if isinstance(identifier, Tracking) else {}),
        **{name: _plain(value) for name, value in found.items()},
    }


def _plain(value: Any) -> Any:
    match value:
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case BaseModel():
            return value.model_dump(mode="json")
        case tuple() if hasattr(value, "_asdict"):
            return {name: _plain(part) for name, part in value._asdict().items()}
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
