"""Whose turn it is: entries of one document, or of one gateway, keep their order. Pure.

An entry waits while an earlier one with a key in common is undecided. Entries of other documents go
past, so one stuck document does not hold up the rest.
"""

import bisect
import heapq
import itertools

from contract.transactions import Reversal, Transaction


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
        self._out: set[int] = set()
        # Both may hold numbers that are no longer first, due or there: looked at when they come up.
        self._ready: list[int] = []
        self._later: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, number: int) -> bool:
        return number in self._keys

    def add(self, number: int, keys: tuple[str, ...], due: float = 0.0) -> None:
        """Let an entry stand in the line of each of its keys, in the order of the numbers.

        Args:
            number: its place in the ledger; known ones are ignored.
            keys: as `keys_of` gave them.
            due: monotonic seconds before which it is not its turn.
        """
        if number in self._keys:
            return
        self._keys[number] = keys
        self._due[number] = due
        for key in keys:
            bisect.insort(self._lines.setdefault(key, []), number)
        self._offer(number)

    def take(self, now: float, limit: int = 1) -> list[int]:
        """Return the entries whose turn it is, lowest number first, and count them as out.

        Args:
            now: monotonic seconds.
            limit: how many at most. Beyond the first, an entry may follow another of the same batch
                in its line: the batch must be carried out in order.
        """
        while self._later and self._later[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._later)[1])
        batch: list[int] = []
        while self._ready and len(batch) < limit:
            number = heapq.heappop(self._ready)
            if number not in self._keys or number in self._out or not self._is_next(number, batch):
                continue
            if self._due[number] > now:
                heapq.heappush(self._later, (self._due[number], number))
                continue
            self._out.add(number)
            batch.append(number)
            for follower in self._followers(number):
                heapq.heappush(self._ready, follower)
        return batch

    def wake_at(self) -> float | None:
        """Return the monotonic time at which a waiting entry may become due, None if none waits.

        0.0 says that one may be due already.
        """
        if self._ready:
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
        del self._due[number]
        for key in self._keys.pop(number):
            line = self._lines[key]
            line.pop(bisect.bisect_left(line, number))
            if line:
                self._offer(line[0])
            else:
                del self._lines[key]

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
