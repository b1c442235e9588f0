"""The folder is the registry of jobs; entry points `scanpost.jobs` serve outsiders."""

import importlib
import importlib.metadata
import pkgutil
from typing import cast

import gateway.stations
from gateway.errors import ConfigError
from gateway.stations.job import Job

_NOT_JOBS = {
    "asking",
    "goods",
    "job",
    "labels",
    "masses",
    "orders",
    "outgoing",
    "registry",
    "trips",
}
_GROUP = "scanpost.jobs"


def names() -> list[str]:
    """Return the name of every job, without importing one."""
    return sorted(
        {*_own(), *(point.name for point in importlib.metadata.entry_points(group=_GROUP))}
    )


def load(name: str) -> Job:
    """Return the job module called `name`.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name in _own():
        return cast("Job", importlib.import_module(f"gateway.stations.{name}"))
    for point in importlib.metadata.entry_points(group=_GROUP, name=name):
        return cast("Job", point.load())
    raise ConfigError(f"there is no job {name!r}; there are {', '.join(names())}")


def _own() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(gateway.stations.__path__)} - _NOT_JOBS
