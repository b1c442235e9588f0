"""What an operator does, what must be heard, and what then is true: the words of every script."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Kind = Literal["ok", "not_ok", "attention", "ignored"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of one transaction that must be in the books: what really happened."""

    type: str
    item: str
    quantity: Decimal
    document: str = ""
    lot: str = ""
    serial: str = ""
    place: str = ""
    """Where it came from and went to, or lies: `from>to`."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A label is scanned; twice at once, as a shaking hand does."""

    text: str
    expect: Kind = "ok"
    books: tuple[Effect, ...] = ()
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """The UNDO card; it takes back the newest transaction, or what is in hand."""

    booked: bool = True
    """Whether a transaction is reversed."""


@dataclass(frozen=True, slots=True)
class Load:
    """Something is put on the scale, and taken off again."""

    grams: Decimal
    expect: Kind = "ok"
    books: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something happens to the machine between two scans."""

    what: Literal["power cut", "network gone", "network back"]


Act = Scan | Undo | Load | Trouble
