"""The shape of `gateway.toml`, checked before anything is opened.

A wrong file is refused whole, with every problem named by its place; nothing is guessed and no
key is ignored.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from contract.identifiers import Rules
from contract.values import Slug
from drivers.kit import registry as drivers
from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.registry import DriverModule
from drivers.kit.streams import check
from gateway import languages
from gateway.errors import ConfigError
from gateway.languages import ENGLISH
from gateway.stations import registry as jobs
from gateway.stations.job import Job
from runtime.mqtt import Broker

Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:\[\]-]{1,64}:[0-9]{1,5}$")]

_LAST_PORT = 65535

_BASE64 = "[A-Za-z0-9+/=]{16,128}"
_PIN = rf"^scrypt\$[0-9]{{4,6}}\$[0-9]{{1,2}}\$[0-9]{{1,2}}\${_BASE64}\${_BASE64}$"

Model = TypeVar("Model", bound=BaseModel)
Badge = Annotated[str, StringConstraints(min_length=1, max_length=128)]
CodeKind = Literal[
    "gtin", "add_on", "sscc", "gs1", "hibc", "mh10", "tracking", "location", "badge", "document",
    "quantity", "mode", "reason", "command", "unknown",
]  # fmt: skip


class Table(BaseModel):
    """A table of the file: frozen, and no key is ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Store(Table):
    """`[store]`: where committed transactions lie until the bridge has them."""

    path: Path = Path("/var/lib/scanpost/outbox.db")
    """On a local disk that honours fsync; never on tmpfs or a network share."""
    keep_rows: int = Field(default=10_000, ge=100, le=1_000_000)
    """Confirmed rows to keep for people to look at. Unconfirmed rows are never deleted."""
    reserve_mb: int = Field(default=8, ge=0, le=1000)
    """Room put by for the day the disk is full: 8 MB are some 5,000 scans. 0 for none."""
    floor_mb: int = Field(default=50, ge=0, le=100_000)
    """Free disk below which confirmed rows give way to new scans."""
    answer_within: float = Field(default=1.5, ge=0.2, le=10)
    """Seconds after which a scan is not-OK because the disk does not answer."""
    new_stream: Literal["by itself", "when told"] = "by itself"
    """What a gateway does that finds its store to be a copy (restored backup, cloned card): begin a
    new stream, or go on storing until somebody runs `scanpost outbox new-epoch`. A damaged store
    begins one in any case."""


class Web(Table):
    """`[web]`: the station screen, health and metrics."""

    listen: Address = "127.0.0.1:8480"
    """`host:port`; port 0 takes any that is free."""
    enabled: bool = True
    pin: Annotated[str, Field(pattern=_PIN)] | None = None
    """Scrypt hash of the bench page's PIN, made by `python -m gateway.web.pin`; without it nobody
    may use that page."""

    @field_validator("listen")
    @classmethod
    def _has_a_port(cls, listen: str) -> str:
        if int(listen.rpartition(":")[2]) > _LAST_PORT:
            raise ValueError(f"a port is at most {_LAST_PORT}")
        return listen


class Reference(Table):
    """`[reference]`: the copy of what the ERP knows of items, documents and locations."""

    enabled: bool = True
    """Whether it is kept; without it labels are taken at their word."""
    folder: Path | None = None
    """Of its own; beside the outbox if not said. It may be lost: what is in it is fetched again."""
    stale_after: float = Field(default=12, gt=0, le=8760)
    """Hours without a word of the bridge after which the copy is called old."""


class Outputs(Table):
    """`[outputs]`: what tells the operator beside the screen and the scanner."""

    beep: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:,.=-]{1,64}$")] | None = None
    """ALSA device of a loudspeaker, as `aplay -L` lists them."""
    light: Annotated[str, Field(pattern=r"^/dev/gpiochip[0-9]{1,3}$")] | None = None
    """GPIO chip of a stack light."""
    lamps: dict[Literal["green", "amber", "red"], Annotated[int, Field(ge=0, le=1023)]] = Field(
        default={"green": 17, "amber": 27, "red": 22}, min_length=1
    )
    """Its line for each lamp there is."""
    active_low: bool = False
    """Whether a lamp burns while its line is low, as with many relay boards."""


