"""The small values transactions are made of: names, quantities, items, weights, evidence.

Every text here may come from a barcode, so every text has a bound.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator


class Frozen(BaseModel):
    """A value: it cannot change, and it has no room for what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
"""A site, gateway, station or device: one level of an MQTT topic."""

MAX_TEXT = 128
"""Characters of a `Text`."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
"""What a label, a card or a person says: a document number, a bin, a reason."""

Epoch = UUID
"""Born with an outbox file: a new file, a restored one and a cloned card are new streams."""

Seq = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""Place in a gateway's stream; gapless from 1 within an epoch. Exact in every JSON reader."""

GtinCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{14}$")]
"""A GTIN in its one canonical form: 14 digits, check digit verified by whoever made it."""

SsccCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{18}$")]
"""A GS1 serial shipping container code: 18 digits."""

Amount = Annotated[Decimal, Field(max_digits=20, decimal_places=9, allow_inf_nan=False)]
"""An exact number; it travels as a JSON string with the digits it was given."""

UnitCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,3}$")]
"""A UN/ECE Recommendation 20 unit: EA each, KGM kilogram, GRM gram, LBR pound, ONZ ounce."""


class Quantity(Frozen):
    """How much, exactly, of which unit. Never negative: direction is the event's to say."""

    value: Annotated[Amount, Field(ge=0)]
    unit: UnitCode = "EA"


class Item(Frozen):
    """What it is: a GTIN, a SKU of the house, or both."""

    gtin: GtinCode | None = None
    sku: Text | None = None

    @model_validator(mode="after")
    def _named(self) -> "Item":
        if self.gtin is None and self.sku is None:
            raise ValueError("an item needs a gtin or a sku")
        return self


class Line(Frozen):
    """One item of a transaction, with what its label said of it."""

    item: Item
    quantity: Quantity
    lot: Text | None = None
    serial: Text | None = None
    expiry: date | None = None
    best_before: date | None = None
    sscc: SsccCode | None = None
    """The handling unit this line lies in."""
    document_line: Text | None = None


class Weight(Frozen):
    """A settled weight, exactly as the scale sent it.

    `value` keeps the digits as sent (1.250 is not 1.25: the resolution is part of the reading);
    `unit` is the unit as sent or as configured for that scale, never guessed.
    """

    value: Amount
    unit: Annotated[str, StringConstraints(min_length=1, max_length=8)] | None = None
    unit_code: UnitCode | None = None
    measure: Literal["gross", "net", "tare", "count"] | None = None


class Document(Frozen):
    """A business document the transaction belongs to; words of EPCIS CBV 2.0 where it has them."""

    kind: Literal[
        "po", "desadv", "so", "pick_list", "transfer", "count_sheet", "rma", "prodorder", "unknown"
    ] = "unknown"
    number: Text


class Clock(Frozen):
    """When, and how far to believe it. `seq` orders; wall time only informs.

    A Raspberry Pi has no clock of its own: until it was synchronised `wall` may be years off, and
    the bridge corrects it later from another row of the same boot by way of `monotonic`.
    """

    wall: AwareDatetime
    """UTC, aware."""
    boot: UUID
    """The kernel's id of this boot."""
    monotonic: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=6)]
    """Seconds since that boot, exact to the microsecond."""
    synchronised: bool


Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})*$", max_length=2 * 8192)]
"""Raw bytes in lower-case hexadecimal, at most 8192 of them (a QR code holds 7089 digits).

The bound is no part of the pattern: `{0,8192}` is 70 ms and 3 MB to every process that starts.
"""


class Evidence(Frozen):
    """One scan or weight as it came off the wire: what the transaction was made from."""

    kind: Literal["scan", "weight"]
    device: Slug
    raw: Hex
    symbology: Annotated[str, StringConstraints(pattern=r"^\][A-Za-z][0-9A-Za-z]$")] | None = None
    """The AIM identifier (ISO/IEC 15424), where the scanner sent one."""
