"""`scanpost bridge ...` as a person types it, beside a ledger that a dispatcher works on."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.__main__ import main
from bridge.connector import Call, Capabilities
from bridge.connectors import sql
from bridge.ledger import Ledger, open_ledger
from bridge.modes import Modes
from bridge.outcome import Outcome, Refused
from bridge.terms import Terms
from bridge.wire import heard, sent
from contract.transactions import Transaction
from tests.bridge.running import running
from tests.bridge.streams import envelope, name, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget

CONFIG = """
site = "north"
ledger = "{folder}/ledger.db"
[target]
connector = "sql"
url = "sqlite+aiosqlite:///{folder}/stock.db"
[modes]
default = "{mode}"
"""


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


class Person:
    """At a terminal of her own."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], mode: str = "live"
    ) -> None:
        self.file = folder / "bridge.toml"
        self.file.write_text(CONFIG.format(folder=folder, mode=mode))
        self.capsys = capsys

    async def types(self, *words: str) -> tuple[int, str]:
        self.capsys.readouterr()
        whole = [*words, "--config", str(self.file)]
        code = await asyncio.to_thread(main, whole)
        shown = self.capsys.readouterr()
        return code, shown.out + shown.err

    async def asks(self, *words: str) -> tuple[int, Any]:
        code, said = await self.types(*words, "--json")
        return code, json.loads(said.splitlines()[0])


def picky(refuse: set[int]) -> ScriptedTarget:
    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        sent("POST /receipts", f'{{"seq": {tx.seq}}}')
        if tx.seq in refuse and not any(
            document.number == "PO-1" for document in getattr(tx.event, "documents", ())
        ):
            heard("422", "no such order")
            return Refused("unknown_document", "no such order")
        heard("201 Created")
        return target.book(tx)

    return ScriptedTarget(script)


