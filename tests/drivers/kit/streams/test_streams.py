"""Every kind of wire, and what each says when something is wrong."""

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.kit.errors import DeviceMisconfigured, StreamLost
from drivers.kit.streams import SCHEMES, check, open_stream, opening
from drivers.kit.streams.descriptor import Descriptor
from drivers.simulators.cable import Pty, TcpPort
from tests.drivers.conversation import CEILING


async def everything(url: str) -> tuple[list[bytes], str]:
    """All chunks until the stream is lost, and why it was."""
    chunks = []
    async with await open_stream(url) as stream, asyncio.timeout(CEILING):
        while True:
            try:
                chunks.append(await stream.read())
            except StreamLost as lost:
                return chunks, str(lost)


@pytest.mark.parametrize("url", ["com:///dev/ttyUSB0", "/dev/ttyUSB0", "", "http://localhost"])
async def test_an_unknown_scheme_is_answered_with_the_known_ones(url: str) -> None:
    with pytest.raises(DeviceMisconfigured) as caught:
        await open_stream(url)
    assert all(f"{scheme}://" in str(caught.value) for scheme in SCHEMES)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("serial:///dev/ttyUSB0?baud=9600", "no option 'baud'; the known ones are baudrate"),
        ("serial:///dev/ttyUSB0?parity=X", "parity cannot be 'X'"),
        ("serial:///dev/ttyUSB0?baudrate=fast", "baudrate cannot be 'fast'"),
        ("serial:///dev/ttyUSB0?bytesize=9", "bytesize cannot be '9'"),
        ("serial:///dev/ttyUSB0?dtr=1&dtr=0", "option 'dtr' comes twice"),
        ("serial://dev/ttyUSB0", "must look like serial:///dev"),
        ("evdev://dev/input/event0", "must look like evdev:///dev"),
        ("evdev:///dev/input/event0?exclusive=1", "no option 'exclusive'"),
        ("tcp://127.0.0.1", "must look like tcp://host:port"),
        ("tcp://127.0.0.1:99999", "Port out of range"),
        ("tcp://127.0.0.1:4001?timeout=3", "no option 'timeout'; there are none"),
        ("replay:///nowhere.hexl", "cannot be read"),
        ("replay:///nowhere.hexl?speed=-1", "speed cannot be '-1'"),
        ("replay:///nowhere.hexl?speed=nan", "speed cannot be 'nan'"),
    ],
)
async def test_a_wrong_address_is_named(url: str, why: str) -> None:
    with pytest.raises(DeviceMisconfigured) as caught:
        await open_stream(url)
    assert why in str(caught.value)
    if "nowhere.hexl" not in url or "?" in url:
        with pytest.raises(DeviceMisconfigured) as checked:
            check(url)
        assert why in str(checked.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("usb://?path=1-1.4", "must say node="),
        ("usb://?vid=0c2e&node=lamp", "node cannot be 'lamp'"),
        ("usb://?vid=c2e&node=tty", "vid cannot be 'c2e'"),
        ("usb://?node=tty", "at least a path or a vid"),
        ("usb://?vid=0c2e&node=tty&baud=9600", "no option 'baud'"),
        ("usb://?vid=0c2e&node=hidraw&grab=1", "no option 'grab'"),
        ("tcp://[::1", "is no address"),
        ("lamp:///dev/lamp0", "starts with none of"),
    ],
)
def test_an_address_is_checked_without_a_device(url: str, why: str) -> None:
    with pytest.raises(DeviceMisconfigured) as caught:
        check(url)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "serial:///dev/serial/by-path/pci-0#1?baudrate=9600&parity=E",
        "usb://?path=1-1.4&node=tty&baudrate=9600&bytesize=7",
        "usb://?vid=0c2e&pid=0b61&node=input&grab=0",
        "tcp://[::1]:4001",
        "evdev:///dev/input/event3",
        "hidraw:///dev/hidraw0",
        "replay:///nowhere.hexl?speed=0",
    ],
)
def test_an_address_that_could_be_opened_is_fine(url: str) -> None:
    check(url)


async def test_a_port_that_is_not_there_may_come() -> None:
    with pytest.raises(StreamLost, match="is not there"):
        await open_stream("serial:///dev/ttyNOWHERE")


async def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceMisconfigured):
        await open_stream(f"serial://{tmp_path}/file")


async def test_a_port_is_opened_once() -> None:
    async with Pty() as cable, await open_stream(cable.url):
        with pytest.raises(StreamLost, match=r"another program has .* open"):
            await open_stream(cable.url)


