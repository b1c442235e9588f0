"""Connecting can be given up at any moment, and leaves nothing open."""

import asyncio
import contextlib
import gc
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from runtime import dialling
from runtime.dialling import dial
from runtime.mqtt import Broker, BrokerLost, SessionTakenOver, connect
from tests.mosquitto import Mosquitto, free_port
from tests.stopwatch import Stopwatch

CEILING = 60.0


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """Yield a port whose kernel drops every further SYN: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextlib.asynccontextmanager
async def mute() -> AsyncIterator[int]:
    """Yield a port that takes connections and all that is sent, and says nothing."""
    ended = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        writer.close()
        ended.set()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(CEILING):
            await ended.wait()  # our end was closed: nothing is left to the garbage collector
    finally:
        server.close()


async def given_up(url: str) -> float:
    """Begin to connect, give up a moment later, and return the seconds that this had to wait."""

    async def enter() -> None:
        async with connect(Broker(url=url), client_id="x"):
            raise AssertionError("nobody was there")

    task = asyncio.create_task(enter())
    done, _ = await asyncio.wait([task], timeout=0.3)
    assert not done, "it should still be trying"
    with Stopwatch() as stopwatch:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    return stopwatch.waited


async def test_a_host_that_drops_packets_is_given_up_at_once() -> None:
    with deaf() as port:
        assert await given_up(f"mqtt://127.0.0.1:{port}") < 1


async def test_a_broker_that_never_answers_is_given_up_at_once() -> None:
    async with mute() as port:
        assert await given_up(f"mqtt://127.0.0.1:{port}") < 1


async def test_a_handshake_that_never_ends_is_given_up_at_once() -> None:
    async with mute() as port:
        assert await given_up(f"mqtts://127.0.0.1:{port}") < 1


async def test_a_name_server_that_never_answers_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = threading.Event()
    real = dialling._found

    def slow(host: str, port: int, flags: int) -> list[tuple[int, object]]:
        if flags == 0:
            answer.wait(CEILING)
        return real(host, port, flags)

    monkeypatch.setattr(dialling, "_found", slow)
    try:
        assert await given_up("mqtt://localhost:1") < 1
        asking = [each for each in threading.enumerate() if each.name == "ask for localhost"]
        assert all(each.daemon for each in asking)
        assert asking
    finally:
        answer.set()
    for each in asking:
        each.join(CEILING)


async def test_a_name_is_asked_for_and_found(mosquitto: Mosquitto) -> None:
    sock = await dial("localhost", mosquitto.port)
    with sock:
        assert sock.getpeername() == ("127.0.0.1", mosquitto.port)


async def test_a_name_that_nobody_has_is_said() -> None:
    with pytest.raises(BrokerLost, match=r"no-such-host\.invalid"):
        async with connect(Broker(url="mqtt://no-such-host.invalid"), client_id="x"):
            pass


async def test_a_dead_address_does_not_hide_a_live_one(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_ONE_WITHIN", 2.0)
    with deaf() as port:
        both = [(socket.AF_INET, ("127.0.0.1", each)) for each in (port, 1, mosquitto.port)]
        monkeypatch.setattr(dialling, "_found", lambda *_: both)
        sock = await dial("two-addresses", 0)
        with sock:
            assert sock.getpeername()[1] == mosquitto.port


async def test_small_messages_do_not_wait_for_each_other(mosquitto: Mosquitto) -> None:
    async with connect(Broker(url=mosquitto.url), client_id="x") as connection:
        plug = connection._client.plug
        assert plug is not None
        assert plug.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def _certificate(folder: Path) -> Path:
    openssl = shutil.which("openssl")
    assert openssl is not None, "install openssl: apt install openssl"
    made = folder / "own.pem"
    command = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", str(made), "-out", str(folder / "certificate.pem"), "-days", "2",
        "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made.write_text(made.read_text() + (folder / "certificate.pem").read_text())
    return made


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_handshake_that_fails_leaves_no_socket_behind(
    tmp_path: Path, trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = _certificate(tmp_path)
    context.load_cert_chain(own)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await reader.read(2))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    broker = Broker(url=f"mqtts://127.0.0.1:{port}", ca_file=own if trusted else None, protocol="5")
    gc.collect()
    gc.disable()  # whatever is left open stays open: a warning at its end would fail the test
    try:
        with pytest.raises(BrokerLost) as refused:
            async with asyncio.timeout(CEILING), connect(broker, client_id="x"):
                pass
        assert ("self-signed" in str(refused.value)) is not trusted
        left = [each for each in gc.get_objects() if isinstance(each, ssl.SSLSocket)]
        assert [each for each in left if each.fileno() >= 0 and not each.server_side] == []
    finally:
        gc.enable()
        server.close()
    if trusted:
        assert (await heard.get())[:1] == b"\x10"  # CONNECT arrived, encrypted


async def test_what_tls_has_decrypted_is_not_left_lying(tmp_path: Path) -> None:
    """More comes out of one record than one read takes, and the loop sees nothing of the rest."""
    own = _certificate(tmp_path)
    port = free_port()
    broker = Mosquitto(
        tmp_path, extra=f"listener {port} 127.0.0.1\ncertfile {own}\nkeyfile {own}\n"
    )
    await broker.start()
    where = Broker(url=f"mqtts://127.0.0.1:{port}", ca_file=own)
    try:
        async with asyncio.timeout(CEILING), connect(where, client_id="x") as connection:
            await connection.subscribe("t")
            sent = [bytes([number]) * size for number, size in enumerate([3, 300_000, 5] * 3)]
            assert all(await asyncio.gather(*[connection.publish("t", each) for each in sent]))
            found: list[bytes] = []
            while len(found) < len(sent):
                found += [message.payload for message in await connection.receive()]
            assert found == sent
    finally:
        broker.kill()


async def test_who_is_thrown_out_for_one_of_its_name_is_told_so() -> None:
    """A broker stand-in: mosquitto says why it hangs up only from 2.1 on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK
        writer.write(b"\xe0\x02\x8e\x00")  # DISCONNECT, session taken over
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(CEILING), server:
        async with connect(Broker(url=url), client_id="x") as connection:
            pending = connection.publish("t", "x")
            with pytest.raises(SessionTakenOver):
                await connection.receive()
            with pytest.raises(SessionTakenOver):
                await pending
            with pytest.raises(SessionTakenOver):
                await connection.publish("t", "x")
        server.close()


async def test_a_connection_that_is_dead_without_a_word_is_given_up_in_time(
    mosquitto: Mosquitto,
) -> None:
    broker = Broker(url=mosquitto.url).model_copy(update={"keepalive": 1})
    async with connect(broker, client_id="x") as connection:
        mosquitto.freeze()
        with Stopwatch() as stopwatch, pytest.raises(BrokerLost):
            async with asyncio.timeout(CEILING):
                await connection.receive()
        mosquitto.thaw()
    # Twice the keepalive, and paho looks once a second.
    assert stopwatch.waited < 2 * broker.keepalive + 3


async def test_a_goodbye_that_does_not_get_out_is_short(mosquitto: Mosquitto) -> None:
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            connect(Broker(url=mosquitto.url), client_id="x")
        )
        mosquitto.freeze()
        for _ in range(200):  # 12 MB: more than any socket buffer takes
            connection.publish("t", b"x" * 60_000)
        with Stopwatch() as stopwatch:
            await stack.aclose()
    assert stopwatch.waited < 1.5
