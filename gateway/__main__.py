"""`scanpost gateway run | check | reference`."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway import config
from gateway.errors import ConfigError, GatewayError
from runtime import logs
from runtime.sqlite import StoreUnusable

log = logging.getLogger("gateway")

DEFAULT_CONFIG = Path("/etc/scanpost/gateway.toml")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 wrong configuration."""
    parser = argparse.ArgumentParser(prog="scanpost gateway", description=__doc__)
    parser.add_argument(
        "action",
        choices=["run", "check", "reference"],
        help="take scans, check the file, or say what the copy of the ERP's data holds",
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        gateway = config.load(options.config)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the answer to a person at a terminal
        return 2
    if options.action == "check":
        devices = sum(len(station.devices) for station in gateway.stations)
        print(f"{options.config}: {len(gateway.stations)} stations, {devices} devices")  # noqa: T201
        return 0
    if options.action == "reference":
        return _say_reference(gateway)
    logs.configure(
        gateway.log.level,
        as_json=gateway.log.format == "json",
        priorities="JOURNAL_STREAM" in os.environ,
    )
    return _run(gateway)


def _say_reference(gateway: config.Gateway) -> int:
    from gateway.reference.binder import newest_standing  # noqa: PLC0415 - `run` has its own way

    standing = newest_standing(gateway.reference_folder)
    if standing is None:
        print(f"{gateway.reference_folder}: no copy yet")  # noqa: T201
        return 1
    confirmed = standing.confirmed
    when = f"{confirmed.wall:%Y-%m-%d %H:%M:%S} UTC" if confirmed else "never"
    print(  # noqa: T201
        f"{standing.items} items, {standing.documents} documents, {standing.locations} locations\n"
        f"set {standing.set}, version {standing.version}\n"
        f"the newest at {when}{'' if confirmed and confirmed.synchronised else ' (clock unsure)'}"
    )
    return 0


def _run(gateway: config.Gateway) -> int:
    from gateway.daemon import run_until_told  # noqa: PLC0415 - `check` needs none of it

    code = 0
    try:
        asyncio.run(run_until_told(gateway))
    except* (GatewayError, StoreUnusable, OSError) as errors:
        for why in dict.fromkeys(_reasons(errors)):
            logs.event(log, logging.ERROR, "the gateway ends", why=why)
        code = 1
    return code


def _reasons(errors: BaseExceptionGroup) -> Iterator[str]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _reasons(error)
        else:
            yield str(error) or type(error).__doc__ or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
