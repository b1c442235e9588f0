"""Loudspeaker and stack light: told of everything, in nobody's way, gone without harm."""

import asyncio
import contextlib
import io
import os
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.outputs.beep import Beep
from gateway.outputs.light import _GET_LINE, _REQUEST, _SET_VALUES, _VALUES, StackLight
from gateway.outputs.tones import RATE, seconds, sound
from gateway.signals import Told
from gateway.stations.job import Signal, SignalKind


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell takes its time to start on a busy machine."""
    monkeypatch.setattr("gateway.outputs.beep._WITHIN", CEILING)


KINDS: tuple[SignalKind, ...] = ("ok", "not_ok", "attention", "ignored")
CEILING = 30.0


def told(kind: SignalKind, station: str = "dock") -> Told:
    return Told(1, station, Signal(kind, "x", "y"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_is_a_short_sound_that_ends_in_silence(kind: SignalKind) -> None:
    with wave.open(io.BytesIO(sound(kind))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        frames = file.readframes(file.getnframes())
        assert file.getnframes() == pytest.approx(seconds(kind) * RATE, abs=5)
    values = struct.unpack(f"<{len(frames) // 2}h", frames)
    assert max(values) > 3000
    assert abs(values[-1]) < 3000
    assert seconds(kind) < 1


def test_the_four_cannot_be_confused() -> None:
    assert len({sound(kind) for kind in KINDS}) == 4
    assert seconds("ignored") < seconds("ok") < seconds("attention") < seconds("not_ok")


def _player(folder: Path, script: str) -> str:
    """Return a program that stands in for `aplay`."""
    file = folder / "player"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


@contextlib.asynccontextmanager
async def playing(beep: Beep) -> AsyncIterator[None]:
    task = asyncio.create_task(beep.run())
    try:
        async with asyncio.timeout(CEILING):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_sound_goes_to_the_player_as_it_is(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    beep = Beep("plughw:1", _player(tmp_path, f'echo "$@" > {heard}.args; cat > {heard}'))
    async with playing(beep):
        beep.tell(told("attention"))
        while not (heard.exists() and heard.read_bytes() == sound("attention")):
            await asyncio.sleep(0.01)
    assert heard.with_suffix(".args").read_text() == "-q -D plughw:1 -\n"
    assert not beep.broken


async def test_of_many_signals_at_once_the_worst_is_heard(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    beep = Beep("default", _player(tmp_path, f"cat > {heard}"))
    for kind in ("ok", "not_ok", "ok", "ignored"):
        beep.tell(told(kind))
    async with playing(beep):
        while not (heard.exists() and heard.read_bytes() == sound("not_ok")):
            await asyncio.sleep(0.01)


async def test_a_loudspeaker_that_is_not_there_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    player = _player(tmp_path, f"cat > /dev/null; echo x >> {tmp_path}/tries; exit 1")
    beep = Beep("default", player)
    tries = tmp_path / "tries"
    async with playing(beep):
        for number in range(1, 4):
            beep.tell(told("ok"))
            while not (tries.exists() and tries.read_text().count("x") >= number):
                await asyncio.sleep(0.01)
        while not beep.broken:
            await asyncio.sleep(0.01)
    assert [record.message for record in caplog.records].count("no sound") <= 1
    assert beep.broken


async def test_a_player_that_is_not_installed_ends_nothing(tmp_path: Path) -> None:
    beep = Beep("default", str(tmp_path / "nothing"))
    async with playing(beep):
        beep.tell(told("ok"))
        while not beep.broken:
            await asyncio.sleep(0.01)


class Lines:
    """The kernel's side of the ioctls: what was asked for, and which lamps burn."""

    def __init__(self) -> None:
        self.asked: tuple[object, ...] = ()
        self.burning: list[int] = []
        self.gone = False

    def __call__(self, descriptor: int, number: int, argument: bytearray) -> int:
        if self.gone:
            raise OSError(19, "No such device")
        if number == _GET_LINE:
            values = _REQUEST.unpack(argument)
            self.asked = values
            argument[:] = _REQUEST.pack(*values[:-1], os.dup(descriptor))
        else:
            assert number == _SET_VALUES
            bits, mask = _VALUES.unpack(argument)
            assert mask == 0b111
            self.burning.append(bits)
        return 0


LAMPS = {"green": 17, "amber": 27, "red": 22}
GREEN, AMBER, RED = 0b001, 0b010, 0b100


def test_the_structures_are_as_large_as_the_kernel_s() -> None:
    # The size of an argument is in bits 16 to 29 of an ioctl's number.
    assert _REQUEST.size == (_GET_LINE >> 16) & 0x3FFF
    assert _VALUES.size == (_SET_VALUES >> 16) & 0x3FFF


async def test_red_and_amber_stay_until_something_is_right() -> None:
    lines = Lines()
    with StackLight("/dev/null", LAMPS, ioctl=lines) as light:  # type: ignore[arg-type]
        assert lines.asked[:3] == (17, 27, 22)
        assert lines.asked[-3] == 3
        for kind in ("attention", "not_ok", "ignored", "ok"):
            light.tell(told(kind))
        async with asyncio.timeout(CEILING):
            while lines.burning[-1]:
                await asyncio.sleep(0.01)
    assert lines.burning == [AMBER, RED, GREEN, 0, 0]


async def test_the_red_of_one_station_is_not_put_out_by_another() -> None:
    lines = Lines()
    with StackLight("/dev/null", LAMPS, ioctl=lines) as light:  # type: ignore[arg-type]
        light.tell(told("not_ok", "dock"))
        light.tell(told("ok", "bench"))
        light.tell(told("attention", "bench"))
        assert lines.burning == [RED, RED, RED]
        light.tell(told("ok", "dock"))
        assert lines.burning[-1] == AMBER


async def test_a_light_that_is_not_there_or_goes_away_ends_nothing(tmp_path: Path) -> None:
    with StackLight(str(tmp_path / "gpiochip9"), LAMPS) as light:  # type: ignore[arg-type]
        light.tell(told("not_ok"))
    lines = Lines()
    with StackLight("/dev/null", LAMPS, ioctl=lines) as light:  # type: ignore[arg-type]
        lines.gone = True
        light.tell(told("not_ok"))
        light.tell(told("ok"))
    assert lines.burning == []
