"""What a person asks and decides at a terminal: `scanpost bridge status`, `retry`, `go-live` ...

Every command works on the ledger itself, beside a running bridge, and ends; the bridge notices
within a second. `--json` gives machines what people read.
"""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

from bridge import desk
from bridge.config import Config
from bridge.dead_letters import WORDS
from bridge.decisions import Which
from bridge.errors import BridgeError, NotDone
from bridge.ledger import Ledger, visit_ledger
from bridge.mapping import commands as mapping
from bridge.modes import ANY, Mode, Modes, Scope
from bridge.reading import Queue
from bridge.reconciliation import commands as reconciliation
from bridge.reference.copy import open_copy
from contract.envelope import Reason

_SAY_WHICH = {"error": "say which: numbers, --id, --code, --station ..."}

Answer = Any
_Command = Callable[[Ledger, Config, argparse.Namespace], Awaitable[tuple[int, Answer]]]


def add_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add every command to the parser of `scanpost bridge`."""
    for name, (words, arguments, command) in {
        **_COMMANDS,
        **reconciliation.COMMANDS,
        **mapping.COMMANDS,
    }.items():
        parser = actions.add_parser(name, help=words, description=words)
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.set_defaults(command=command)
        for argument in arguments:
            argument(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Run one command and print its answer; the exit code is 0 done, 1 not done."""
    try:
        code, answer = asyncio.run(_run(config, options))
    except BridgeError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the answer to a person at a terminal
        return 1
    print(_as_json(answer) if options.json else _as_text(answer))  # noqa: T201
    return code


async def _run(config: Config, options: argparse.Namespace) -> tuple[int, Answer]:
    if options.action in mapping.COMMANDS:
        return await mapping.COMMANDS[options.action][2](config, options)
    async with visit_ledger(config.ledger.full_url) as ledger:
        command: _Command = options.command
        return await command(ledger, config, options)


async def _status(
    ledger: Ledger, config: Config, _options: argparse.Namespace
) -> tuple[int, Answer]:
    now = await desk.state(ledger, config)
    return 0, {
        "target": now.target,
        "modes": {"everything": now.modes.default} | _rules(now.modes),
        "standing": asdict(now.standing),
        "in line": [_line(queue) for queue in now.queues],
        "calls today": now.calls_today,
        "of these readings": now.readings_today,
        "daily budget": now.per_day,
    }


