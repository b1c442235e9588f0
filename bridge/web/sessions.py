"""Who is logged in. Kept in memory: a restart of the bridge ends every session."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.web.people import User

MOST_SESSIONS = 200
"""At once; the one not seen for longest goes. Several browsers for each of an office."""


@dataclass(slots=True)
class Session:
    """One login. Times are monotonic seconds."""

    user: User
    csrf: str
    """Stands in every form of this session, and in none of another."""
    began: float
    seen: float
    said: str = ""
    """What the next page tells of what was done."""


class Sessions:
    """All of them, by the digest of their token: what leaks from memory opens nothing."""

    def __init__(self, longest_s: float, idle_s: float, now: Callable[[], float]) -> None:
        """Take how long a session lasts, how long without being used, and the clock."""
        self._longest_s = longest_s
        self._idle_s = idle_s
        self._now = now
        self._open: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, user: User) -> str:
        """Log a person in, and return the token of a new session."""
        now = self._now()
        self._open = {key: one for key, one in self._open.items() if not self._over(one)}
        while len(self._open) >= MOST_SESSIONS:
            del self._open[min(self._open, key=lambda key: self._open[key].seen)]
        token = secrets.token_urlsafe(32)
        self._open[_digest(token)] = Session(user, secrets.token_urlsafe(32), now, now)
        return token

    def find(self, token: str | None, *, used: bool = True) -> Session | None:
        """Return the session of a token, None where it is over.

        Args:
            token: as the cookie brings it.
            used: whether a person asks. A page that asks by itself keeps nobody logged in.
        """
        key = _digest(token or "")
        session = self._open.get(key)
        if session is None:
            return None
        if self._over(session):
            del self._open[key]
            return None
        if used:
            session.seen = self._now()
        return session

    def end(self, token: str | None) -> User | None:
        """Log out, and return who that was; None where the session was over."""
        session = self.find(token, used=False)
        self._open.pop(_digest(token or ""), None)
        return None if session is None else session.user

    def end_others(self, users: Mapping[str, User]) -> list[User]:
        """End the sessions of all who are not just so among `users`, and return who they are.

        With another role or another password one logs in anew.
        """
        gone = {
            key: one.user
            for key, one in self._open.items()
            if users.get(one.user.name.lower()) != one.user
        }
        self._open = {key: one for key, one in self._open.items() if key not in gone}
        return list({user.name: user for user in gone.values()}.values())

    def _over(self, session: Session) -> bool:
        now = self._now()
        return now - session.began > self._longest_s or now - session.seen > self._idle_s


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
