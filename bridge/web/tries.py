"""Wrong passwords make the next try wait: by the address they come from, and by the user's name.

>>> tries = Tries(lambda: 0.0)
>>> for _ in range(FREE):
...     tries.wrong("192.0.2.7", "anna")
>>> tries.wait("192.0.2.7", "ben"), tries.wait("192.0.2.8", "ben")
(1.0, 0.0)
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5
"""Wrong tries before waiting begins: a person who mistypes."""
FIRST_WAIT_S = 1.0
"""Doubled with each further wrong try."""
ADDRESS_WAIT_S = 900.0
"""Seconds one address waits, at most."""
NAME_WAIT_S = 60.0
"""Seconds a name waits, at most: nobody is to lock another person out for long."""
FORGOTTEN_S = 3_600.0
"""Seconds after the last wrong try at which a name or address begins anew."""
MOST_KNOWN = 2_000
"""Names and addresses remembered, some 400 kB; the one whose last wrong try is oldest goes."""


@dataclass(frozen=True, slots=True)
class _Wrong:
    tries: int
    last: float
    until: float


class Tries:
    """Wrong tries. Times are monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wrong)

    def wait(self, address: str, name: str) -> float:
        """Return seconds until a try of that name from that address is looked at."""
        until = (self._known(key).until for key, _ in _keys(address, name))
        return max(0.0, max(until) - self._now())

    def wrong(self, address: str, name: str) -> None:
        """Note a wrong try."""
        now = self._now()
        for key, longest in _keys(address, name):
            tries = self._known(key).tries + 1
            wait = min(longest, FIRST_WAIT_S * 2.0 ** min(20, tries - FREE))
            self._wrong[key] = _Wrong(tries, now, now + wait if tries >= FREE else 0.0)
            self._wrong.move_to_end(key)
        while len(self._wrong) > MOST_KNOWN:
            self._wrong.popitem(last=False)

    def right(self, address: str, name: str) -> None:
        """Forget what was wrong before."""
        for key, _ in _keys(address, name):
            self._wrong.pop(key, None)

    def _known(self, key: str) -> _Wrong:
        known = self._wrong.get(key)
        if known is None or self._now() - known.last > FORGOTTEN_S:
            return _Wrong(0, 0.0, 0.0)
        return known


def _keys(address: str, name: str) -> tuple[tuple[str, float], tuple[str, float]]:
    return (f"address {_network(address)}", ADDRESS_WAIT_S), (f"name {name.lower()}", NAME_WAIT_S)


def _network(address: str) -> str:
    """Return the address; of IPv6 its /64, all of which one household may use."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if known.version == 6:
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)
