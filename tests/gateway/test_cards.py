"""Cards: what is printed reads, and means what it says."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageDraw
from reportlab.graphics.shapes import Group, Rect

from contract.identifiers import (
    COMMANDS,
    Badge,
    Command,
    Location,
    Mode,
    Quantity,
    Reason,
    Rules,
    identify,
)
from gateway import cards
from gateway.cards import Card, cards_html, cards_pdf, symbol

RULES = Rules()
PIXELS = 6  # of each point: 432 dpi


def rectangles(node: Any, x: float = 0, y: float = 0) -> Iterator[tuple[Any, float, float]]:
    """Yield every rectangle of a drawing with its place."""
    if isinstance(node, Rect):
        yield node, x, y
        return
    if hasattr(node, "draw") and not isinstance(node, Group):
        node = node.draw()
    matrix = getattr(node, "transform", (1, 0, 0, 1, 0, 0)) or (1, 0, 0, 1, 0, 0)
    for child in getattr(node, "contents", ()):
        yield from rectangles(child, x + matrix[4], y + matrix[5])


def read(text: str, kind: cards.Symbol) -> tuple[str, str]:
    """Print a symbol on white paper and read it with a reader of another make."""
    drawing = symbol(text, kind)
    border = 60
    size = (int(drawing.width * PIXELS) + 2 * border, int(drawing.height * PIXELS) + 2 * border)
    paper = Image.new("L", size, 255)
    pen = ImageDraw.Draw(paper)
    for each, x, y in rectangles(drawing):
        if each.fillColor is None or not each.width:
            continue
        left, top = (each.x + x) * PIXELS + border, (each.y + y) * PIXELS + border
        dark = each.fillColor.rgb() == (0, 0, 0)
        pen.rectangle(
            (left, top, left + each.width * PIXELS - 1, top + each.height * PIXELS - 1),
            fill=0 if dark else 255,
        )
    # A drawing counts from below, a picture from above.
    [found] = zxingcpp.read_barcodes(paper.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    return found.format.name, found.text


@pytest.mark.parametrize("card", cards.command_cards(RULES), ids=lambda card: card.title)
def test_a_command_card_reads_in_both_symbols_and_is_the_command(card: Card) -> None:
    assert read(card.text, "code128") == ("Code128", card.text)
    assert read(card.text, "datamatrix") == ("DataMatrix", card.text)
    found = identify(card.text.encode(), "]C0")
    assert isinstance(found, Command)
    assert found.command == card.title


def test_every_command_has_a_card() -> None:
    assert [card.title for card in cards.command_cards(RULES)] == list(COMMANDS)


def test_every_other_card_means_what_its_title_says() -> None:
    [mode] = cards.mode_cards(RULES, ["pass_through"])
    [two] = cards.quantity_cards(RULES, [Decimal("2.5")])
    [reason] = cards.reason_cards(RULES, ["out of stock"])
    [place] = cards.location_cards(RULES, ["A-12-3"])
    [badge] = cards.badge_cards(RULES, ["4711"])
    found = [identify(card.text.encode()) for card in (mode, two, reason, place, badge)]
    assert isinstance(found[0], Mode)
    assert found[0].mode == "PASS-THROUGH"
    assert isinstance(found[1], Quantity)
    assert found[1].value == Decimal("2.5")
    assert isinstance(found[2], Reason)
    assert found[2].reason == "out of stock"
    assert isinstance(found[3], Location)
    assert found[3].name == "A-12-3"
    assert isinstance(found[4], Badge)
    assert found[4].operator == "4711"


def test_a_site_that_has_switched_badges_off_gets_none() -> None:
    assert cards.badge_cards(Rules(badge=()), ["4711"]) == []


@pytest.mark.parametrize("text", ["", "x" * 61, "B\u00e4r", "a\nb"])
def test_what_no_symbol_holds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"holds|not"):
        Card("x", text)


def test_the_page_is_complete_in_itself_and_everything_on_it_is_text() -> None:
    page = cards_html([Card("<script>alert(1)</script>", "REASON:<b>", "&")])
    assert "<script>" not in page
    assert "REASON:&lt;b&gt;" in page
    assert "http://www.w3.org/2000/svg" in page
    assert page.count("http") == page.count("http://www.w3.org"), "nothing is loaded from elsewhere"


def test_a_long_text_has_its_data_matrix_only() -> None:
    long = cards_html([Card("long", "REASON:" + "x" * 50)])
    assert (cards_html([Card("short", "REASON:x")]).count("<svg "), long.count("<svg ")) == (2, 1)
    assert read("REASON:" + "x" * 50, "datamatrix")[1].endswith("x")


def test_the_same_deck_is_the_same_pdf_ten_cards_on_a_page() -> None:
    deck = cards.command_cards(RULES)
    pdf = cards_pdf(deck)
    assert pdf.startswith(b"%PDF")
    assert pdf == cards_pdf(deck)
    assert pdf.count(b"/Type /Page\n") == 2
    assert cards_pdf(deck, "card").count(b"/Type /Page\n") == len(deck)
