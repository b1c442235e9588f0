"""`scanpost bridge mapping check | show` and `test-scan`: tables and scans, without a ledger."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import UUID

from bridge.amendment import Amended
from bridge.config import Config
from bridge.connector import Call
from bridge.ledger import visit_ledger
from bridge.mapping import folder
from bridge.mapping.rules import EVENTS
from bridge.mapping.scans import Asked, made
from bridge.mapping.tables import Mapping as Tables
from bridge.mapping.trial import Trial, trial
from bridge.terms import UNTRANSLATED
from contract.envelope import plain
from contract.transactions import Transaction

Answer = tuple[int, Any]
Command = Callable[[Config, argparse.Namespace], Awaitable[Answer]]


async def _mapping(config: Config, options: argparse.Namespace) -> Answer:
    place: Path | None = options.folder or config.mapping.folder
    if place is None:
        return 1, {"error": "name a folder in [mapping] of bridge.toml, or with --folder"}
    tables = folder.read(place)
    if options.what == "check":
        return 0, {"sound": str(place), "version": tables.version} | _rows(tables)
    rules = tables.tables.rules.model_dump(mode="json", exclude_defaults=True)
    return 0, {"version": tables.version, "files": tables.files} | _rows(tables) | {"rules": rules}


def _rows(tables: Tables) -> dict[str, Any]:
    found = tables.tables
    return {
        "skus": len(found.items.by_sku),
        "gtins": len(found.items.by_gtin),
        "units": len(found.units.steps),
        "locations": len(found.locations.codes),
    }


async def _test_scan(config: Config, options: argparse.Namespace) -> Answer:
    place: Path | None = options.folder or config.mapping.folder
    tables = UNTRANSLATED if place is None else folder.read(place)
    try:
        transaction = await _asked(config, options)
    except (OSError, ValueError) as error:
        return 1, {"error": str(error)}
    tried = trial(config, tables, transaction)
    return (1 if tried.refused else 0), shown(tried)


async def _asked(config: Config, options: argparse.Namespace) -> Transaction:
    """Return the transaction that is asked for.

    Raises:
        ValueError: there is none, or it is none.
        OSError: its file cannot be read.
    """
    if options.entry is not None:
        async with visit_ledger(config.ledger.full_url) as ledger:
            number = await ledger.find(options.entry)
            story = None if number is None else await ledger.explain(number)
        if story is None:
            raise ValueError(f"there is no entry {options.entry}")
        return Amended.model_validate(story["as_changed"] or story["came"])
    return _made(options)


def _made(options: argparse.Namespace) -> Transaction:
    if options.transaction is not None:
        stdin = options.transaction == "-"
        text = sys.stdin.read() if stdin else Path(options.transaction).read_text("utf-8")
        return Transaction.model_validate_json(text)
    about = {each.name: getattr(options, each.name) for each in fields(Asked)}
    return made(Asked(**about | {"scans": tuple(options.scans)}))


def shown(tried: Trial) -> dict[str, Any]:
    """Return a trial as plain values, for a terminal or a machine: what happened, as events."""
    return {
        "tables": tried.version or "none",
        "id": str(tried.came.id),
        "station": f"{tried.came.gateway}/{tried.came.station}",
        "came": plain(tried.came)["event"],
        "mapped": plain(tried.mapped)["event"] if tried.mapped and tried.changed else None,
        "refused": None
        if tried.refused is None
        else {"by": tried.by, "code": tried.refused.code, "why": tried.refused.text},
        "calls": [_call(call) for call in tried.calls],
        "note": tried.note or None,
    }


def _call(call: Call) -> dict[str, Any]:
    return {
        "what": call.what,
        "call": f"{call.method} {call.target}",
        "headers": dict(call.headers),
        "body": call.body,
    }


def _what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["check", "show"])
    _folder(parser)


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="other tables than those of bridge.toml")


def _scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scans", nargs="*", metavar="LABEL", help="as a scanner sends it")
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument("--entry", help="of the ledger instead: its number or id")
    whole.add_argument("--transaction", metavar="FILE", help="as JSON instead; - for stdin")
    parser.add_argument("--type", default="receipt", choices=sorted(EVENTS))
    parser.add_argument("--sku")
    parser.add_argument("--gtin", help="14 digits")
    parser.add_argument("--quantity")
    parser.add_argument("--unit", help="such as EA or KGM")
    parser.add_argument("--lot")
    parser.add_argument("--serial")
    parser.add_argument("--document", metavar="[KIND:]NUMBER", help="such as po:4711")
    parser.add_argument("--from", dest="from_location", metavar="PLACE")
    parser.add_argument("--to", dest="to_location", metavar="PLACE")
    parser.add_argument("--location", metavar="PLACE", help="of a count or an adjustment")
    parser.add_argument("--reason")
    parser.add_argument("--weight", metavar="KG")
    parser.add_argument("--direction", default="increase", choices=["increase", "decrease"])
    parser.add_argument("--reverses", type=UUID, metavar="ID")
    parser.add_argument("--gateway", default="desk", metavar="NAME")
    parser.add_argument("--station", default="desk", metavar="NAME")
    _folder(parser)


COMMANDS: Mapping[
    str, tuple[str, tuple[Callable[[argparse.ArgumentParser], None], ...], Command]
] = {
    "mapping": ("the mapping tables: check them, show them", (_what,), _mapping),
    "test-scan": (
        "what a scan becomes, and the exact calls; nothing is sent",
        (_scan,),
        _test_scan,
    ),
}
"""Name, words, arguments and what to do; as `bridge.commands` has its own."""
