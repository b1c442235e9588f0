"""Rules of udev, read strictly and played for made-up devices.

Only what `60-scanpost.rules` uses is known: another key, operator or pattern is an error, so that a
rule cannot be wrong by being skipped. Source: udev(7).
"""

import fnmatch
import re
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(
    r'\s*(?P<key>[A-Z]+)(?:\{(?P<attribute>[A-Za-z_]+)\})?\s*(?P<op>==|!=|\+=|=)\s*"(?P<value>[^"]*)"\s*'
)
_MATCHES = {"ACTION", "SUBSYSTEM", "KERNEL", "ATTRS", "ENV"}
_SETS = {"GROUP", "MODE", "ENV", "GOTO", "LABEL"}


@dataclass(frozen=True)
class Token:
    """One `KEY{attribute}op"value"`."""

    key: str
    attribute: str
    op: str
    value: str

    @property
    def asks(self) -> bool:
        return self.op in {"==", "!="}


@dataclass
class Device:
    """A device as udev sees it: itself, and the attributes of each parent."""

    subsystem: str
    kernel: str
    parents: list[dict[str, str]]
    action: str = "add"
    env: dict[str, str] = field(default_factory=dict)
    group: str = "root"
    mode: str = "0600"


def read(path: Path) -> list[list[Token]]:
    """Return the rules of a file."""
    rules = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line and not line.startswith("#"):
            rules.append(_rule(line, f"{path.name}:{number}"))
    return rules


def _rule(line: str, place: str) -> list[Token]:
    tokens = []
    for part in line.split(","):
        match = _TOKEN.fullmatch(part)
        assert match is not None, f"{place}: {part!r}"
        token = Token(match["key"], match["attribute"] or "", match["op"], match["value"])
        assert token.key in (_MATCHES if token.asks else _SETS), f"{place}: {part!r}"
        assert bool(token.attribute) == (token.key in {"ATTRS", "ENV"}), f"{place}: {part!r}"
        tokens.append(token)
    return tokens


def play(rules: list[list[Token]], device: Device) -> Device:
    """Let the rules work on `device` and return it."""
    skip_to = ""
    for rule in rules:
        if skip_to and not any(t.key == "LABEL" and t.value == skip_to for t in rule):
            continue
        skip_to = ""
        if _fits(rule, device):
            skip_to = _apply(rule, device)
    assert not skip_to, f"no label {skip_to}"
    return device


def _fits(rule: list[Token], device: Device) -> bool:
    asked = [token for token in rule if token.asks]
    parents = [token for token in asked if token.key == "ATTRS"]
    own = {"ACTION": device.action, "SUBSYSTEM": device.subsystem, "KERNEL": device.kernel}
    for token in asked:
        if token.key == "ATTRS":
            continue
        has = device.env.get(token.attribute, "") if token.key == "ENV" else own[token.key]
        if _like(has, token.value) != (token.op == "=="):
            return False
    # All attributes of a rule are of one and the same parent.
    return not parents or any(
        all(_like(each.get(token.attribute, ""), token.value) for token in parents)
        for each in device.parents
    )


def _like(text: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(text, each) for each in pattern.split("|"))


def _apply(rule: list[Token], device: Device) -> str:
    goto = ""
    for token in rule:
        if token.asks:
            continue
        match token.key:
            case "ENV":
                device.env[token.attribute] = token.value
            case "GROUP":
                device.group = token.value
            case "MODE":
                device.mode = token.value
            case "GOTO":
                goto = token.value
    return goto