class Log(Table):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["plain", "json"] = "plain"


class _File(Table):
    site: Slug
    gateway: Slug
    store: Store = Store()
    broker: Broker = Broker()
    web: Web = Web()
    outputs: Outputs = Outputs()
    log: Log = Log()
    reference: Reference = Reference()
    codes: Rules = Rules()
    supervisors: Annotated[frozenset[Badge], Field(max_length=500)] = frozenset()
    """Operators whose badge overrides a refusal."""
    station: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=32)]


class _Station(Table):
    name: Slug
    job: str
    bounce: float = Field(default=0.4, ge=0, le=10)
    """Seconds in which the same code on the same device is one scan, not two."""
    bounce_of: dict[CodeKind, Annotated[float, Field(ge=0, le=10)]] = Field(default_factory=dict)
    """The same for one kind of code, where it differs: `sscc = 3`."""
    settle: int = Field(default=3, ge=2, le=50)
    """Equal readings that settle a weight where the scale does not say that it is stable."""
    language: str = ENGLISH
    """What its screen speaks: one of `gateway/languages`."""
    sign_in: bool = False
    """Whether nothing is taken before somebody scanned a badge."""
    idle_minutes: float = Field(default=15, gt=0, le=1440)
    """Minutes without a scan after which the operator is signed out."""
    mode: Annotated[tuple[dict[str, Any], ...], Field(max_length=15)] = ()
    """Other jobs of this station, each with its settings; a mode card changes to it."""
    device: Annotated[tuple[dict[str, Any], ...], Field(max_length=16)] = ()

    @field_validator("language")
    @classmethod
    def _is_spoken(cls, language: str) -> str:
        if language not in languages.names():
            raise ValueError(f"there is no such language; there are {', '.join(languages.names())}")
        return language


class _Device(Table):
    id: Slug
    url: str
    driver: str

    @field_validator("url")
    @classmethod
    def _can_be_opened(cls, url: str) -> str:
        check(url)
        return url


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a station, with its driver and the driver's own settings."""

    id: str
    url: str
    driver: str
    module: DriverModule
    settings: BaseModel


@dataclass(frozen=True, slots=True)
class Mode:
    """One job a station can do, with the job's own settings."""

    job: str
    module: Job
    settings: BaseModel


