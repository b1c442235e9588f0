from pathlib import Path

import pytest

from bridge import registry
from bridge.config import Config, load
from bridge.connectors import sql
from bridge.errors import ConfigError, ConnectorUnknown

GOOD = """
site = "north"
[ledger]
path = "/var/lib/scanpost/ledger.db"
[target]
connector = "sql"
url = "sqlite+aiosqlite:////var/lib/scanpost/stock.db"
"""


def loaded(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "bridge.toml"
    file.write_text(text)
    return load(file)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    return str(caught.value).splitlines()


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD)
    assert isinstance(config.target, sql.Config)
    assert config.broker.url == "mqtt://127.0.0.1:1883"
    assert config.web.address == ("127.0.0.1", 8481)
    assert config.ledger.full_url.database == "/var/lib/scanpost/ledger.db"
    assert config.log.level == "info"


def test_a_ledger_is_often_just_a_path(tmp_path: Path) -> None:
    text = GOOD.replace("[ledger]\npath", "ledger")
    assert loaded(tmp_path, text).ledger.path == Path("/var/lib/scanpost/ledger.db")


def test_everything_can_be_said(tmp_path: Path) -> None:
    text = """
    site = "north"
    name = "2"
    stuck_after = 5
    [broker]
    url = "mqtts://broker:8883"
    [ledger]
    url = "postgresql+psycopg://bridge@db/ledger"
    [target]
    connector = "sql"
    url = "postgresql+psycopg://wms@db/stock"
    [web]
    enabled = false
    listen = "[::1]:8000"
    [log]
    level = "debug"
    format = "json"
    """
    config = loaded(tmp_path, text)
    assert config.web.enabled is False
    assert config.web.address == ("::1", 8000)
    assert config.log.format == "json"
    assert config.ledger.full_url.host == "db"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD + 'evry = "x"', "bridge.toml: target.evry: Extra inputs are not permitted"),
        ("sight = 1\n" + GOOD, "bridge.toml: sight: Extra inputs are not permitted"),
        (GOOD.replace("north", "North Side"), "bridge.toml: site: String should match"),
        (
            GOOD.replace('"sql"', '"nope"'),
            "target.connector: no connector called 'nope'",
        ),
        (GOOD.replace('connector = "sql"', ""), 'bridge.toml: target: say connector = "..." with'),
        (
            GOOD.replace("sqlite+aiosqlite", "sqlite"),
            "target.url: begin it with one of",
        ),
        (GOOD.replace("path =", "file ="), "bridge.toml: ledger.file: Extra inputs"),
        (GOOD + '[broker]\nurl = "http://x"', "bridge.toml: broker.url: write it as mqtt://"),
        (GOOD + '[web]\nlisten = "127.0.0.1:99999"', "bridge.toml: web.listen: a port is at most"),
        (GOOD + '[web]\nlisten = "nonsense"', "bridge.toml: web.listen: String should match"),
        (
            GOOD.replace("path =", 'url = "sqlite://"\n#'),
            "bridge.toml: ledger: a url begins with postgresql+psycopg",
        ),
        ("site = ", "Invalid value"),
    ],
)
def test_a_problem_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    found = problems(tmp_path, text)
    assert any(problem in line for line in found), found


def test_all_problems_are_said_at_once_one_line_each(tmp_path: Path) -> None:
    found = problems(tmp_path, "sight = 1\n" + GOOD + 'evry = "x"\nstorage = ""')
    assert len(found) == 3


def test_a_password_in_a_url_is_not_repeated(tmp_path: Path) -> None:
    text = GOOD.replace("sqlite+aiosqlite:///", "mysql://u:s3cret@h")
    assert not any("s3cret" in line for line in problems(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load(tmp_path / "nowhere.toml")


def test_the_folder_is_the_list_of_connectors() -> None:
    assert "sql" in registry.names()
    with pytest.raises(ConnectorUnknown, match="sql"):
        registry.load("../evil")


def test_every_connector_has_its_parts() -> None:
    for name in registry.names():
        module = registry.load(name)
        assert module.Config.model_config.get("extra") == "forbid"
        assert module.Config.model_config.get("frozen") is True
        assert module.Config.model_fields["connector"].annotation.__args__ == (name,)  # type: ignore[union-attr]


def test_a_connector_without_its_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sql, "document")
    with pytest.raises(ConnectorUnknown, match="document"):
        registry.load("sql")
