"""Cards to print: commands, modes, quantities, reasons, places and badges, with real symbols.

Each card has its text in words, as a Code 128 for laser scanners and as a Data Matrix for imagers.
The bars are reportlab's, the matrix is ppf.datamatrix's (extra `cards`), imported only when
something is drawn. reportlab has a Data Matrix too, which turns `:` into `^`.
"""

import html
import importlib
import io
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from contract.identifiers import COMMANDS, Rules, command_card

MAX_CARDS = 2_000
"""In one document: a large hall's bins, some seconds of drawing."""
MAX_TEXT = 60
"""Characters of a card: more make a Code 128 wider than a card."""

Symbol = Literal["code128", "datamatrix"]
Size = Literal["a4", "card"]

_MM = 72 / 25.4  # points
_WIDTH, _HEIGHT = 85.6 * _MM, 54.0 * _MM  # ID-1, ISO/IEC 7810
_COLUMNS, _ROWS = 2, 5
_NARROW = 0.33 * _MM  # the narrowest bar: 13 mil, which reads at arm's length
_THINNEST = 0.19 * _MM  # 7.5 mil: a text whose bars would be thinner has its Data Matrix only
_MODULE = 0.8 * _MM
_QUIET = 10  # modules beside a Code 128, ISO/IEC 15417

_SIZE = re.compile(r'\b(?:width|height)="([0-9.]+)"')

_MEANING: dict[str, str] = {
    "DONE": "Finished: close it",
    "UNDO": "Take the last one back",
    "CANCEL": "Leave it; nothing booked changes",
    "ACK": "I have seen it",
    "REPRINT": "Print the label again",
    "HOLD": "Put it aside",
    "OVERRIDE": "Allow it (supervisor)",
    "ZERO": "Scale: set to zero",
    "TARE": "Scale: tare",
    "CLEARTARE": "Scale: forget the tare",
    "PRINT": "Scale: print",
    "NEXTUNIT": "Scale: next unit",
}


class CardsUnavailable(Exception):
    """The library that draws symbols is not installed: pip install 'scanpost[cards]'."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `text` is what its symbols hold."""

    title: str
    text: str
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what no symbol of this size holds.

        Raises:
            ValueError: with what to do.
        """
        if not 1 <= len(self.text) <= MAX_TEXT:
            raise ValueError(f"a card holds 1 to {MAX_TEXT} characters, not {len(self.text)}")
        if not all(" " <= character <= "~" for character in self.text):
            raise ValueError(f"{self.text!r} has characters that a Code 128 has not")


def command_cards(rules: Rules) -> list[Card]:
    """Return every command, with its check digits."""
    return [Card(word, command_card(word, rules.command), _MEANING[word]) for word in COMMANDS]


def mode_cards(rules: Rules, jobs: Iterable[str]) -> list[Card]:
    """Return a card for each job of a station."""
    names = [job.upper().replace("_", "-") for job in jobs]
    return _prefixed(rules.mode, names, "Change to this job")


def quantity_cards(rules: Rules, values: Iterable[Decimal]) -> list[Card]:
    """Return a card for each quantity: how often the next item counts."""
    return _prefixed(rules.quantity, [f"{value:f}" for value in values], "times the next item")


def reason_cards(rules: Rules, reasons: Iterable[str]) -> list[Card]:
    """Return a card for each reason."""
    return _prefixed(rules.reason, reasons, "Reason")


def location_cards(rules: Rules, names: Iterable[str]) -> list[Card]:
    """Return a card for each place."""
    return _prefixed(rules.location, names, "Place")


def badge_cards(rules: Rules, operators: Iterable[str]) -> list[Card]:
    """Return a badge for each operator."""
    return _prefixed(rules.badge, operators, "Badge")


def _prefixed(prefixes: Sequence[str], names: Iterable[str], note: str) -> list[Card]:
    if not prefixes:
        return []  # the site has switched such cards off
    return [Card(name, f"{prefixes[0]}{name}", note) for name in names]


def symbol(text: str, kind: Symbol) -> Any:
    """Return a symbol as a reportlab drawing; its size is in points.

    Raises:
        CardsUnavailable: the library is not there.
    """
    if kind == "datamatrix":
        return _matrix(_library("ppf.datamatrix").DataMatrix(text).matrix)
    return _library("reportlab.graphics.barcode").createBarcodeDrawing(
        "Code128",
        value=text,
        barWidth=_NARROW,
        barHeight=15 * _MM,
        humanReadable=False,
        quiet=True,
        lquiet=_QUIET * _NARROW,
        rquiet=_QUIET * _NARROW,
    )


def _matrix(rows: list[list[int]]) -> Any:
    """Draw dark modules, a row's neighbours in one piece so that no gaps show between them."""
    shapes = _library("reportlab.graphics.shapes")
    drawing = shapes.Drawing(len(rows[0]) * _MODULE, len(rows) * _MODULE)
    black = _library("reportlab.lib.colors").black
    for number, row in enumerate(rows):
        y = (len(rows) - 1 - number) * _MODULE
        column = 0
        for dark, run in itertools.groupby(row):
            length = len(list(run))
            if dark:
                drawing.add(
                    shapes.Rect(
                        column * _MODULE,
                        y,
                        length * _MODULE,
                        _MODULE,
                        fillColor=black,
                        strokeColor=None,
                    )
                )
            column += length
    return drawing


