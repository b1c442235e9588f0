"""One request to Tryton's REST interface, and the JSON it speaks. Pure."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

Query = tuple[tuple[str, Any], ...]
"""What is asked, by names that may come more than once. What is no text goes as JSON in base64."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, before it is put on a wire."""

    method: Literal["GET", "POST"]
    path: str
    """Model, and for what exists already its id and what is to be done."""
    query: Query = ()
    values: dict[str, Any] | None = None
    context: dict[str, Any] | None = None

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method == "POST"

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query, as it is sent."""
        return [
            (name, said if isinstance(said, str) else base64(said)) for name, said in self.query
        ]

    @property
    def line(self) -> str:
        """Method, path and query, as they are sent."""
        return f"{self.method} {self.path}?{urlencode(self.parameters)}"

    @property
    def readable(self) -> str:
        """Path and query for people: the JSON that is sent in base64 stands as it is."""
        said = (f"{name}={s if isinstance(s, str) else _json(s)}" for name, s in self.query)
        query = "&".join(said)
        return f"{self.path}?{query}" if query else self.path

    @property
    def body(self) -> str:
        """The values as they are sent; empty where there are none."""
        return "" if self.values is None else _json(self.values)


def base64(value: Any) -> str:
    """Return a value as it stands in queries and headers."""
    return urlsafe_b64encode(_json(value).encode()).decode()


def read(text: bytes) -> Any:
    """Return what an answer says. Raises ValueError for what is no JSON."""
    return json.loads(text, parse_float=Decimal, object_hook=_decode)


def _json(value: Any) -> str:
    return json.dumps(value, default=_encode)


def _encode(value: object) -> dict[str, Any]:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case datetime():
            there = value.astimezone(UTC)
            names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime"} | {name: getattr(there, name) for name in names}
        case date():
            return {
                "__class__": "date",
                "year": value.year,
                "month": value.month,
                "day": value.day,
            }
    raise TypeError(f"{value!r} has no JSON form in Tryton")


def _decode(value: dict[str, Any]) -> Any:
    match value:
        case {"__class__": "Decimal", "decimal": str(number)}:
            return Decimal(number)
        case {"__class__": "date", "year": int(year), "month": int(month), "day": int(day)}:
            return date(year, month, day)
        case {"__class__": "datetime", "year": int(year), "month": int(month), "day": int(day)}:
            clock = [value.get(name, 0) for name in ("hour", "minute", "second", "microsecond")]
            return datetime(year, month, day, *clock)  # noqa: DTZ001 - Tryton's own have no zone
    return value
