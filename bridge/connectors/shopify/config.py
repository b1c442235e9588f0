"""The `[target]` table for a Shopify shop."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text, UnitCode

State = Literal["available", "damaged", "quality_control", "reserved", "safety_stock"]
"""An inventory state that an app may change."""
Why = Literal[
    "correction",
    "cycle_count_available",
    "damaged",
    "other",
    "promotion",
    "quality_control",
    "received",
    "restock",
    "safety_stock",
    "shrinkage",
]
"""A reason Shopify knows. Source: its page on quantity states and reasons."""
LocationId = Annotated[str, StringConstraints(pattern=r"^gid://shopify/Location/[0-9]{1,20}$")]
OLDEST = "2026-04"
"""The first version of the API that insists on the idempotency key."""


class Config(BaseModel):
    """The `[target]` table for a Shopify shop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["shopify"]
    url: HttpUrl
    """The shop's own address, such as `https://example.myshopify.com`."""
    token_file: Path
    """File that holds the custom app's Admin API access token and nothing else."""
    version: Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(01|04|07|10)$")] = "2026-10"
    """The version of the Admin API; Shopify keeps each for a year."""
    location: LocationId
    """The Shopify location of this house; a Shopify location has no bins."""
    locations: Annotated[dict[Text, LocationId], Field(max_length=1_000)] = {}
    """Places of this house that are Shopify locations of their own, by their code on the label."""
    counted_whole: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    """Places that hold all there is at their Shopify location: only these may be counted, since a
    count of one bin among many would overwrite the others."""
    units: tuple[UnitCode, ...] = ("EA", "C62")
    """Units that mean one piece of a variant. Shopify counts whole pieces."""
    reasons: Annotated[dict[Text, Why], Field(max_length=200)] = {}
    """Shopify's word for a reason of an adjustment; any other is `correction`."""
    set_aside: Annotated[dict[Text, State], Field(max_length=200)] = {}
    """Reasons of a decrease that leaves the goods in the house: the state they go to."""
    returned: dict[
        Literal["returned", "damaged", "expired", "sellable_accessible", "unknown"], State
    ] = {
        "returned": "quality_control",
        "damaged": "damaged",
        "expired": "damaged",
        "sellable_accessible": "available",
        "unknown": "quality_control",
    }
    """The state returned goods come into, by their disposition; a table given here replaces it."""
    carrier: Text | None = None
    """The carrier named in a fulfilment, as Shopify spells it."""
    notify_customer: bool = False
    """Whether Shopify writes to the customer about a fulfilment."""
    key_hours: Annotated[float, Field(gt=0, le=720)] = 24.0
    """Hours for which Shopify surely knows a key. What may have been booked longer ago than that is
    not sent again, but left to a person."""
    http: HttpSettings = HttpSettings()

    @field_validator("version")
    @classmethod
    def _knows_keys(cls, version: str) -> str:
        if version < OLDEST:
            raise ValueError(f"versions before {OLDEST} can book one thing twice")
        return version

    @property
    def endpoint(self) -> str:
        """Where GraphQL is spoken."""
        return f"{self.url.rstrip('/')}/admin/api/{self.version}/graphql.json"

    def at(self, place: str | None) -> str:
        """Return the Shopify location of a place of the house."""
        return self.locations.get(place or "", self.location)
