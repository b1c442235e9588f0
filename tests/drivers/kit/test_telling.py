"""A scanner is told what became of its scans; one that waits is always told."""

import asyncio
from typing import Any

import pytest

from drivers.kit.readings import Dialogue, Noise, Reading, Scan, Step
from drivers.kit.session import Verdicts, converse
from drivers.kit.streams import open_stream
from drivers.simulators.lines import ScannerSimulator
from tests.drivers.conversation import CEILING, dialogue


class Consumer:
    """Gives the verdicts a test wants."""

    def __init__(self, verdicts: Verdicts | Exception | None) -> None:
        self._verdicts = verdicts
        self.heard: list[list[Reading]] = []

    async def emit(self, readings: list[Reading]) -> Verdicts | None:
        self.heard.append(readings)
        if isinstance(self._verdicts, Exception):
            raise self._verdicts
        return self._verdicts


async def told(
    talk: Dialogue, verdicts: Verdicts | Exception | None, said: bytes, *, wanted: bytes
) -> None:
    """Let a scanner send `said`, and wait until it has heard all that is `wanted`."""
    async with ScannerSimulator() as scanner, await open_stream(scanner.url) as stream:
        consumer = Consumer(verdicts)
        task = asyncio.create_task(converse(talk, stream, consumer.emit))
        try:
            await scanner.say(said)
            async with asyncio.timeout(CEILING):
                while len(scanner.heard) < len(wanted) or not consumer.heard:
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert scanner.heard == wanted


GOOD, BAD = b"\x06", b"\x15"


def waits(**settings: Any) -> Dialogue:
    """One that blocks until it is told."""
    return dialogue("lines", feedback="cr_ack_nak", **settings)


@pytest.mark.parametrize(
    ("feedback", "good", "bad", "blocks"),
    [
        ("none", b"", b"", False),
        ("honeywell_host_ack", b"\x1b7,", b"\x1b8,", True),
        ("cr_ack_nak", b"\x06", b"\x15", True),
        ("datalogic", b"\x1b[6q\x1b[3q\x1b[7q", b"\x1b[4q", False),
        ("datalogic_pos", b"B", b"F", False),
        ("cipherlab", b"#@////\r", b"", False),
    ],
)
def test_each_maker_has_its_words(feedback: str, good: bytes, bad: bytes, blocks: bool) -> None:
    talk = dialogue("lines", feedback=feedback)
    assert (talk.good, talk.bad, talk.blocks) == (good, bad, blocks)


def test_a_maker_nobody_knows_has_words_too() -> None:
    talk = dialogue("lines", feedback="own", good="\x1bG\xff", bad="\x1bB")
    assert (talk.good, talk.bad, talk.blocks) == (b"\x1bG\xff", b"\x1bB", False)


async def test_each_scan_of_a_read_is_told_in_its_order() -> None:
    await told(waits(), ["good", "bad", "good"], b"1\r2\r3\r", wanted=GOOD + BAD + GOOD)


async def test_one_that_does_not_wait_is_not_told_of_a_bounce() -> None:
    await told(
        dialogue("lines", feedback="datalogic"),
        ["good", "ignored", "bad"],
        b"1\r2\r3\r",
        wanted=b"\x1b[6q\x1b[3q\x1b[7q" + b"\x1b[4q",
    )


async def test_one_that_waits_hears_again_at_a_bounce_what_it_heard_of_the_first() -> None:
    verdicts: Verdicts = ["bad", "ignored", "good", "ignored"]
    await told(waits(), verdicts, b"1\r1\r2\r2\r", wanted=BAD + BAD + GOOD + GOOD)


@pytest.mark.parametrize("verdicts", [None, [], [None], ["bad"]])
async def test_one_that_waits_is_told_even_when_nobody_knows(verdicts: Verdicts | None) -> None:
    await told(waits(), verdicts, b"1\r", wanted=BAD)


async def test_one_that_waits_is_told_of_a_torn_scan_too() -> None:
    await told(waits(gap=0.05), None, b"4006", wanted=BAD)


async def test_one_that_waits_is_told_when_the_store_fails() -> None:
    class StoreFailed(Exception):
        pass

    await told(waits(), StoreFailed(), b"1\r2\r", wanted=BAD + BAD)


async def test_an_error_of_the_consumer_is_not_hidden_by_a_cable_that_is_pulled() -> None:
    class StoreFailed(Exception):
        pass

    async with ScannerSimulator() as scanner, await open_stream(scanner.url) as stream:

        async def emit(_: list[Reading]) -> None:
            scanner.unplug()
            await stream.close()
            raise StoreFailed

        await scanner.send("1")
        with pytest.raises(StoreFailed):
            await asyncio.wait_for(converse(waits(), stream, emit), CEILING)


async def test_nothing_is_told_before_the_consumer_is_done() -> None:
    stored, asked = asyncio.Event(), asyncio.Event()

    async def emit(_: list[Reading]) -> Verdicts:
        asked.set()
        await stored.wait()
        return ["good"]

    async with ScannerSimulator() as scanner, await open_stream(scanner.url) as stream:
        task = asyncio.create_task(converse(waits(), stream, emit))
        async with asyncio.timeout(CEILING):
            await scanner.send("1")
            await asked.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            assert scanner.heard == b""
            stored.set()
            while scanner.heard != GOOD:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_an_answer_to_a_menu_command_is_no_scan() -> None:
    def said(wire: bytes, feedback: str) -> list[Step]:
        decoder = dialogue("lines", feedback=feedback).decoder
        return decoder.feed(wire) + decoder.quiet()

    [refusal] = said(b"CBRMIN100\x15.", "honeywell_host_ack")
    assert getattr(refusal, "code", "") == "CBRMIN100 refused"
    [reply] = said(b"BEPLVL2\x06!", "honeywell_host_ack")
    assert getattr(reply, "text", "") == "BEPLVL2"
    assert isinstance(said(b"CBRMIN100\x15.", "none")[0], Noise)
    assert isinstance(said(b"CBRMIN100\x15.\r", "honeywell_host_ack")[0], Scan)
