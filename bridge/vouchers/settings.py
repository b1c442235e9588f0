"""The part of a `[target]` table that all ERPs of vouchers share."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text, UnitCode


class VoucherSettings(BaseModel):
    """What such an ERP must be told; each connector adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lots: ClassVar[bool] = False
    """Whether its vouchers have a place for lots and serial numbers."""

    url: HttpUrl
    """Where it answers, such as `https://erp.example.com`."""
    api_key_file: Path
    """File that holds the key and nothing else; read anew for each call."""
    company: Text
    """Whose stock it is."""
    warehouse: Text
    """The ERP's warehouse for goods of which neither the transaction nor an order says where."""
    receiving: Text | None = None
    """Where goods come in that no place is named for; without it where the order says."""
    staging: Text | None = None
    """Where picked goods wait and shipments leave from, if no place is named; without it shipments
    leave from where the order says."""
    returns: Text | None = None
    """Where returned goods come in, if no place is named; without it `warehouse`."""
    warehouses: Annotated[dict[Text, Text], Field(max_length=10_000)] = {}
    """The ERP's warehouse for a place on a label; a place not named here is one of that name."""
    units: dict[UnitCode, Text] = {
        "EA": "Nos",
        "C62": "Nos",
        "KGM": "Kg",
        "GRM": "Gram",
        "LBR": "Pound",
        "ONZ": "Ounce",
        "LTR": "Litre",
        "MTR": "Meter",
    }
    """The ERP's unit for each unit code. Nothing is ever converted: an item must be kept in the
    unit it was scanned in. A table given here replaces this one."""
    decimals: Annotated[int, Field(ge=0, le=9)] = 3
    """Decimals the ERP keeps of a quantity; what has more is refused, never rounded."""
    unknown_cost: Literal["refuse", "zero"] = "refuse"
    """What becomes of goods that come in without an order, and whose cost the ERP does not know:
    refuse them, or book them at no value."""
    whole_orders: bool = False
    """Whether a shipment that names no goods sends all that its order still owes."""
    http: HttpSettings = HttpSettings()

    def place(self, said: str | None) -> str | None:
        """Return the warehouse of a place that was named."""
        return None if said is None else self.warehouses.get(said, said)

    def label(self, warehouse: str) -> str:
        """Return the place on a label that a warehouse is."""
        return self._labels.get(warehouse, warehouse)

    def code(self, unit: str) -> str | None:
        """Return the unit code of the ERP's unit; the first one named for it."""
        return self._codes.get(unit)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {warehouse: place for place, warehouse in reversed(self.warehouses.items())}

    @cached_property
    def _codes(self) -> dict[str, str]:
        return {unit: code for code, unit in reversed(self.units.items())}
