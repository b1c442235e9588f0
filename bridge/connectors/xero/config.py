"""The `[target]` table for a Xero organisation."""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from bridge.bookkeeping import Settings
from bridge.http import HttpUrl
from bridge.oauth import App
from contract.values import Text

SCOPE = "offline_access accounting.invoices accounting.settings.read"
Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,10}$")]
"""An account of the chart of accounts; Xero gives them ten characters."""


class Config(Settings):
    """The `[target]` table for a Xero organisation."""

    connector: Literal["xero"]
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """Of the app, as the developer portal shows it."""
    client_secret_file: Path
    """File that holds the app's secret and nothing else."""
    tokens_file: Path | None = None
    """File the bridge keeps the login of a person in, which `scanpost bridge login` makes; None for
    a custom connection, which is paid for, belongs to one organisation and needs no person."""
    tenant: UUID | None = None
    """The organisation, of those the login has: `scanpost bridge login` lists them. A custom
    connection needs none."""
    bills: Literal["DRAFT", "SUBMITTED", "AUTHORISED"] = "DRAFT"
    """What a receipt's bill is made as. Xero counts the goods once it is authorised."""
    invoices: Literal["DRAFT", "SUBMITTED", "AUTHORISED"] = "DRAFT"
    """What a shipment's invoice is made as."""
    credits: Literal["DRAFT", "SUBMITTED", "AUTHORISED"] = "DRAFT"
    """What a return's credit note is made as."""
    due_days: Annotated[int, Field(ge=0, le=365)] | None = None
    """Days until a bill or invoice is due; Xero wants it of authorised ones."""
    adjustment_contact: UUID | None = None
    """The contact of adjustments, by its ContactID: Xero has none without; None refuses them."""
    adjustment_account: Code | None = None
    """The account that takes the value of adjustments; None refuses them."""
    adjustment_accounts: dict[Text, Code] = Field(default={}, max_length=200)
    """Other accounts, by the reason of an adjustment."""
    scope: Annotated[str, StringConstraints(pattern=r"^[a-z_.]+( [a-z_.]+)*$")] = SCOPE
    """What a person is asked to allow; an app made before March 2026 has `accounting.transactions`
    for `accounting.invoices`."""
    url: HttpUrl = "https://api.xero.com/api.xro/2.0"
    """The accounting API."""
    token_url: HttpUrl = "https://identity.xero.com/connect/token"  # noqa: S105 - an address
    """Where tokens are given out."""

    @model_validator(mode="after")
    def _authorised_is_due(self) -> "Config":
        if "AUTHORISED" in (self.bills, self.invoices) and self.due_days is None:
            raise ValueError("Xero wants to know when an authorised document is due: due_days")
        return self

    def account(self, reason: str) -> str | None:
        """Return the account that takes the value of an adjustment."""
        return self.adjustment_accounts.get(reason, self.adjustment_account)

    @property
    def app(self) -> App:
        """The bridge as Xero knows it."""
        return App("Xero", self.token_url, self.client_id, self.client_secret_file)
