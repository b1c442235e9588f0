"""Who stands in line for a target, as far as memory goes, and what goes into its next call."""

from bridge.connector import BatchConnector, Connector, GroupConnector
from bridge.gate import Gate
from bridge.ledger import Ledger
from bridge.modes import Modes
from bridge.outcome import Refused
from bridge.posting import Member
from bridge.terms import Terms, Translation
from bridge.turns import Turns
from bridge.waiting import Undecided
from runtime.clock import Clock

WINDOW = 100_000
"""Entries in line in memory; the ledger holds the rest. Some 80 MB, a day of a busy house: what is
live stands in line beside any backlog that is smaller."""
PAGE = 500
"""Entries read at once."""
BATCH = 100
"""Deliveries in one transaction of a target that takes batches: what a crash makes ambiguous."""
LOOK_BACK = 1_000
"""Numbers looked at again for what another bridge committed late: some seconds of arrivals."""
LIVE_S = 60.0
"""Seconds after which what waits is a backlog, and what comes just now goes first."""


class Line:
    """Undecided entries of one ledger that are live, in memory up to `WINDOW`."""

    def __init__(self, ledger: Ledger, terms: Terms, gate: Gate, clock: Clock) -> None:
        """Take where they are read, on what terms they go, and what may hold all of them back."""
        self._ledger = ledger
        self._terms = terms
        self._gate = gate
        self._clock = clock
        self._turns = Turns()
        self._last = 0
        self._since: dict[int, float] = {}
        self.whole = False
        """Whether everything undecided stood here when last looked."""

    def __len__(self) -> int:
        return len(self._turns)

    def wake_at(self) -> float | None:
        """Return when one may be due, in monotonic seconds; None if none waits."""
        return self._turns.wake_at()

    def delay(self, number: int, due: float) -> None:
        """Put an entry back to the head of its lines, until `due` monotonic seconds."""
        self._turns.delay(number, due)

    def done(self, number: int) -> None:
        """Let a decided entry leave."""
        self._turns.done(number)
        self._since.pop(number, None)

    def look_back(self) -> None:
        """Look at the newest numbers again, next time: another bridge may have been late."""
        self._last = max(0, self._last - LOOK_BACK)

    async def fill(self, connector: Connector, modes: Modes, *, all_of_it: bool) -> None:
        """Let what is undecided, live and not yet here stand in line; from the start or the end."""
        if len(self._turns) > WINDOW - PAGE and not all_of_it:
            self.whole = False
            return
        after = 0 if all_of_it else self._last
        while True:
            page = await self._ledger.undecided(after, PAGE, modes)
            for found in page:
                if found.number not in self._turns:
                    self._add(connector, found)
            after = page[-1].number if page else after
            self._last = max(self._last, after)
            self.whole = len(page) < PAGE
            if self.whole or len(self._turns) > WINDOW - PAGE:
                return

    def _add(self, connector: Connector, found: Undecided) -> None:
        now = self._clock.monotonic()
        settled = 0.0
        if found.ambiguous:
            settled = now + connector.settle
            self._gate.rest(settled)
        elif isinstance(connector, GroupConnector):
            self._since[found.number] = now - found.age_s
        self._turns.add(
            found.number,
            found.keys,
            due=settled,
            share=found.share,
            backlog=found.age_s > LIVE_S,
        )

    async def choose(self, connector: Connector, tables: Translation, now: float) -> list[int]:
        """Take entries whose turn it is: as many as go into one call."""
        if isinstance(connector, GroupConnector):
            batch = await self._group(connector, tables, now)
        else:
            many = isinstance(connector, BatchConnector) and not self._gate.probing(now)
            batch = self._turns.take(now, BATCH if many else 1)
        if not batch:
            self._gate.nothing_left()
        return batch

    async def _group(self, connector: GroupConnector, tables: Translation, now: float) -> list[int]:
        """Take one entry and those that belong into the same document of the ERP."""
        most = self._terms.group_most
        while head := self._turns.take(now):
            line = [*head, *self._turns.follow(head[0], now, most - 1)]
            members = await self._ledger.together(line)
            keys = [_key(connector, tables, member) for member in members]
            group = [
                member.number
                for place, member in enumerate(members)
                if place == 0
                or (
                    None not in keys[: place + 1]
                    and len(set(keys[: place + 1])) == 1
                    and member.round == members[0].round
                )
            ]
            for number in line[len(group) or 1 :]:
                self._turns.delay(number, 0.0)
            if not members:
                return head  # decided meanwhile: `begin` will say so
            ripe = self._since.get(group[0], 0.0) + self._terms.linger_s
            grows = len(group) == len(line) < most and self._turns.ends_with(group[-1])
            if not (grows and keys[0] is not None and now < ripe and members[0].round is None):
                return group
            for number in group:
                self._turns.delay(number, ripe)
        return []


def _key(connector: GroupConnector, tables: Translation, member: Member) -> str | None:
    given = tables.apply(member.transaction)
    return None if isinstance(given, Refused) else connector.group_key(given)
