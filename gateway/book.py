"""What a gateway knows of items and documents: its copy of the reference data, and its own moves.

It is what jobs ask as `Shift.reference`. Without a copy nothing is known but what was moved here.
"""

from contract.reference import COUNTED, DocumentRecord, ItemRecord, LocationRecord
from gateway.movements import Movements
from gateway.stations.job import Copy, Moved, Trade


class Book:
    """The copy, where there is one, and what was moved since it was taken."""

    def __init__(self, copy: Copy | None = None, movements: Movements | None = None) -> None:
        self._copy = copy
        self.movements = movements or Movements()
        self.movements.holds = self._counts

    def _counts(self, number: str, kind: str) -> bool:
        """Whether the copy has what transactions of type `kind` did of a document."""
        record = self.document(number)
        return record is not None and COUNTED[record.document] == kind

    @property
    def ready(self) -> bool:
        """Whether there is a copy at all."""
        return self._copy is not None and self._copy.ready

    def by_gtin(self, gtin: str) -> Trade | None:
        """Return the item that carries a GTIN-14."""
        return self._copy.by_gtin(gtin) if self._copy else None

    def by_code(self, code: str) -> ItemRecord | None:
        """Return the item of that SKU, or with that code on it."""
        return self._copy.by_code(code) if self._copy else None

    def document(self, number: str) -> DocumentRecord | None:
        """Return an open document."""
        return self._copy.document(number) if self._copy else None

    def location(self, name: str) -> LocationRecord | None:
        """Return a location by name or GLN."""
        return self._copy.location(name) if self._copy else None

    def moved(self, number: str, kind: str) -> Moved:
        """Return what was moved of a document by transactions of type `kind`."""
        return self.movements.of(number, kind)
