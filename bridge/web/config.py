"""The `[web]` table of `bridge.toml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    field_validator,
)

from bridge.web import people
from bridge.web.people import User

_ADDRESS = r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$"
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$"
_LAST_PORT = 65535


class WebTable(BaseModel):
    """Health, metrics, and the admin page for those who may log in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Annotated[str, StringConstraints(pattern=_ADDRESS)] = "127.0.0.1:8481"
    """`host:port`; port 0 takes any that is free."""
    enabled: bool = True
    users_file: Path | None = None
    """Who may log in: see `bridge.web.people`. Nobody without it."""
    session_hours: float = Field(default=10.0, ge=0.1, le=168.0)
    """A login lasts as long, at most."""
    idle_minutes: float = Field(default=30.0, ge=1.0, le=1_440.0)
    """A login ends after as long without a click."""
    hosts: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=_HOST)], ...], Field(max_length=20)
    ] = ()
    """Names browsers call this page by, besides addresses of this machine."""
    proxies: Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=20)] = ()
    """Proxies that are believed who asks, and whether it came encrypted."""

    @field_validator("listen")
    @classmethod
    def _has_a_port(cls, listen: str) -> str:
        if int(listen.rpartition(":")[2]) > _LAST_PORT:
            raise ValueError(f"a port is at most {_LAST_PORT}")
        return listen

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    def users(self) -> Mapping[str, User]:
        """Read who may log in.

        Raises:
            ConfigError: the file cannot be read, is open to others, or is wrong.
        """
        return {} if self.users_file is None else people.load(self.users_file)
