"""Which connectors there are: what lies in `bridge/connectors`, and what other packages bring.

A package brings one by an entry point of the group `scanpost.connectors` that names a module with
the parts `bridge.connector` describes. The folder wins over a package's entry of the same name.
"""

import functools
import importlib
import pkgutil
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast

from pydantic import BaseModel

import bridge.connectors
from bridge.connector import Call, Capabilities, Connector, Source
from bridge.errors import ConnectorUnknown
from contract.transactions import Transaction

GROUP = "scanpost.connectors"
_PARTS = ("Config", "CAPABILITIES", "document", "connect")


class ConnectorModule(Protocol):
    """What the registry hands out. The optional parts are asked for by `planned` and `source`."""

    Config: type[BaseModel]
    CAPABILITIES: Capabilities

    def document(self, transaction: Transaction, config: Any) -> object:
        """Return what the ERP wants to read, or an `Outcome` that needs no call."""
        ...

    def connect(self, config: Any) -> AbstractAsyncContextManager[Connector]:
        """Open the target."""
        ...


def planned(module: ConnectorModule, transaction: Transaction, config: Any) -> list[Call] | None:
    """Return the calls a connector would make, or None where it cannot say."""
    calls = getattr(module, "calls", None)
    return None if calls is None else list(calls(transaction, config))


def source(module: ConnectorModule, config: Any) -> AbstractAsyncContextManager[Source] | None:
    """Open the reading side of a target; None where the connector has none."""
    read = getattr(module, "read", None)
    return None if read is None else cast("AbstractAsyncContextManager[Source]", read(config))


def names() -> list[str]:
    """Return the names of all connectors, without loading them."""
    return sorted(_own() | _brought().keys())


def load(name: str) -> ConnectorModule:
    """Return the connector of that name.

    Raises:
        ConnectorUnknown: there is none, or two packages bring one, it needs a package that is not
            installed, or it misses a part.
    """
    if name not in names():
        raise ConnectorUnknown(f"no connector called {name!r}; there are {', '.join(names())}")
    try:
        module: object = (
            importlib.import_module(f"bridge.connectors.{name}")
            if name in _own()
            else _only(name, _brought()[name]).load()
        )
    except ImportError as error:
        raise ConnectorUnknown(f"connector {name!r} cannot be loaded: {error}") from error
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise ConnectorUnknown(f"connector {name!r} has no {', '.join(missing)}")
    return cast("ConnectorModule", module)


# Once per process: to look through all packages takes milliseconds, and pages ask for every view.
@functools.cache
def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(bridge.connectors.__path__))


@functools.cache
def _brought() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def _only(name: str, brought: list[EntryPoint]) -> EntryPoint:
    if len(brought) > 1:
        values = ", ".join(entry.value for entry in brought)
        raise ConnectorUnknown(f"connector {name!r} is brought by more than one package: {values}")
    return brought[0]