async def _dead_letters(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    found = await ledger.dead_letters(_which(options), options.limit)
    return 0, [
        {name: row[name] for name in ("number", "id", "gateway", "station", "type", "code", "text")}
        | {"received": row["received_at"], "actions": row["actions"]}
        for row in found
    ]


async def _retry(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    return _done("retried", await ledger.retry(_which(options), options.who, options.why))


async def _discard(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    which = _which(options)
    if which == Which(numbers=[]):
        return 1, _SAY_WHICH
    return _done("discarded", await ledger.discard(which, options.who, options.why))


async def _replay(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    which = _which(options)
    if which == Which(numbers=[]):
        return 1, _SAY_WHICH
    return _done("looked up again", await ledger.replay(which, options.who, options.why))


async def _amend(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    number = await ledger.find(options.entry)
    if number is None:
        return 1, {"error": f"there is no entry {options.entry}"}
    changes = {
        "documents": dict(options.document),
        "skus": dict(options.sku),
        "accepts": options.accept,
        "kind": options.kind,
    }
    try:
        done = await desk.amend(ledger, number, changes, options.who, options.why)
    except NotDone as error:
        return 1, {"error": str(error)}
    return _done("amended and retried", [number] if done else [])


async def _explain(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    number = await ledger.find(options.entry)
    story = None if number is None else await ledger.explain(number)
    if story is None:
        return 1, {"error": f"there is no entry {options.entry}"}
    return 0, story


async def _streams(
    ledger: Ledger, _config: Config, _options: argparse.Namespace
) -> tuple[int, Answer]:
    return 0, [
        asdict(each)
        | {
            "missing": each.missing,
            "to do": "compare the two gateways, then: forgive"
            if each.conflict is not None
            else "let the gateway send; where its store is gone: close-gap",
        }
        for each in await ledger.standstills()
    ]


async def _forgive(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    if await ledger.forgive(options.of_gateway, options.epoch, options.who, options.why):
        return 0, {"goes on": options.of_gateway}
    return 1, {"error": "there is no such stream in conflict; see: scanpost bridge streams"}


async def _close_gap(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    done = await ledger.close_gap(options.of_gateway, options.epoch, options.who, options.why)
    if done is None:
        return 1, {"error": "no row of that stream waits for others; see: scanpost bridge streams"}
    return 0, {"given up": f"{done.first} to {done.last}", "still missing": done.left}


async def _go_live(
    ledger: Ledger, config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    scope = _scope(options)
    try:
        done = await desk.go_live(ledger, config, scope, options.queued, options.who, options.why)
    except NotDone as error:
        if config.unproven is not None:
            return 1, {"error": str(error)}
        waits = await desk.waiting(ledger, config, scope)
        return 1, {
            "error": f"{error}: --queued post, or --queued discard",
            "in line": [_line(queue) for queue in waits],
        }
    return 0, _switched(done) | {"discarded": done.discarded}


async def _rollback(
    ledger: Ledger, config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    scope = _scope(options)
    return 0, _switched(
        await desk.roll_back(ledger, config, scope, options.to, options.who, options.why)
    )


async def _note(ledger: Ledger, config: Config, options: argparse.Namespace) -> tuple[int, Answer]:
    scope = _scope(options)
    return 0, _switched(await desk.note_only(ledger, config, scope, options.who, options.why))


def _switched(done: desk.Switched) -> dict[str, Any]:
    """Return what stands where after a change of mode."""
    others = {key: mode for key, mode in _rules(done.modes).items() if key != str(done.scope)}
    return {
        "set": f"{done.scope}: {done.to}",
        "other modes": others,
        "will be sent": done.will_be_sent,
        "will be closed": done.will_be_closed,
        "remains queued": done.remains,
        "of these perhaps booked": done.unclear,
        "in line": [_line(queue) for queue in done.queues],
    }


def _rules(modes: Modes) -> dict[str, Mode]:
    return {str(key): mode for key, mode in modes.rules.items()}


async def _shadow_report(
    ledger: Ledger, config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    return 0, await desk.shadow_report(ledger, config, options.days, calls=options.calls)


async def _audit(
    ledger: Ledger, _config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    if options.what == "show":
        return 0, await ledger.audit_trail(options.limit)
    verdict = await ledger.verify(options.head)
    answer = {"whole": verdict.whole, "rows": verdict.rows, "head": verdict.head}
    if verdict.whole:
        return 0, answer
    return 1, answer | {"broken at": verdict.broken, "why": verdict.why}


def _done(what: str, numbers: Sequence[int]) -> tuple[int, Answer]:
    return (0 if numbers else 1), {what: len(numbers), "numbers": list(numbers)}


def _line(queue: Queue) -> dict[str, Any]:
    return asdict(queue)


def _scope(options: argparse.Namespace) -> Scope:
    return Scope(options.gateway or ANY, options.station or ANY, options.type or ANY)


async def _reference(
    _ledger: Ledger, config: Config, options: argparse.Namespace
) -> tuple[int, Answer]:
    if config.reference.source == "off":
        return 1, {"error": "reference data is off: see [reference] in bridge.toml"}
    async with open_copy(config.ledger.full_url) as copy:
        if options.now:
            await copy.want()
        state = await copy.state()
        return 0, {
            "source": config.reference.source,
            "read": state.read_at,
            "set": state.set,
            "version": state.version,
            "records": await copy.counts(),
            "left out": list(state.problems),
            "gateways": sorted(await copy.gateways()),
        }


def _which(options: argparse.Namespace) -> Which:
    return Which(
        numbers=options.numbers,
        id=options.id,
        code=options.code,
        gateway=options.gateway,
        station=options.station,
        type=options.type,
        since=options.since,
    )


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not new:
        raise argparse.ArgumentTypeError("write OLD=NEW")
    return old, new


def _places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gateway", metavar="NAME")
    parser.add_argument("--station", metavar="NAME")
    parser.add_argument("--type", metavar="TYPE", help="of transaction: receipt, pick ...")


def _entries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("numbers", nargs="*", type=int, help="of entries; all that fit without")
    parser.add_argument("--id", type=UUID, help="of a transaction")
    parser.add_argument("--code", choices=get_args(Reason), help="the reason")
    parser.add_argument("--since", type=_time, metavar="TIME", help="received then or later")
    _places(parser)


def _entry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entry", help="its number, the transaction's id, or the ERP's document")


def _by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--who", default=getpass.getuser(), help="who decides; you without it")
    parser.add_argument("--why", default="", help="kept in the audit trail")


def _by_with_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--who", default=getpass.getuser(), help="who decides; you without it")
    parser.add_argument("--why", required=True, help="kept in the audit trail")


def _stream(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("of_gateway", metavar="gateway", help="as `streams` names it")
    parser.add_argument("epoch", type=UUID, help="as `streams` names it")


def _some(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=100, metavar="N")


def _changes(parser: argparse.ArgumentParser) -> None:
    pair: dict[str, Any] = {"action": "append", "default": [], "type": _pair, "metavar": "OLD=NEW"}
    parser.add_argument("--document", **pair, help="another number; =NEW adds one")
    parser.add_argument("--sku", **pair, help="a SKU or GTIN as it came, and the SKU it is")
    parser.add_argument(
        "--accept", action="append", default=[], choices=get_args(Reason), help="a warning"
    )
    parser.add_argument("--kind", help="of a document that is added: po, so ...")


def _queued(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--queued", choices=["post", "discard"], help="what becomes of entries that wait"
    )


def _to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", choices=["shadow", "off"], default="shadow")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calls", action="store_true", help="with the calls that would be made")
    parser.add_argument(
        "--days", type=int, default=desk.SHADOW_DAYS, help="of the ERP that are read"
    )


def _now(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--now", action="store_true", help="let the bridge read it again")


def _trail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["verify", "show"])
    parser.add_argument("--head", help="a head that an earlier verify printed; it must be there")
    _some(parser)


_COMMANDS: Mapping[
    str, tuple[str, tuple[Callable[[argparse.ArgumentParser], None], ...], _Command]
] = {
    "status": ("what is in line, in which mode", (), _status),
    "dead-letters": (
        "what waits for a person, and what can be done",
        (_entries, _some),
        _dead_letters,
    ),
    "retry": ("send dead letters again as they are", (_entries, _by), _retry),
    "amend": (
        "put right what a dead letter refers to, and send it",
        (_entry, _changes, _by_with_reason),
        _amend,
    ),
    "discard": ("leave entries out of the ERP for good", (_entries, _by_with_reason), _discard),
    "replay": (
        "look posted entries up in the ERP again, book what is missing",
        (_entries, _by_with_reason),
        _replay,
    ),
    "explain": ("the whole story of one entry", (_entry,), _explain),
    "streams": ("gateways whose rows do not go on by themselves", (), _streams),
    "forgive": (
        "take a stream up again that came with two contents; what is booked stands",
        (_stream, _by_with_reason),
        _forgive,
    ),
    "close-gap": (
        "give up rows that will never come, and go on with those behind them",
        (_stream, _by_with_reason),
        _close_gap,
    ),
    "go-live": ("send from now on", (_places, _queued, _by), _go_live),
    "note": ("it needs no posting there: close it, and what comes", (_places, _by), _note),
    "rollback": ("send nothing from now on; it stays in line", (_places, _to, _by), _rollback),
    "shadow-report": ("what would be sent, held against the ERP", (_report,), _shadow_report),
    "audit": ("the trail of decisions", (_trail,), _audit),
    "reference": ("what stations may know, and how old it is", (_now,), _reference),
}


def _as_json(answer: Answer) -> str:
    return json.dumps(answer, default=_plain, ensure_ascii=False)


def _as_text(answer: Answer) -> str:
    if isinstance(answer, list) and not answer:
        return "none"
    lines = list(_lines(answer, ""))
    hints = (
        sorted({action for row in answer for action in row.get("actions", ())})
        if (isinstance(answer, list))
        else []
    )
    lines += [f"{action}: {WORDS[action]}" for action in hints]
    return "\n".join(lines)


def _lines(value: Any, indent: str) -> list[str]:
    """Return nested plain values as indented lines."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for name, part in value.items():
            if isinstance(part, Mapping | list | tuple) and part:
                lines += [f"{indent}{name}:", *_lines(part, indent + "  ")]
            else:
                lines += _item(f"{indent}{name}: ", part)
        return lines
    for part in value:
        if isinstance(part, Mapping):
            first, *rest = _lines(part, indent + "  ") or [indent + "  -"]
            lines += [f"{indent}- {first.lstrip()}", *rest]
        else:
            lines += _item(f"{indent}- ", part)
    return lines


def _item(head: str, value: Any) -> list[str]:
    first, *rest = str("" if value is None or value in ([], {}, ()) else value).split("\n")
    return [head + first, *(" " * len(head) + line for line in rest)]


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
