"""Where reference data is read, and what its figures include."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from contract.reference import DocumentRecord, ItemRecord, Kind, LocationRecord

READABLE: dict[Kind, str] = {"item": "items", "document": "documents", "location": "locations"}


class Records(Protocol):
    """The part of `bridge.connector.Source` that gateways get. It raises `SourceFailed`."""

    def items(self) -> AsyncIterator[ItemRecord]:
        """Yield every active item."""
        ...

    def documents(self) -> AsyncIterator[DocumentRecord]:
        """Yield every open document."""
        ...

    def locations(self) -> AsyncIterator[LocationRecord]:
        """Yield every active location."""
        ...


@dataclass(frozen=True, slots=True)
class Figures:
    """Which bookings `done` of the documents as they are read has in it.

    `live`: what the target has posted when the reading begins. `then`: what it had posted at a
    time, when a file was written. `none`: `done` is not said; everything is counted here.
    """

    how: Literal["live", "then", "none"] = "live"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A source as the keeper uses it."""

    open: Callable[[], AbstractAsyncContextManager[Records]]
    kinds: Callable[[], frozenset[Kind]]
    """What it has at all; of another kind everything stays as it is."""
    figures: Callable[[], Figures] = Figures
    """Asked when a reading of documents begins."""
    changed: Callable[[], frozenset[Kind]] | None = None
    """Says what is new since it was last called, where that is cheap: asked twice a second."""
