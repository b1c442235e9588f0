"""The `[target]` table for an SAP S/4HANA system."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text, UnitCode

Movement = Annotated[str, StringConstraints(pattern=r"^0[1-7]/[A-Z0-9]{3}$")]
"""GoodsMovementCode and GoodsMovementType, such as `01/101`. The code says what kind of posting it
is: 01 receipt for a purchase order, 02 receipt for a production order, 03 issue, 04 transfer, 05
other receipt. The type is what the house's own Customizing knows."""
Plant = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,4}$")]
Place = Annotated[str, StringConstraints(pattern=r"^([A-Z0-9]{1,4}/)?[A-Z0-9]{1,4}$")]
"""A storage location, such as `0001`, or one of another plant, such as `1020/0001`."""
Short = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,4}$")]
Disposition = Literal["returned", "damaged", "expired", "sellable_accessible", "unknown"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Login(_Table):
    """The `[target.login]` table: a communication user, or an OAuth client."""

    user: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^:]+$")] | None = None
    """Name of the communication user, for basic authentication."""
    password_file: Path | None = None
    """File that holds the user's password and nothing else; read anew for each delivery."""
    token_url: HttpUrl | None = None
    """Where the authorization server gives tokens, for OAuth 2.0 client credentials."""
    client_id: Text | None = None
    client_secret_file: Path | None = None
    """File that holds the client's secret and nothing else."""
    scope: Annotated[str, Field(max_length=500)] = ""
    """What is asked for, separated by spaces, where the authorization server wants it said."""

    @model_validator(mode="after")
    def _one_way(self) -> "Login":
        basic = (self.user, self.password_file)
        oauth = (self.token_url, self.client_id, self.client_secret_file)
        if None not in basic and set(oauth) == {None}:
            return self
        if None not in oauth and set(basic) == {None}:
            return self
        raise ValueError("give user and password_file, or token_url, client_id, client_secret_file")


class Movements(_Table):
    """The `[target.movements]` table: the house's movement types. None refuses what needs it."""

    receipt: Movement = "01/101"
    """Receipt for a purchase order into unrestricted stock (or what its item says)."""
    unplanned_receipt: Movement | None = None
    """Receipt without a purchase order; SAP's is `05/501`."""
    transfer: Movement = "04/311"
    """From one storage location to another of the same plant, in one step."""
    plant_transfer: Movement | None = "04/301"
    """From one plant to another, in one step."""
    increase: Movement | None = "05/701"
    """Found more than the books say."""
    decrease: Movement | None = "03/702"
    """Found less; scrapping is `03/551`, see `causes`."""
    customer_return: Movement | None = None
    """Back from a customer without a returns delivery; SAP's is `05/451`."""
    consumed: Movement = "03/261"
    """Components issued for a production order."""
    produced: Movement = "02/101"
    """What the production order made."""


class Cause(_Table):
    """One row of `[target.causes]`: what a reason of an adjustment or return is to SAP."""

    increase: Movement | None = None
    """In place of the one in `movements`, where it is the reason of an increase."""
    decrease: Movement | None = None
    """The same of a decrease, such as `03/551` for what was scrapped."""
    customer_return: Movement | None = None
    """The same of a return."""
    reason: Short | None = None
    """Reason for movement (GoodsMovementReasonCode), where the movement type wants one."""
    cost_center: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_-]{1,10}$")] | None = None
    """Who bears the cost, where the movement type wants that said."""


class Config(_Table):
    """The `[target]` table for an SAP S/4HANA system."""

    connector: Literal["sap_s4"]
    url: HttpUrl
    """Where the system's OData services answer, such as `https://my300000-api.s4hana.example`."""
    client: Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")] | None = None
    """The client (`sap-client`); None is the system's default."""
    login: Login
    plant: Plant
    """The plant of this house."""
    storage_location: Short
    """Where goods are that no place of `locations` names. SAP knows no bins here."""
    locations: Annotated[dict[Text, Place], Field(max_length=5_000)] = {}
    """The storage location of a place, by the code on its label."""
    counted_whole: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    """Places that hold all there is at their storage location: only these may be counted, since a
    count of one bin among many would overwrite the others."""
    movements: Movements = Movements()
    causes: Annotated[dict[Text, Cause], Field(max_length=500)] = {}
    """What reasons of adjustments, and dispositions of returns, are to SAP."""
    units: dict[UnitCode, Annotated[str, StringConstraints(pattern=r"^[A-Z0-9%]{1,3}$")]] = {
        "EA": "EA",
        "C62": "EA",
        "KGM": "KG",
        "GRM": "G",
        "LBR": "LB",
        "ONZ": "OZ",
        "LTR": "L",
        "MTR": "M",
    }
    """SAP's unit for each unit code. Nothing is ever converted here. A table of one's own replaces
    this one."""
    batches: bool = True
    """Whether lots go to SAP as batches, for materials that have them; else the ledger keeps them.
    """
    serial_numbers: bool = False
    """Whether serial numbers go to SAP, which refuses them for materials without a profile."""
    receive_by: Literal["order", "delivery"] = "order"
    """What a receipt that names both is booked for: its purchase order or its inbound delivery."""
    delivery_mark: Literal["BillOfLading", "DeliveryDocumentBySupplier"] = "BillOfLading"
    """Text of a delivery's header that takes the transaction's reference: one the house does not
    use. A delivery that holds something else there is refused."""
    changesets: bool = False
    """Whether changes to several items go in one `$batch` with one changeset: all or nothing, and
    one request."""
    repeatable: bool = False
    """Whether the services were set up for idempotent requests (`RequestID`), which SAP refuses
    where they were not."""
    time_zone: ZoneInfo | None = None
    """Books on the day it was scanned, as seen in this zone, where the gateway's clock was right;
    None books on the day (UTC) it reaches SAP."""
    http: HttpSettings = HttpSettings()

    def at(self, place: str | None) -> tuple[str, str]:
        """Return plant and storage location of a place of the house."""
        found = self.locations.get(place or "", self.storage_location)
        plant, _, storage = found.rpartition("/")
        return plant or self.plant, storage
