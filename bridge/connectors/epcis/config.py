"""The `[target]` table for EPCIS 2.0."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bridge.http import HttpSettings, HttpUrl
from contract.values import Text

Uri = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*:[!-~]+$", max_length=500)]


class Config(BaseModel):
    """The `[target]` table for EPCIS 2.0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["epcis"]
    url: HttpUrl | None = None
    """An EPCIS repository, without the `/events` at its end; or ..."""
    folder: Path | None = None
    """... a folder, where each transaction becomes a document of its own."""
    token_file: Path | None = None
    """File that holds a token, sent as `Authorization: Bearer ...`."""
    base: HttpUrl
    """What this house's own names begin with where GS1 has no key for them: its SKUs, documents,
    locations and stations. A web address that is yours; nobody opens it."""
    locations: Annotated[dict[Text, Uri], Field(max_length=5_000)] = {}
    """What a place is called to the world, such as `https://id.gs1.org/414/4012345000016`, by the
    code on its label; others are named under `base`."""
    http: HttpSettings = HttpSettings()

    @model_validator(mode="after")
    def _one_place(self) -> "Config":
        if (self.url is None) == (self.folder is None):
            raise ValueError("give one of url and folder")
        return self
