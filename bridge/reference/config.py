"""The `[reference]` table of `bridge.toml`: what stations may know, and where it is read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridge.conditions import Seconds


class ReferenceTable(BaseModel):
    """Off unless a source is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["off", "target", "files"] = "off"
    """`target`: the connector's reading side. `files`: CSV files in `folder`."""
    folder: Path | None = None
    every: Annotated[Seconds, Field(ge=5.0, le=86_400.0)] = 300.0
    """Seconds between two readings of a target. Files are read when they have changed."""
    pages_per_second: float = Field(default=40.0, gt=0, le=1_000)
    """Sent to all gateways together, 64 kB each at most."""
    conflicts: bool = True
    """Hold back what several gateways booked of one line beyond what its document allows."""

    @model_validator(mode="after")
    def _files_have_a_folder(self) -> "ReferenceTable":
        if self.source == "files" and self.folder is None:
            raise ValueError('source = "files" needs a folder')
        return self
