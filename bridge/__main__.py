"""`scanpost bridge`: write to the ERP, look at what was written, decide about what was not."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from bridge import commands, config, first_day, login
from bridge.errors import BridgeError, ConfigError
from bridge.web import commands as pages
from runtime import logs

log = logging.getLogger("bridge")

DEFAULT_CONFIG = Path("/etc/scanpost/bridge.toml")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 wrong configuration."""
    options = _parser().parse_args(arguments)
    if "without_config" in options:
        done: int = options.without_config(options)
        return done
    try:
        bridge = config.load(options.config)
        if options.action == "check":
            bridge.mapping.read()
            bridge.web.users()
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the answer to a person at a terminal
        return 2
    if options.action == "check":
        print(f"{options.config}: site {bridge.site}, target {bridge.target.connector}")  # noqa: T201
        return 0
    if options.action != "run":
        logs.configure("error")  # a person reads the answer instead
        if "first_day" in options:
            code: int = options.first_day(options, bridge.target)
            return code
        return commands.run(bridge, options)
    logs.configure(bridge.log.level, as_json=bridge.log.format == "json")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it announces every plugin it has
    return _run(bridge)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scanpost bridge", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")
    actions.add_parser("run", help="write to the ERP until told to stop")
    actions.add_parser("check", help="check the configuration")
    commands.add_commands(actions)
    first_day.add_commands(actions)
    login.add_commands(actions)
    pages.add_commands(actions)
    for action in actions.choices.values():
        action.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE")
    return parser


def _run(bridge: config.Config) -> int:
    from bridge.daemon import run_until_told  # noqa: PLC0415 - `check` needs none of it

    code = 0
    try:
        asyncio.run(run_until_told(bridge))
    except* (BridgeError, OSError) as errors:
        for error in errors.exceptions:
            logs.event(log, logging.ERROR, "the bridge ends", why=str(error))
        code = 2 if errors.subgroup(ConfigError) else 1
    return code


if __name__ == "__main__":
    sys.exit(main())
