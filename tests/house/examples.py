"""The example files of `config/`, read the way a person does: with the settings that are off, too.

A line that begins with `#` and a key is a setting that is off; one that begins with `# ` is prose.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"

_OFF = re.compile(r"^#(?=[a-z_0-9]+ = |\[)", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One example file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def as_it_is(self) -> dict[str, Any]:
        return tomllib.loads(self.path.read_text("utf-8"))

    @property
    def everything_on(self) -> str:
        return _OFF.sub("", self.path.read_text("utf-8"))


def missing(model: type[BaseModel], table: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield every setting of `model` that `table` does not show."""
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        where = f"{place}.{name}" if place else name
        if name not in table:
            yield where
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from missing(field.annotation, table[name], where)


def untrue(
    model: type[BaseModel], shown: dict[str, Any], on: dict[str, Any], place: str = ""
) -> Iterator[str]:
    """Yield every setting that is off and shows something else than its default.

    Args:
        model: what the table holds.
        shown: the table with everything on; keys that are not of `model` are passed over.
        on: the table as it is.
        place: where it stands.
    """
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        if name not in shown:
            continue
        where = f"{place}.{name}" if place else name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from untrue(field.annotation, shown[name], on.get(name, {}), where)
            continue
        default = field.get_default(call_default_factory=True)
        if name in on or field.is_required() or default in (None, "", (), {}, frozenset()):
            continue  # where there is no default an example is shown
        if _plain(default) != shown[name]:
            yield f"{where}: the example shows {shown[name]!r}, the default is {default!r}"


def _plain(value: Any) -> Any:
    """Return `value` as TOML would have it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return value
