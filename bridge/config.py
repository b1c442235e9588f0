"""`bridge.toml`: everything the bridge needs to know, checked before anything is opened."""

import tomllib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bridge import registry
from bridge.conditions import (
    Break,
    Calendar,
    Group,
    Limits,
    ModeTable,
    Schedule,
    opening,
)
from bridge.connector import Connector, Source
from bridge.errors import ConfigError, ConnectorUnknown
from bridge.mapping.config import MappingTable
from bridge.reconciliation.config import ReconciliationTable
from bridge.reference.config import ReferenceTable
from bridge.reference.source import READABLE
from bridge.terms import UNTRANSLATED, Planner, Terms, Translation
from bridge.web.config import WebTable
from contract.canonical import canonical, digest
from contract.values import Slug
from runtime.mqtt import Broker


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LedgerConfig(_Table):
    """The `[ledger]` table, or its path alone: a file, or the URL of a PostgreSQL database."""

    path: Path | None = None
    """The SQLite file. Put it on a local disk that honours fsync."""
    url: SecretStr | None = None
    """`postgresql+psycopg://user@host/database`."""
    password_file: Path | None = None
    """File that holds the database password and nothing else; for `url`."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "LedgerConfig":
        if (self.path is None) == (self.url is None):
            raise ValueError("say either path or url")
        if self.url is not None:
            try:
                driver = make_url(self.url.get_secret_value()).drivername
            except ArgumentError:
                driver = "nothing of the kind"
            if driver != "postgresql+psycopg":
                raise ValueError(f"a url begins with postgresql+psycopg, not {driver}; or say path")
        return self

    @property
    def full_url(self) -> URL:
        """The SQLAlchemy URL, with its password."""
        if self.url is None:
            return URL.create("sqlite+aiosqlite", database=str(self.path))
        url = make_url(self.url.get_secret_value())
        if self.password_file is None:
            return url
        return url.set(password=self.password_file.read_text("utf-8").strip())


class Log(_Table):
    """The `[log]` table."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["plain", "json"] = "plain"


class Config(_Table):
    """The whole file. `target` is checked by its own connector."""

    site: Slug
    """Where this bridge stands; gateways of every site are served."""
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,25}$")] = "1"
    """Tells bridges of one site apart; it is `bridge-<name>` to the broker."""
    broker: Broker = Broker()
    ledger: LedgerConfig
    target: Any
    """The connector's own table."""
    stuck_after: int = Field(default=10, ge=1)
    """Attempts at one entry after which it is shown as stuck."""
    keep_days: int = Field(default=90, ge=1, le=3_650)
    """Days for which the deliveries of an entry that is done with are kept, byte for byte."""
    limits: Limits = Limits()
    breaker: Break = Break()
    group: Group = Group()
    schedule: Schedule = Schedule()
    calendar: Calendar = Calendar()
    modes: ModeTable = ModeTable()
    mapping: MappingTable = MappingTable()
    reference: ReferenceTable = ReferenceTable()
    reconciliation: ReconciliationTable = ReconciliationTable()
    web: WebTable = WebTable()
    log: Log = Log()

    @field_validator("ledger", mode="before")
    @classmethod
    def _may_be_a_path(cls, ledger: Any) -> Any:
        return {"path": ledger} if isinstance(ledger, str) else ledger

    @field_validator("target")
    @classmethod
    def _names_a_connector(cls, table: Any) -> Any:
        if _connector(table) is None:
            raise ValueError(f'say connector = "..." with one of {", ".join(registry.names())}')
        return table

    def connect(self) -> AbstractAsyncContextManager[Connector]:
        """Open the target."""
        return registry.load(self.target.connector).connect(self.target)

    def planner(self) -> Planner | None:
        """Return what says which calls the connector would make; None where it cannot."""
        calls = getattr(registry.load(self.target.connector), "calls", None)
        return None if calls is None else lambda transaction: calls(transaction, self.target)

    def source(self) -> AbstractAsyncContextManager[Source] | None:
        """Open the reading side of the target; None where it has none."""
        read = getattr(registry.load(self.target.connector), "read", None)
        return None if read is None else read(self.target)

    def terms(self, translation: Callable[[], Translation] = lambda: UNTRANSLATED) -> Terms:
        """Return the terms on which the target is delivered to."""
        return Terms(
            name=self.target.connector,
            per_second=self.limits.per_second,
            burst=self.limits.burst,
            per_day=self.limits.per_day,
            break_after=self.breaker.after,
            break_s=self.breaker.open,
            group_most=self.group.most,
            linger_s=self.group.linger,
            opening=opening(self.schedule, self.calendar),
            modes=self.modes.modes,
            translation=translation,
            plan=self.planner(),
        )

    @property
    def unproven(self) -> str | None:
        """Why this connector may not go live; None where it may."""
        capabilities = getattr(registry.load(self.target.connector), "CAPABILITIES", None)
        if self.modes.unproven or getattr(capabilities, "evidence", "") != "documentation":
            return None
        return (
            f"{self.target.connector} was written from documentation and never run against the"
            ' product: use mode "shadow", or say unproven = true in [modes]'
        )

    @property
    def digest(self) -> str:
        """Tells one configuration from another; it shows no secret."""
        return digest(canonical(self.model_dump(mode="json", exclude={"target"})))


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with one line for each problem: file, place, what is wrong.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    problems: list[str] = []
    config = None
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        problems += _lines(error)
    target = _target(document.get("target"), problems)
    if config is not None and target is not None:
        config = config.model_copy(update={"target": target})
        modes = config.modes.modes
        why = config.unproven if "live" in {modes.default, *modes.rules.values()} else None
        problems += [f"modes: {why}"] if why else []
        reads = registry.load(config.target.connector).CAPABILITIES.reads
        if config.reference.source == "target" and not reads & {*READABLE.values()}:
            problems.append(f"reference.source: {config.target.connector} does not read; use files")
        moves = hasattr(registry.load(config.target.connector), "moves")
        unread = config.reconciliation.unread(reads, moves=moves)
        problems += [f"reconciliation: {why}" for why in unread]
    if problems or config is None:
        raise ConfigError("\n".join(f"{path.name}: {problem}" for problem in problems))
    return config


def _target(table: Any, problems: list[str]) -> BaseModel | None:
    """Let the connector check its own table, whatever else is wrong."""
    name = _connector(table)
    if name is None:
        return None  # said already
    try:
        return registry.load(name).Config.model_validate(table)
    except ConnectorUnknown as error:
        problems.append(f"target.connector: {error}")
    except ValidationError as error:
        problems += _lines(error, "target")
    return None


def _connector(table: Any) -> str | None:
    name = table.get("connector") if isinstance(table, dict) else None
    return name if isinstance(name, str) else None


def _lines(error: ValidationError, *before: str) -> list[str]:
    """Return one line for each problem, without the input, which may be a secret."""
    return [
        f"{'.'.join(str(part) for part in (*before, *problem['loc']))}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
