"""The one loop, over real pseudo-terminals and sockets."""

import asyncio
import os
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Self

import pytest

from drivers.kit.errors import DeviceSilent, StreamLost
from drivers.kit.readings import (
    Decoder,
    Dialogue,
    Noise,
    Reading,
    Refusal,
    Reply,
    Scan,
    Send,
    Step,
    Weight,
)
from drivers.kit.session import converse
from drivers.kit.streams import Stream, open_stream
from drivers.simulators.cable import Pty, TcpPort
from drivers.simulators.device import Device
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from drivers.simulators.toledo_8217 import Toledo8217Simulator
from drivers.simulators.wedge import WedgeSimulator
from tests.drivers.conversation import CEILING, dialogue, talking


def weighs(value: str) -> Callable[[Reading], bool]:
    return lambda reading: isinstance(reading, Weight) and reading.value == Decimal(value)


def scan_of(data: bytes) -> Callable[[Reading], bool]:
    return lambda reading: isinstance(reading, Scan) and reading.data == data


class Parrot:
    """A decoder that answers every chunk with an ACK and says what it got."""

    def __init__(self) -> None:
        self.fed = asyncio.Event()

    def feed(self, data: bytes) -> list[Step]:
        self.fed.set()
        return [Reply(data.decode("latin-1"), data), Send(b"\x06")]

    def quiet(self) -> list[Step]:
        return [Reply("quiet", b"")]


class Spy:
    """A decoder that counts what it was called for.

    Args:
        inner: does the work.
        then: called each time it was fed, before anything else can happen.
    """

    def __init__(self, inner: Decoder, then: Callable[[], None] = lambda: None) -> None:
        self._inner = inner
        self._then = then
        self.quiet_calls = 0

    def feed(self, data: bytes) -> list[Step]:
        steps = self._inner.feed(data)
        self._then()
        return steps

    def quiet(self) -> list[Step]:
        self.quiet_calls += 1
        return self._inner.quiet()


class Wire:
    """A pseudo-terminal without a device: the test itself is the far end."""

    async def __aenter__(self) -> Self:
        self._far, self._near = os.openpty()
        os.set_blocking(self._far, False)
        self.url = f"serial://{os.ttyname(self._near)}"
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._far)
        os.close(self._near)

    def put(self, data: bytes) -> None:
        os.write(self._far, data)

    async def question(self, answer: bytes = b"") -> bytes:
        """Wait for what is asked, and `answer` before anything else can happen."""
        asked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()

        def hear() -> None:
            if not asked.done():
                asked.set_result(os.read(self._far, 99))
                self.put(answer)

        loop.add_reader(self._far, hear)
        try:
            async with asyncio.timeout(CEILING):
                return await asked
        finally:
            loop.remove_reader(self._far)


async def test_a_scale_is_asked_and_answers() -> None:
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("mt_sics", every=0.1)) as heard,
    ):
        weight = await heard.expect(weighs("1.250"))
        scale.load = Decimal("7.000")
        await heard.expect(weighs("7.000"))
    assert weight == Weight(Decimal("1.250"), "kg", True, b"S S      1.250 kg\r")


async def test_a_scale_behind_a_terminal_server_answers_too() -> None:
    async with (
        MtSicsSimulator(TcpPort(), load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("mt_sics")) as heard,
    ):
        await heard.expect(weighs("1.250"))


async def test_a_scale_with_seven_bits_and_parity_is_read_through_a_pty() -> None:
    async with (
        Toledo8217Simulator(load=Decimal("12.345"), parity=True) as scale,
        talking(
            f"{scale.url}?bytesize=7&parity=E&stopbits=1", dialogue("toledo_8217", unit="kg")
        ) as heard,
    ):
        weight = await heard.expect(weighs("12.345"))
    assert isinstance(weight, Weight)
    assert (weight.raw, weight.unit) == (b"\x0212.345\r", "kg")


async def test_a_scanner_is_heard() -> None:
    async with (
        ScannerSimulator() as scanner,
        talking(scanner.url, dialogue("lines")) as heard,
    ):
        await scanner.send("4006381333931", aim="]E0")
        scan = await heard.expect(scan_of(b"4006381333931"))
    assert scan == Scan(b"4006381333931", b"]E04006381333931\r", "]E0")


async def test_a_typed_code_of_any_length_comes_through() -> None:
    code = "0104006381333931" + "10" + "aB-" * 400 + "\x1d" + "21~"
    async with (
        WedgeSimulator() as scanner,
        talking(scanner.url, dialogue("wedge")) as heard,
    ):
        await scanner.type(code)
        await heard.expect(scan_of(code.encode()))


async def test_scans_that_arrive_together_are_handed_on_together() -> None:
    async with (
        ScannerSimulator() as scanner,
        talking(scanner.url, dialogue("lines")) as heard,
    ):
        await scanner.glued(["one", "two", "three"])
        await heard.expect(scan_of(b"three"))
    assert [[r.data for r in chunk if isinstance(r, Scan)] for chunk in heard.chunks] == [
        [b"one", b"two", b"three"]
    ]


