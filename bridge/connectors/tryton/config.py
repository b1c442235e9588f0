"""The `[target]` table for a Tryton database."""

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from contract.values import Text, UnitCode

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Config(BaseModel):
    """The `[target]` table for a Tryton database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["tryton"]
    mode: Literal["native", "module"] = "native"
    """Whether Tryton has the module `scanpost`, which books a transaction whole or not at all and
    under a unique key; without it this bridge must be the only writer."""
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")]
    """Where Tryton answers, such as `https://erp.example.com`; without the database."""
    database: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    api_key_file: Path | None = None
    """File that holds the key and nothing else; read anew for each transaction."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    api_key: SecretStr | None = None
    """The key itself: for tests, since a configuration file is not a place for secrets."""
    company: int | Text
    """The company's id in Tryton, or its name."""
    warehouse: Text
    """Code of the warehouse: orders for another one are refused."""
    storage: Text | None = None
    """Code of the warehouse's storage in Tryton, such as `STO`: goods go there that name no
    location, and with it the stock they add to is followed."""
    order_by: Literal["number", "reference"] = "number"
    """What the purchase order on the label is: Tryton's number or the supplier's reference."""
    sales_order_by: Literal["number", "reference"] = "number"
    """What the sales order on the label is: Tryton's number or the customer's reference."""
    sku_field: FieldName = "code"
    """Field of `product.product` that holds the SKU."""
    units: dict[UnitCode, Text] = {
        "EA": "Unit",
        "C62": "Unit",
        "KGM": "Kilogram",
        "GRM": "Gram",
        "LBR": "Pound",
        "ONZ": "Ounce",
        "LTR": "Liter",
        "MTR": "Meter",
    }
    """English name or symbol of Tryton's unit for each unit code. Nothing is ever converted. A
    table of one's own replaces this one."""
    lots: bool = True
    """Whether lots go to Tryton; needs its module `stock_lot`. Otherwise the ledger keeps them."""
    lot_expiry_field: FieldName | None = None
    """Field of `stock.lot` for the expiry date of a label (AI 17), such as `expiration_date` of
    the module `stock_lot_sled`; None leaves the date in the ledger."""
    lot_best_before_field: FieldName | None = None
    """The same for the best-before date (AI 15), such as `shelf_life_expiration_date`."""
    time_zone: ZoneInfo | None = None
    """Books a receipt on the day it was scanned, as seen in this zone, where the gateway's clock
    was right; None books it on the day it reaches Tryton."""
    timeout: Annotated[float, Field(ge=1, le=600)] = 30.0
    """Seconds for one request."""
    settle: Annotated[float, Field(ge=0, le=3600)] = 120.0
    """Seconds after which the server itself has given up a request: gunicorn's `--timeout`, or
    uWSGI's `harakiri`. The module needs no such wait."""

    @model_validator(mode="after")
    def _one_key(self) -> "Config":
        if sum(key is not None for key in (self.api_key_file, self.api_key_env, self.api_key)) != 1:
            raise ValueError("give one of api_key_file and api_key_env")
        if (self.lot_expiry_field or self.lot_best_before_field) and not self.lots:
            raise ValueError("dates of lots need lots = true")
        return self

    @property
    def endpoint(self) -> str:
        """Where the records are."""
        return f"{self.url.rstrip('/')}/{self.database}/rest/model"

    @property
    def codes(self) -> dict[str, str]:
        """The unit code of each of Tryton's units: the first, where several mean the same."""
        return {name: code for code, name in reversed(self.units.items())}

    def key(self) -> str:
        """Return the API key as it is now. Raises OSError, KeyError or ValueError without one."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        if self.api_key_file is not None:
            return self.api_key_file.read_text("ascii").strip()
        return os.environ[self.api_key_env or ""]
