"""A driver as it is named at the shell, and readings in words: for `listen`, `record`, `replay`."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, assert_never

from pydantic import BaseModel, ValidationError

from contract.identifiers import identify
from drivers.kit import registry
from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.readings import Dialogue, Noise, Reading, Refusal, Reply, Scan, Weight
from drivers.kit.registry import DriverModule
from scanpost.decode import faults_of, plain_reading, settings_of, shown

_RAW = 32
"""Bytes of noise that are shown in a line: enough to see what it was."""


def add_driver(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Let `parser` take `--driver` and `--set`."""
    parser.add_argument("--driver", required=required, metavar="NAME", help="such as mt_sics")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the driver, as in the configuration file; may be repeated",
    )


def driver(name: str, pairs: list[str]) -> tuple[DriverModule, BaseModel]:
    """Return the driver called `name`, set up as the KEY=VALUE `pairs` say.

    Raises:
        DeviceMisconfigured: there is no such driver, or it has no such setting.
    """
    module = registry.load(name)
    try:
        return module, module.Config.model_validate({"driver": name, **settings_of(pairs)})
    except ValidationError as error:
        raise DeviceMisconfigured(f"driver {name}: {faults_of(error)}") from error
    except ValueError as error:
        raise DeviceMisconfigured(str(error)) from error


def dialogues(name: str, pairs: list[str]) -> Callable[[], Dialogue]:
    """Return what makes a fresh dialogue of a driver, each time it is called.

    Raises:
        DeviceMisconfigured: as `driver`.
    """
    module, config = driver(name, pairs)
    return lambda: module.dialogue(config)


def say(line: str) -> None:
    """Print a line at once. When nobody reads on (`| head`), the process is told to end."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Else the interpreter fails at the same pipe once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGTERM)


def as_json(reading: Reading, today: date | None = None) -> dict[str, Any]:
    """Return a reading as plain JSON values, a scan with what its code means.

    Args:
        reading: any.
        today: places two-digit years; without it they mean the same for ever.
    """
    plain = plain_reading(reading)
    if isinstance(reading, Scan):
        plain["identifier"] = shown(identify(reading.data, reading.symbology, today=today))
    return plain


def as_text(reading: Reading) -> str:
    """Return a reading in one line, for a person; what a device says cannot spoil the terminal."""
    match reading:
        case Weight():
            words = [f"weight  {_amount(reading.value)} {reading.unit or '(no unit)'}"]
            words += _states(reading)
        case Scan():
            words = [f"scan    {reading.symbology or ''}{_safe(reading.data.decode('latin-1'))}"]
            words += _meaning(reading)
        case Reply(text=text):
            words = [f"reply   {_safe(text)}"]
        case Refusal(code=code):
            words = [f"refusal {_safe(code)}"]
        case Noise(raw=raw, why=why):
            words = [f"noise   {raw[:_RAW].hex(' ')}{'...' if len(raw) > _RAW else ''}", _safe(why)]
        case _:
            assert_never(reading)
    return "  ".join(words)


def _amount(value: Decimal | None) -> str:
    return "-" if value is None else format(value, "f")


def _states(weight: Weight) -> list[str]:
    stable = {True: "stable", False: "moving", None: "stability not said"}[weight.stable]
    words = [stable, weight.measure or "", "zero" if weight.zero else ""]
    return [word for word in [*words, "" if weight.range == "ok" else weight.range] if word]


def _meaning(scan: Scan) -> list[str]:
    today = datetime.now(UTC).date()
    plain = shown(identify(scan.data, scan.symbology, today=today))
    told = {"kind", "text", "symbology", "elements", "problems"}
    found = [
        f"{name}={_safe(value) if isinstance(value, str) else json.dumps(value)}"
        for name, value in plain.items()
        if name not in told and value not in (None, [], {})
    ]
    return [plain["kind"], *found, *(f"({problem})" for problem in plain["problems"])]


def _safe(text: str) -> str:
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
