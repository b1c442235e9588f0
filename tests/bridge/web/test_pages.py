"""What each page shows, and what a person does there, without JavaScript."""

import contextlib
import html
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bridge.connector import Call, Capabilities
from bridge.connectors import sql
from bridge.outcome import Outcome, Refused
from bridge.reconciliation import keeping
from bridge.reconciliation.differences import Difference
from bridge.terms import Terms
from bridge.web import records
from bridge.wire import heard, sent
from contract.transactions import Transaction
from tests.bridge.running import running
from tests.bridge.streams import EPOCH, envelope, name, receipt, run_of, transaction
from tests.bridge.targets import ScriptedTarget
from tests.bridge.web.admin import Site, site


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as one:
        yield one


def picky(code: Any = "unknown_document") -> ScriptedTarget:
    """An ERP that knows only the order PO-1."""

    async def script(target: ScriptedTarget, tx: Transaction) -> Outcome:
        sent("POST /receipts", f'{{"seq": {tx.seq}}}\r\n')
        documents = getattr(tx.event, "documents", ())
        if not any(document.number == "PO-1" for document in documents):
            heard("422 Unprocessable", "no such order")
            return Refused(code, "no such order")
        heard("201 Created", '{"name": "MR-1"}')
        return target.book(tx)

    return ScriptedTarget(script)


async def worked(one: Site, upto: int) -> None:
    async with running(one.ledger, one.target) as run:
        await run.until_posted(upto)


async def test_the_overview_says_what_is_in_line_and_what_is_wrong(admin: Site) -> None:
    await admin.ledger.apply(run_of(1, 3))
    async with admin.person("vera") as vera:
        seen = await vera.get("/")
        assert "broker: no connection to the broker" in seen
        assert "Connector sql evidence: real" in seen
        assert "live dock-1 bench receipt 3" in seen
        assert "in order" in seen
        assert "Log out" in seen


async def test_one_entry_shows_what_came_what_was_sent_what_was_said_and_who_decided(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, target=picky()) as admin, admin.person("olga") as olga:
        await admin.ledger.apply(envelope(1, [transaction(1, receipt("PO-O"))]))
        await worked(admin, 1)
        seen = await olga.get("/entries/1")
        assert "unknown_document: no such order" in seen
        assert 'POST /receipts {"seq": 1}⟨CR⟩' in seen
        assert "422 Unprocessable no such order" in seen
        assert "edit reference: put the right document number" in seen
        assert "No person did." in seen
        seen = await olga.post(
            "/entries/1/amend", document_old="PO-O", document_new="PO-1", why="misread"
        )
        assert (olga.status, olga.at) == (200, "/entries/1")
        assert "Entry 1 is amended, and back in line" in seen
        await worked(admin, 1)
        seen = await olga.get("/entries/1")
        assert "Entry 1 is" not in seen
        assert "olga amend: misread" in seen
        assert "Attempt 2" in seen
        assert "posted" in seen
        assert "As people changed it" in seen
        assert '"number": "PO-1"' in seen
        assert '"number": "PO-O"' in seen
        await olga.get("/entries/9")
        assert olga.status == 404


async def test_a_search_finds_an_entry_by_what_a_person_knows(admin: Site) -> None:
    rows = [transaction(1, receipt("PO-77")), transaction(2, receipt("PO-78"))]
    await admin.ledger.apply(envelope(1, rows))
    async with admin.person("vera") as vera:
        for asked in ("text=PO-77", f"text={name(1)}", "text=%231", "text=77&type=receipt"):
            await vera.get(f"/entries?{asked}")
            assert re.findall(r'<a href="/entries/(\d+)"', vera.page) == ["1"], asked
        await vera.get("/entries?station=bench&state=in+line&since=2026-01-01T00:00")
        assert re.findall(r'<a href="/entries/(\d+)"', vera.page) == ["2", "1"]
        assert "Nothing found" in await vera.get("/entries?text=nowhere")
        for wrong in (
            "state=lost",
            "since=yesterday",
            "until=0001-01-01T00:00%2B09:00",
            "gateway=%00",
            "below=x",
            "text=" + "x" * 501,
        ):
            await vera.get(f"/entries?{wrong}")
            assert vera.status == 400, wrong


