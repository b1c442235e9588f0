"""Connectors of the folder and of other packages, looked for once."""

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from bridge import registry
from bridge.errors import ConnectorUnknown

OUTSIDER = """
from typing import Literal
from pydantic import BaseModel
from bridge.connector import Capabilities

class Config(BaseModel):
    connector: Literal["ledgerbook"]

CAPABILITIES = Capabilities(evidence="documentation", key="lookup", books=frozenset())

def document(transaction, config): ...
def connect(config): ...
"""


@pytest.fixture(autouse=True)
def first_look() -> Iterator[None]:
    """A process that has not looked yet, before and after."""
    for looked in (registry._own, registry._brought):
        looked.cache_clear()
    yield
    for looked in (registry._own, registry._brought):
        looked.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a package that brings a connector, as pip would."""

    def install(package: str) -> None:
        site = tmp_path / package
        info = site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{package}.py").write_text(OUTSIDER)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\nledgerbook = {package}\n")
        monkeypatch.syspath_prepend(site)

    return install


def test_packages_are_looked_through_once_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def counted(**what: Any) -> Any:
        looks.append(what["group"])
        return entry_points(**what)

    monkeypatch.setattr("bridge.registry.entry_points", counted)
    for _ in range(3):
        assert "sql" in registry.names()
        registry.load("sql")
    with pytest.raises(ConnectorUnknown, match=r"there are .*sql"):
        registry.load("sgl")
    assert looks == [registry.GROUP]


def test_a_package_brings_a_connector(installed: Callable[[str], None]) -> None:
    installed("outside_books")
    assert "ledgerbook" in registry.names()
    assert registry.load("ledgerbook").CAPABILITIES.key == "lookup"


def test_two_packages_with_one_name_are_told_apart_by_a_person(
    installed: Callable[[str], None],
) -> None:
    installed("outside_one")
    installed("outside_two")
    with pytest.raises(ConnectorUnknown, match="more than one package: outside_"):
        registry.load("ledgerbook")
