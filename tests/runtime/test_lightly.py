"""What a library imports and nobody here asks it for is not loaded."""

import subprocess
import sys

import pytest

_WAITING = """
import sys
def loaded(*names):
    return [name for name in names if type(sys.modules.get(name)).__name__ == "module"]
from runtime.lightly import postpone
"""


def _said(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", _WAITING + program],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout.strip()


_COSTLY = ("urllib.request", "http.client", "zipfile")


@pytest.mark.parametrize("door", ["gateway.__main__", "scanpost.__main__, gateway.__main__"])
def test_a_gateway_loads_no_http_client_and_no_archives(door: str) -> None:
    shown = f"import {door}, gateway.daemon, runtime.mqtt\nprint(*loaded{_COSTLY})"
    assert _said(shown) == ""


def test_its_libraries_alone_would_load_them_so_that_the_test_above_can_fail() -> None:
    alone = "class A(__import__('pydantic').BaseModel): x: int\nimport aiomqtt\n"
    assert _said(f"{alone}print(*loaded{_COSTLY})") == " ".join(_COSTLY)


@pytest.mark.parametrize(
    "asked",
    [
        "import urllib.request\nprint(urllib.request.Request('http://a/').host)",
        "import urllib.request\nimport urllib.request\nprint(*loaded('urllib.request') and 'a')",
        "from urllib.request import Request\nprint(Request('http://a/').host)",
    ],
    ids=["looked into", "imported twice", "taken from"],
)
def test_whoever_asks_for_a_module_that_waits_gets_it_whole(asked: str) -> None:
    assert _said(f"postpone('urllib.request')\n{asked}") == "a"


def test_a_module_that_is_there_already_stays_as_it_is() -> None:
    kept = "import csv\nthere, before = csv, list(sys.meta_path)\npostpone('csv')\nimport csv\n"
    assert _said(kept + "print(there is csv, sys.meta_path == before)") == "True True"


def test_nobody_looks_for_modules_any_more_once_each_is_found() -> None:
    found = "before = list(sys.meta_path)\npostpone('csv', 'zipfile')\n"
    assert _said(found + "import csv, zipfile\nprint(sys.meta_path == before)") == "True"
