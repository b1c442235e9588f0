"""The set-up sheets say what is known, in pages any browser prints."""

from html.parser import HTMLParser

import pytest

from drivers.kit.readings import Noise, Scan
from drivers.kit.registry import load
from scanpost import sheet, spoken
from tests.drivers.conversation import dialogue

VOID = {"meta", "br"}


class Nesting(HTMLParser):
    """Fails where a tag is closed that is not the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"img", "script", "link"}, "a sheet needs nothing but itself"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("maker", sorted(sheet.MAKERS))
def test_a_sheet_can_be_printed_and_says_the_four_things(
    maker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sheet.main([maker]) == 0
    page = Nesting()
    page.feed(capsys.readouterr().out)
    assert page.open == []
    manual = sheet.MAKERS[maker].manual
    for word in ("CDC", "HID POS", "AIM", "CR", manual, "scanpost detect", "scanpost listen"):
        assert word in page.text


def test_what_a_sheet_promises_to_be_shown_is_shown() -> None:
    """The signs by which a person sees that the set-up worked, or did not."""
    decoder = dialogue("lines").decoder
    [right] = decoder.feed(b"]E04006381333931\r")
    assert isinstance(right, Scan)
    assert spoken.as_text(right).startswith("scan    ]E04006381333931  gtin")
    decoder.feed(b"4006381333931")
    [torn] = decoder.quiet()
    assert isinstance(torn, Noise)
    assert "a scan without its terminator" in spoken.as_text(torn)


def test_a_setting_a_sheet_names_is_one_the_driver_has() -> None:
    assert 'feedback = "honeywell_host_ack"' in sheet.MAKERS["honeywell"].feedback
    load("lines").Config.model_validate({"driver": "lines", "feedback": "honeywell_host_ack"})


def test_a_maker_nobody_knows_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        sheet.main(["acme"])
    assert caught.value.code == 2
    assert "honeywell" in capsys.readouterr().err
