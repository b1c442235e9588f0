"""The `[target]` table for files in a folder or on an SFTP server."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator


class Sftp(BaseModel):
    """The `[target.sftp]` table: where finished files are brought."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65_535)] = 22
    user: Annotated[str, Field(min_length=1, max_length=64)]
    folder: Annotated[str, Field(min_length=1, max_length=1_000)] = "."
    """Folder on the server; it must be there."""
    known_hosts: Path
    """File with the server's key, as `ssh-keyscan` writes it. No other server is spoken to."""
    key_file: Path | None = None
    """The bridge's private key, without a passphrase; or ..."""
    password_file: Path | None = None
    """... a file that holds the password and nothing else."""
    timeout: Annotated[float, Field(ge=1, le=600)] = 60.0
    """Seconds for bringing one file."""

    @model_validator(mode="after")
    def _can_be_spoken(self) -> "Sftp":
        if self.key_file is None and self.password_file is None:
            raise ValueError("give a key_file or a password_file")
        if find_spec("asyncssh") is None:
            raise ValueError("SFTP needs asyncssh: pip install 'scanpost[sftp]'")
        return self


class Config(BaseModel):
    """The `[target]` table for files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["files"]
    folder: Path
    """Where finished files appear, on a local disk. What is unfinished, and the index of what was
    written, is in its folder `.scanpost`: without that, twice would be twice."""
    format: Literal["jsonl", "csv"] = "jsonl"
    """JSON Lines, each a whole transaction; or CSV, each row a line of one."""
    close_after: Annotated[float, Field(ge=1, le=31 * 86_400)] | None = None
    """Seconds after its first transaction until a file is finished; None makes a file for each."""
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] = (
        "scanpost"
    )
    """What names of files begin with."""
    guard_formulas: bool = True
    """Whether CSV puts an apostrophe before text that a spreadsheet would take for a formula: a
    barcode may say `=HYPERLINK(...)`."""
    sftp: Sftp | None = None
    """Where finished files are brought; without it they stay in `folder`."""
