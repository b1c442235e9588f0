"""`scanpost cards`, as a person runs it."""

from pathlib import Path

import pytest

from scanpost.cards import main


def test_a_deck_of_a_gateway_has_its_jobs_reasons_and_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        'site = "n"\ngateway = "g"\n[codes]\nlocation = ["BIN:"]\n'
        '[[station]]\nname = "s"\njob = "adjustment"\nreasons = { BROKEN = "decrease" }\n'
        '[[station.mode]]\njob = "counting"\n'
    )
    bins = tmp_path / "bins.txt"
    bins.write_text("# hall 1\nA-1\n\nA-2\n")
    out = tmp_path / "cards.html"
    code = main(
        ["--config", str(config), "--locations", str(bins), "--quantities", "6", "--out", str(out)]
    )
    assert code == 0
    page = out.read_text()
    for text in ("CMD:DONE-43", "MODE:COUNTING", "QTY:6", "REASON:BROKEN", "BIN:A-2"):
        assert f"<code>{text}</code>" in page
    assert "MODE:RECEIVING" not in page
    assert "cards" in capsys.readouterr().out


def test_a_pdf_is_written_by_its_name(tmp_path: Path) -> None:
    out = tmp_path / "cards.pdf"
    assert main(["--size", "card", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "cards.doc"], "a deck is a .pdf or an .html"),
        (["--quantities", "0", "--out", "c.pdf"], "above zero"),
        (["--quantities", "many", "--out", "c.pdf"], "numbers, with a comma"),
        (["--locations", "/nowhere/bins.txt", "--out", "c.pdf"], "No such file"),
        (["--config", "/nowhere/g.toml", "--out", "c.pdf"], "No such file"),
    ],
)
def test_what_cannot_be_printed_is_said(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
