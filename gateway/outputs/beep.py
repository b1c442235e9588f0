"""The signals through ALSA's `aplay`, from the package alsa-utils."""

import asyncio
import contextlib
import logging

from gateway.outputs.tones import sound
from gateway.signals import Told
from gateway.stations.job import SignalKind
from runtime.logs import event

log = logging.getLogger(__name__)

_WITHIN = 3.0  # seconds for a sound of half a second; then the sound card hangs
_WORSE: dict[SignalKind, int] = {"ignored": 0, "ok": 1, "attention": 2, "not_ok": 3}


class Beep:
    """Plays signals one after the other. `run` it as a task.

    Only one waits: while a sound is played the next is the worst of what came, so that a not-OK is
    heard among many OKs and nothing piles up.
    """

    def __init__(self, device: str, program: str = "aplay") -> None:
        """Take where to play.

        Args:
            device: an ALSA device, as `aplay -L` lists them: ``default``, ``plughw:1``.
            program: what plays a WAV file from its standard input.
        """
        self._command = (program, "-q", "-D", device, "-")
        self._next: SignalKind | None = None
        self._news = asyncio.Event()
        self.broken = False
        """Whether the last sound could not be played."""

    def tell(self, told: Told) -> None:
        """Play this signal soon. It returns at once."""
        kind = told.signal.kind
        if self._next is None or _WORSE[kind] >= _WORSE[self._next]:
            self._next = kind
        self._news.set()

    async def run(self) -> None:
        """Play what is told, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            kind, self._next = self._next, None
            if kind is not None:
                self._note(await self._play(sound(kind)))

    async def _play(self, wav: bytes) -> str | None:
        """Play a WAV file; return why it could not be."""
        try:
            player = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            return f"{self._command[0]}: {error.strerror}"
        try:
            async with asyncio.timeout(_WITHIN):
                await player.communicate(wav)
        except TimeoutError:
            return f"{self._command[0]} did not end within {_WITHIN:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                player.kill()
            await player.wait()
        return None if player.returncode == 0 else f"{self._command[0]} said {player.returncode}"

    def _note(self, why: str | None) -> None:
        """Say once that there is no sound, and once that there is again."""
        if why is not None and not self.broken:
            event(log, logging.WARNING, "no sound", why=why)
        elif why is None and self.broken:
            event(log, logging.INFO, "sound again")
        self.broken = why is not None
