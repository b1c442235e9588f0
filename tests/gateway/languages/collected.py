"""Everything the product says to people at a station: what a catalogue must have, and no more."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from contract.transactions import Event
from gateway.stations import registry

GATEWAY = Path(__file__).resolve().parents[3] / "gateway"
PAGES = ("station.html", "bench.html")
COMPUTED = {"event.type", "job.replace('_', ' ')"}
"""What is said of a word that is no literal: names of transaction types and of jobs."""
_PAGE_WORD = re.compile(r"""\bt\("((?:[^"\\]|\\.)*)\"""")


def templates() -> set[str]:
    """Return every English template a catalogue must translate."""
    return {*_literals(), *_kinds(), *_jobs(), *_pages()}


def computed() -> set[str]:
    """Return what `say` is called with that is no literal."""
    return {ast.unparse(said) for said in _said() if not isinstance(said, ast.Constant)}


def _said() -> Iterator[ast.expr]:
    for path in sorted(GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "say":
                yield node.args[0]


def _literals() -> set[str]:
    return {said.value for said in _said() if isinstance(said, ast.Constant)}  # type: ignore[misc]


def _kinds() -> set[str]:
    union = get_args(Event)[0]
    return {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(union)}


def _jobs() -> set[str]:
    return {name.replace("_", " ") for name in registry.names()}


def _pages() -> set[str]:
    return {
        word
        for page in PAGES
        for word in _PAGE_WORD.findall((GATEWAY / "web" / page).read_text("utf-8"))
    }
