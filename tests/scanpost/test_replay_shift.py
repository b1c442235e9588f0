"""`scanpost replay --compare`: a recorded shift of the daemon gives its transactions again."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from drivers.kit.captures import Chunk, heading
from drivers.simulators.cable import Pty
from scanpost import outbox, replay
from scanpost.demo.stack import running

CEILING = 90.0


class Tapped(Pty):
    """A cable that writes down what the device says, as `scanpost record` does."""

    began = time.monotonic()
    tapes: dict[str, list[Chunk]]

    async def write(self, data: bytes) -> None:
        self.tapes.setdefault(Path(self.path).name, []).append(
            Chunk(time.monotonic() - self.began, data)
        )
        await super().write(data)


@dataclass
class Recorded:
    """The files of a shift."""

    folder: Path
    captures: dict[str, Path] = field(default_factory=dict)

    @property
    def rows(self) -> Path:
        return self.folder / "rows.jsonl"

    def words(self, *more: str) -> list[str]:
        captures = [f"{name}={path}" for name, path in self.captures.items()]
        config = ["--config", str(self.folder / "gateway.toml")]
        reference = ["--reference", str(self.folder / "reference")]
        return [*captures, "--compare", str(self.rows), *config, *reference, *more]


async def recorded(folder: Path, jobs: tuple[str, ...]) -> Recorded:
    """A shift at the demo's third station."""
    tapes: dict[str, list[Chunk]] = {}
    began = datetime.now(UTC)
    with (
        patch("scanpost.demo.stack.Pty", Tapped),
        patch.object(Tapped, "tapes", tapes, create=True),
        patch.object(Tapped, "began", time.monotonic()),
    ):
        async with running(folder, every_job=True) as stack:
            assert stack.shifts is not None
            stack.shifts.scans, stack.shifts.pace = 12, 0.0
            async with asyncio.timeout(CEILING):
                for job in jobs:
                    stack.shifts.start(job)
                    await stack.shifts.over()
                    assert stack.shifts.played[job].trouble == ""
    found = Recorded(folder)
    for name in ("any-scanner", "any-scale"):
        path = found.captures[name] = folder / f"{name}.hexl"
        lines = [f"{chunk}\n" for chunk in tapes[name]]
        path.write_text(heading([("began", began.isoformat())]) + "".join(lines))
    return found


async def test_a_shift_played_again_makes_the_same_transactions_and_no_other_is_taken_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shift = await recorded(tmp_path, ("receiving", "packing", "count_by_weight", "adjustment"))
    assert outbox.main(["export", "--store", str(tmp_path / "outbox.db")]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) > 12
    kinds = {json.loads(row)["transaction"]["event"]["type"] for row in rows}
    assert {"receipt", "pack", "count", "adjustment", "reversal"} <= kinds

    async def compare(lines: list[str]) -> tuple[int, str]:
        shift.rows.write_text("".join(f"{line}\n" for line in lines))
        code = await asyncio.to_thread(replay.main, shift.words())
        return code, capsys.readouterr().out

    assert await compare(rows) == (0, f"{len(rows)} transactions, as recorded\n")
    code, said = await compare(rows[:-1])
    assert code == 1
    assert [line[0] for line in said.splitlines()[3:]] == [" ", "+"]
    first = json.loads(rows[0])
    first["transaction"]["operator"] = "somebody"
    code, said = await compare([json.dumps(first), *rows[1:]])
    assert code == 1
    assert any(line.startswith("-") and "somebody" in line for line in said.splitlines())


CONFIG = """
site = "north"
gateway = "one"
[[station]]
name = "bench"
job = "pass_through"
[[station.device]]
id = "scanner"
driver = "lines"
url = "serial:///dev/null"
"""


@pytest.mark.parametrize(
    ("word", "heads", "row", "why"),
    [
        ("{file}", "# began: 2026-11-23T10:00:00", "", "ID=FILE"),
        ("scale={file}", "# began: 2026-11-23T10:00:00", "", "ID=FILE"),
        ("scanner={file}", "# driver: lines", "", "when it began"),
        ("scanner={file}", "# began: at noon", "", "at noon"),
        ("scanner={file}", "# began: 2026-11-23T10:00:00", "{}", "rows.jsonl:1"),
        ("scanner=/nowhere", "", "", "/nowhere"),
    ],
)
def test_what_cannot_be_compared_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, heads: str, row: str, why: str
) -> None:
    config, file, rows = (tmp_path / name for name in ("g.toml", "scan.hexl", "rows.jsonl"))
    config.write_text(CONFIG)
    file.write_text(f"{heads}\n0 41 0d\n")
    rows.write_text(row)
    code = replay.main([word.format(file=file), "--compare", str(rows), "--config", str(config)])
    assert code == 2
    assert why in capsys.readouterr().err


def test_a_scan_too_many_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, file, rows = (tmp_path / name for name in ("g.toml", "scan.hexl", "rows.jsonl"))
    config.write_text(CONFIG)
    file.write_text("# began: 2026-11-23T10:00:00\n0 41 0d\n0.1 41 0d\n3 42 0d\n")
    rows.write_text("")
    words = [f"scanner={file}", "--compare", str(rows), "--config", str(config)]
    assert replay.main(words) == 1
    made = [line for line in capsys.readouterr().out.splitlines() if line.startswith("+{")]
    # The second one is a bounce, by the time of the recording.
    assert [json.loads(line[1:])["event"]["text"] for line in made] == ["A", "B"]
