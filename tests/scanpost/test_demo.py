"""What `scanpost demo` says before it starts anything."""

from pathlib import Path

import pytest

from scanpost.demo.__main__ import main


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("[target\n", "Expected"),
        ('site = "north"\n[target]\nconnector = "sql"\n', "nothing else"),
        ("", "needs a [target] table"),
    ],
    ids=["missing", "not TOML", "a whole configuration", "empty"],
)
def test_a_target_that_is_no_table_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    file = tmp_path / "target.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["--target", str(file)])
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_a_session_that_audits_its_own_books_writes_to_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "target.toml"
    file.write_text('[target]\nconnector = "sql"\nurl = "sqlite+aiosqlite:///x.db"\n')
    with pytest.raises(SystemExit) as ended:
        main(["--headless", "--target", str(file)])
    assert ended.value.code == 2
    assert "--headless" in capsys.readouterr().err
