"""The `[target]` table for a NetSuite account."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text, UnitCode

InternalId = Annotated[int, Field(gt=0)]
"""NetSuite's own number of a record, as its pages show it when "Show Internal IDs" is on."""


class Config(BaseModel):
    """The `[target]` table for a NetSuite account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["netsuite"]
    url: HttpUrl
    """Where the account answers, such as `https://1234567.suitetalk.api.netsuite.com`."""
    client_id: Text
    """Of the integration record, which has the client credentials flow and REST web services on."""
    certificate_id: Text
    """NetSuite's id of the certificate that belongs to `key_file`."""
    key_file: Path
    """File with the private key, PEM: RSA of 3072 bits or more, or elliptic curve P-256."""
    subsidiary: InternalId | None = None
    """For stock changes and transfers; None where the account has one company only."""
    location: InternalId
    """The NetSuite location of the house: bins are looked for there."""
    locations: Annotated[dict[Text, InternalId], Field(max_length=1_000)] = {}
    """NetSuite's location for a label. Any other label is a bin, if there are any."""
    bins: bool = False
    """Whether places are bins. Without it, every label needs its location."""
    place: Text
    """Label of the place where a transaction names none."""
    account: InternalId | None = None
    """The account that stock changes are booked against; without one they are refused."""
    reasons: Annotated[dict[Text, InternalId], Field(max_length=200)] = {}
    """Another such account for a reason of an adjustment."""
    sku_field: Literal["itemid", "externalid", "upccode"] = "itemid"
    """Field of the item that holds the SKU."""
    units: dict[UnitCode, Annotated[str, StringConstraints(pattern=r"^[0-9]{0,12}$")]] = {
        "EA": "",
        "C62": "",
    }
    """Internal id of NetSuite's unit for each unit code, empty where the account shows none: an
    order's line in another unit is refused."""
    pick_pack_ship: bool = True
    """Whether the account has the feature Pick, Pack and Ship: a fulfilment is then marked shipped.
    """
    package_weight: UnitCode | None = None
    """Unit of package weights there. With it, parcels are told with tracking numbers; without it
    they stay in the ledger, as they must where a carrier's own module has its own list of them."""
    http: HttpSettings = HttpSettings()
