"""The rules of the house, as far as a look at its files can tell."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import registry as connectors
from drivers import simulators
from drivers.kit import registry as drivers
from gateway.stations import registry as jobs
from tests.house.examples import CONFIG, ROOT
from tests.house.sources import PACKAGES, modules, name_of, tracked

BANNED = {
    "base",
    "common",
    "core",
    "helper",
    "helpers",
    "manager",
    "misc",
    "stuff",
    "util",
    "utils",
}
OWN_DRIVERS = [(kind, name) for kind in drivers.KINDS for name in drivers.names()[kind]]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_says_what_it_is(package: str) -> None:
    assert ast.get_docstring(modules()[Path(package) / "__init__.py"])


def test_every_module_says_what_it_is() -> None:
    assert not [str(path) for path, tree in modules().items() if not ast.get_docstring(tree)]


def test_no_file_is_named_after_nothing() -> None:
    files = [*modules(), *(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))]
    assert not [str(path) for path in files if BANNED & {path.stem, *path.parent.parts}]


def test_no_product_code_blocks_the_loop_with_a_sleep() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.ImportFrom) and _sleeps(node)
    ]
    assert not found


def _sleeps(node: ast.Attribute | ast.ImportFrom) -> bool:
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) == "time.sleep"
    return node.module == "time" and any(alias.name == "sleep" for alias in node.names)


@pytest.mark.parametrize("wrong", ["time.sleep(1)", "from time import monotonic, sleep"])
def test_a_sleep_that_blocks_is_found(wrong: str) -> None:
    nodes = ast.walk(ast.parse(wrong))
    assert any(_sleeps(n) for n in nodes if isinstance(n, ast.Attribute | ast.ImportFrom))


# --- Patterns of pydantic: an unanchored one is a search, and \d takes Arabic digits ---


def _patterns() -> Iterator[tuple[str, str]]:
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "Field",
                "StringConstraints",
            }:
                for keyword in node.keywords:
                    if keyword.arg == "pattern":
                        yield f"{path}:{node.lineno}", _text(keyword.value, path)


def _text(value: ast.expr, path: Path) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.Name), f"{path}:{value.lineno}: give the pattern a name"
    return str(getattr(importlib.import_module(name_of(path)), value.id))


def _is_sound(pattern: str) -> bool:
    alternatives = re.search(
        r"(?<![\\(\[])\|", re.sub(r"\((?:[^()]|\\.)*\)|\[[^]]*\]", "", pattern)
    )
    anchored = pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")
    return anchored and not alternatives and not re.search(r"\\[dDwW]", pattern)


def test_every_pattern_is_anchored_and_takes_ascii_digits() -> None:
    found = dict(_patterns())
    assert len(found) > 10
    assert not {place: pattern for place, pattern in found.items() if not _is_sound(pattern)}


@pytest.mark.parametrize("wrong", ["[0-9]{14}", "^[0-9]{14}", r"^\d{14}$", "^a|b$", r"^[a\d]$"])
def test_a_pattern_that_lets_too_much_through_is_found(wrong: str) -> None:
    assert not _is_sound(wrong)


# --- What every driver, connector and job has ---


@pytest.mark.parametrize(("kind", "name"), OWN_DRIVERS)
def test_a_driver_has_a_test_an_example_and_a_device_to_try_it_with(kind: str, name: str) -> None:
    assert list((ROOT / "tests" / "drivers" / kind).glob(f"test_{name}*.py"))
    assert (CONFIG / "gateway" / f"{name}.toml").exists()
    assert name in simulators.names()


@pytest.mark.parametrize("name", connectors.names())
def test_a_connector_has_a_test_and_an_example(name: str) -> None:
    assert list((ROOT / "tests" / "bridge" / "connectors").glob(f"test_{name}*.py"))
    examples = [path.read_text("utf-8") for path in CONFIG.glob("bridge*.toml")]
    assert any(f'connector = "{name}"' in text for text in examples)


@pytest.mark.parametrize("name", jobs.names())
def test_a_job_has_a_test(name: str) -> None:
    folder = ROOT / "tests" / "gateway"
    assert list(folder.rglob(f"test_{name}*.py"))


# --- What must not be in any file ---

# Put together here, so that this file names none of them either and need not be left out.
ELSEWHERE = [
    *("/".join(("", *parts)) for parts in (("work", ""), ("opt", "pypi"))),
    *(".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))),
    *(
        ".".join(parts)
        for parts in (("proxy", "golang", "org"), ("docker", "io/"), ("ghcr", "io/"))
    ),
    "-".join(("index", "url")),
]
"""Paths of one machine, names of registries: where things come from is the machine's business."""


@pytest.mark.parametrize("words", ELSEWHERE)
def test_no_file_names_a_machine_or_a_registry(words: str) -> None:
    files = tracked()
    if files is None:
        pytest.skip("no git here")
    assert len(files) > 50
    there = [path for path in files if path.is_file()]
    assert not [path.name for path in there if words.encode() in path.read_bytes()]
