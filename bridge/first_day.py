"""The first day with a new target: look, say, and try it twice, before anything is booked for real.

- `probe` reads only: can the target be reached, with this key, and does it have what is configured?
- `dry_run` sends nothing: the calls a transaction would become.
- `self_test` writes: it sends one transaction twice, as if the first answer had been lost, and a
  second time as if nothing had been; both must come to the same document. For a sandbox only.

All three work on any connector, by the protocol of `bridge.connector`. `add_commands` brings them
to the command line.
"""

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge import registry, wire
from bridge.connector import Call
from bridge.errors import BridgeError
from bridge.http import Stopped
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Pick,
    Putaway,
    Receipt,
    Return,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Clock, Document, Item, Line, Quantity

WITHIN = 120.0
"""Seconds for each step: longer than any connector waits for one answer."""
SHOWN = 5
"""Records of each kind that a probe shows."""
FAR = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found."""

    good: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'} {self.text}"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample transaction is about: things the target must know."""

    sku: str | None = None
    gtin: str | None = None
    document: str | None = None
    quantity: str = "1"
    unit: str = "EA"
    lot: str | None = None
    from_location: str = "A-01"
    to_location: str = "B-01"
    tracking: str = "SCANPOST-SELF-TEST"


def sample(kind: str, about: Sample) -> Transaction:
    """Return a transaction of that type with a fresh id.

    Raises:
        ValueError: there is no sample of that type, or `about` does not fit.
    """
    sku = about.sku if about.sku or about.gtin else "SAMPLE"
    line = Line(
        item=Item(sku=sku, gtin=about.gtin),
        quantity=Quantity.model_validate({"value": about.quantity, "unit": about.unit}),
        lot=about.lot,
    )
    make = _SAMPLES.get(kind)
    if make is None:
        raise ValueError(f"no sample of type {kind!r}; there are {', '.join(sorted(_SAMPLES))}")
    now = datetime.now(UTC)
    return Transaction(
        id=uuid.uuid4(),
        gateway="first-day",
        epoch=uuid.uuid4(),
        seq=1,
        station="first-day",
        clock=Clock(wall=now, boot=uuid.uuid4(), monotonic="1", synchronised=True),
        event=make((line,), about),
    )


def _named(kind: str, about: Sample) -> tuple[Document, ...]:
    if about.document is None:
        return ()
    return (Document.model_validate({"kind": kind, "number": about.document}),)


_Lines = tuple[Line, ...]
_SAMPLES: dict[str, Callable[[_Lines, Sample], Event]] = {
    "receipt": lambda lines, about: Receipt(
        lines=lines, documents=_named("po", about), to_location=about.to_location
    ),
    "return": lambda lines, about: Return(
        lines=lines, documents=_named("rma", about), to_location=about.to_location
    ),
    "putaway": lambda lines, about: Putaway(
        lines=lines, from_location=about.from_location, to_location=about.to_location
    ),
    "transfer": lambda lines, about: Transfer(
        lines=lines,
        documents=_named("transfer", about),
        from_location=about.from_location,
        to_location=about.to_location,
    ),
    "pick": lambda lines, about: Pick(
        lines=lines, documents=_named("so", about), from_location=about.from_location
    ),
    "pack": lambda lines, about: Pack(lines=lines, documents=_named("so", about)),
    "shipment": lambda lines, about: Shipment(
        lines=lines,
        documents=_named("so", about),
        packages=(Package(tracking=about.tracking),),
        from_location=about.from_location,
    ),
    "count": lambda lines, about: Count(lines=lines, location=about.to_location),
    "adjustment": lambda lines, about: Adjustment(
        lines=lines, location=about.to_location, direction="increase", reason="self-test"
    ),
    "assembly": lambda lines, about: Assembly(
        produced=lines, consumed=lines, documents=_named("prodorder", about)
    ),
}


