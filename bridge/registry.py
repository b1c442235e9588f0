"""Which connectors there are: what lies in `bridge/connectors`, and what other packages bring.

A package brings one by an entry point of the group `scanpost.connectors` that names a module with
the parts `bridge.connector` describes. The folder wins over a package's entry of the same name.
"""

import importlib
import pkgutil
from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from pydantic import BaseModel

import bridge.connectors
from bridge.connector import Connector
from bridge.errors import ConnectorUnknown

GROUP = "scanpost.connectors"
_PARTS = ("Config", "document", "connect")


class ConnectorModule(Protocol):
    """What the registry hands out."""

    Config: type[BaseModel]

    def connect(self, config: Any) -> AbstractAsyncContextManager[Connector]:
        """Open the target."""
        ...


def names() -> list[str]:
    """Return the names of all connectors, without loading them."""
    own = {module.name for module in pkgutil.iter_modules(bridge.connectors.__path__)}
    return sorted(own | {entry.name for entry in entry_points(group=GROUP)})


def load(name: str) -> ConnectorModule:
    """Return the connector of that name.

    Raises:
        ConnectorUnknown: there is none, it needs a package that is not installed, or it misses a
            part.
    """
    if name not in names():
        raise ConnectorUnknown(f"no connector called {name!r}; there are {', '.join(names())}")
    own = {module.name for module in pkgutil.iter_modules(bridge.connectors.__path__)}
    try:
        if name in own:
            module: object = importlib.import_module(f"bridge.connectors.{name}")
        else:
            [entry] = entry_points(group=GROUP, name=name)
            module = entry.load()
    except ImportError as error:
        raise ConnectorUnknown(f"connector {name!r} cannot be loaded: {error}") from error
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise ConnectorUnknown(f"connector {name!r} has no {', '.join(missing)}")
    return cast("ConnectorModule", module)
