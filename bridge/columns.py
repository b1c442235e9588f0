"""Column types that keep what they are given: aware UTC times, exact decimals; any database."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

PLACES = 9
"""Decimal places of every amount, as in `contract.values.Amount`."""
DIGITS = 38
"""Digits of a stored amount: the sum of 10^18 amounts of 20 digits, and NUMERIC has them."""


class Utc(TypeDecorator[datetime]):
    """An aware UTC time. SQLite has no time zones, so it stores the UTC wall time there."""

    impl = DateTime
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware time into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware time."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal, exact: NUMERIC where the database has one, its digits as text on SQLite.

    SQLite's own NUMERIC is a binary float. Text does not add up in SQL: sums are made in Python.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(Numeric(DIGITS, PLACES, asdecimal=True))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Keep the digits as they are, without an exponent."""
        if value is None or dialect.name != "sqlite":
            return value
        return format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the very same decimal."""
        return None if value is None else Decimal(value)