async def probe(name: str, config: Any) -> list[Finding]:
    """Look at a target without changing anything.

    Args:
        name: of the connector.
        config: its own table, checked.
    """
    module = registry.load(name)
    can = module.CAPABILITIES
    found = [Finding(True, f"{name}: evidence {can.evidence}, once by {can.key}")]
    try:
        async with asyncio.timeout(WITHIN):
            asked = getattr(module, "probe", None)
            if asked is not None:
                found += [Finding(True, text) for text in await asked(config)]
            reading = registry.source(module, config)
            if reading is not None:
                async with reading as source:
                    for kind in sorted(can.reads):
                        rows = source.booked(FAR) if kind == "booked" else getattr(source, kind)()
                        found.append(Finding(True, await _some(kind, rows)))
            if asked is None and reading is None:
                async with module.connect(config):
                    text = "it opens; it offers nothing to read, so the rest shows with the first"
                    found.append(Finding(True, f"{text} transaction"))
    except Stopped as stopped:
        found.append(Finding(False, _why(stopped.outcome)))
    except TimeoutError:
        found.append(Finding(False, f"no answer within {WITHIN:g} s"))
    except (BridgeError, OSError) as error:
        found.append(Finding(False, f"{type(error).__name__}: {error}"))
    return found


async def _some(kind: str, rows: AsyncIterator[Any]) -> str:
    names: list[str] = []
    async with aclosing(rows) as each:  # type: ignore[type-var]
        async for row in each:
            names.append(str(getattr(row, "key", None) or getattr(row, "sku", row)))
            if len(names) > SHOWN:
                break
    more = " ..." if len(names) > SHOWN else ""
    return f"{kind}: {', '.join(names[:SHOWN]) or 'none'}{more}"


def dry_run(name: str, config: Any, transaction: Transaction) -> list[Call] | Outcome:
    """Return the calls `transaction` would become, or what comes of it without any. Pure."""
    module = registry.load(name)
    planned = module.document(transaction, config)
    if isinstance(planned, Posted | Refused | TryLater | Unknown):
        return planned
    calls = registry.planned(module, transaction, config)
    if calls is None:
        return [Call(f"what {name} is to book", "PLAN", name, repr(planned))]
    return calls


async def self_test(name: str, config: Any, transaction: Transaction) -> list[Finding]:
    """Send one transaction three times, and see that it comes to one document. It writes.

    That there was one effect only is shown by the target itself where the connector reads what is
    booked; else by its giving the same document each time, and a person looks at the stock.
    """
    module = registry.load(name)
    # A day back: the transaction was made before this, and the target's clock is its own.
    began = datetime.now(UTC) - timedelta(days=1)
    try:
        async with asyncio.timeout(3 * WITHIN), module.connect(config) as connector:
            outcomes = [await connector.deliver(transaction, again=again) for again in _TIMES]
    except TimeoutError:
        return [Finding(False, f"no answer within {3 * WITHIN:g} s")]
    except (BridgeError, OSError) as error:
        return [Finding(False, f"{type(error).__name__}: {error}")]
    found = [
        Finding(isinstance(outcome, Posted), f"sent{' again' if again else ''}: {_why(outcome)}")
        for outcome, again in zip(outcomes, _TIMES, strict=True)
    ]
    if all(each.good for each in found):
        same = len(set(outcomes)) == 1
        found.append(Finding(same, "each time the same document" if same else "not the same"))
        found += await _effects(module, config, transaction, began)
    return found


_TIMES = (False, True, True)


async def _effects(
    module: registry.ConnectorModule, config: Any, transaction: Transaction, since: datetime
) -> list[Finding]:
    reading = registry.source(module, config)
    if reading is None or "booked" not in module.CAPABILITIES.reads:
        return [Finding(True, "it cannot read what is booked: look that the stock moved once")]
    name = str(transaction.id)
    try:
        async with asyncio.timeout(WITHIN), reading as source:
            there = [each async for each in source.booked(since) if each.reference == name]
    except (BridgeError, OSError, TimeoutError) as error:
        return [Finding(False, f"what is booked cannot be read: {error}")]
    return [Finding(len(there) == 1, f"the target shows it {len(there)} times")]


def _why(outcome: Outcome) -> str:
    match outcome:
        case Posted(document=document):
            return f"posted {document}".strip()
        case Refused(code=code, text=text):
            return f"refused, {code}: {text}"
        case TryLater(why=why):
            return f"try later: {why}"
        case Unknown(why=why):
            return f"unknown: {why}"


