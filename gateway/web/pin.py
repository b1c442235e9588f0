"""The bench page's PIN: kept as a scrypt hash, asked for slowly, then a session.

>>> held = hashed("4711")
>>> held.startswith("scrypt$16384$8$1$"), holds("4711", held), holds("4712", held)
(True, True, False)

`python -m gateway.web.pin` asks for a PIN and prints the line for `[web]`.
"""

import getpass
import secrets
import sys
from collections.abc import Callable

from runtime.passwords import OF_A_PIN, Held
from runtime.passwords import hashed as kept

_SHORTEST = 4

_FREE = 5  # wrong tries before waiting begins
_FIRST_WAIT = 30.0  # seconds; doubled with each further wrong try
_LAST_WAIT = 900.0
_SESSION = 8 * 3600.0  # seconds: a shift
_IDLE = 900.0  # seconds without a request
_SESSIONS = 16  # at once; the oldest goes


def hashed(pin: str) -> str:
    """Return what to write down instead of `pin`."""
    return kept(pin, OF_A_PIN)


def holds(pin: str, held: str) -> bool:
    """Return whether `pin` is the one behind `held`. It takes tens of milliseconds."""
    try:
        return Held.parse(held).opens(pin)
    except ValueError:
        return False


class Door:
    """Counts wrong tries and keeps sessions; it does not check a PIN itself.

    The count is one for all: whoever tries from many addresses waits as long.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._wrong = 0
        self._shut_until = 0.0
        self._sessions: dict[str, tuple[float, float]] = {}

    @property
    def wait(self) -> float:
        """Seconds until the next try is looked at; 0 where one may be made."""
        return max(0.0, self._shut_until - self._now())

    def wrong(self) -> None:
        """Note a wrong try."""
        self._wrong += 1
        if self._wrong >= _FREE:
            wait = min(_LAST_WAIT, _FIRST_WAIT * 2 ** min(10, self._wrong - _FREE))
            self._shut_until = self._now() + wait

    def right(self) -> str:
        """Note a right try, and return the token of a new session."""
        self._wrong, self._shut_until = 0, 0.0
        token = secrets.token_urlsafe(32)
        while len(self._sessions) >= _SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[token] = (self._now(), self._now())
        return token

    def knows(self, token: str | None) -> bool:
        """Return whether `token` is of a session that still runs, and keep it running."""
        began, seen = self._sessions.get(token or "", (0.0, 0.0))
        now = self._now()
        if token is None or token not in self._sessions:
            return False
        if now - began > _SESSION or now - seen > _IDLE:
            del self._sessions[token]
            return False
        self._sessions[token] = (began, now)
        return True

    def leave(self, token: str | None) -> None:
        """End a session."""
        self._sessions.pop(token or "", None)


def main() -> int:
    """Ask for a PIN twice and print its line."""
    pin = getpass.getpass("PIN: ")
    if len(pin) < _SHORTEST:
        sys.stderr.write(f"a PIN has at least {_SHORTEST} characters\n")
        return 1
    if pin != getpass.getpass("again: "):
        sys.stderr.write("they differ\n")
        return 1
    sys.stdout.write(f'[web]\npin = "{hashed(pin)}"\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
