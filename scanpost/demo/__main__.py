"""`scanpost demo`: the whole main job on virtual devices, with a page to play with."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import tomllib
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path

from scanpost.demo.processes import NotUp
from scanpost.demo.session import play
from scanpost.demo.stack import running


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit code: 0 well, 1 something was lost or did not start."""
    parser = argparse.ArgumentParser(prog="scanpost demo", description=__doc__)
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="end after N seconds")
    parser.add_argument(
        "--headless",
        action="store_true",
        help="no page: a scripted session in which everything is killed once",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as a JSON object")
    parser.add_argument("--listen", default="127.0.0.1:8470", help="where the page is served")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep stores, ledger, books and logs there"
    )
    parser.add_argument(
        "--target",
        type=_target,
        metavar="FILE",
        help="write to the ERP of this [target] table, a TOML file, and not to books of the demo's",
    )
    options = parser.parse_args(arguments)
    if options.target is not None and options.headless:
        parser.error("--headless audits the demo's own books: it goes without --target")
    code = 1
    with contextlib.ExitStack() as cleaning:
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            folder = options.keep.resolve()
        else:
            folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="scanpost-")))
        try:
            code = asyncio.run(_until_told(_demo(folder, options)))
        except* NotUp as errors:
            _say(str(errors.exceptions[0]))
        except* OSError as errors:
            _say(f"{errors.exceptions[0]}; choose another port with --listen")
    return code


async def _demo(folder: Path, options: argparse.Namespace) -> int:
    _say("starting broker, gateway, bridge and virtual devices ...")
    every_job = not options.headless and options.target is None
    async with running(folder, options.target, every_job=every_job) as stack:
        _say(f"broker: {stack.broker_kind}")
        if not options.headless:
            from scanpost.demo.page import show  # noqa: PLC0415 - the session needs no page

            await show(stack, options.listen, options.seconds, _say)
            return 0
        report = await play(stack, options.seconds or 30.0, _say)
    for note in report.notes:
        _say(note)
    result = {name: value for name, value in asdict(report).items() if name != "notes"}
    if options.json:
        print(json.dumps(result), flush=True)
    else:
        print("  ".join(f"{name} {value}" for name, value in result.items()), flush=True)
    wrong = report.lost or report.duplicated or report.order_violations
    return 1 if wrong or report.booked != report.ok else 0


async def _until_told(work: Coroutine[None, None, int]) -> int:
    """Run `work`; SIGTERM and Ctrl-C end it in good order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 0


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 24 * 3600:
        raise argparse.ArgumentTypeError("from 1 to 86400 seconds")
    return seconds


def _target(file: str) -> str:
    """Return the text of a file that holds a `[target]` table and nothing else."""
    try:
        text = Path(file).read_text("utf-8")
        tables = list(tomllib.loads(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{file}: {error}") from error
    if tables != ["target"]:
        raise argparse.ArgumentTypeError(f"{file}: needs a [target] table and nothing else")
    return text


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