async def test_pages_of_entries_follow_each_other(admin: Site) -> None:
    await admin.ledger.apply(run_of(1, 100), run_of(101, 130))
    async with admin.person("vera") as vera:
        met: list[str] = []
        path: str | None = "/entries?gateway=dock-1"
        while path:
            await vera.get(path)
            met += re.findall(r'<a href="/entries/(\d+)"', vera.page)
            further = re.search(r'class="pager"><a href="([^"]+)"', vera.page)
            path = further[1].replace("&amp;", "&") if further else None
        assert met == [str(number) for number in range(130, 0, -1)]


async def test_dead_letters_are_decided_one_by_one_or_all_of_a_reason(tmp_path: Path) -> None:
    async with site(tmp_path, target=picky("over_receipt")) as admin, admin.person("olga") as olga:
        await admin.ledger.apply(run_of(1, 5))
        await worked(admin, 5)
        assert "unknown_sku" not in re.sub(r"<select.*?</select>", "", olga.page, flags=re.DOTALL)
        await olga.get("/dead-letters?code=over_receipt")
        assert re.findall(r'<a href="/entries/(\d+)"', olga.page) == ["5", "4", "3", "2", "1"]
        await olga.get("/entries/1")
        seen = await olga.post("/entries/1/amend", accept="over_receipt", why="they sent more")
        assert "back in line" in seen
        await olga.post("/entries/2/discard", why="")
        assert olga.status == 400
        await olga.get("/entries/2")
        await olga.post("/entries/2/discard", why="a test")
        assert olga.status == 200
        await olga.post("/entries/2/discard", why="again")
        assert olga.status == 409
        await olga.get("/entries/3")
        await olga.post("/entries/3/retry")
        assert olga.status == 200
        seen = await olga.get("/dead-letters/all?code=over_receipt&what=discard")
        assert "Discard: 2 with over_receipt" in seen
        form: dict[str, Any] = {"code": "over_receipt", "what": "discard", "numbers": "4 5"}
        for wrong in ({"why": ""}, {"numbers": ""}, {"numbers": "4 x"}, {"what": "eat"}):
            await olga.get("/dead-letters/all?code=over_receipt&what=discard")
            assert 'name="numbers" value="5 4"' in olga.page
            await olga.post("/dead-letters/all", **(form | {"why": "by hand"} | wrong))
            assert olga.status == 400, wrong
        await admin.ledger.apply(run_of(6, 6))
        await worked(admin, 6)  # comes while she looks, and is not what she decides of
        await olga.get("/dead-letters/all?code=over_receipt&what=discard")
        seen = await olga.post("/dead-letters/all", **form, why="by hand")
        assert "2 entries discarded for good" in seen
        assert re.findall(r'<a href="/entries/(\d+)"', olga.page) == ["6", "3", "1"]
        trail = await admin.decided()
        assert {row["who"] for row in trail} == {"olga"}
        assert sorted(row["what"] for row in trail) == [
            "amend", "discard", "discard", "discard", "retry",
        ]  # fmt: skip


async def test_an_amendment_that_does_not_fit_is_said_so(tmp_path: Path) -> None:
    async with site(tmp_path, target=picky()) as admin, admin.person("olga") as olga:
        await admin.ledger.apply(run_of(1, 1))
        await worked(admin, 1)
        await olga.get("/entries/1")
        seen = await olga.post("/entries/1/amend", why="no reason")
        assert (olga.status, "say what to change" in seen) == (409, True)
        await olga.get("/entries/1")
        seen = await olga.post(
            "/entries/1/amend", document_old="PO-9", document_new="PO-1", why="no such"
        )
        assert (olga.status, "it names no document PO-9" in seen) == (409, True)
        await olga.get("/entries/1")
        await olga.post("/entries/1/amend", document_added="PO-1", kind="po", why="forgotten")
        assert olga.status == 200
        await worked(admin, 1)
        assert "posted" in await olga.get("/entries/1")


