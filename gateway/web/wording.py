"""Puts what a station says into the language of whoever looks at its screen."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from contract.transactions import Event, event_adapter
from gateway.bench import Bench, label
from gateway.health import Alert
from gateway.languages import ENGLISH, catalogue
from gateway.phrases import Phrase, say, translate
from gateway.shut import Refusal
from gateway.signals import Told
from gateway.stations.job import Progress
from gateway.whereabouts import Whereabout

Catalogue = Mapping[str, str]

# What a person at a station is told of an alert; whoever mends it reads the whole text elsewhere.
_ALERTS = {
    "store-unusable": say("The store cannot be used"),
    "store-damaged": say("The store was damaged"),
    "stream-ended": say("This store may be a copy"),
    "stream-conflict": say("This store may be a copy"),
    "broker-refused": say("The broker refuses this gateway"),
    "session-taken-over": say("Two gateways have one name"),
    "bridge-absent": say("Nobody books at the moment"),
    "backlog-old": say("Scans wait to be booked"),
    "device": say("A device does not work"),
    "device-unsteady": say("A device comes and goes"),
    "clock": say("The clock is not synchronised"),
    "reference-stale": say("The list of orders is old"),
    "reference-trouble": say("The list of orders cannot be renewed"),
    "disk-low": say("The disk is almost full"),
    "disk-full": say("The disk is full: soon no scan can be saved"),
    "disk-soon": say("The disk will be full soon"),
}


def language_of(asked: str | None, bench: Bench | Refusal | None) -> str:
    """Return the language to speak: the one asked for, or the station's own."""
    return asked or (bench.station.language if bench else ENGLISH)


def told(each: Told, words: Catalogue) -> dict[str, Any]:
    """Return one signal as JSON shows it."""
    return {
        "number": each.number,
        "station": each.station,
        "kind": each.signal.kind,
        "text": _said(each.signal.text, words),
        "todo": _said(each.signal.todo, words),
        "device": each.device,
        "said": each.text,
        "booked": [
            {
                "seq": booked.seq,
                "id": str(booked.id),
                "label": translate(label(booked.event), words),
            }
            for booked in each.booked
        ],
    }


def station(bench: Bench, latched: Told | None, asked: str | None) -> dict[str, Any]:
    """Return what the screen of a station shows, in `asked` or in its own language."""
    words = catalogue(language_of(asked, bench))
    view = bench.view
    return {
        "station": bench.station.name,
        "job": bench.session.job,
        "job_name": translate(bench.session.job.replace("_", " "), words),
        "operator": bench.session.operator,
        "headline": _said(view.headline, words),
        "question": _said(view.question, words),
        "facts": [[_said(name, words), _said(value, words)] for name, value in view.facts],
        "document": _said(view.document, words),
        "lines": [_line(line, words) for line in view.lines],
        "latched": told(latched, words) if latched else None,
        "live_weight": live_weight(bench),
    }


def _line(line: Progress, words: Catalogue) -> dict[str, str]:
    return {
        "label": _said(line.label, words),
        "done": _said(line.done, words),
        "expected": _said(line.expected, words),
        "note": _said(line.note, words),
        "state": line.state,
    }


def _said(text: str, words: Catalogue) -> str:
    """Translate what we say; what a label or a document says stays as it is."""
    return translate(text, words) if isinstance(text, Phrase) else text


def live_weight(bench: Bench | Refusal) -> dict[str, Any] | None:
    """Return the scale's last word; None where it has said nothing yet."""
    live = bench.live
    if live is None:
        return None
    return {
        "value": None if live.value is None else str(live.value),
        "unit": live.unit,
        "stable": live.stable,
        "range": live.range,
    }


def alert(each: Alert, words: Catalogue) -> dict[str, str | None]:
    """Return an alert, with a `short` form for whoever works at the station."""
    short = _ALERTS.get(each.code)
    return {**asdict(each), "short": translate(short, words) if short else each.text}


def row(found: Whereabout, words: Catalogue) -> dict[str, Any]:
    """Return one transaction and how far it has come, with a few words on what it is."""
    plain = asdict(found)
    plain["label"] = _label(found, words)
    return plain


def _label(found: Whereabout, words: Catalogue) -> str:
    try:
        event: Event = event_adapter.validate_python((found.transaction or {}).get("event"))
    except ValidationError:
        return f"{found.seq}"  # no longer kept, or of another version
    return translate(label(event), words)
