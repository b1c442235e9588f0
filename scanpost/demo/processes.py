"""The processes of the demo: each is started, killed and stopped by its own pid."""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import BinaryIO, Protocol

_START_WITHIN = 60.0  # seconds; a cold Raspberry Pi needs ten for the imports of the bridge
_STOP_WITHIN = 10.0  # seconds a daemon may take to end when asked to


# Below the ports that the kernel gives to whoever asks for any: none of these goes to somebody else
# between the moment it is chosen and the moment the program that was started listens there.
_PORTS = range(20_000, 32_768)
_turns = itertools.count(os.getpid() * 997)  # far from those of the process that was started next


class NotUp(Exception):
    """A process did not come up. Its log says why."""


def free_port() -> int:
    """Return a loopback port that nobody listens on, another one each time.

    Raises:
        NotUp: there is none.
    """
    for turn in itertools.islice(_turns, len(_PORTS)):
        port = _PORTS[turn % len(_PORTS)]
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", port))
            return port
    raise NotUp(f"no port between {_PORTS[0]} and {_PORTS[-1]} is free")


class Life(Protocol):
    """A program from its start to its end, as `asyncio.subprocess.Process` has it."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal."""
        ...

    async def wait(self) -> int:
        """Return how it ended, when it has."""
        ...


class Process:
    """One program that listens on a port, of this machine if no other `host` is said."""

    def __init__(
        self, name: str, command: list[str], port: int, log: Path, host: str = "127.0.0.1"
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self._command = command
        self._log = log
        self._process: Life | None = None

    def running(self) -> bool:
        """Return whether it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self.running() else None

    async def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            NotUp: with the end of its log.
        """
        if self.running():
            return
        with self._log.open("ab") as log:
            self._process = await self._begin(log)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_WITHIN):
                while self.running():
                    if await _listens(self.host, self.port):
                        return
                    await asyncio.sleep(0.02)
        await self.kill()
        raise NotUp(f"{self.name} did not come up:\n{self.log_tail()}")

    async def _begin(self, log: BinaryIO) -> Life:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.pop("NOTIFY_SOCKET", None)
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )

    async def kill(self) -> None:
        """End it as SIGKILL and the power button do."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and kill it if it does not."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # who hangs could not hear it
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of what it wrote."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-lines:])


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def broker(folder: Path) -> tuple[Process, str]:
    """Return a broker on a free loopback port, and what kind it is, for people.

    Raises:
        NotUp: neither mosquitto nor the embedded broker is installed.
    """
    port = free_port()
    log = folder / "broker.log"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    if mosquitto := shutil.which("mosquitto", path=path):
        file = folder / "mosquitto.conf"
        file.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nmax_queued_messages 0\n"
        )
        return Process("broker", [mosquitto, "-c", str(file)], port, log), "mosquitto"
    try:
        import iotcore  # noqa: F401, PLC0415 - only whether it is there
    except ImportError:
        raise NotUp(
            "there is no MQTT broker: install mosquitto (apt install mosquitto),"
            " or pip install 'scanpost[demo]' on a 64-bit machine"
        ) from None
    file = folder / "embedded-broker.toml"
    file.write_text(_EMBEDDED.format(port=port))
    command = [sys.executable, "-m", "scanpost.demo.embedded_broker", str(file)]
    return Process("broker", command, port, log), "embedded (volatile: for the demo only)"


_EMBEDDED = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 200
dynamic_filters = true
"""
