"""A real mosquitto of the test's own: its port, its files, its process."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from scanpost.demo.processes import free_port

__all__ = ["MOSQUITTO", "Mosquitto", "free_port"]

MOSQUITTO = shutil.which(
    "mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
)


class Mosquitto:
    """Starts, dies and comes back on the same port."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "allow_anonymous true\n"
            "persistence false\n"
            "set_tcp_nodelay true\n"
            "max_queued_messages 0\n"
            "user root\n" + extra
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, and return when it answers."""
        assert MOSQUITTO is not None, "install mosquitto: apt install mosquitto"
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log
            )
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    await writer.wait_closed()
                    return
                if self._process.poll() is not None:
                    raise RuntimeError((self._folder / "mosquitto.log").read_text())
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would: sessions, queues and retained messages are gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()  # a frozen process dies of it too, without another word
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hang: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        for _ in range(1_000_000):  # the signal takes a moment to arrive
            if stat.read_text().rpartition(")")[2].split()[0] == "T":
                return
        raise AssertionError("mosquitto goes on")

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