async def test_what_was_posted_is_looked_up_again_by_an_admin(admin: Site) -> None:
    async with admin.person("anna") as anna:
        await admin.ledger.apply(run_of(1, 1))
        await worked(admin, 1)
        await anna.get("/entries/1")
        assert "looked up again" in await anna.post("/entries/1/replay", why="restored")
        await worked(admin, 1)
        assert [call.again for call in admin.target.calls] == [False, True]


async def test_go_live_and_roll_back_say_what_remains_queued(tmp_path: Path) -> None:
    async with (
        site(tmp_path, '[modes]\ndefault = "shadow"\n') as admin,
        admin.person("anna") as anna,
    ):
        await admin.ledger.apply(run_of(1, 3))
        seen = await anna.get("/modes")
        assert "everything shadow" in seen
        seen = await anna.get("/modes/switch?to=live")
        assert "3 entries wait in line" in seen
        seen = await anna.post("/modes/switch", to="live")
        assert (anna.status, "Say whether to post them" in seen) == (409, True)
        await anna.get("/modes/switch?to=live")
        seen = await anna.post("/modes/switch", to="live", queued="post", why="agreed")
        assert "everything: live; 3 in line will be sent; 0 remain queued" in seen
        seen = await anna.get("/modes/switch?to=off&station=bench")
        assert "3 entries in line would have been sent" in seen
        seen = await anna.post("/modes/switch", to="off", station="bench", why="trouble")
        assert "station bench: off; 0 in line will be sent; 3 remain queued" in seen
        await anna.get("/modes/switch?to=live&station=bench")
        seen = await anna.post("/modes/switch", to="live", station="bench", queued="discard")
        assert "3 discarded" in seen
        await anna.get("/modes/switch?to=sideways")
        assert anna.status == 400


async def test_a_connector_that_was_never_run_does_not_go_live_from_the_page_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unproven = Capabilities("documentation", "lookup", frozenset({"receipt"}))
    monkeypatch.setattr(sql, "CAPABILITIES", unproven)
    async with (
        site(tmp_path, '[modes]\ndefault = "shadow"\n') as admin,
        admin.person("anna") as anna,
    ):
        assert "evidence: documentation" in await anna.get("/")
        assert "never run against the product" in await anna.get("/modes/switch?to=live")
        seen = await anna.post("/modes/switch", to="live", queued="post")
        assert (anna.status, "never run against the product" in seen) == (409, True)
        assert await admin.decided() == []


async def test_the_shadow_report_is_drawn_up_when_asked_for(tmp_path: Path) -> None:
    terms = '[modes]\ndefault = "shadow"\n'
    async with site(tmp_path, terms) as admin, admin.person("vera") as vera:
        await admin.ledger.apply(run_of(1, 2))
        plans = Terms(
            modes=admin.house.config.modes.modes,
            plan=lambda tx: [Call("book", "INSERT", "movements", str(tx.id))],
        )
        async with running(admin.ledger, admin.target, plans) as run:

            async def planned() -> bool:
                return len(await admin.ledger.plans()) == 2

            await run.until(planned)
        assert "Planned 2" not in await vera.get("/shadow")
        seen = await vera.get("/shadow?draw=1&days=7")
        assert "Planned 2" in seen
        assert "BOLT-8 DOCK 4" in seen
        assert "What would be sent" in await vera.get("/entries/1")
        await vera.get("/shadow?draw=1&days=many")
        assert vera.status == 400


