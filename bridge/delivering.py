"""One call of a connector: what it is given, what it answers within bounds, what that says."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.connector import BatchConnector, Connector
from bridge.outcome import Outcome, Refused, TryLater, Unknown
from bridge.posting import Attempt
from bridge.wire import Note, recording
from contract.transactions import Transaction

log = logging.getLogger(__name__)

DELIVER_WITHIN = 300.0
"""Seconds after which a connector that does not come back is taken for lost."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An attempt as the connector gets it, or why it does not."""

    attempt: Attempt
    given: Transaction | Refused
    mapping: str | None

    @property
    def withheld(self) -> Refused | TryLater | None:
        """Why the connector does not get it.

        What the ERP may have is not refused: only the ERP can say, and it is asked once what speaks
        against it is mended. A retry of what was refused would not ask.
        """
        if not isinstance(self.given, Refused):
            return None
        if self.attempt.again:
            return TryLater(f"it may be booked, but now: {self.given.text}")
        return self.given

    @property
    def translated(self) -> Transaction | None:
        """What the connector is given, where that is not what the ledger holds."""
        if isinstance(self.given, Refused) or self.given is self.attempt.transaction:
            return None
        return self.given


def telling(ready: Sequence[Prepared], outcomes: Sequence[Outcome]) -> tuple[Attempt, Outcome]:
    """Return the outcome that says how the target is: those behind an unknown one say nothing."""
    for kind in (Unknown, TryLater):
        for one, outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, kind):
                return one.attempt, outcome
    return ready[-1].attempt, outcomes[-1]


async def deliver(
    connector: Connector, ready: Sequence[Prepared]
) -> tuple[Sequence[Outcome], list[Note]]:
    """Deliver, within bounds; a connector that breaks its promise has done nobody knows what."""
    transactions = [one.given for one in ready if not isinstance(one.given, Refused)]
    again = any(one.attempt.again for one in ready)
    with recording() as notes:
        try:
            async with asyncio.timeout(DELIVER_WITHIN):
                if isinstance(connector, BatchConnector) and len(transactions) > 1:
                    outcomes = await connector.deliver_many(transactions, again=again)
                    if len(outcomes) == len(transactions):
                        return outcomes, notes
                    raise ValueError(f"{len(outcomes)} outcomes for {len(transactions)}")
                return [await connector.deliver(transactions[0], again=again)], notes
        except TimeoutError:
            why = f"no answer within {DELIVER_WITHIN:g} s"
        except Exception as error:
            log.exception("the connector broke")
            why = f"the connector broke: {error!r}"
        return [Unknown(why)] * len(transactions), notes
