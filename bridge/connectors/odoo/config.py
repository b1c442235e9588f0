"""The `[target]` table for an Odoo database."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text, UnitCode

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Config(BaseModel):
    """The `[target]` table for an Odoo database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["odoo"]
    url: HttpUrl
    """Where Odoo answers, such as `https://example.odoo.com`; without `/json/2`."""
    database: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] | None = None
    """Its name, where one server has several that the host name does not tell apart."""
    api_key_file: Path
    """File that holds the API key and nothing else. Odoo lets none live longer than 3 months."""
    warehouse: Annotated[str, StringConstraints(min_length=1, max_length=5)]
    """Short name of the warehouse, such as `WH`."""
    delivery: Literal["ship_only", "pick_ship", "pick_pack_ship"] = "ship_only"
    """The warehouse's own setting for outgoing shipments: which steps are documents there."""
    purchase_by: Literal["name", "partner_ref"] = "name"
    """What the purchase order on a label is: Odoo's number or the vendor's reference."""
    sale_by: Literal["name", "client_order_ref"] = "name"
    """What the sales order on a label is: Odoo's number or the customer's reference."""
    sku_field: FieldName = "default_code"
    """Field of `product.product` that holds the SKU."""
    location_by: Literal["barcode", "name", "complete_name"] = "barcode"
    """Field of `stock.location` that holds what is on the label of a place."""
    units: dict[UnitCode, Text] = {
        "EA": "Units",
        "C62": "Units",
        "KGM": "kg",
        "GRM": "g",
        "LBR": "lb",
        "ONZ": "oz",
        "LTR": "L",
        "MTR": "m",
    }
    """English name of Odoo's unit for each unit code. Nothing is ever converted. A table of one's
    own replaces this one."""
    losses: Annotated[dict[Text, Text], Field(max_length=200)] = {}
    """Full name of an inventory loss location for a reason of an adjustment, such as the one for
    scrap; for any other reason it is the product's own."""
    tracking_field: FieldName | None = None
    """Field of `stock.picking` for tracking numbers: `carrier_tracking_ref` where Odoo's module
    stock_delivery is installed; None leaves them in the ledger."""
    http: HttpSettings = HttpSettings()
