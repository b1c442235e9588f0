"""Imports that wait: what a library imports and this house never asks it for takes no memory."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _Postponed:
    """Finds each of some modules once, and has it loaded when it is first looked into."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        self._names.remove(name)
        if not self._names:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def postpone(*names: str) -> None:
    """Have the next `import` of each of `names` load it only when something in it is asked for.

    A second `import` of it, or a `from ... import`, loads it at once: only for modules that one
    library imports as a whole. The work is the standard library's (`importlib.util.LazyLoader`).
    What is loaded already stays so.
    """
    wanted = set(names) - set(sys.modules)
    if wanted:
        sys.meta_path.insert(0, _Postponed(wanted))
