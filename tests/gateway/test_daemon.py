"""The whole daemon as a process of its own: scans in, signals out, whatever ends it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contract.canonical import digest
from contract.envelope import envelope_adapter
from contract.topics import Topics
from contract.transactions import Transaction
from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from runtime.mqtt import Broker, connect
from tests.mosquitto import Mosquitto, free_port
from tests.stopwatch import Stopwatch

EAN = "5901234123457"
CEILING = 60.0  # seconds for what takes one or two: a process must start


class Daemon:
    """`python -m gateway run`, its log and its pages."""

    def __init__(self, config: Path, environment: dict[str, str] | None = None) -> None:
        self._config = config
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self.log: list[dict[str, Any]] = []
        self.other: list[str] = []
        """What was on standard error and is no event."""
        self.http: aiohttp.ClientSession | None = None
        self.url = ""

    async def __aenter__(self) -> "Daemon":
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(CEILING))
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self.ended()
        if self.http is not None:
            await self.http.close()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "run",
            "--config",
            str(self._config),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.other.append(line.decode())
            self._more.set()
        self._more.set()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        assert self._process is not None
        assert self._reading is not None
        async with asyncio.timeout(CEILING):
            code = await self._process.wait()
            await self._reading
        return code

    async def until(self, word: str) -> dict[str, Any]:
        """Wait for an event of the log, and take it and all before it out."""
        async with asyncio.timeout(CEILING):
            while True:
                for place, event in enumerate(self.log):
                    if event["event"] == word:
                        del self.log[: place + 1]
                        return event
                assert self._reading is not None
                assert not self._reading.done(), (self.log, self.other)
                self._more.clear()
                await self._more.wait()

    async def ready(self) -> None:
        listening = await self.until("listening")
        self.url = listening["address"]
        await self.until("ready")

    async def ready_for(self, *devices: str) -> None:
        await self.ready()
        async with asyncio.timeout(CEILING):
            left = set(devices)
            while left:
                left.discard((await self.until("device open"))["device"])

    async def json(self, path: str) -> dict[str, Any]:
        assert self.http is not None
        async with self.http.get(self.url + path) as response:
            got: dict[str, Any] = await response.json()
            return got

    @contextlib.asynccontextmanager
    async def events(self) -> AsyncIterator[Callable[[], Any]]:
        """Yield what waits for the next signal."""
        assert self.http is not None
        async with self.http.get(self.url + "/api/events") as response:

            async def following() -> dict[str, Any]:
                async with asyncio.timeout(CEILING):
                    async for line in response.content:
                        if line.startswith(b"data: "):
                            told: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                            return told
                raise AssertionError("the stream ended")

            yield following


class Place:
    """A folder with a configuration, a scanner and a scale."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store" / "outbox.db"
        self.scanner = ScannerSimulator(Pty(folder / "scanner"))
        self.scale = MtSicsSimulator(Pty(folder / "scale"))
        # Nobody listens there unless a test starts a broker: the daemon must not mind.
        self.broker = f"mqtt://127.0.0.1:{free_port()}"
        self.listen = "127.0.0.1:0"
        self.config = folder / "gateway.toml"

    def write(self) -> Path:
        self.config.write_text(f"""
            site = "north"
            gateway = "dock-1"
            store.path = "{self.store}"
            broker.url = "{self.broker}"
            web.listen = "{self.listen}"
            log.format = "json"

            [[station]]
            name = "door-1"
            job = "receiving"
            book = "weight"

            [[station.device]]
            id = "scanner-1"
            url = "{self.scanner.url}"
            driver = "lines"

            [[station.device]]
            id = "scale-1"
            url = "{self.scale.url}"
            driver = "mt_sics"
            every = 0.1
        """)
        return self.config

    def rows(self) -> list[Transaction]:
        with contextlib.closing(sqlite3.connect(self.store)) as store:
            found = store.execute("SELECT body FROM outbox ORDER BY seq").fetchall()
        return [Transaction.model_validate_json(body) for (body,) in found]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    async with made.scanner, made.scale:
        made.write()
        yield made


async def test_a_scan_is_an_ok_on_the_screen_and_a_row_on_the_disk_without_any_broker(
    place: Place,
) -> None:
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1", "scale-1")
        async with daemon.events() as following:
            await place.scanner.send("PO:4711")
            assert (await following())["kind"] == "ok"
            await place.scanner.send(EAN)
            assert (await following())["kind"] == "attention"
            place.scale.load += 2
            ok = await following()
            assert (ok["kind"], ok["text"]) == ("ok", f"2.000 KGM 0{EAN}")
            [row] = place.rows()
            assert [booked["id"] for booked in ok["booked"]] == [str(row.id)]
        status = await daemon.json("/api/status")
        assert (status["broker"], status["waiting"]) == ("offline", 1)
        assert status["stations"][0]["document"] == "4711"
        [shown] = (await daemon.json("/api/rows"))["rows"]
        assert shown["state"] == "saved"


