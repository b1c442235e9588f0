"""The `[target]` table for a QuickBooks Online company."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bridge.bookkeeping import Settings
from bridge.http import HttpUrl
from bridge.oauth import App
from contract.values import Text

Id = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
"""QuickBooks' own number of an account or company."""


class Config(Settings):
    """The `[target]` table for a QuickBooks Online company."""

    connector: Literal["quickbooks"]
    company: Id
    """The company, which QuickBooks also calls realm; `scanpost bridge login` is told it."""
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """Of the app, as the developer portal shows it."""
    client_secret_file: Path
    """File that holds the app's secret and nothing else."""
    tokens_file: Path
    """File the bridge keeps the login of a person in, which `scanpost bridge login` makes."""
    item_by: Literal["Sku", "Name"] = "Sku"
    """What of an item is the house's SKU."""
    places: Annotated[int, Field(ge=0, le=4)] = 2
    """Decimal places of the currency: QuickBooks wants the amount of a line rounded to them."""
    adjustment_account: Id | None = None
    """The account that takes the value of adjustments, by its Id; None refuses them."""
    adjustment_accounts: dict[Text, Id] = Field(default={}, max_length=200)
    """Other accounts, by the reason of an adjustment."""
    minor_version: Annotated[int, Field(ge=75, le=999)] = 75
    """Of the API; QuickBooks has none older any more."""
    url: HttpUrl = "https://quickbooks.api.intuit.com"
    """The API; a sandbox company is at `https://sandbox-quickbooks.api.intuit.com`."""
    token_url: HttpUrl = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"  # noqa: S105
    """Where tokens are given out."""

    def account(self, reason: str) -> str | None:
        """Return the account that takes the value of an adjustment."""
        return self.adjustment_accounts.get(reason, self.adjustment_account)

    @property
    def app(self) -> App:
        """The bridge as Intuit knows it."""
        return App("QuickBooks", self.token_url, self.client_id, self.client_secret_file)
