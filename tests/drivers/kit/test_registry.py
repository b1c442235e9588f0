"""The folder is the registry: every driver in it keeps the contract."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import drivers
from drivers import keymaps, simulators
from drivers.kit import registry
from drivers.kit.errors import DeviceMisconfigured
from drivers.kit.readings import Dialogue
from drivers.simulators.device import Device
from tests.drivers.agreement import NEEDED

FOLDER = Path(drivers.__path__[0])
OWN = [name for kind in registry.KINDS for name in registry.names()[kind]]


def test_what_is_in_the_folders_is_what_there_is() -> None:
    for kind in registry.KINDS:
        files = {file.stem for file in (FOLDER / kind).glob("*.py")} - {"__init__"}
        assert set(registry.names()[kind]) == files
    assert len(set(OWN)) == len(OWN), "one name, one driver"
    assert {"mt_sics", "toledo_8217", "lines", "wedge"} <= set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_a_driver_keeps_the_contract(name: str) -> None:
    module = registry.load(name)
    assert module.__doc__
    assert module.__doc__.splitlines()[0].rstrip().endswith("."), "the first line names the device"
    assert "Source:" in module.__doc__
    assert issubclass(module.Config, BaseModel)
    assert module.Config.model_config.get("extra") == "forbid"
    assert module.Config.model_config.get("frozen") is True
    assert not {"id", "url"} & set(module.Config.model_fields), "the device table has those"
    config = module.Config.model_validate({"driver": name, **NEEDED.get(name, {})})
    dialogue = module.dialogue(config)
    assert isinstance(dialogue, Dialogue)
    assert module.dialogue(config).decoder is not dialogue.decoder, "one for each connection"
    assert not dialogue.ask or (dialogue.every > 0 and dialogue.within is not None)


@pytest.mark.parametrize("name", OWN)
def test_a_driver_takes_no_wrong_setting(name: str) -> None:
    config = registry.load(name).Config
    with pytest.raises(ValidationError):
        config.model_validate({"driver": name, "evry": 1})
    with pytest.raises(ValidationError):
        config.model_validate({"driver": "another"})


@pytest.mark.parametrize("name", OWN)
def test_a_driver_has_a_simulator(name: str) -> None:
    assert name in simulators.names()
    assert issubclass(simulators.load(name), Device)


@pytest.mark.parametrize("name", OWN)
def test_a_driver_never_uses_binary_fractions(name: str) -> None:
    source = Path(str(sys.modules[registry.load(name).__name__].__file__)).read_text()
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    assert not [
        node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "float"
    ]


def test_an_unknown_driver_is_answered_with_what_was_meant() -> None:
    with pytest.raises(
        DeviceMisconfigured, match=r"no driver called 'mtsics'; did you mean mt_sics"
    ):
        registry.load("mtsics")
    with pytest.raises(DeviceMisconfigured, match=r"there are .*toledo_8217"):
        registry.load("???")
    with pytest.raises(DeviceMisconfigured):
        registry.load("../kit/session")


def test_no_driver_is_imported_before_it_is_asked_for() -> None:
    script = (
        "import sys; from drivers.kit import registry; registry.names();"
        "registry.load('mt_sics');"
        "kinds = ('drivers.sca', 'drivers.keymaps', 'serial', 'evdev');"
        "print([name for name in sys.modules if name.startswith(kinds)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(ast.literal_eval(done.stdout))
    assert loaded == {
        "drivers.scales",
        "drivers.scales.mt_sics",
        "drivers.scanners",
    }


def installed(folder: Path, name: str, code: str | None) -> None:
    """Put a package with one driver on the path, as pip would."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[scanpost.drivers]\n{name} = {name}_driver\n")
    if code is not None:
        (folder / f"{name}_driver.py").write_text(code)


def test_a_driver_from_elsewhere_comes_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "abacus", "class Config: pass\ndef dialogue(config): return config\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "abacus" in registry.names()["elsewhere"]
    assert registry.load("abacus").__name__ == "abacus_driver"


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [("brokenscale", None, "cannot be imported"), ("emptyscale", "", "lacks Config")],
)
def test_a_broken_driver_from_elsewhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str | None, why: str
) -> None:
    installed(tmp_path, name, code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeviceMisconfigured, match=f"{name}.*{why}"):
        registry.load(name)


def test_a_driver_of_the_house_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "mt_sics", "raise SystemExit")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.load("mt_sics").__name__ == "drivers.scales.mt_sics"


@pytest.mark.parametrize("name", keymaps.names())
def test_a_layout_types_every_letter_and_digit(name: str) -> None:
    typed = {character for levels in keymaps.load(name).values() for character in levels}
    assert set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") <= typed
    assert all(len(character) <= 1 for character in typed)