async def test_a_hostile_label_goes_all_the_way_as_text(place: Place) -> None:
    label = "<img src=x onerror=alert(1)>'; DROP TABLE outbox; --"
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        async with daemon.events() as following:
            await place.scanner.send("PO:1")
            await following()
            await place.scanner.send(label)
            refused = await following()
        assert refused["kind"] == "not_ok"
        assert refused["said"] == label
        assert (await daemon.until("signal not_ok"))["text"] == f"Unknown code {label[:40]}"
        daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert place.rows() == []


async def test_sigterm_ends_it_in_order_and_in_time(place: Place) -> None:
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        async with daemon.events() as following:
            await place.scanner.send("PO:1")
            await following()
            with Stopwatch(daemon.pid) as stopwatch:
                daemon.send(signal.SIGTERM)  # with a screen that still listens
                daemon.send(signal.SIGTERM)
                assert await daemon.ended() == 0
            assert stopwatch.waited < 5
        assert daemon.log[-1]["event"] == "stopped"
        assert daemon.other == []
    with contextlib.closing(sqlite3.connect(place.store)) as store:
        [(verdict,)] = store.execute("PRAGMA integrity_check").fetchall()
    assert verdict == "ok"


async def test_sigterm_is_heard_while_a_broker_hangs(place: Place, mosquitto: Mosquitto) -> None:
    place.broker = mosquitto.url
    async with Daemon(place.write()) as daemon:
        await daemon.ready()
        await daemon.until("broker connected")
        mosquitto.freeze()
        with Stopwatch(daemon.pid) as stopwatch:
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert stopwatch.waited < 2


