"""The door's book: who came, who was refused and who left stands in the audit trail.

A log-in is written down before anybody has its session. Refused ones are bounded, since anybody can
make them: of an hour's, so many have a row of their own, and the rest are counted and told in one
row when the hour is over. Those that were not looked at, since too many came, stand nowhere. A name
that is in no users' file is not kept: it may be a password that was typed in the wrong place, and
the trail is for ever.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from bridge.audit import Deed
from bridge.errors import LedgerFailed
from bridge.web.callers import Caller
from bridge.web.people import User

MOST_REFUSED = 20
"""Rows for refused log-ins in one hour, and one more for the sum: 504 on a day, whoever tries."""
HOUR_S = 3_600.0
MOST_TOLD = 20
"""Addresses and names that a sum tells of, each with its number."""

Kind = Literal["log in", "log in refused", "log out", "users"]
NOBODY_KNOWN = "an unknown name"
_OTHERS = "others"

Write = Callable[[Deed], Awaitable[None]]


@dataclass(slots=True)
class _Hour:
    """Refused log-ins since `began`, in monotonic seconds."""

    began: float
    rows: int = 0
    more: int = 0
    names: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)


class Doorbook:
    """Writes into the trail. Every method raises `LedgerFailed` where that cannot be done."""

    def __init__(self, write: Write, now: Callable[[], float]) -> None:
        """Take what adds a row, and the clock."""
        self._write = write
        self._now = now
        self._hour = _Hour(now())
        self._summing = asyncio.Lock()

    async def came(self, user: User, caller: Caller) -> None:
        """Write down a log-in."""
        await self._row("log in", user.name, role=user.role, from_=caller.address)

    async def left(self, user: User, caller: Caller) -> None:
        """Write down a log-out."""
        await self._row("log out", user.name, from_=caller.address)

    async def sent_away(self, user: User, why: str) -> None:
        """Write down that a session was ended for somebody."""
        await self._row("log out", user.name, why=why)

    async def refused(self, user: User | None, caller: Caller) -> None:
        """Write down, or count, a log-in that was refused.

        Args:
            user: whose name was given; None where there is none of that name.
            caller: who gave it.
        """
        await self.sum_up()
        name = NOBODY_KNOWN if user is None else user.name
        if self._hour.rows == 0:
            self._hour.began = self._now()
        if self._hour.rows == MOST_REFUSED:
            self._count(name, caller.address)
            return
        self._hour.rows += 1
        try:
            await self._row("log in refused", "somebody", as_=name, from_=caller.address)
        except LedgerFailed:
            self._count(name, caller.address)
            raise

    def _count(self, name: str, address: str) -> None:
        hour = self._hour
        hour.more += 1
        for counted, one in ((hour.names, name), (hour.addresses, address)):
            counted[one if one in counted or len(counted) < MOST_TOLD else _OTHERS] += 1

    async def sum_up(self, *, at_once: bool = False) -> None:
        """Tell of those that were only counted, when their hour is over, or at once."""
        async with self._summing:
            hour, now = self._hour, self._now()
            if not at_once and now - hour.began < HOUR_S:
                return
            if hour.more:
                await self._row(
                    "log in refused",
                    "somebody",
                    more=hour.more,
                    within=f"{max(1, round((now - hour.began) / 60.0))} min",
                    as_=_told(hour.names),
                    from_=_told(hour.addresses),
                )
            self._hour = _Hour(now)

    async def _row(self, what: Kind, who: str, **detail: str | int) -> None:
        await self._write(
            Deed(who, what, {name.rstrip("_"): said for name, said in detail.items()})
        )


def _told(counted: Counter[str]) -> str:
    """Return who is counted, the most frequent first.

    >>> _told(Counter({"192.0.2.7": 40, "others": 2}))
    '192.0.2.7 40, others 2'
    """
    return ", ".join(f"{name} {number}" for name, number in counted.most_common())