async def test_a_port_can_be_opened_again_after_closing() -> None:
    async with Pty() as cable:
        for data in (b"one", b"two"):
            async with await open_stream(cable.url) as stream:
                await cable.write(data)
                assert await asyncio.wait_for(stream.read(), CEILING) == data


async def test_closing_twice_is_closing_once() -> None:
    async with Pty() as cable:
        stream = await open_stream(cable.url)
        await stream.close()
        await stream.close()
        with pytest.raises(StreamLost):
            await stream.read()
        with pytest.raises(StreamLost):
            await stream.write(b"x")


async def test_a_port_without_permission_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "PERMISSION_WITHIN", 0.2)
    user = os.geteuid()
    async with Pty() as cable:
        Path(cable.path).chmod(0)
        # Root may do anything: be somebody else for a moment.
        os.seteuid(user or 65534)
        try:
            with pytest.raises(DeviceMisconfigured, match=r"no permission .*dialout.*udev"):
                await open_stream(cable.url)
        finally:
            os.seteuid(user)


async def test_a_permission_that_udev_sets_late_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "PERMISSION_WITHIN", CEILING)
    user = os.geteuid()
    async with Pty() as cable:
        Path(cable.path).chmod(0)
        os.seteuid(user or 65534)
        try:
            opening_it = asyncio.create_task(open_stream(cable.url))
            await asyncio.wait([opening_it], timeout=0.2)
            assert not opening_it.done()
        finally:
            os.seteuid(user)
        Path(cable.path).chmod(stat.S_IRUSR | stat.S_IWUSR)
        async with await asyncio.wait_for(opening_it, CEILING):
            pass


async def test_bytes_that_wait_while_a_read_is_cancelled_are_not_lost() -> None:
    async with Pty() as cable, await open_stream(cable.url) as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await stream.read()
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0)
        await cable.write(b"1")
        reading.cancel()
        await asyncio.wait([reading])
        await cable.write(b"2")
        got = b""
        async with asyncio.timeout(CEILING):
            while len(got) < 2:
                got += await stream.read()
        assert got == b"12"


async def test_a_flood_arrives_whole_in_bounded_chunks() -> None:
    flood = bytes(range(256)) * 2000
    async with Pty() as cable, await open_stream(cable.url) as stream:
        sending = asyncio.create_task(cable.write(flood))
        got: list[bytes] = []
        async with asyncio.timeout(CEILING):
            while sum(map(len, got)) < len(flood):
                got.append(await stream.read())
        await sending
    assert b"".join(got) == flood
    assert max(map(len, got)) <= 65536


async def test_a_busy_consumer_costs_no_processor_time() -> None:
    async with Pty() as cable, await open_stream(cable.url) as stream:
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0)
        await cable.write(b"taken")
        await asyncio.wait_for(reading, CEILING)
        await cable.write(b"waits")
        began = time.process_time()
        await asyncio.sleep(0.3)
        await cable.write(b"and more")
        await asyncio.sleep(0.3)
        assert time.process_time() - began < 0.15
        got = b""
        async with asyncio.timeout(CEILING):
            while got != b"waitsand more":
                got += await stream.read()


async def test_silence_does_not_look_like_a_hang_up() -> None:
    async with Pty() as cable, await open_stream(cable.url):
        port = os.open(cable.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            with pytest.raises(BlockingIOError):
                os.read(port, 1)
        finally:
            os.close(port)


async def test_what_is_written_arrives_even_if_the_line_is_full() -> None:
    flood = bytes(range(256)) * 400
    async with Pty() as cable, await open_stream(cable.url) as stream:
        writing = asyncio.create_task(stream.write(flood))
        got = b""
        async with asyncio.timeout(CEILING):
            while len(got) < len(flood):
                got += await cable.read()
        await writing
    assert got == flood


async def test_a_last_word_before_closing_is_heard() -> None:
    """A scanner that waits for its answer must get the not-OK of a store that fails."""
    async with Pty() as device:
        for number in range(300):
            word = f"{number:04}".encode()
            stream = await open_stream(device.url)
            await stream.write(word)
            assert isinstance(stream, Descriptor)
            stream.hang_up()  # at once, where `close` looks first whether it is out
            async with asyncio.timeout(CEILING):
                heard = b""
                while len(heard) < len(word):
                    heard += await device.read()
            assert heard == word


async def test_closing_waits_for_what_is_on_its_way_but_not_for_ever() -> None:
    for looks in (3, 10**9):  # until it is out: a slow line, and one that is held
        left = iter(range(looks))
        shut: list[int] = []
        fd = os.open("/dev/null", os.O_RDWR)

        def close(fd: int = fd, shut: list[int] = shut) -> None:
            shut.append(fd)
            os.close(fd)

        def unsent(left: Iterator[int] = left) -> int:
            return 1 if next(left, None) is not None else 0

        stream = Descriptor(fd, "a slow line", close, unsent=unsent)
        async with asyncio.timeout(CEILING):
            await stream.close()
        assert shut == [fd]
        assert next(left, None) is None or looks > 3, "it was shut before all was out"


async def test_what_was_sent_before_a_pulled_cable_is_still_read() -> None:
    async with Pty() as cable, await open_stream(cable.url) as stream:
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0)
        await cable.write(b"last words\r")
        assert await asyncio.wait_for(reading, CEILING) == b"last words\r"
        cable.unplug()
        with pytest.raises(StreamLost):
            await asyncio.wait_for(stream.read(), CEILING)
        with pytest.raises(StreamLost):
            await stream.write(b"hello?")


