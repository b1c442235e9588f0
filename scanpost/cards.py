"""`scanpost cards`: a deck to print - commands, modes, quantities, reasons, places, badges.

    $ scanpost cards --out cards.pdf
    $ scanpost cards --config /etc/scanpost/gateway.toml --locations bins.txt --out cards.html

Lists are text files with one name in each line.
"""

import argparse
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from contract.identifiers import Rules
from gateway import cards
from gateway.config import Gateway, load
from gateway.errors import ConfigError
from gateway.stations import registry as jobs

_QUANTITIES = ("2", "3", "5", "10", "20", "50", "100")
_MAX_LIST = 1_000_000  # bytes of a list


def main(arguments: list[str]) -> int:
    """Write the deck; 0 if it is there."""
    options = _parser().parse_args(arguments)
    try:
        config = load(options.config) if options.config else None
        deck = _deck(options, config)
        if len(deck) > cards.MAX_CARDS:
            raise ValueError(f"{len(deck)} cards, {cards.MAX_CARDS} go into one document")
        suffix = options.out.suffix.lower()
        if suffix not in {".pdf", ".html"}:
            raise ValueError(f"{options.out}: a deck is a .pdf or an .html")
        if suffix == ".pdf":
            content = cards.cards_pdf(deck, options.size)
        else:
            content = cards.cards_html(deck).encode()
        options.out.write_bytes(content)
    except (ConfigError, ValueError, OSError, cards.CardsUnavailable) as error:
        print(f"scanpost cards: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(deck)} cards")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scanpost cards", description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, help="of the gateway: its prefixes and jobs")
    parser.add_argument("--out", type=Path, required=True, help="a .pdf or an .html file")
    parser.add_argument("--size", choices=("a4", "card"), default="a4", help="of a PDF's pages")
    parser.add_argument("--locations", type=Path, help="a list of places")
    parser.add_argument("--badges", type=Path, help="a list of operators")
    parser.add_argument("--reasons", type=Path, help="a list of reasons")
    parser.add_argument(
        "--quantities", default=",".join(_QUANTITIES), help="such as 2,5,10; empty for none"
    )
    return parser


def _deck(options: argparse.Namespace, config: Gateway | None) -> list[cards.Card]:
    rules = config.codes if config else Rules()
    return [
        *cards.command_cards(rules),
        *cards.mode_cards(rules, _jobs(config)),
        *cards.quantity_cards(rules, _amounts(options.quantities)),
        *cards.reason_cards(rules, _names(options.reasons) or _reasons(config)),
        *cards.location_cards(rules, _names(options.locations)),
        *cards.badge_cards(rules, _names(options.badges)),
    ]


def _jobs(config: Gateway | None) -> list[str]:
    if config is None:
        return jobs.names()
    return sorted({mode.job for station in config.stations for mode in station.modes})


def _reasons(config: Gateway | None) -> list[str]:
    """Return the reasons that jobs of the configuration know."""
    found: dict[str, None] = {}
    for station in config.stations if config else ():
        for mode in station.modes:
            for table in ("reasons", "conditions"):
                found |= dict.fromkeys(getattr(mode.settings, table, ()))
    return list(found)


def _amounts(text: str) -> list[Decimal]:
    try:
        values = [Decimal(word) for word in text.split(",") if word.strip()]
    except InvalidOperation:
        raise ValueError(f"--quantities {text}: numbers, with a comma between them") from None
    if not all(value.is_finite() and value > 0 for value in values):
        raise ValueError(f"--quantities {text}: a quantity is above zero")
    return values


def _names(path: Path | None) -> list[str]:
    if path is None:
        return []
    if path.stat().st_size > _MAX_LIST:
        raise ValueError(f"{path}: a list has at most {_MAX_LIST} bytes")
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
