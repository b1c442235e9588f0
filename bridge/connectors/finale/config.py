"""The `[target]` table for a Finale Inventory account."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text, UnitCode


class Config(BaseModel):
    """The `[target]` table for a Finale Inventory account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["finale"]
    url: HttpUrl = "https://app.finaleinventory.com"
    """Where Finale answers."""
    account: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    """The account's path component, as it stands in the address of its pages."""
    key_file: Path
    """File that holds the API key and nothing else."""
    secret_file: Path
    """File that holds its secret and nothing else."""
    place: Text
    """Name of the sublocation where a transaction names none."""
    units: tuple[UnitCode, ...] = ("EA", "C62")
    """Units that mean one piece. Finale's pages show whole pieces only."""
    reasons: Annotated[dict[Text, Text], Field(max_length=200)] = {}
    """Finale's `varianceReasonId` for a reason of an adjustment or the disposition of a return;
    without one Finale is told none."""
    lot_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,8}$")] = "L_"
    """Stands before a lot or serial number in Finale's `lotId`, as it does in public examples."""
    stock_takes: bool = False
    """Whether counts are booked. Finale's pages do not say what a stock take does to items at the
    place that it does not list: see it in a sandbox first."""
    http: HttpSettings = HttpSettings()

    @property
    def api(self) -> str:
        """The path under which all resources lie; the beginning of every resource's own address."""
        return f"/{self.account}/api"