async def test_a_mute_scale_is_silent() -> None:
    async with (
        MtSicsSimulator() as scale,
        talking(scale.url, dialogue("mt_sics", within=0.3)) as heard,
    ):
        scale.mute = True
        with pytest.raises(DeviceSilent, match=r"did not answer within 0\.3 s"):
            await heard.ended()


async def test_a_scale_that_falls_mute_is_silent() -> None:
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("mt_sics", every=0.1, within=0.3)) as heard,
    ):
        await heard.expect(weighs("1.250"))
        scale.mute = True
        with pytest.raises(DeviceSilent):
            await heard.ended()


async def test_a_scale_that_only_babbles_is_silent() -> None:
    class Babbling(Device):
        def answer(self, data: bytes) -> bytes:
            return b"\x00\xf8\x80\r\n" if data else b""

    async with (
        Babbling() as scale,
        talking(scale.url, dialogue("mt_sics", every=0.1, within=0.5)) as heard,
    ):
        with pytest.raises(DeviceSilent):
            await heard.ended()
    assert len(heard.chunks) > 1, "a garbled answer must not stop the asking"
    assert all(isinstance(reading, Noise) for reading in heard.readings)


async def test_a_refusal_is_an_answer() -> None:
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("mt_sics", every=0.1, within=0.3)) as heard,
    ):
        scale.busy = True
        await heard.expect(lambda reading: isinstance(reading, Refusal) and reading.code == "S I")
        scale.busy = False
        await heard.expect(weighs("1.250"))


async def test_questions_are_not_stacked() -> None:
    async with (
        MtSicsSimulator() as scale,
        talking(scale.url, dialogue("mt_sics", every=0.1, within=0.6)) as heard,
    ):
        scale.mute = True
        with pytest.raises(DeviceSilent):
            await heard.ended()
        assert scale.heard == b"SI\r\n"


class Clocked(Stream):
    """A stream that remembers when it was written to."""

    def __init__(self, inner: Stream) -> None:
        self.description = inner.description
        self._inner = inner
        self.written: list[float] = []

    async def read(self) -> bytes:
        return await self._inner.read()

    async def write(self, data: bytes) -> None:
        self.written.append(time.monotonic())
        await self._inner.write(data)

    async def close(self) -> None:
        await self._inner.close()


async def test_a_late_consumer_causes_no_burst_of_questions() -> None:
    class Enough(Exception):
        pass

    async with (
        MtSicsSimulator() as scale,
        Clocked(await open_stream(scale.url)) as stream,
    ):

        async def slow(_: list[Reading]) -> None:
            if len(stream.written) == 1:
                # Just before the fifth turn: asking now and at that turn would be too soon.
                await asyncio.sleep(1.54)
            if len(stream.written) == 5:
                raise Enough

        with pytest.raises(Enough):
            await asyncio.wait_for(converse(dialogue("mt_sics", every=0.4), stream, slow), CEILING)
    assert min(later - earlier for earlier, later in pairwise(stream.written)) >= 0.12


async def test_hello_comes_before_the_first_question() -> None:
    async with Wire() as wire:
        talk = Dialogue(Parrot(), hello=b"hello ", ask=b"weigh", every=60.0, within=60.0)
        async with talking(wire.url, talk):
            said = b""
            while len(said) < len(b"hello weigh"):
                said += await wire.question()
    assert said == b"hello weigh"


async def test_the_device_gets_its_answer_before_anyone_else_hears() -> None:
    async with Wire() as wire, await open_stream(wire.url) as stream:
        held = asyncio.Event()

        async def emit(_: list[Reading]) -> None:
            held.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(converse(Dialogue(Parrot()), stream, emit))
        wire.put(b"x")
        assert await wire.question() == b"\x06"
        await asyncio.wait_for(held.wait(), CEILING)
        task.cancel()
        await asyncio.wait([task])


async def test_nothing_is_read_while_the_consumer_is_busy() -> None:
    busy = most = 0
    taken: list[bytes] = []
    go_on = asyncio.Semaphore(0)

    async def emit(readings: list[Reading]) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await go_on.acquire()
        busy -= 1
        taken.extend(reading.raw for reading in readings)

    async with Wire() as wire, await open_stream(wire.url) as stream:
        parrot = Parrot()
        task = asyncio.create_task(converse(Dialogue(parrot), stream, emit))
        for data in (b"1", b"2", b"3"):
            wire.put(data)
            await asyncio.wait_for(parrot.fed.wait(), CEILING) if data == b"1" else None
        for _ in range(3):
            go_on.release()
        async with asyncio.timeout(CEILING):
            while b"".join(taken) != b"123":
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert most == 1


async def test_a_pulled_cable_is_a_lost_stream() -> None:
    async with (
        MtSicsSimulator(load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("mt_sics")) as heard,
    ):
        await heard.expect(weighs("1.250"))
        scale.unplug()
        with pytest.raises(StreamLost):
            await heard.ended()


