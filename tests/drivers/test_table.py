"""The table of supported hardware says what there is, and is found out when it does not."""

from pathlib import Path

import pytest

from drivers import table
from drivers.kit import registry


def test_every_driver_has_a_row_that_names_its_hardware() -> None:
    rows = {row.name: row for row in table.rows()}
    assert set(rows) >= {name for kind in registry.KINDS for name in registry.names()[kind]}
    assert all(len(row.what) > 20 and "\n" not in row.what for row in rows.values())
    assert "MT-SICS" in rows["mt_sics"].what
    assert rows["mt_sics"].kind == "scales"
    assert {"every", "within"} <= set(rows["mt_sics"].settings)
    assert "driver" not in rows["mt_sics"].settings
    assert rows["mt_sics"].frames["documented"] > 10


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("derived: serial scanner framing", "derived"),
        ("derived from a capture", "derived"),
        ("capture, chumpon-asaneerat/NSerialCommTools (MIT)", "captured"),
        ("captures of both in NSerialCommTools", "captured"),
        ("report quoted in node-hid issue 286", "captured"),
        ("Sartorius PR5211 manual p.56", "documented"),
        ("", "documented"),
    ],
)
def test_where_a_frame_is_from_is_told_by_its_source(source: str, kind: str) -> None:
    assert table._evidence(source) == kind


def test_an_old_table_is_found_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "README", tmp_path / "README.md")
    assert table.main(["--check"]) == 1
    assert "--write" in capsys.readouterr().err
    assert table.main(["--write"]) == 0
    assert table.main(["--check"]) == 0
    text = table.README.read_text("utf-8")
    assert "| `mt_sics` | Mettler-Toledo" in text
    table.README.write_text(text.replace("Mettler", "Mettle"), "utf-8")
    assert table.main(["--check"]) == 1


def test_where_there_are_no_tests_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "RECORDS", tmp_path / "nowhere")
    monkeypatch.setattr(table, "README", tmp_path / "README.md")
    assert table.main(["--write"]) == 2
    assert not table.README.exists()
