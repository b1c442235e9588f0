"""How one client of many comes back to its broker: spread out, and never in a battle.

**Spread.** When a broker restarts, all its clients come back. Each waits a random time below a
reach that grows with the number of clients, so that a broker is knocked at `PACE` times a second on
average, however many there are; one alone is back at once. While nobody answers the reach doubles,
and it shrinks again only after a connection that lasted. (Full jitter: AWS Architecture Blog,
"Exponential Backoff And Jitter", 2015.)

**No battle.** Two clients of one name throw each other out for ever: each one's coming ends the
other's connection. MQTT 5 has a reason code for it, 0x8E. Brokers that do not send it (mosquitto
before 2.1, every one in 3.1.1) just close, as they do when they restart; there the other one gives
itself away by what it leaves on the status topic. Whoever finds out stops fighting, tells a person,
and comes back slowly.
"""

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NoReturn

from runtime.cancellation import apart
from runtime.mqtt import BrokerLost, BrokerRefused, SessionTakenOver

PACE = 5.0
"""Connects a second that all clients make together, on average. The busiest second of a restart
with 200 then sees 12 as a rule, and 19 at most in a thousand simulated restarts."""
STABLE = 10.0
"""Seconds a connection must last before the reach starts over."""
PATIENCE = 1.5
"""Seconds that one alone waits at most while nobody answers."""
REFUSED = 30.0
"""Seconds at most after anything but a broker that is not there: a no stays a no for a while."""
SLOWLY = (300.0, 600.0)
"""Seconds to wait after being thrown out by one of our own name: time for a person to see it."""
CALM = 660.0
"""Seconds a connection must last before the other one counts as gone: it would have come back."""
PROOFS = 2
"""Times the other one must be heard: once may be what a broker kept of our own earlier life."""
_MOST = 1000  # clients: what one small broker serves; three minutes for all to come back


class Manners:
    """Says how long to wait before each try. One object for the life of a process.

    Args:
        monotonic: seconds of a clock that is never set back.
        fleet: clients that share the broker, as far as is known at the start.
        dice: to draw from.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        fleet: int = 1,
        dice: random.Random | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._dice = dice or random.Random()  # noqa: S311 - spreading load, not keeping a secret
        self._fleet = fleet
        self._tries = 0
        self._up: float | None = None
        self._taken_over = False
        self._said = False
        self._proofs = 0
        self.name = uuid.uuid4().hex[:12]
        """Tells this process from another one; `speaker` in what it says on its status topic."""

    @property
    def fleet(self) -> int:
        """Clients that share the broker, as far as is known."""
        return self._fleet

    def share(self, others: str | None) -> None:
        """Take the bridge's word on how many gateways there are, if it is one."""
        if others is not None and others.isascii() and others.isdigit() and len(others) <= 6:
            self._fleet = max(1, min(_MOST, int(others)))

    @property
    def taken_over(self) -> bool:
        """Whether another client uses our name, as far as is known now."""
        calm = self._up is not None and self._monotonic() - self._up > CALM
        return self._taken_over and not calm

    def first_wait(self) -> float:
        """Return seconds to wait before the first try: many start when the power comes back."""
        return self._dice.uniform(0, (self._fleet - 1) / PACE)

    def connected(self) -> None:
        """Note that the broker let us in just now."""
        self._up = self._monotonic()

    def next_wait(self, why: Exception) -> float:
        """Return seconds to wait after a try or a connection ended because of `why`."""
        lasted = 0.0 if self._up is None else self._monotonic() - self._up
        self._up = None
        if lasted > CALM:
            self._taken_over = False
            self._proofs = 0
        if isinstance(why, SessionTakenOver) or self._proofs >= PROOFS:
            self._taken_over = True
            self._proofs = 0
            return self._dice.uniform(*SLOWLY)
        if lasted > STABLE:
            self._tries = 0
        first = self._fleet / PACE
        gone = isinstance(why, BrokerLost) and not isinstance(why, BrokerRefused)
        most = max(PATIENCE if gone else REFUSED, 2 * first)
        reach = min(most, first * 2 ** min(self._tries, 20))
        self._tries += 1
        return self._dice.uniform(0, reach)

    def overhear(self, payload: bytes) -> None:
        """Take what is on our own status topic: ours, or another one's of our name.

        What was there before we first spoke is our own earlier life.
        """
        try:
            speaker = json.loads(payload)["speaker"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if speaker == self.name:
            self._said = True
        elif self._said:
            self._proofs += 1


async def returning(
    session: Callable[[], Coroutine[Any, Any, None]],
    manners: Manners,
    ended: Callable[[Exception, float], None],
    expected: tuple[type[Exception], ...] = (BrokerLost,),
) -> NoReturn:
    """Run one session after the other, with good manners, until cancelled.

    Args:
        session: connects, calls `Manners.connected`, and works until the connection is lost.
        manners: of this client.
        ended: told why each session ended and the seconds until the next.
        expected: what may end a session; anything else ends this too.
    """
    await asyncio.sleep(manners.first_wait())
    while True:
        why: Exception = BrokerLost("closed")
        try:
            await apart(session())
        except* expected as group:
            why = max(_leaves(group), key=_telling)
        wait = manners.next_wait(why)
        ended(why, wait)
        await asyncio.sleep(wait)


def _leaves(error: BaseException) -> Iterator[Exception]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    elif isinstance(error, Exception):
        yield error


def _telling(error: Exception) -> int:
    """Rank what several tasks of one session ended with: who must act comes first."""
    return 2 * isinstance(error, SessionTakenOver) + isinstance(error, BrokerRefused)
