"""The users' file, the passwords in it, and the command that writes its lines."""

import io
import tomllib
from pathlib import Path

import pytest

from bridge.__main__ import main
from bridge.errors import ConfigError
from bridge.web import people
from runtime.passwords import Held, Work, hashed
from tests.bridge.web.admin import CONFIG, TRIFLING

HELD = hashed("correct horse", TRIFLING)
OLGA = f'[[user]]\nname = "olga"\nrole = "operator"\npassword = "{HELD}"\n'


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "users.toml"
    file.write_text(text, "utf-8")
    file.chmod(mode)
    return file


def test_users_are_known_by_name_whatever_its_case(tmp_path: Path) -> None:
    found = people.load(written(tmp_path, OLGA.replace("olga", "Olga")))
    assert {name: (user.name, user.role) for name, user in found.items()} == {
        "olga": ("Olga", "operator")
    }
    assert people.load(written(tmp_path, "")) == {}
    assert people.load(written(tmp_path, OLGA, 0o640))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 0600"):
        people.load(written(tmp_path, OLGA, mode))


WRONG = {
    "twice": (OLGA + OLGA.replace("olga", "OLGA"), "twice"),
    "role": (OLGA.replace("operator", "boss"), "user.0.role"),
    "plain": (OLGA.replace(HELD, "correct horse"), "hash-password"),
    "cut": (OLGA.replace(HELD, HELD[:-3]), "user.0.password"),
    "short": (OLGA.replace(HELD, "scrypt$2$8$1$AAAA$AAAA"), "too short"),
    "huge": (OLGA.replace("$2$8$", "$1048576$8$"), "too much memory"),
    "no cost": (OLGA.replace("$2$8$", "$0$8$"), "power of two"),
    "odd cost": (OLGA.replace("$2$8$", "$3$8$"), "power of two"),
    "no block": (OLGA.replace("$2$8$", "$2$0$"), "block"),
    "slow": (OLGA.replace("$2$8$3$", "$2$8$999$"), "rounds"),
    "name": (OLGA.replace("olga", "olga <b>"), "user.0.name"),
    "more": (OLGA + "admin = true\n", "user.0.admin"),
    "no toml": ("[[user", "users.toml"),
    "many": (
        "\n".join(OLGA.replace("olga", f"u{n}") for n in range(people.MOST_USERS + 1)),
        "more than",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_wrong_is_said_so_without_its_secrets(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        people.load(written(tmp_path, text))
    assert said in str(raised.value)
    assert "correct horse" not in str(raised.value)
    assert HELD[20:] not in str(raised.value)


def test_a_missing_file_is_found_by_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bridge.toml"
    users = tmp_path / "users.toml"
    config.write_text(CONFIG.format(folder=tmp_path) + f'[web]\nusers_file = "{users}"\n')
    assert main(["check", "--config", str(config)]) == 2
    assert "users.toml" in capsys.readouterr().err
    written(tmp_path, OLGA)
    assert main(["check", "--config", str(config)]) == 0


def test_a_password_is_salted_and_costs_what_was_agreed() -> None:
    one, two = hashed("correct horse", TRIFLING), hashed("correct horse", TRIFLING)
    assert one != two
    assert Held.parse(one).opens("correct horse")
    assert not Held.parse(one).opens("correct horse ")
    nobody = Held.of_nobody()
    assert nobody.work == Work(32768, 8, 3)
    assert not nobody.opens("")


def test_the_command_prints_the_lines_of_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert main(["hash-password", "--name", "olga", "--role", "operator"]) == 0
    lines = capsys.readouterr().out
    user = people.load(written(tmp_path, lines))["olga"]
    assert user.role == "operator"
    assert user.password.startswith("scrypt$32768$8$3$")
    assert Held.parse(user.password).opens("correct horse battery")
    assert "correct horse" not in lines
    assert set(tomllib.loads(lines)["user"][0]) == {"name", "role", "password"}


@pytest.mark.parametrize(
    ("name", "password"), [("olga", "short"), ("olga", "x" * 257), ("<b>", "correct horse battery")]
)
def test_the_command_refuses_a_weak_password_and_an_odd_name(
    name: str,
    password: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    assert main(["hash-password", "--name", name]) == 1
    shown = capsys.readouterr()
    assert (shown.out, len(shown.err.splitlines())) == ("", 1)
