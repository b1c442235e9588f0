"""`scanpost bridge reconcile`: a round now, what is open, or a finding closed with a reason."""

import argparse
import getpass
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from bridge.allowance import Allowance
from bridge.config import Config
from bridge.ledger import Ledger
from bridge.reconciliation.findings import Finding, Reconciled, close, latest
from bridge.reconciliation.kpis import kpis
from bridge.reconciliation.opening import target_of
from bridge.reconciliation.rounds import reconcile
from runtime.clock import Clock

Answer = tuple[int, Any]
Command = Callable[[Ledger, Config, argparse.Namespace], Awaitable[Answer]]


async def _reconcile(ledger: Ledger, config: Config, options: argparse.Namespace) -> Answer:
    if options.close is not None:
        if not options.why.strip():
            return 1, {"error": "say --why it is right as it is"}
        done = await close(ledger, options.close, options.who, options.why)
        if not done:
            return 1, {"error": f"there is no open finding {options.close}"}
        return 0, {"closed": options.close}
    if options.latest:
        now = await latest(ledger)
        return 0, _shown(now)
    allowance = Allowance(ledger, config.target.connector, config.limits, Clock())
    target = target_of(config, allowance.counted(config.source, asked=True))
    if not {"booked", "stock"} & target.can.reads:
        return 1, {"error": f"{target.name} does not say what is booked, nor what is in stock"}
    now = await reconcile(ledger, target, config.reconciliation, Clock())
    return (1 if now.open or now.errors else 0), _shown(now)


def _shown(now: Reconciled) -> dict[str, Any]:
    said: dict[str, Any] = {"open": now.open, "findings": [_finding(each) for each in now.findings]}
    if now.run is not None:
        said["round"] = asdict(now.run)
    if now.closed:
        said["closed last"] = [
            {"number": each.number, "text": each.text, "closed": each.closed_at}
            | {"by": each.closed_by or "itself", "why": each.why or ""}
            for each in now.closed
        ]
    return said


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "number": finding.number,
        "kind": finding.kind,
        "text": finding.text,
        "id or stock": finding.subject,
        "entry": finding.entry,
        "documents": list(finding.documents),
        "opened": finding.opened_at,
        "seen": finding.last_seen,
        "plan": [
            step.words if step.command is None else f"{step.words} {step.command}"
            for step in finding.plan
        ],
    }


async def _kpis(ledger: Ledger, _config: Config, options: argparse.Namespace) -> Answer:
    figures = await kpis(ledger, Clock().utc() - timedelta(hours=options.hours))
    return 0, {
        "since": figures.since,
        "until": figures.until,
        "figures": [asdict(each) for each in figures],
    }


def _options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--latest", action="store_true", help="what is open, without a new round")
    what.add_argument(
        "--close", type=int, metavar="NUMBER", help="a finding that is right as it is"
    )
    parser.add_argument("--who", default=getpass.getuser(), help="who decides; you without it")
    parser.add_argument("--why", default="", help="kept in the audit trail; needed for --close")


def _window(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", type=float, default=24.0, help="of the window, back from now")


COMMANDS: Mapping[
    str, tuple[str, tuple[Callable[[argparse.ArgumentParser], None], ...], Command]
] = {
    "reconcile": ("hold the ledger against the ERP now", (_options,), _reconcile),
    "kpis": ("how well, how fast, how much waits", (_window,), _kpis),
}
