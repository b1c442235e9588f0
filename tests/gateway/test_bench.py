"""The bench: OK is said only of what is on disk, and what could not be stored never happened."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from contract.codes.cards import command_card
from contract.transactions import Reading, Receipt, Reversal
from drivers.kit.readings import Noise, Reply, Scan, Weight
from gateway.errors import StoreFailed
from gateway.signals import Told
from tests.gateway.rig import Rig, gateway, rigged, scan

EAN = "5901234123457"
OTHER_EAN = "4006381333931"
ACK, UNDO, DONE = command_card("ACK"), command_card("UNDO"), command_card("DONE")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path / "o.db") as made:
        yield made


def weight(value: str, *, stable: bool = True) -> Weight:
    return Weight(Decimal(value), "kg", stable, f"S S {value} kg\r\n".encode())


# OK is the commit


async def test_ok_is_said_only_when_the_row_is_on_disk(rig: Rig) -> None:
    on_disk_when_told: list[tuple[int, int]] = []

    def look(told: Told) -> None:
        with contextlib.closing(sqlite3.connect(rig.path)) as store:
            [(last,)] = store.execute("SELECT coalesce(max(seq), 0) FROM outbox").fetchall()
        on_disk_when_told.extend((booked.seq, last) for booked in told.booked)

    rig.signals.listen(look)
    await rig.scan("PO:1", EAN, EAN, OTHER_EAN)
    assert on_disk_when_told == [(1, 1), (2, 2), (3, 3)]


async def test_nothing_is_said_while_the_disk_is_busy(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db", gateway("pass_through"), write=False) as rig:
        accepting = asyncio.create_task(rig.bench.accept("scanner-1", [scan(EAN)]))
        for _ in range(20):
            await asyncio.sleep(0)
        assert rig.told == []
        assert not accepting.done()
        writing = asyncio.create_task(rig.outbox.write())
        async with asyncio.timeout(60):
            await accepting
        assert rig.told[-1].signal.kind == "ok"
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def test_a_full_disk_is_said_and_the_state_is_taken_back(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    told = await rig.scan_until_full(EAN)
    assert told.signal.text.startswith("NOT SAVED")
    assert told.signal.todo
    assert told.booked == ()
    assert rig.latched == told
    oks = sum(len(each.booked) for each in rig.told)
    assert len(rig.stored()) == oks
    # The table on the screen counts what is on disk, not what was tried.
    assert [line.done for line in rig.bench.view.lines] == [f"{oks} EA"]


async def test_the_same_scan_is_taken_once_there_is_room_again(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    await rig.scan_until_full(EAN)
    before = len(rig.stored())
    await rig.make_room()
    # Within the bounce window: what was not saved is no bounce.
    await rig.bench.accept("scanner-1", [scan(EAN)])
    assert rig.told[-1].signal.kind == "ok"
    assert rig.latched is None
    assert len(rig.stored()) == before + 1


async def test_nothing_of_a_group_that_was_not_saved_counts(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    await rig.scan_until_full(EAN)
    rig.clock.now += 1
    before = rig.bench.session
    heard = len(rig.told)
    await rig.bench.accept(
        "scanner-1", [scan("OP:7"), scan("PO:2"), scan(EAN), scan("what is this")]
    )
    kinds = [(told.signal.kind, told.signal.text[:9]) for told in rig.told[heard:]]
    assert kinds == [("not_ok", "NOT SAVED")] * 3 + [("not_ok", "Unknown c")]
    assert rig.bench.session == before
    assert before.operator is None
    assert rig.bench.view.document == "1"


async def test_what_was_not_saved_cannot_be_undone(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    await rig.scan_until_full(EAN)
    await rig.make_room()
    last = rig.stored()[-1]
    await rig.scan(UNDO)
    event = rig.stored()[-1].event
    assert isinstance(event, Reversal)
    assert event.reverses == last.id


async def test_a_failing_disk_is_told_and_ends_the_daemon(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    with contextlib.closing(sqlite3.connect(rig.path)) as vandal:
        vandal.execute("DROP TABLE outbox")
    with pytest.raises(StoreFailed, match="no such table"):
        await rig.scan(EAN)
    assert rig.told[-1].signal.text.startswith("NOT SAVED")


async def test_the_scans_of_one_read_are_one_commit_in_their_order(rig: Rig) -> None:
    await rig.scan("PO:1")
    statements: list[str] = []
    await rig.outbox._writer.set_trace_callback(statements.append)
    await rig.bench.accept("scanner-1", [scan(EAN), scan(OTHER_EAN), scan("x"), scan("ASN:2")])
    await rig.outbox._writer.set_trace_callback(None)  # type: ignore[arg-type]
    # What the triggers do is traced with the text of the one statement, too.
    assert len({text for text in statements if text.startswith("INSERT INTO intake")}) == 1
    assert not [text for text in statements if text.startswith(("BEGIN", "COMMIT"))]
    assert [told.signal.kind for told in rig.told[1:]] == ["ok", "ok", "not_ok", "ok"]
    gtins = [
        each.event.lines[0].item.gtin for each in rig.stored() if isinstance(each.event, Receipt)
    ]
    assert gtins == ["0" + EAN, "0" + OTHER_EAN]


async def test_the_screen_hears_of_each_group(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    assert rig.changes == 2
    await rig.bench.accept("scale-1", [weight("1.0", stable=False)])
    assert rig.changes == 2


# Bounces


async def test_the_same_code_within_the_window_is_ignored_and_said_so(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    rig.clock.now += 0.399
    await rig.bench.accept("scanner-1", [scan(EAN)])
    assert rig.told[-1].signal.kind == "ignored"
    assert len(rig.stored()) == 1


async def test_after_the_window_it_is_a_second_unit(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    rig.clock.now += 0.401
    await rig.bench.accept("scanner-1", [scan(EAN)])
    assert rig.told[-1].signal.kind == "ok"
    assert len(rig.stored()) == 2


async def test_a_trigger_that_is_held_down_counts_once(rig: Rig) -> None:
    await rig.scan("PO:1", EAN)
    for _ in range(10):
        rig.clock.now += 0.3
        await rig.bench.accept("scanner-1", [scan(EAN)])
    assert [told.signal.kind for told in rig.told[2:]] == ["ignored"] * 10
    assert len(rig.stored()) == 1


async def test_two_of_the_same_in_one_read_are_a_bounce(rig: Rig) -> None:
    await rig.scan("PO:1")
    await rig.bench.accept("scanner-1", [scan(EAN), scan(EAN)])
    assert [told.signal.kind for told in rig.told[1:]] == ["ok", "ignored"]


async def test_another_code_between_makes_it_a_second_unit(rig: Rig) -> None:
    await rig.scan("PO:1")
    await rig.bench.accept("scanner-1", [scan(EAN), scan(OTHER_EAN), scan(EAN)])
    assert [told.signal.kind for told in rig.told[1:]] == ["ok", "ok", "ok"]


async def test_each_scanner_has_a_bounce_window_of_its_own(tmp_path: Path) -> None:
    config = gateway(devices={"scanner-1": "lines", "scanner-2": "lines"})
    async with rigged(tmp_path / "o.db", config) as rig:
        await rig.scan("PO:1", EAN)
        await rig.bench.accept("scanner-2", [scan(EAN)])
        assert len(rig.stored()) == 2


async def test_the_window_is_as_configured(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db", gateway(bounce=0)) as rig:
        await rig.scan("PO:1")
        await rig.bench.accept("scanner-1", [scan(EAN), scan(EAN)])
        assert len(rig.stored()) == 2


# Cards


async def test_who_signed_in_is_in_every_transaction_from_then_on(rig: Rig) -> None:
    await rig.scan("PO:1", EAN, "OP:4711", EAN, "OP:8", EAN)
    assert [each.operator for each in rig.stored()] == [None, "4711", "8"]
    assert rig.bench.session.operator == "8"


async def test_undo_reverses_the_last_of_this_station_and_restores_the_state(rig: Rig) -> None:
    await rig.scan("PO:1", EAN, OTHER_EAN)
    told = await rig.scan(UNDO)
    assert told.signal.text == f"Undone: receipt 1 EA 0{OTHER_EAN}"
    first, second, reversal = rig.stored()
    assert isinstance(reversal.event, Reversal)
    assert reversal.event.reverses == second.id
    assert [line.label for line in rig.bench.view.lines] == ["0" + EAN]
    await rig.scan(UNDO)
    event = rig.stored()[-1].event
    assert isinstance(event, Reversal)
    assert event.reverses == first.id
    assert rig.bench.view.lines == ()


async def test_undo_of_what_is_undone_is_not_a_thing(rig: Rig) -> None:
    await rig.scan("PO:1", EAN, UNDO)
    told = await rig.scan(UNDO)
    assert told.signal.text == "Nothing to undo"
    assert told.signal.kind == "not_ok"
    assert len(rig.stored()) == 2


async def test_undo_opens_a_document_again_that_was_closed_too_early(rig: Rig) -> None:
    await rig.scan("PO:1", EAN, DONE, UNDO)
    assert rig.bench.view.document == "1"


async def test_undo_is_evidence_too(rig: Rig) -> None:
    await rig.scan("PO:1", EAN, UNDO)
    [evidence] = rig.stored()[-1].evidence
    assert bytes.fromhex(evidence.raw) == UNDO.encode() + b"\r"


async def test_only_so_many_can_be_undone(rig: Rig) -> None:
    await rig.scan("PO:1", *[EAN] * 60)
    for _ in range(50):
        assert (await rig.scan(UNDO)).signal.kind == "ok"
    assert (await rig.scan(UNDO)).signal.text == "Nothing to undo"


async def test_ack_clears_what_stays(rig: Rig) -> None:
    refused = await rig.scan("PO:1", "what is this")
    assert rig.latched == refused
    await rig.scan(ACK)
    assert rig.latched is None


async def test_the_next_valid_step_clears_it_too(rig: Rig) -> None:
    await rig.scan("PO:1", "what is this", EAN)
    assert rig.latched is None


async def test_a_bounce_does_not_clear_it(rig: Rig) -> None:
    refused = await rig.scan("PO:1", "what is this")
    await rig.bench.accept("scanner-1", [scan("what is this")])
    assert rig.told[-1].signal.kind == "ignored"
    assert rig.latched == refused


async def test_a_pass_through_station_passes_cards_on_unless_told_otherwise(tmp_path: Path) -> None:
    async with rigged(tmp_path / "a.db", gateway("pass_through")) as rig:
        await rig.scan("OP:7", ACK)
        events = [each.event for each in rig.stored()]
        assert [event.text for event in events if isinstance(event, Reading)] == ["OP:7", ACK]
    async with rigged(tmp_path / "b.db", gateway("pass_through", cards=True)) as rig:
        await rig.scan("OP:7", "x", UNDO)
        assert [each.event.type for each in rig.stored()] == ["reading", "reversal"]
        assert rig.stored()[0].operator == "7"


# After a restart


async def test_a_restart_says_what_was_recorded_last(rig: Rig, tmp_path: Path) -> None:
    await rig.scan("PO:1", EAN, OTHER_EAN)
    last = rig.stored()[-1]
    async with rigged(tmp_path / "o2.db") as after:
        after.bench.resume(rig.stored())
        [told] = after.told
    assert told.signal.kind == "attention"
    assert f"Last recorded: receipt 1 EA 0{OTHER_EAN} at " in told.signal.text
    assert f"{last.clock.wall.astimezone():%H:%M:%S}" in told.signal.text
    assert [booked.id for booked in told.booked] == [last.id]
    assert after.latched == told


async def test_a_first_start_has_nothing_to_say(rig: Rig) -> None:
    rig.bench.resume([])
    assert rig.told == []


async def test_undo_reaches_behind_a_restart_and_leaves_the_state_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    async with rigged(path) as rig:
        await rig.scan("PO:1", EAN, OTHER_EAN, UNDO)
    async with rigged(path) as rig:
        rig.bench.resume(rig.stored())
        await rig.scan("PO:2")
        told = await rig.scan(UNDO)
        assert told.signal.text == f"Undone: receipt 1 EA 0{EAN}"
        event = rig.stored()[-1].event
        assert isinstance(event, Reversal)
        assert event.reverses == rig.stored()[0].id
        assert rig.bench.view.document == "2"
        assert (await rig.scan(UNDO)).signal.text == "Nothing to undo"


# Scales


async def test_a_load_becomes_one_transaction_with_its_frame_as_evidence(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db", gateway(book="weight")) as rig:
        await rig.scan("PO:1", EAN)
        for value, stable in [("0.000", True), ("0.8", False), ("1.250", True), ("1.250", True)]:
            await rig.bench.accept("scale-1", [weight(value, stable=stable)])
        [stored] = rig.stored()
        assert isinstance(stored.event, Receipt)
        assert str(stored.event.lines[0].quantity.value) == "1.250"
        by_scan, by_scale = stored.evidence
        assert (by_scan.device, bytes.fromhex(by_scan.raw)) == ("scanner-1", EAN.encode() + b"\r")
        assert bytes.fromhex(by_scale.raw) == b"S S 1.250 kg\r\n"
        assert rig.told[-1].text == "1.250 kg"


async def test_the_screen_shows_the_weight_while_it_still_moves(rig: Rig) -> None:
    nothing_yet = rig.bench.live
    moving = weight("0.8", stable=False)
    await rig.bench.accept("scale-1", [moving])
    assert (nothing_yet, rig.bench.live) == (None, moving)
    assert rig.told == []


async def test_a_load_that_could_not_be_stored_is_tried_again_after_ack_not_before(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path / "o.db", gateway("receiving", book="weight")) as rig:
        await rig.scan("PO:1", EAN)
        await rig.fill_the_disk()
        for _ in range(50):  # until what is left of the last page is full
            await rig.bench.accept("scale-1", [weight("0.000"), weight("1.250")])
            if rig.told[-1].signal.kind == "not_ok":
                break
            await rig.scan(EAN)
        assert rig.told[-1].signal.text.startswith("NOT SAVED")
        heard, saved = len(rig.told), len(rig.stored())
        for _ in range(10):
            await rig.bench.accept("scale-1", [weight("1.250")])
        assert len(rig.told) == heard, "one load is one signal, however long it lies there"
        await rig.make_room()
        await rig.scan(ACK)
        await rig.bench.accept("scale-1", [weight("1.250")])
        assert rig.told[-1].signal.kind == "ok"
        assert len(rig.stored()) == saved + 1


async def test_a_load_refused_without_a_document_is_booked_once_there_is_one(rig: Rig) -> None:
    await rig.bench.accept("scale-1", [weight("1.250")])
    assert rig.told[-1].signal.kind == "not_ok"
    assert rig.stored() == []
    await rig.scan("PO:1")
    await rig.bench.accept("scale-1", [weight("1.250")])
    await rig.bench.accept("scale-1", [weight("1.250")])
    assert [each.event.type for each in rig.stored()] == ["weighing"]


async def test_where_the_scale_says_how_much_goods_may_lie_on_it_before_they_are_scanned(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path / "o.db", gateway(book="weight")) as rig:
        await rig.scan("PO:1")
        await rig.bench.accept("scale-1", [weight("1.250")])
        assert rig.told[-1].signal.todo == "Scan what lies on the scale."
        await rig.scan(EAN)
        await rig.bench.accept("scale-1", [weight("1.250")])
        [stored] = rig.stored()
    assert isinstance(stored.event, Receipt)
    assert str(stored.event.lines[0].quantity.value) == "1.250"


async def test_a_load_that_is_still_no_use_is_not_refused_again_after_ack(rig: Rig) -> None:
    await rig.bench.accept("scale-1", [weight("1.250")])
    await rig.scan(ACK)
    heard = len(rig.told)
    await rig.bench.accept("scale-1", [weight("1.250")])
    assert len(rig.told) == heard


async def test_a_load_that_lay_there_at_a_restart_counts_once_it_was_taken_off(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path / "o.db", gateway("pass_through")) as rig:
        await rig.bench.accept("scale-1", [weight("1.250")])
        recorded = rig.stored()
    async with rigged(tmp_path / "o.db", gateway("pass_through")) as rig:
        rig.bench.resume(recorded)
        await rig.bench.accept("scale-1", [weight("1.250")])
        assert len(rig.stored()) == 1
        await rig.bench.accept("scale-1", [weight("0.000"), weight("1.250")])
        assert len(rig.stored()) == 2


# What no rule explains


async def test_noise_of_a_scanner_is_told(rig: Rig) -> None:
    await rig.bench.accept("scanner-1", [Noise(b"\xff", "a scan without its terminator")])
    [told] = rig.told
    assert told.signal.kind == "not_ok"
    assert told.signal.text == "Not read: a scan without its terminator"
    assert told.signal.todo == "Scan again."


async def test_noise_of_a_scale_is_not_the_operators_business(rig: Rig) -> None:
    await rig.bench.accept("scale-1", [Noise(b"\xff", "not an MT-SICS answer")])
    assert rig.told == []


async def test_an_answer_to_a_command_is_not_the_operators_business(rig: Rig) -> None:
    await rig.bench.accept("scanner-1", [Reply("no read", b"NR\r")])
    assert rig.told == []


# Bounds


async def test_evidence_is_the_raw_bytes_with_the_symbology(rig: Rig) -> None:
    await rig.scan("PO:1")
    rig.clock.now += 1
    reading = Scan(b"01" + b"0" + EAN.encode(), b"\x02]C1010" + EAN.encode() + b"\x03", "]C1")
    await rig.bench.accept("scanner-1", [reading])
    [evidence] = rig.stored()[-1].evidence
    assert bytes.fromhex(evidence.raw) == reading.raw
    assert (evidence.kind, evidence.device, evidence.symbology) == ("scan", "scanner-1", "]C1")


async def test_a_frame_longer_than_evidence_may_be_is_cut_not_refused(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db", gateway("pass_through")) as rig:
        data = b"x" * 8192
        await rig.bench.accept("scanner-1", [Scan(data, b"]C1" + data + b"\r\n", "]C1")])
        [stored] = rig.stored()
        assert isinstance(stored.event, Reading)
        assert stored.event.text == "x" * 8192
        assert len(bytes.fromhex(stored.evidence[0].raw)) == 8192
        assert len(rig.told[-1].text) <= 200


async def test_a_transaction_too_large_to_travel_is_refused_aloud(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db", gateway("pass_through")) as rig:
        # Control characters take six bytes each in JSON.
        told = await rig.scan(b"\x01" * 8192)
        assert told.signal.kind == "not_ok"
        assert told.signal.todo
        assert rig.stored() == []
        assert (await rig.scan(EAN)).signal.kind == "ok"
        assert rig.stored()[0].seq == 1