async def test_a_device_comes_back_under_its_link(tmp_path: Path) -> None:
    link = tmp_path / "usb-scanner"
    async with Pty(link) as cable:
        url = cable.url
        cable.unplug()
        with pytest.raises(StreamLost, match="is not there"):
            await open_stream(url)
        cable.replug()
        assert cable.url == url
        async with await open_stream(url) as stream:
            await cable.write(b"again")
            assert await asyncio.wait_for(stream.read(), CEILING) == b"again"
    assert not link.is_symlink()


async def test_a_cancelled_open_leaves_the_port_free() -> None:
    async with Pty() as cable:
        opening_it = asyncio.create_task(open_stream(cable.url))
        await asyncio.sleep(0)
        opening_it.cancel()
        await asyncio.wait([opening_it])
        async with asyncio.timeout(CEILING):
            while True:
                try:
                    stream = await open_stream(cable.url)
                except StreamLost:
                    await asyncio.sleep(0.01)
                else:
                    await stream.close()
                    break


async def test_a_terminal_server_speaks_both_ways() -> None:
    async with TcpPort() as cable, await open_stream(cable.url) as stream:
        await stream.write(b"W")
        assert await asyncio.wait_for(cable.read(), CEILING) == b"W"
        await cable.write(b"weight")
        assert await asyncio.wait_for(stream.read(), CEILING) == b"weight"
        cable.unplug()
        with pytest.raises(StreamLost, match=r"hung up|went away"):
            await asyncio.wait_for(stream.read(), CEILING)


async def test_a_terminal_server_that_is_off_may_come_back() -> None:
    async with TcpPort() as cable:
        url = cable.url
    with pytest.raises(StreamLost, match="cannot be reached"):
        await open_stream(url)


RECORDING = "# morning\n\n0.0 5339\n0.05 36 33 0d\n  0.1 0A\n"


async def test_a_recording_is_played_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "one.hexl").write_text(RECORDING)
    chunks, why = await everything(f"replay://{tmp_path}/one.hexl?speed=0")
    assert chunks == [b"S9", b"63\r", b"\n"]
    assert why.endswith("one.hexl is at its end")


async def test_a_recording_keeps_its_time(tmp_path: Path) -> None:
    (tmp_path / "one.hexl").write_text("0 01\n0.4 02\n")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await everything(f"replay://{tmp_path}/one.hexl?speed=2")
    assert 0.2 <= loop.time() - began < CEILING


@pytest.mark.parametrize("line", ["0.1", "soon 01", "0.1 0", "0.1 zz", "-1 01", "nan 01"])
async def test_a_bad_line_of_a_recording_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.hexl").write_text(f"# one\n0.0 01\n{line}\n")
    async with await open_stream(f"replay://{tmp_path}/bad.hexl?speed=0") as stream:
        await stream.read()
        with pytest.raises(DeviceMisconfigured, match=r"line 3 of .*bad\.hexl"):
            await stream.read()


async def test_a_recording_has_no_ears(tmp_path: Path) -> None:
    (tmp_path / "one.hexl").write_text("0 01\n")
    async with await open_stream(f"replay://{tmp_path}/one.hexl?speed=0") as stream:
        await stream.write(b"SI\r\n")
        assert await stream.read() == b"\x01"
