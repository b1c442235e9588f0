"""The folder is the registry: `ls drivers/scales drivers/scanners` is the supported hardware.

Drivers from elsewhere come through the entry point group `scanpost.drivers`.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from pydantic import BaseModel

from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.readings import Dialogue

GROUP = "scanpost.drivers"
KINDS = ("scales", "scanners")


class DriverModule(Protocol):
    """What a driver file has. Its docstring's first line names the hardware."""

    __name__: str
    __doc__: str | None

    @property
    def Config(self) -> type[BaseModel]:  # noqa: N802
        """A frozen model that forbids what it does not know; `driver` is the file's name."""
        ...

    def dialogue(self, config: Any, /) -> Dialogue:
        """Return a fresh dialogue, for one connection to a device set up as `config` says."""
        ...


def names() -> dict[str, list[str]]:
    """Return the driver names by kind, sorted: `scales`, `scanners`, and `elsewhere`.

    No driver is imported.
    """
    own = {kind: sorted(_modules(kind)) for kind in KINDS}
    return {**own, "elsewhere": sorted(entry.name for entry in entry_points(group=GROUP))}


def load(name: str) -> DriverModule:
    """Return the driver called `name`; a driver of the house comes before one from elsewhere.

    Raises:
        DeviceMisconfigured: there is none, or one from elsewhere cannot be imported.
    """
    for kind in KINDS:
        if name in _modules(kind):
            return cast("DriverModule", importlib.import_module(f"drivers.{kind}.{name}"))
    for entry in entry_points(group=GROUP, name=name):
        try:
            module = entry.load()
        except (ImportError, AttributeError) as error:
            raise DeviceMisconfigured(
                f"driver {name!r} ({entry.value}) cannot be imported: {error}"
            ) from error
        if not (hasattr(module, "Config") and hasattr(module, "dialogue")):
            raise DeviceMisconfigured(f"driver {name!r} ({entry.value}) lacks Config or dialogue")
        return cast("DriverModule", module)
    raise DeviceMisconfigured(f"no driver called {name!r}; {_hint(name)}")


def _modules(kind: str) -> set[str]:
    package = importlib.import_module(f"drivers.{kind}")
    return {module.name for module in pkgutil.iter_modules(package.__path__)}


def _hint(name: str) -> str:
    every: Iterable[str] = [name for kind in names().values() for name in kind]
    close = difflib.get_close_matches(name, every, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(every)}"