async def test_a_terminal_server_that_hangs_up_is_a_lost_stream() -> None:
    async with (
        MtSicsSimulator(TcpPort(), load=Decimal("1.250")) as scale,
        talking(scale.url, dialogue("mt_sics")) as heard,
    ):
        await heard.expect(weighs("1.250"))
        scale.unplug()
        with pytest.raises(StreamLost):
            await heard.ended()


async def test_a_partial_frame_is_dropped_when_the_cable_comes_back(tmp_path: Path) -> None:
    async with ScannerSimulator(Pty(tmp_path / "scanner")) as scanner:
        async with talking(scanner.url, dialogue("lines")) as heard:
            await scanner.send("first")
            await scanner.cut("40063813", after=5)
            await heard.expect(scan_of(b"first"))
            scanner.unplug()
            with pytest.raises(StreamLost):
                await heard.ended()
        scanner.replug()
        async with talking(scanner.url, dialogue("lines")) as again:
            await scanner.send("second")
            await again.expect(scan_of(b"second"))
    assert [r.data for r in heard.readings + again.readings if isinstance(r, Scan)] == [
        b"first",
        b"second",
    ]


async def test_a_torn_scan_is_never_glued_to_the_next() -> None:
    async with (
        ScannerSimulator() as scanner,
        talking(scanner.url, dialogue("lines", gap=0.05)) as heard,
    ):
        await scanner.cut("4006381333931", after=5)
        await heard.expect(lambda reading: isinstance(reading, Noise) and reading.raw == b"40063")
        await scanner.send("96385074")
        await heard.expect(scan_of(b"96385074"))
    assert not any(isinstance(r, Scan) and r.data.startswith(b"40063") for r in heard.readings)


async def test_quiet_ends_a_scan_without_terminator() -> None:
    async with (
        ScannerSimulator() as scanner,
        talking(scanner.url, dialogue("lines", terminator="none")) as heard,
    ):
        await scanner.send("4006381333931", terminator=b"")
        await heard.expect(scan_of(b"4006381333931"))


async def test_a_late_process_does_not_call_a_scale_silent() -> None:
    async with (
        Wire() as wire,
        talking(wire.url, dialogue("mt_sics", every=60, within=0.2)) as heard,
    ):
        assert await wire.question(b"S S      1.250 kg\r\n") == b"SI\r\n"
        time.sleep(0.4)  # this process is late, not the scale
        await heard.expect(weighs("1.250"))


async def test_a_late_process_does_not_tear_a_scan_in_two() -> None:
    rest = [b"333931"]

    def late() -> None:
        if rest:
            wire.put(rest.pop())
            time.sleep(0.3)  # this process is late, not the scanner

    spy = Spy(dialogue("lines", terminator="none").decoder, late)
    async with Wire() as wire, talking(wire.url, Dialogue(spy, gap=0.1)) as heard:
        wire.put(b"4006381")
        await heard.expect(scan_of(b"4006381333931"))


async def test_what_means_nothing_yet_is_not_handed_on() -> None:
    pieces = [b"def\r", b"abc", b"\r\n"]
    spy = Spy(dialogue("lines").decoder, lambda: wire.put(pieces.pop()) if pieces else None)
    async with Wire() as wire, talking(wire.url, Dialogue(spy, gap=0.05)) as heard:
        wire.put(pieces.pop())
        await heard.expect(scan_of(b"abcdef"))
        async with asyncio.timeout(CEILING):
            while spy.quiet_calls == 0:
                await asyncio.sleep(0.01)
    assert heard.chunks == [[Scan(b"abcdef", b"abcdef\r")]]


async def test_one_silence_is_told_once() -> None:
    spy = Spy(Parrot())
    async with Wire() as wire, talking(wire.url, Dialogue(spy, gap=0.02)) as heard:
        wire.put(b"x")
        await heard.expect(lambda reading: reading == Reply("quiet", b""))
        await asyncio.sleep(0.2)
        assert spy.quiet_calls == 1
        wire.put(b"y")
        await heard.expect(lambda reading: reading == Reply("y", b"y"))
    assert [type(reading) for reading in heard.readings].count(Reply) >= 3


async def test_an_error_of_the_consumer_ends_the_conversation() -> None:
    class StoreFull(Exception):
        pass

    async def emit(_: list[Reading]) -> None:
        raise StoreFull

    async with ScannerSimulator() as scanner, await open_stream(scanner.url) as stream:
        await scanner.send("one")
        with pytest.raises(StoreFull):
            await asyncio.wait_for(converse(dialogue("lines"), stream, emit), CEILING)


async def test_a_device_that_takes_no_bytes_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.kit.session.WRITE_WITHIN", 0.2)
    async with Wire() as wire, await open_stream(wire.url) as stream:
        talk = Dialogue(Parrot(), ask=b"?" * 200_000, every=60.0, within=60.0)

        async def emit(_: list[Reading]) -> None:
            raise AssertionError("nobody said anything")

        with pytest.raises(DeviceSilent, match="took no bytes"):
            await asyncio.wait_for(converse(talk, stream, emit), CEILING)
