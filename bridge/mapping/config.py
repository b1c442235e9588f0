"""The `[mapping]` table of `bridge.toml`: where the mapping tables are."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bridge.conditions import Seconds
from bridge.mapping import folder
from bridge.mapping.tables import Mapping


class MappingTable(BaseModel):
    """Off unless a folder is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
    every: Annotated[Seconds, Field(ge=0.05, le=3_600.0)] = 2.0
    """Seconds between two looks at its files."""

    def read(self) -> Mapping | None:
        """Return the tables as they are now; None without a folder.

        Raises:
            ConfigError: with a line for each problem.
        """
        return None if self.folder is None else folder.read(self.folder)
