"""Devices made of bytes, on real pseudo-terminals: for the demo, for tests and for a first try.

One file for each driver, with the same name; each has a `Simulator`.
"""

import importlib
import pkgutil
from typing import cast

from drivers.simulators.device import Device

_NOT_DEVICES = {"__main__", "cable", "device", "pan"}


def names() -> list[str]:
    """Return the drivers that have a simulator, sorted."""
    found = {module.name for module in pkgutil.iter_modules(__path__)}
    return sorted(found - _NOT_DEVICES)


def load(driver: str) -> type[Device]:
    """Return the simulator of `driver`, one of `names()`."""
    return cast("type[Device]", importlib.import_module(f"drivers.simulators.{driver}").Simulator)
