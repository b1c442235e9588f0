"""The `[target]` table of a database of one's own."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
)

_DRIVERS = {"sqlite+aiosqlite", "postgresql+psycopg"}


class Config(BaseModel):
    """The `[target]` table of a database of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["sql"]
    url: SecretStr
    """`sqlite+aiosqlite:///path/stock.db` or `postgresql+psycopg://user@host/database`."""
    password_file: Path | None = None
    """File that holds the database password and nothing else."""
    create_tables: bool = True
    """Whether to create tables that are missing; one that is there is used as it is."""
    item_key: Literal["gtin", "sku"] = "sku"
    """What names an item where a line says both. A case has a GTIN of its own, and its quantity is
    in base units: they add up under the SKU only."""
    receiving: str = Field(default="RECEIVING", min_length=1, max_length=128)
    """Where a receipt without a location goes, and where a putaway without one comes from."""
    storage: str = Field(default="STORAGE", min_length=1, max_length=128)
    """Where goods are that no transaction gives a location."""
    staging: str = Field(default="STAGING", min_length=1, max_length=128)
    """Where picked goods wait, and where a shipment takes its lines from."""
    returns: str = Field(default="RETURNS", min_length=1, max_length=128)
    """Where a return without a location goes."""
    packing_takes_from: str | None = Field(default=None, min_length=1, max_length=128)
    """Where packing takes goods from if nobody picks before; empty: packing moves no stock."""

    @field_validator("url")
    @classmethod
    def _has_a_known_driver(cls, url: SecretStr) -> SecretStr:
        try:
            driver = make_url(url.get_secret_value()).drivername
        except ArgumentError:
            driver = "nothing of the kind"
        if driver not in _DRIVERS:
            raise ValueError(f"begin it with one of {', '.join(sorted(_DRIVERS))}, not {driver}")
        return url

    @property
    def full_url(self) -> URL:
        """The URL with its password."""
        url = make_url(self.url.get_secret_value())
        if self.password_file is None:
            return url
        return url.set(password=self.password_file.read_text("utf-8").strip())
