"""Requests that SAP can tell from themselves sent again, where its services were set up to.

SAP keeps the answer to a `RequestID` for some hours, and gives it again to whoever comes with the
same: a refusal, too. So what may have been booked is sent again under the id it had, and what was
surely in vain under a new one, or a person could mend the cause and never see it.

Source: SAP Gateway, "Defining Settings for Idempotent Services".
"""

import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

MAX_KNOWN = 10_000
"""Attempts kept, some MB: there is one in flight at a time, and few wait to be asked about."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a transaction, however often it is sent."""

    name: UUID
    created: datetime
    """Aware UTC."""

    def headers(self, step: str) -> dict[str, str]:
        """Return what names one step of it: an id of 32 digits, and when it was made."""
        return {
            "RequestID": uuid.uuid5(self.name, step).hex.upper(),
            "RepeatabilityCreation": self.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class Attempts:
    """The last attempt at each transaction, as far as this process made it."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, Attempt] = OrderedDict()

    def of(self, transaction: UUID, *, again: bool) -> Attempt:
        """Return the attempt that may have been booked, or a new one where none may have been."""
        attempt = self._known.pop(transaction, None) if again else None
        attempt = attempt or Attempt(uuid.uuid4(), datetime.now(UTC))
        self._known[transaction] = attempt
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return attempt