async def test_the_trail_is_shown_and_verified(admin: Site) -> None:
    async with admin.person("vera") as vera:
        assert "Nobody has decided anything yet" in await vera.get("/audit?show=decisions")
        seen = await vera.get("/audit?show=log-ins")
        assert "vera log in from 127.0.0.1; role viewer" in seen
        assert "bridge 1 users admin anna; operator olga; viewer vera" in seen
        await admin.ledger.apply(run_of(1, 60))
        for number in range(1, 61):
            await admin.ledger.discard(number, "olga", f"reason {number}")
        seen = await vera.get("/audit")
        assert "reason 60" in seen
        assert "reason 10" not in seen
        assert "reason 10" in await vera.get("/audit?below=13")
        assert "reason 10" in await vera.get("/audit?show=decisions&below=13")
        assert "reason" not in await vera.get("/audit?show=log-ins")
        seen = await vera.get("/audit?verify=1")
        assert "Whole: 62 rows" in seen
        head = (await admin.ledger.verify()).head
        assert head in seen
        assert "Whole" in await vera.get(f"/audit?verify=1&head={head}")
        assert "Broken at row 63" in await vera.get("/audit?verify=1&head=" + "1" * 64)


async def test_messages_that_could_not_be_read_are_shown_as_text_and_as_bytes(
    admin: Site,
) -> None:
    await admin.ledger.quarantine("scanpost/x", b"\x00<b>\xff", "not JSON")
    async with admin.person("vera") as vera:
        assert "scanpost/x not JSON 5" in await vera.get("/unreadable")
        seen = await vera.get("/unreadable/1")
        assert "⟨NUL⟩<b>\\xff" in seen
        assert "00 3c 62 3e ff" in seen
        await vera.get("/unreadable/2")
        assert vera.status == 404


async def test_a_stream_in_conflict_is_taken_up_again_by_an_admin(admin: Site) -> None:
    await admin.ledger.apply(run_of(1, 2))
    clone = transaction(2).model_copy(update={"station": "elsewhere"})
    await admin.ledger.apply(envelope(2, [clone]))
    async with admin.person("vera") as vera:
        seen = await vera.get("/")
        assert "number 2 came with two contents" in seen
        assert "Take dock-1 up again" not in seen
    async with admin.person("anna") as anna:
        await anna.get("/")
        path = f"/streams/dock-1/{EPOCH}/forgive"
        assert "dock-1 is taken up again" in await anna.post(path, why="compared")
        assert "two contents" not in await anna.get("/")
        await anna.post(path, why="again")
        assert anna.status == 404
        await anna.get("/")
        await anna.post("/streams/dock-1/nonsense/forgive", why="x")
        assert anna.status == 404


async def test_a_long_story_shows_the_newest_attempts_and_the_one_asked_for(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, target=picky()) as admin, admin.person("olga") as olga:
        await admin.ledger.apply(run_of(1, 1))
        for _ in range(6):
            await worked(admin, 1)
            await admin.ledger.retry(1, "olga")
        await olga.get("/entries/1")
        assert olga.page.count("422 Unprocessable") == 3
        await olga.get("/entries/1?attempt=1")
        assert olga.page.count("422 Unprocessable") == 4


async def test_a_ledger_that_fails_is_said_so(admin: Site, tmp_path: Path) -> None:
    async with admin.person("vera") as vera:
        await vera.get("/")
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as file:
            file.execute("ALTER TABLE entry RENAME TO gone")
        assert "no such table" in await vera.get("/entries")
        assert vera.status == 503


async def test_a_scan_is_tried_on_the_tables_and_nothing_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "mapping"
    folder.mkdir()
    (folder / "mapping.toml").write_text('[unmapped]\nitems = "refuse"\n')
    (folder / "items.csv").write_text("sku,code\nBOLT-8,ERP-BOLT\n")
    table = f'[mapping]\nfolder = "{folder}"\n'
    async with site(tmp_path, table) as admin, admin.person("vera") as vera:
        await admin.ledger.apply(run_of(1, 1))
        seen = await vera.get(
            "/test-scan?try=1&type=receipt&sku=BOLT-8&quantity=3&document=po:PO-7"
        )
        assert "ERP-BOLT" in seen
        assert "INSERT INTO postings" in seen
        seen = await vera.get("/test-scan?try=1&scans=%5DC10104006381333931%0APO:PO-7")
        assert "Refused by mapping: unknown_sku" in seen
        seen = await vera.get("/test-scan?try=1&type=receipt")
        assert "sku, gtin or a label" in seen
        assert "ERP-BOLT" in await vera.get("/test-scan?entry=1")
        await vera.get("/test-scan?entry=nowhere")
        assert vera.status == 404
        assert "at most 20 labels" in await vera.get("/test-scan?try=1&scans=" + "1%0A" * 21)
    assert admin.target.calls == []