@contextlib.contextmanager
def swallowing(drops: bool) -> Iterator[int]:
    """Yield a port that drops every packet, or takes all of them and never answers."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0 if drops else 100)
        for _ in range(4 if drops else 0):  # a full queue: the kernel drops what comes after it
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
@pytest.mark.parametrize("drops", [True, False])
async def test_sigterm_is_heard_while_the_way_to_the_broker_swallows_packets(
    place: Place, scheme: str, drops: bool
) -> None:
    with swallowing(drops) as port:
        place.broker = f"{scheme}://127.0.0.1:{port}"
        async with Daemon(place.write()) as daemon:
            await daemon.ready_for("scanner-1")
            async with daemon.events() as following:
                await place.scanner.send("PO:1")
                await following()
            with Stopwatch(daemon.pid) as stopwatch:
                daemon.send(signal.SIGTERM)
                assert await daemon.ended() == 0
        assert stopwatch.waited < 2


async def test_a_command_goes_all_the_way(place: Place, mosquitto: Mosquitto) -> None:
    place.broker = mosquitto.url
    topics = Topics("north", "dock-1")
    async with (
        Daemon(place.write()) as daemon,
        connect(Broker(url=mosquitto.url), client_id="office") as office,
    ):
        await office.subscribe(topics.response("q-1"))
        await daemon.ready()
        async with asyncio.timeout(CEILING):
            words = json.dumps({"command": "ping", "cid": "q-1"})
            while not await office.publish(topics.command("ping"), words):
                await asyncio.sleep(0.01)
            [message] = await office.receive()
        assert json.loads(message.payload)["pong"]["last"] == 0


async def test_systemd_is_told_ready_alive_and_stopping(place: Place, tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(address))
        ear.setblocking(False)
        words: list[bytes] = []

        async def heard(start: bytes) -> None:
            async with asyncio.timeout(CEILING):
                while not any(word.startswith(start) for word in words):
                    words.append(await asyncio.get_running_loop().sock_recv(ear, 4096))

        environment = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000"}
        async with Daemon(place.config, environment) as daemon:
            await heard(b"READY=1")
            await heard(b"WATCHDOG=1")
            words.clear()
            await heard(b"WATCHDOG=1")  # and again
            words.clear()
            daemon.send(signal.SIGTERM)
            await heard(b"STOPPING=1")
            assert await daemon.ended() == 0


async def test_after_sigkill_it_says_what_was_recorded_last(place: Place) -> None:
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1", "scale-1")
        async with daemon.events() as following:
            for code in ("PO:4711", EAN):
                await place.scanner.send(code)
                await following()
            place.scale.load += 2
            ok = await following()
        daemon.send(signal.SIGKILL)
        assert await daemon.ended() == -signal.SIGKILL
    place.scale.load -= 2
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1")
        async with daemon.events() as following:
            told = await following()
        assert told["kind"] == "attention"
        assert told["text"].startswith(f"Restarted. Last recorded: receipt 2.000 KGM 0{EAN}")
        assert [each["id"] for each in told["booked"]] == [each["id"] for each in ok["booked"]]
        assert (await daemon.json("/api/status"))["stations"][0]["latched"] == {
            key: value for key, value in told.items() if key != "past"
        }
    assert len(place.rows()) == 1


async def test_a_row_that_no_longer_reads_does_not_keep_it_from_starting(place: Place) -> None:
    async with Daemon(place.config) as daemon:
        await daemon.ready()
        daemon.send(signal.SIGTERM)
        await daemon.ended()
    with contextlib.closing(sqlite3.connect(place.store)) as store, store:
        body = '{"seq":1,"of":"another version"}'
        store.execute(
            "INSERT INTO outbox (seq, body, digest) VALUES (1, ?, ?)",
            (body, bytes.fromhex(digest(body))),
        )
    async with Daemon(place.config) as daemon:
        assert (await daemon.until("a stored row cannot be read"))["seq"] == 1
        await daemon.until("ready")


async def test_rows_of_a_shift_without_network_go_out_when_there_is_one(place: Place) -> None:
    broker = Mosquitto(place.folder)
    place.broker = broker.url
    async with Daemon(place.write()) as daemon:
        await daemon.ready_for("scanner-1", "scale-1")
        async with daemon.events() as following:
            for code in ("PO:4711", EAN):
                await place.scanner.send(code)
                await following()
            place.scale.load += 2
            assert (await following())["kind"] == "ok"
        await broker.start()
        try:
            async with (
                connect(Broker(url=broker.url), client_id="bridge") as bridge,
                asyncio.timeout(CEILING),
            ):
                await bridge.subscribe(Topics("north", "dock-1").tx)
                [message, *_] = await bridge.receive()
        finally:
            broker.kill()
    [row] = envelope_adapter.validate_json(message.payload).data.rows
    assert row.transaction["event"]["documents"] == [{"kind": "po", "number": "4711"}]


# What keeps it from starting


async def refused(daemon: Daemon, code: int) -> str:
    """Return the one line it ended with."""
    assert await daemon.ended() == code
    assert daemon.other == [], "one clear line, no traceback"
    errors = [each for each in daemon.log if each["level"] == "error"]
    assert [each["event"] for each in errors] == ["the gateway ends"]
    return str(errors[0]["why"])


async def test_two_daemons_never_share_a_store(place: Place) -> None:
    async with Daemon(place.config) as first:
        await first.ready()
        async with Daemon(place.config) as second:
            assert await refused(second, 1) == f"{place.store}: in use by another process"
        first.send(signal.SIGKILL)
        await first.ended()
    async with Daemon(place.config) as third:
        await third.ready()


async def test_a_folder_that_cannot_be_written_is_said_and_waited_for(place: Place) -> None:
    (place.folder / "a file").write_text("")
    place.store = place.folder / "a file" / "outbox.db"
    async with Daemon(place.write()) as daemon:
        why = (await daemon.until("the store cannot be used"))["why"]
        assert why.startswith(f"{place.store}: its folder cannot be used: ")
        (place.folder / "a file").unlink()
        await daemon.ready()


async def test_a_store_that_is_no_database_is_said_and_moved_aside(place: Place) -> None:
    place.store.parent.mkdir()
    place.store.write_bytes(b"no database" * 1000)
    async with Daemon(place.config) as daemon:
        said = await daemon.until("a new stream was begun")
        await daemon.ready()
    assert "not a database" in said["why"]
    assert place.store.with_name(said["aside"]).read_bytes() == b"no database" * 1000


async def test_a_port_that_is_taken_is_said(place: Place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place.listen = f"127.0.0.1:{other.getsockname()[1]}"
        async with Daemon(place.write()) as daemon:
            why = await refused(daemon, 1)
    assert place.listen in why
    assert "in use" in why


async def test_a_store_that_fails_while_running_ends_it_with_the_reason(place: Place) -> None:
    async with Daemon(place.config) as daemon:
        await daemon.ready_for("scanner-1", "scale-1")
        with contextlib.closing(sqlite3.connect(place.store)) as vandal:
            vandal.execute("DROP TABLE outbox")
        async with daemon.events() as following:
            # Even what books nothing is stored before it is OK: where the station stands.
            await place.scanner.send("PO:4711")
            assert (await following())["text"].startswith("NOT SAVED")
        why = await refused(daemon, 1)
    assert "no such table" in why


async def test_a_wrong_configuration_is_exit_code_2(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("lines", "line"))
    async with Daemon(place.config) as daemon:
        assert await daemon.ended() == 2
    [line] = daemon.other
    assert re.fullmatch(
        rf"{re.escape(str(place.config))}: station\[0\]\.device\[0\]\.driver: .*lines.*\n", line
    )