@dataclass(frozen=True, slots=True)
class Station:
    """One physical station and what it does."""

    name: str
    modes: tuple[Mode, ...]
    """At least one; it begins with the first."""
    devices: tuple[Device, ...]
    bounce: float = 0.4
    bounce_of: Mapping[CodeKind, float] = field(default_factory=dict)
    settle: int = 3
    sign_in: bool = False
    idle_minutes: float = 15.0
    language: str = ENGLISH

    def mode(self, job: str) -> Mode:
        """Return the mode of that job, which must be one of its own."""
        for mode in self.modes:
            if mode.job == job:
                return mode
        raise LookupError(f"{self.name} has no job {job}")


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything the daemon needs to know."""

    site: str
    gateway: str
    store: Store
    broker: Broker
    web: Web
    outputs: Outputs
    log: Log
    codes: Rules
    supervisors: frozenset[str]
    stations: tuple[Station, ...]
    reference: Reference = field(default_factory=Reference)

    @property
    def reference_folder(self) -> Path:
        """Where the reference copy is kept."""
        outbox = self.store.path
        return self.reference.folder or outbox.with_name(f"{outbox.stem}.reference")


def load(path: Path) -> Gateway:
    """Read and check a configuration file.

    Raises:
        ConfigError: one line for each problem, with the file and the place in it.
    """
    try:
        text = path.read_text("utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    problems: list[str] = []
    config = parse(tables, problems)
    if problems or config is None:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return config


def parse(tables: dict[str, Any], problems: list[str]) -> Gateway | None:
    """Check the tables of a configuration; add what is wrong to `problems`, with its place."""
    file = _check(_File, tables, "", problems)
    # Stations are looked at even then: a person mends a file once, not problem by problem.
    found = file.station if file else _tables(tables, "station")
    stations = [
        _station(table, f"station[{number}]", problems) for number, table in enumerate(found)
    ]
    _only_once("station name", [station.name for station in stations if station], problems)
    _only_once(
        "device id",
        [device.id for station in stations if station for device in station.devices],
        problems,
    )
    if file is None or problems:
        return None
    return Gateway(
        site=file.site,
        gateway=file.gateway,
        store=file.store,
        broker=file.broker,
        web=file.web,
        outputs=file.outputs,
        log=file.log,
        codes=file.codes,
        supervisors=file.supervisors,
        stations=tuple(station for station in stations if station),
        reference=file.reference,
    )


def _tables(tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the tables called `name` of a file that is wrong somewhere, maybe there."""
    found = tables.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _station(table: dict[str, Any], place: str, problems: list[str]) -> Station | None:
    own, rest = _split(table, _Station)
    station = _check(_Station, own, place, problems)
    devices = [
        _device(entry, f"{place}.device[{number}]", problems)
        for number, entry in enumerate(station.device if station else _tables(table, "device"))
    ]
    if station is None:
        return None
    modes = [_mode(station.job, rest, place, problems)]
    for number, entry in enumerate(station.mode):
        where = f"{place}.mode[{number}]"
        job = entry.get("job")
        if isinstance(job, str):
            modes.append(
                _mode(job, {key: entry[key] for key in entry if key != "job"}, where, problems)
            )
        else:
            problems.append(f"{where}.job: say which job")
    _only_once(f"{place}: job", [mode.job for mode in modes if mode], problems)
    if None in modes or None in devices:
        return None
    return Station(
        name=station.name,
        modes=tuple(mode for mode in modes if mode),
        devices=tuple(device for device in devices if device),
        bounce=station.bounce,
        bounce_of=station.bounce_of,
        settle=station.settle,
        sign_in=station.sign_in,
        idle_minutes=station.idle_minutes,
        language=station.language,
    )


def _mode(job: str, rest: dict[str, Any], place: str, problems: list[str]) -> Mode | None:
    try:
        module = jobs.load(job)
    except ConfigError as error:
        problems.append(f"{place}.job: {error}")
        return None
    settings = _check(module.Config, {"job": job, **rest}, place, problems, _Station)
    return None if settings is None else Mode(job, module, settings)


def _device(table: dict[str, Any], place: str, problems: list[str]) -> Device | None:
    own, rest = _split(table, _Device)
    device = _check(_Device, own, place, problems)
    if device is None:
        return None
    try:
        module = drivers.load(device.driver)
    except DeviceMisconfigured as error:
        problems.append(f"{place}.driver: {error}")
        return None
    settings = _check(module.Config, {"driver": device.driver, **rest}, place, problems, _Device)
    if settings is None:
        return None
    return Device(device.id, device.url, device.driver, module, settings)


def _split(table: dict[str, Any], model: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    own = {key: value for key, value in table.items() if key in model.model_fields}
    return own, {key: value for key, value in table.items() if key not in own}


def _check(
    model: type[Model],
    table: dict[str, Any],
    place: str,
    problems: list[str],
    beside: type[BaseModel] | None = None,
) -> Model | None:
    try:
        return TypeAdapter(model).validate_python(table)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            where = place
            for part in fault["loc"]:
                where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else part
            text = fault["msg"]
            if fault["type"] == "extra_forbidden":
                known = [*model.model_fields, *(beside.model_fields if beside else ())]
                text = "there is no such setting" + _meant(str(fault["loc"][-1]), known)
            problems.append(f"{where}: {text}")
        return None


def _meant(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _only_once(what: str, names: list[str], problems: list[str]) -> None:
    problems.extend(
        f"{what} {name!r} is used more than once"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    )
