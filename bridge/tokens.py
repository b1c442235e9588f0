"""Tokens of a person's login, in a file that survives crashes and is refreshed by one at a time.

Source: RFC 6749 5.1, appendix A.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bridge.http import MAX_TEXT, SETTING_WRONG, Stopped
from bridge.outcome import TryLater

EARLY = timedelta(seconds=60)
"""A token is replaced so long before its end: a request must not outlive it on the way."""
LOCK_WITHIN = 90.0
"""Seconds to wait for another process that refreshes: longer than any request of its."""
MAX_TOKEN = 16_384
"""Characters of a token: those that carry claims reach some 2,000."""

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an authorization server gave. Aware UTC times."""

    access: str = field(repr=False)
    until: datetime
    """When `access` ends."""
    refresh: str | None = field(default=None, repr=False)

    def is_fresh(self, now: datetime) -> bool:
        """Whether `access` can still be used for a request that starts now."""
        return bool(self.access) and now < self.until - EARLY


def is_token(value: object) -> bool:
    """Whether a value can be a token: RFC 6749 appendix A has them of visible ASCII."""
    return isinstance(value, str) and len(value) <= MAX_TOKEN and bool(_TOKEN.fullmatch(value))


class TokenFile:
    """The tokens one person agreed to, in a file that only the bridge's user may read.

    A person may also write it by hand: `{"refresh_token": "..."}` is enough.
    """

    def __init__(self, path: Path, who: str) -> None:
        self._path = path
        self._who = who

    def read(self) -> Tokens:
        """Return what is there now. Raises Stopped, `needs="login"`, where it is of no use."""
        try:
            said = json.loads(self._path.read_text("utf-8"))
            refresh, access = said["refresh_token"], said.get("access_token", "")
            until = datetime.fromisoformat(said.get("until", "2000-01-01T00:00:00+00:00"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Stopped(self._login(type(error).__name__)) from None
        if not is_token(refresh) or until.tzinfo is None or not isinstance(access, str):
            raise Stopped(self._login("it holds no refresh token"))
        return Tokens(access, until, refresh)

    def write(self, tokens: Tokens) -> None:
        """Replace the file, durably and at once. Raises OSError; then the old one is there."""
        text = json.dumps(
            {
                "refresh_token": tokens.refresh,
                "access_token": tokens.access,
                "until": tokens.until.isoformat(timespec="seconds"),
            }
        )
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as out:
                os.fchmod(out.fileno(), 0o600)
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self._path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep every other process from refreshing. Raises Stopped where that is impossible."""
        path = self._path.with_name(f".{self._path.name}.lock")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            why = f"the tokens for {self._who} cannot be kept in {self._path.parent}: {error}"
            raise Stopped(TryLater(why[:MAX_TEXT], SETTING_WRONG, "person")) from None
        try:
            try:
                async with asyncio.timeout(LOCK_WITHIN):
                    await _locked(file)
            except TimeoutError:
                why = f"another process refreshes the token for {self._who}"
                raise Stopped(TryLater(why)) from None
            yield
        finally:
            os.close(file)  # and with it goes the lock

    def _login(self, why: str) -> TryLater:
        text = f"no login for {self._who} in {self._path} ({why}): run scanpost bridge login"
        return TryLater(text[:MAX_TEXT], SETTING_WRONG, "login")


async def _locked(file: int) -> None:
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        await asyncio.sleep(0.05)  # the kernel tells nobody when a lock is free
