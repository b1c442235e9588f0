"""Whose turn it is: entries of one document, or of one gateway, keep their order. Pure.

An entry waits while an earlier one with a key in common is undecided. Entries of other documents go
past, so one stuck document does not hold up the rest. Among those whose turn it is, stations take
turns, and what came just now goes before a backlog, which still gets every fifth place.
"""

import bisect
import heapq
import itertools
from collections import deque

from contract.transactions import Reversal, Transaction

BACKLOG_EVERY = 5
"""One place in so many is the backlog's while there is something live: a fifth of the capacity."""


def keys_of(transaction: Transaction) -> tuple[str, ...]:
    """Return what `transaction` must keep its turn for, at least one key.

    Its documents, by number alone: one station may call an order `so` and another `unknown`.
    Without a document, its gateway. A `Reversal` takes the keys of what it reverses, where that is
    known; the ledger looks.
    """
    event = transaction.event
    documents = () if isinstance(event, Reversal) else getattr(event, "documents", ())
    numbers = sorted({f"document {document.number}" for document in documents})
    return tuple(numbers) or (f"gateway {transaction.gateway}",)


class _Round:
    """Numbers that may be looked at, lowest first of each share, one share after the other."""

    def __init__(self) -> None:
        self._shares: dict[str, list[int]] = {}
        self._order: deque[str] = deque()

    def __bool__(self) -> bool:
        return bool(self._order)

    def push(self, share: str, number: int) -> None:
        heap = self._shares.get(share)
        if heap is None:
            heap = self._shares[share] = []
            self._order.append(share)
        heapq.heappush(heap, number)

    def pop(self) -> int:
        share = self._order.popleft()
        heap = self._shares[share]
        number = heapq.heappop(heap)
        if heap:
            self._order.append(share)
        else:
            del self._shares[share]
        return number


class Turns:
    """Undecided entries, known by number and key. The caller bounds how many it adds.

    >>> turns = Turns()
    >>> turns.add(1, ("document A",)); turns.add(2, ("document A",)); turns.add(3, ("gateway g",))
    >>> turns.take(now=0.0), turns.take(now=0.0), turns.take(now=0.0)
    ([1], [3], [])
    >>> turns.done(1)
    >>> turns.take(now=0.0)
    [2]
    """

    def __init__(self) -> None:
        self._keys: dict[int, tuple[str, ...]] = {}
        self._lines: dict[str, list[int]] = {}
        self._due: dict[int, float] = {}
        self._share: dict[int, str] = {}
        self._old: set[int] = set()
        self._out: set[int] = set()
        # They may hold numbers that are no longer first, due or there: looked at when they come up.
        self._live = _Round()
        self._backlog = _Round()
        self._later: list[tuple[float, int]] = []
        self._places = itertools.count(1)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, number: int) -> bool:
        return number in self._keys

    def add(
        self,
        number: int,
        keys: tuple[str, ...],
        due: float = 0.0,
        *,
        share: str = "",
        backlog: bool = False,
    ) -> None:
        """Let an entry stand in the line of each of its keys, in the order of the numbers.

        Args:
            number: its place in the ledger; known ones are ignored.
            keys: as `keys_of` gave them.
            due: monotonic seconds before which it is not its turn.
            share: the station it came from.
            backlog: whether it has waited so long already that live ones go first.
        """
        if number in self._keys:
            return
        self._keys[number] = keys
        self._due[number] = due
        self._share[number] = share
        if backlog:
            self._old.add(number)
        for key in keys:
            bisect.insort(self._lines.setdefault(key, []), number)
        self._offer(number)

    def take(self, now: float, limit: int = 1) -> list[int]:
        """Return the entries whose turn it is, and count them as out.

        Args:
            now: monotonic seconds.
            limit: how many at most. Beyond the first, an entry may follow another of the same batch
                in its line: the batch must be carried out in order.
        """
        while self._later and self._later[0][0] <= now:
            self._push(heapq.heappop(self._later)[1])
        batch: list[int] = []
        while len(batch) < limit and (self._live or self._backlog):
            number = self._next()
            if number not in self._keys or number in self._out or not self._is_next(number, batch):
                continue
            if self._due[number] > now:
                heapq.heappush(self._later, (self._due[number], number))
                continue
            self._out.add(number)
            batch.append(number)
            for follower in self._followers(number):
                self._push(follower)
        return batch

    def follow(self, number: int, now: float, limit: int) -> list[int]:
        """Return the entries that come straight after `number`, which is out, and count them so.

        They stand in the very same lines, with nobody in between, and are due.
        """
        batch = [number]
        keys = self._keys[number]
        line = self._lines[keys[0]]
        for follower in itertools.islice(line, bisect.bisect_right(line, number), None):
            if (
                len(batch) > limit
                or self._keys[follower] != keys
                or follower in self._out
                or self._due[follower] > now
                or not self._is_next(follower, batch)
            ):
                break
            self._out.add(follower)
            batch.append(follower)
        return batch[1:]

    def ends_with(self, number: int) -> bool:
        """Whether nobody stands behind `number` in any of its lines."""
        return all(self._lines[key][-1] == number for key in self._keys[number])

    def wake_at(self) -> float | None:
        """Return the monotonic time at which a waiting entry may become due, None if none waits.

        0.0 says that one may be due already.
        """
        if self._live or self._backlog:
            return 0.0
        return self._later[0][0] if self._later else None

    def delay(self, number: int, due: float) -> None:
        """Put an entry back to the head of its lines, until `due` monotonic seconds."""
        self._out.discard(number)
        self._due[number] = due
        self._offer(number)

    def done(self, number: int) -> None:
        """Let a decided entry leave, and the next ones step up."""
        self._out.discard(number)
        self._old.discard(number)
        del self._due[number], self._share[number]
        for key in self._keys.pop(number):
            line = self._lines[key]
            line.pop(bisect.bisect_left(line, number))
            if line:
                self._offer(line[0])
            else:
                del self._lines[key]

    def _next(self) -> int:
        """Return the next number to look at: live ones first, and every fifth of the backlog."""
        if not (self._live and self._backlog):
            return (self._live or self._backlog).pop()
        is_theirs = next(self._places) % BACKLOG_EVERY == 0
        return (self._backlog if is_theirs else self._live).pop()

    def _push(self, number: int) -> None:
        if number in self._keys:
            (self._backlog if number in self._old else self._live).push(self._share[number], number)

    def _is_next(self, number: int, batch: list[int]) -> bool:
        """Whether only members of `batch` stand before `number` in each of its lines."""
        return all(
            all(other in batch for other in itertools.takewhile(number.__gt__, self._lines[key]))
            for key in self._keys[number]
        )

    def _followers(self, number: int) -> set[int]:
        lines = (self._lines[key] for key in self._keys[number])
        places = ((line, bisect.bisect_right(line, number)) for line in lines)
        return {line[place] for line, place in places if place < len(line)}

    def _offer(self, number: int) -> None:
        if number not in self._out and self._is_next(number, []):
            heapq.heappush(self._later, (self._due[number], number))