# --- At the command line ---


def add_commands(actions: Any) -> None:
    """Add `probe`, `dry-run` and `self-test` to a parser's sub-commands.

    Each sets `first_day` to what is to be called: `options.first_day(options, target) -> int`, with
    the connector's own table as `target` (`bridge.config.Config.target`).

    Args:
        actions: what `ArgumentParser.add_subparsers` returned.
    """
    looking = actions.add_parser("probe", help="look at the target, changing nothing")
    looking.set_defaults(first_day=_probe)
    saying = actions.add_parser("dry-run", help="print the calls a transaction would become")
    saying.add_argument(
        "transaction", nargs="?", help="file with a transaction as JSON, - for stdin"
    )
    _about(saying)
    saying.set_defaults(first_day=_dry_run)
    trying = actions.add_parser("self-test", help="send one transaction three times to a sandbox")
    trying.add_argument("--sandbox", action="store_true", help="yes, this target is a sandbox")
    _about(trying)
    trying.set_defaults(first_day=_self_test)
    for each in (looking, saying, trying):
        each.add_argument("--json", action="store_true", help="one JSON value")


def _about(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", default="receipt", choices=sorted(_SAMPLES), help="of a sample")
    parser.add_argument("--sku", help="an item the target knows")
    parser.add_argument("--gtin", help="or its GTIN, 14 digits")
    parser.add_argument("--document", help="an order the target knows")
    parser.add_argument("--quantity", default="1")
    parser.add_argument("--unit", default="EA")
    parser.add_argument("--lot")
    parser.add_argument("--from", dest="from_location", default="A-01", help="a location")
    parser.add_argument("--to", dest="to_location", default="B-01", help="a location")


def _asked(options: argparse.Namespace) -> Transaction:
    path = getattr(options, "transaction", None)
    if path is not None:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
        return Transaction.model_validate_json(text)
    about = {name: getattr(options, name) for name in Sample.__slots__ if name != "tracking"}
    return sample(options.type, replace(Sample(**about), tracking=f"SCANPOST-{uuid.uuid4()}"))


def _probe(options: argparse.Namespace, target: Any) -> int:
    return _tell(asyncio.run(probe(target.connector, target)), as_json=options.json)


def _dry_run(options: argparse.Namespace, target: Any) -> int:
    try:
        found = dry_run(target.connector, target, _asked(options))
    except (OSError, ValueError) as error:
        return _tell([Finding(False, str(error))], as_json=options.json)
    if not isinstance(found, list):
        good = isinstance(found, Posted)
        return _tell([Finding(good, _why(found))], as_json=options.json)
    if options.json:
        _print(json.dumps([_plain(call) for call in found], ensure_ascii=False))
        return 0
    for call in found:
        _print(f"# {call.what}", f"{call.method} {call.target}")
        _print(*(f"{name}: {value}" for name, value in call.headers.items()), call.body, "")
    return 0


def _plain(call: Call) -> dict[str, Any]:
    return {
        "what": call.what,
        "method": call.method,
        "target": call.target,
        "headers": call.headers,
        "body": call.body,
    }


def _self_test(options: argparse.Namespace, target: Any) -> int:
    if not options.sandbox:
        text = "this writes into the target: say --sandbox if it is one"
        return _tell([Finding(False, text)], as_json=options.json)
    try:
        asked = _asked(options)
    except (OSError, ValueError) as error:
        return _tell([Finding(False, str(error))], as_json=options.json)
    with wire.recording() as notes:
        found = asyncio.run(self_test(target.connector, target, asked))
    if not options.json:
        for note in notes:
            _print(f"--- {note.way}", note.text)
    return _tell(found, as_json=options.json)


def _tell(found: Sequence[Finding], *, as_json: bool) -> int:
    if as_json:
        _print(json.dumps([{"good": each.good, "text": each.text} for each in found]))
    else:
        _print(*map(str, found))
    return 0 if all(each.good for each in found) else 1


def _print(*texts: str) -> None:
    lines: Iterable[str] = (f"{text}\n" for text in texts)
    sys.stdout.write("".join(lines))
