"""What is kept of the talk with an ERP."""

import asyncio

from bridge.wire import MAX_NOTES, MAX_TEXT, heard, recording, sent


def test_nothing_is_kept_outside_of_a_recording() -> None:
    sent("POST /a")
    with recording() as notes:
        pass
    assert notes == []


def test_a_long_answer_is_cut_and_says_so() -> None:
    with recording() as notes:
        heard("200", "x" * (MAX_TEXT * 2))
    assert notes[0].text.endswith(f"[cut: {MAX_TEXT * 2 + 4} characters in all]")


def test_a_talkative_connector_is_cut_off_once() -> None:
    with recording() as notes:
        for _ in range(MAX_NOTES * 2):
            sent("GET /")
    assert len(notes) == MAX_NOTES + 1
    assert "not kept" in notes[-1].text


async def test_deliveries_side_by_side_do_not_mix() -> None:
    async def deliver(name: str) -> list[str]:
        with recording() as notes:
            sent(name)
            await asyncio.sleep(0)
            heard(name)
        return [note.text for note in notes]

    first, second = await asyncio.gather(deliver("a"), deliver("b"))
    assert (first, second) == (["a", "a"], ["b", "b"])
