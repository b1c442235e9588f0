"""Two gateways, one line of a document, and neither knew of the other: found before it is booked.

What a station books beyond a document in full knowledge says a reason, and goes to the ERP.
"""

from decimal import Decimal

from bridge.amendment import accepts
from bridge.inspection import storable
from bridge.outcome import Refused
from bridge.posting import Attempt
from bridge.reference.booked import Booked
from bridge.reference.copy import Copy
from bridge.reference.counting import Move, Progress, by_gtin, documents_of, needs_trades, parts_of
from bridge.reference.keeper import Keeper
from bridge.reference.records import record_of
from contract.envelope import Reason
from contract.reference import DocumentRecord, ItemRecord

CODES: tuple[Reason, ...] = ("over_receipt", "needs_human")
"""Of receipts and returns, and of everything else; a person may accept either."""


class Conflicts:
    """Looks at what is about to be booked. Raises `CopyFailed` and `LedgerFailed`."""

    def __init__(self, copy: Copy, booked: Booked, keeper: Keeper) -> None:
        self._copy = copy
        self._booked = booked
        self._keeper = keeper
        self._counted = 0
        """Entries to this number are counted."""

    async def found(self, attempt: Attempt) -> Refused | None:
        """Return why an attempt must not be made; None where nothing speaks against it.

        That is: with it, a line would go beyond what its document allows, another gateway has
        booked of the same line, and nobody gave a reason.
        """
        transaction = attempt.transaction
        documents = documents_of(transaction.event)
        code = CODES[0] if transaction.event.type in {"receipt", "return"} else CODES[1]
        if not documents or code in accepts(transaction) or attempt.again:
            return None
        if getattr(transaction.event, "reason", None):
            return None
        if attempt.number > self._counted:
            newest = await self._booked.newest()
            await self._keeper.catch_up()
            self._counted = newest
        parts = parts_of(transaction.event)
        for number in documents:
            mine = Move(
                attempt.number,
                storable(number),
                transaction.gateway,
                transaction.station,
                transaction.event.type,
                parts,
            )
            why = await self._beyond(mine)
            if why is not None:
                return Refused(code, why)
        return None

    async def _beyond(self, mine: Move) -> str | None:
        stored = (await self._copy.stored("document", [mine.document])).get(mine.document)
        record = record_of(stored.base) if stored and stored.base and stored.body else None
        if not isinstance(record, DocumentRecord):
            return None
        others = (await self._copy.moves([mine.document])).get(mine.document, [])
        ahead = [move for move in await self._ahead(mine, others) if move.entry != mine.entry]
        if all(move.gateway == mine.gateway for move in ahead):
            return None
        progress = Progress(record, await self._trades(record, [*ahead, mine]))
        touched: list[tuple[Move, frozenset[str]]] = []
        for move in ahead:
            if move.settled:
                # It is in `done` as read; here it only says who else is at the line.
                touched.append((move, Progress(record).add(move)))
            else:
                touched.append((move, progress.add(move)))
        for line in sorted(progress.add(mine) & progress.over().keys()):
            who = {
                f"{move.gateway}/{move.station}"
                for move, lines in touched
                if line in lines and move.gateway != mine.gateway
            }
            if who:
                return _said(mine, line, progress.over()[line], sorted(who))
        return None

    async def _ahead(self, mine: Move, moves: list[Move]) -> list[Move]:
        """Return the moves that the ERP has, or gets before this one."""
        fates = await self._booked.fates(move.entry for move in moves)
        return [
            move
            for move in moves
            if move.entry in fates
            and (
                fates[move.entry].state == "posted"
                or (fates[move.entry].state != "dead" and move.entry < mine.entry)
            )
        ]

    async def _trades(
        self, record: DocumentRecord, moves: list[Move]
    ) -> dict[str, tuple[str, Decimal]]:
        if not needs_trades(moves):
            return {}
        stored = await self._copy.stored("item", sorted({line.sku for line in record.lines}))
        items = [record_of(each.body) for each in stored.values() if each.body is not None]
        return by_gtin(item for item in items if isinstance(item, ItemRecord))


def _said(mine: Move, line: str, figures: tuple[Decimal, Decimal], who: list[str]) -> str:
    ordered, done = figures
    return (
        f"{mine.document} line {line}: {ordered:f} expected, {done:f} with this of"
        f" {mine.gateway}/{mine.station}; {', '.join(who)} booked of it too. Count what is there,"
        " then accept or discard"
    )