def _bars(text: str) -> tuple[Any, float] | None:
    """Return the Code 128 of a text and how it must shrink for a card; None if by too much."""
    bars = symbol(text, "code128")
    fit = min(1.0, (_WIDTH - 4 * _MM) / bars.width)
    return (bars, fit) if fit * _NARROW >= _THINNEST else None


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise CardsUnavailable(CardsUnavailable.__doc__) from error


def cards_html(cards: Sequence[Card], title: str = "Cards") -> str:
    """Return a page to print, complete in itself.

    Raises:
        CardsUnavailable: the library is not there.
    """
    render = _library("reportlab.graphics.renderSVG").drawToString
    parts = []
    for number, card in enumerate(cards[:MAX_CARDS]):
        matrix = _inline(render(symbol(card.text, "datamatrix")), f"{number}d")
        found = _bars(card.text)
        bars = "" if found is None else _inline(render(found[0]), f"{number}c", found[1])
        parts.append(
            f"<section><div><h2>{html.escape(card.title)}</h2><p>{html.escape(card.note)}</p>"
            f"</div>{matrix}{bars}<code>{html.escape(card.text)}</code></section>"
        )
    return _PAGE.format(title=html.escape(title), cards="\n".join(parts))


def _inline(svg: str, number: str, fit: float = 1.0) -> str:
    """Leave out what only a file of its own has, keep ids apart, and give the size in points."""
    inner = svg[svg.index("<svg") :]
    for name in ("group", "clip"):
        inner = inner.replace(f'"{name}"', f'"{name}-{number}"')
        inner = inner.replace(f"#{name})", f"#{name}-{number})")
    width, height = (float(found) for found in _SIZE.findall(inner)[:2])
    size = f'width="{width * fit:g}pt" height="{height:g}pt" aria-hidden="true"'
    view = f'viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none"'
    body = inner[inner.index(">") + 1 :]
    return f'<svg {size} {view} xmlns="http://www.w3.org/2000/svg" fill-rule="evenodd">{body}'


def cards_pdf(cards: Sequence[Card], size: Size = "a4") -> bytes:
    """Return a PDF: ten cards on an A4 page with crop marks, or one card on each page.

    Raises:
        CardsUnavailable: the library is not there.
    """
    canvas_of = _library("reportlab.pdfgen.canvas").Canvas
    draw_on = _library("reportlab.graphics.renderPDF").draw
    page = (210 * _MM, 297 * _MM) if size == "a4" else (_WIDTH, _HEIGHT)
    columns, rows = (_COLUMNS, _ROWS) if size == "a4" else (1, 1)
    left = (page[0] - columns * _WIDTH) / 2
    below = (page[1] - rows * _HEIGHT) / 2
    file = io.BytesIO()
    # Invariant: the same cards are the same bytes, so that a changed deck can be seen.
    canvas = canvas_of(file, pagesize=page, invariant=1)
    for number, card in enumerate(cards[:MAX_CARDS]):
        place = number % (columns * rows)
        if number and place == 0:
            canvas.showPage()
        x = left + (place % columns) * _WIDTH
        y = below + (rows - 1 - place // columns) * _HEIGHT
        _draw(canvas, draw_on, card, x, y)
    canvas.save()
    return file.getvalue()


def _draw(canvas: Any, draw_on: Any, card: Card, x: float, y: float) -> None:
    canvas.setLineWidth(0.3)
    canvas.setStrokeGray(0.7)
    canvas.rect(x, y, _WIDTH, _HEIGHT)
    margin = 4 * _MM
    title = 18.0
    while title > 8 and canvas.stringWidth(card.title, "Helvetica-Bold", title) > _WIDTH * 0.68:
        title -= 1
    canvas.setFillGray(0)
    canvas.setFont("Helvetica-Bold", title)
    canvas.drawString(x + margin, y + _HEIGHT - margin - 14, card.title[:40])
    canvas.setFont("Helvetica", 9)
    canvas.drawString(x + margin, y + _HEIGHT - margin - 28, card.note[:60])
    matrix = symbol(card.text, "datamatrix")
    draw_on(
        matrix, canvas, x + _WIDTH - margin - matrix.width, y + _HEIGHT - margin - matrix.height
    )
    found = _bars(card.text)
    if found is not None:
        bars, fit = found
        canvas.saveState()
        canvas.translate(x + (_WIDTH - bars.width * fit) / 2, y + 8 * _MM)
        canvas.scale(fit, 1)
        draw_on(bars, canvas, 0, 0)
        canvas.restoreState()
    canvas.setFont("Courier", 8)
    canvas.drawCentredString(x + _WIDTH / 2, y + 4 * _MM, card.text)


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 10pt/1.3 sans-serif; margin: 8mm; display: flex; flex-wrap: wrap; color: #000;
  background: #fff; }}
section {{ width: 85.6mm; height: 54mm; box-sizing: border-box; border: .1mm solid #999;
  padding: 4mm; display: grid; grid-template: auto 1fr auto / 1fr auto; break-inside: avoid; }}
h2 {{ margin: 0; font-size: 16pt; overflow-wrap: anywhere; }} p {{ margin: 1mm 0 0; }}
section > svg:nth-of-type(2) {{ grid-column: 1 / 3; justify-self: center; align-self: end;
  max-width: 100%; }}
code {{ grid-column: 1 / 3; text-align: center; font: 8pt monospace; }}
</style>
{cards}
</html>
"""