async def test_a_dead_letter_is_found_understood_put_right_and_booked(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    anna = Person(tmp_path, capsys)
    target = picky({2, 3})
    rows = [transaction(seq, receipt(f"PO-{'1' if seq == 1 else 'O'}")) for seq in (1, 2, 3)]
    async with running(ledger, target) as run:
        await ledger.apply(envelope(1, rows))
        await run.until_posted(3)
        code, letters = await anna.asks("dead-letters", "--code", "unknown_document")
        assert code == 0
        assert [letter["number"] for letter in letters] == [3, 2]
        assert letters[0]["actions"][0] == "edit_reference"
        code, said = await anna.types("dead-letters")
        assert "edit_reference: put the right document number" in said

        code, story = await anna.asks("explain", str(name(2)))
        [made] = story["attempts"]
        assert [note["text"] for note in made["wire"]] == [
            'POST /receipts\n{"seq": 2}',
            "422\nno such order",
        ]
        assert (await anna.types("explain", "none-such"))[0] == 1
        code, said = await anna.types("explain", "2")
        assert "no such order" in said

        assert (await anna.asks("amend", "2", "--why", "nothing"))[0] == 1
        code, answer = await anna.asks(
            "amend", "2", "--document", "PO-O=PO-1", "--why", "misread", "--who", "anna"
        )
        assert (code, answer) == (0, {"amended and retried": 1, "numbers": [2]})

        await run.until_posted(3)
        assert name(2) in target.booked
        assert (await anna.asks("discard", "--why", "everything"))[0] == 1
        assert (await anna.asks("discard", "3", "--why", "a test"))[0] == 0
        assert (await anna.asks("retry"))[0] == 1  # there is none left
        code, verdict = await anna.asks("audit", "verify")
        assert (code, verdict["whole"], verdict["rows"]) == (0, True, 2)
        assert (await anna.asks("audit", "verify", "--head", verdict["head"]))[0] == 0
        assert (await anna.asks("audit", "verify", "--head", "1" * 64))[0] == 1
        _, trail = await anna.asks("audit", "show")
        assert [deed["what"] for deed in trail] == ["discard", "amend"]
        code, status = await anna.asks("status")
        assert (status["standing"]["dead"], status["in line"]) == (0, [])
        assert (await anna.types("status"))[1].startswith("target: sql\n")


async def test_go_live_and_rollback_are_one_command_each_and_say_what_waits(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The drill: shadow, look, go live with what waits, roll back, go live without what waits."""
    anna = Person(tmp_path, capsys, mode="shadow")
    target = ScriptedTarget()
    terms = Terms(
        modes=Modes("shadow"), plan=lambda tx: [Call("book", "INSERT", "movements", str(tx.id))]
    )
    async with running(ledger, target, terms) as run:
        await ledger.apply(envelope(1, [transaction(seq) for seq in (1, 2, 3)]))

        async def planned() -> bool:
            return len(await ledger.plans()) == 3

        await run.until(planned)
        code, found = await anna.asks("shadow-report", "--calls")
        assert (code, found["planned"]) == (0, 3)
        assert found["calls"]["1"][0]["target"] == "movements"
        assert found["stock"][0]["would_change"] == "6"

        code, answer = await anna.asks("go-live")
        assert code == 1
        assert "3 entries wait in line" in answer["error"]
        assert target.calls == []
        code, answer = await anna.asks("go-live", "--queued", "post", "--who", "anna")
        assert (code, answer["set"], answer["will be sent"]) == (0, "everything: live", 3)
        await run.until_posted(3)

        code, answer = await anna.asks("rollback")
        assert (code, answer["set"], answer["remains queued"]) == (0, "everything: shadow", 0)
        await ledger.apply(envelope(4, [transaction(seq) for seq in (4, 5)]))
        code, answer = await anna.asks("rollback", "--station", "bench", "--to", "off")
        assert (answer["set"], answer["remains queued"]) == ("station bench: off", 2)

        code, answer = await anna.asks("go-live", "--station", "bench", "--queued", "discard")
        assert (code, answer["discarded"], answer["remains queued"]) == (0, 2, 0)
        await ledger.apply(envelope(6, [transaction(6)]))
        await run.until_posted(6)
    assert target.seqs == [1, 2, 3, 6]
    assert (await ledger.verify()).whole


async def test_a_connector_that_was_never_run_needs_a_word_to_go_live(
    ledger: Ledger,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unproven = Capabilities("documentation", "lookup", frozenset({"receipt"}))
    monkeypatch.setattr(sql, "CAPABILITIES", unproven, raising=False)
    code, said = await Person(tmp_path, capsys).types("status")
    assert code == 2
    assert "unproven = true" in said
    anna = Person(tmp_path, capsys, mode="shadow")
    assert (await anna.types("status"))[0] == 0
    code, said = await anna.types("go-live", "--queued", "post")
    assert code == 1
    assert "never run against the product" in said
    anna.file.write_text(anna.file.read_text() + "unproven = true\n")
    assert (await anna.types("go-live"))[0] == 0


async def test_a_ledger_that_is_not_there_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = await Person(tmp_path, capsys).types("status")
    assert code == 1
    assert "there is no ledger" in said


async def test_a_ledger_of_another_version_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"):
        pass
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        file.execute("UPDATE alembic_version SET version_num = '0001'")
    file.close()
    code, said = await Person(tmp_path, capsys).types("retry")
    assert code == 1
    assert "start the bridge of this version first" in said


async def test_a_gap_that_nobody_can_fill_is_closed_by_a_person(
    tmp_path: Path, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(tmp_path, capsys)
    await ledger.apply(run_of(3, 4))
    code, [stands] = await person.asks("streams")
    assert (code, stands["gateway"], stands["missing"], stands["parked"]) == (0, "dock-1", 2, 2)
    assert "close-gap" in stands["to do"]
    where = (stands["gateway"], stands["epoch"])
    code, said = await person.types("forgive", *where, "--why", "?")
    assert code == 1
    assert "conflict" in said
    code, done = await person.asks("close-gap", *where, "--why", "its card broke")
    assert (code, done) == (0, {"given up": "1 to 2", "still missing": 0})
    code, said = await person.types("close-gap", *where, "--why", "once more")
    assert code == 1
    assert await person.asks("streams") == (0, [])
