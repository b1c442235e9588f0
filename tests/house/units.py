"""Units of systemd, read strictly: a key may come more than once, in the order it was said."""

import re
from dataclasses import dataclass
from pathlib import Path

_SECTION = re.compile(r"\[(?P<name>[A-Z][A-Za-z]+)\]")
_SETTING = re.compile(r"(?P<key>[A-Z][A-Za-z0-9]+)=(?P<value>.*)")
_SECONDS = re.compile(r"(?P<number>[0-9]+)(?P<unit>s|min)?")


@dataclass(frozen=True)
class Unit:
    """One unit file: (section, key, value), in the order of the file."""

    path: Path
    settings: tuple[tuple[str, str, str], ...]

    def all(self, key: str) -> list[str]:
        return [value for _, name, value in self.settings if name == key]

    def one(self, key: str) -> str:
        [value] = self.all(key)
        return value

    def seconds(self, key: str) -> int:
        match = _SECONDS.fullmatch(self.one(key))
        assert match is not None, f"{key} is no time"
        return int(match["number"]) * (60 if match["unit"] == "min" else 1)


def read(path: Path) -> Unit:
    """Read a unit; a line that is no setting, section or comment is an error."""
    settings = []
    section = ""
    for line in path.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if match := _SECTION.fullmatch(line):
            section = match["name"]
            continue
        setting = _SETTING.fullmatch(line)
        assert setting is not None, f"{path.name}: {line!r}"
        settings.append((section, setting["key"], setting["value"]))
    return Unit(path, tuple(settings))


def changed(path: Path, changes: dict[str, str | None]) -> str:
    """Return the text of a unit with other values; None leaves a key out, a new key is added."""
    lines = []
    left = dict(changes)
    for line in path.read_text("utf-8").splitlines():
        key = line.partition("=")[0]
        if key not in changes or line.startswith("#"):
            lines.append(line)
        elif (value := left.pop(key, None)) is not None:
            lines.append(f"{key}={value}")
    at = lines.index("[Service]") + 1
    lines[at:at] = [f"{key}={value}" for key, value in left.items() if value is not None]
    return "\n".join(lines) + "\n"