async def test_what_differs_is_shown_with_what_mends_it_and_closed_with_a_reason(
    admin: Site,
) -> None:
    await admin.ledger.apply(run_of(1, 1))
    await worked(admin, 1)
    [entry] = await admin.ledger.entries(1)
    lost = Difference("absent", entry["id"], entry["number"])
    now = entry["received_at"]
    outcome = keeping.Outcome("sql", now, now, (lost,), (), ("stock: <b>no</b> answer",), 1, 0)
    await admin.ledger.put(lambda connection, at: keeping.keep(connection, at, outcome))
    async with admin.person("vera") as vera:
        seen = await vera.get("/reconciliation")
        assert "Open findings: 1" in seen
        assert f"scanpost bridge replay {entry['number']}" in seen
        assert "Not read: stock: <b>no</b> answer" in seen
        assert "backlog 0" in seen
        assert "It is right as it is" not in seen
    async with admin.person("olga") as olga:
        await olga.get("/reconciliation")
        await olga.post("/reconciliation/1/close", why=" ")
        assert olga.status == 400
        await olga.get("/reconciliation")
        seen = await olga.post("/reconciliation/1/close", why="booked by hand")
        assert "Finding 1 is closed" in seen
        assert "Nothing differs" in seen
        assert "olga booked by hand" in seen
        await olga.post("/reconciliation/1/close", why="again")
        assert olga.status == 404


async def test_a_document_with_unseen_characters_is_put_right_all_the_same(tmp_path: Path) -> None:
    strange = 'PO "\u200b<7>\x1d\xa0é'
    async with site(tmp_path, target=picky()) as admin, admin.person("olga") as olga:
        await admin.ledger.apply(envelope(1, [transaction(1, receipt(strange, sku=strange))]))
        await worked(admin, 1)
        seen = await olga.get("/entries/1")
        assert 'po PO "⟨U+200B⟩<7>⟨GS⟩⟨U+00A0⟩é' in html.unescape(olga.page)
        fields = dict(re.findall(r'name="(document_old|item_old)" value="([^"]*)"', olga.page))
        assert {html.unescape(value) for value in fields.values()} == {strange}
        form: dict[str, Any] = {name: html.unescape(text) for name, text in fields.items()}
        seen = await olga.post(
            "/entries/1/amend", document_new="PO-1", item_new="BOLT-8", why="unreadable", **form
        )
        assert "back in line" in seen
        await worked(admin, 1)
        assert "posted" in await olga.get("/entries/1")
        await olga.get("/entries?text=" + quote(strange))
        assert re.findall(r'<a href="/entries/(\d+)"', olga.page) == ["1"]


async def test_figures_are_counted_once_a_minute_however_many_look(tmp_path: Path) -> None:
    seconds = [1_000.0]
    async with site(tmp_path, now=lambda: seconds[0]) as admin, admin.person("vera") as vera:
        assert "backlog 0" in await vera.get("/reconciliation")
        await admin.ledger.apply(run_of(1, 3))
        seconds[0] += 59.0
        assert "backlog 0" in await vera.get("/reconciliation")
        seconds[0] += 2.0
        assert "backlog 3" in await vera.get("/reconciliation")


async def test_one_report_is_drawn_up_at_a_time_and_not_for_ever(
    admin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admin.person("vera") as vera:
        async with admin.house.reporting:
            seen = await vera.get("/audit?verify=1")
            assert (vera.status, "another report is being drawn up" in seen) == (409, True)
        monkeypatch.setattr(records, "REPORT_S", -1.0)
        seen = await vera.get("/shadow?draw=1")
        assert (vera.status, "it took longer than" in seen) == (409, True)
        monkeypatch.setattr(records, "REPORT_S", 60.0)
        await vera.get("/shadow?draw=1")
        assert vera.status == 200
