"""A command of `scanpost`, started as a person does, and read line by line."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CEILING = 60.0


class Shell:
    """One running command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        """The next line of its output."""
        assert self._process.stdout is not None
        async with asyncio.timeout(CEILING):
            return (await self._process.stdout.readline()).decode().rstrip("\n")

    async def said(self, word: str) -> str:
        """The next line on standard error with `word` in it."""
        assert self._process.stderr is not None
        async with asyncio.timeout(CEILING):
            while line := (await self._process.stderr.readline()).decode():
                if word in line:
                    return line
        raise AssertionError(f"it never said {word!r}")

    def close_output(self) -> None:
        """Read no more, as `head` does."""
        self._process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]

    async def ended(self, number: int | None = None) -> tuple[int, str, str]:
        """Send signal `number`, and return the exit code and what it still said."""
        if number is not None:
            self._process.send_signal(number)
        async with asyncio.timeout(CEILING):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def scanpost(*words: str) -> AsyncIterator[Shell]:
    """Run `scanpost` with `words`; it is killed if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scanpost", *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Shell(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.communicate()
