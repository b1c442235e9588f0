"""The fixture `tryton`, for modules with `pytest_plugins = ["tests.tryton.fixtures"]`."""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from tests.erp import Say, Unavailable, tell
from tests.tryton.office import Tryton
from tests.tryton.server import Built, Server, build, build_with_module


@pytest.fixture(scope="session")
def tryton_built(request: pytest.FixtureRequest) -> Built:
    """The built Tryton: made once for a machine, within about two minutes."""
    return _built(request, build)


@pytest.fixture(scope="session")
def tryton_with_module(request: pytest.FixtureRequest) -> Built:
    """The built Tryton with the module of this project."""
    return _built(request, build_with_module)


def _built(request: pytest.FixtureRequest, make: Callable[[Say], Built]) -> Built:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else nullcontext()
    try:
        with shown:
            return make(tell)
    except Unavailable as error:
        if os.environ.get("SCANPOST_REQUIRE_TRYTON") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tryton(tryton_built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """A running Tryton of this module's own, with a fresh copy of the seeded database."""
    server = Server(tryton_built, tmp_path_factory.mktemp("tryton"))
    server.start()
    try:
        yield Tryton(server)
    finally:
        server.stop()


@pytest.fixture(scope="module", params=["native", "module"])
def either(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tryton]:
    """A running Tryton without, and one with the module, and a bridge set accordingly."""
    mode: str = request.param
    name = "tryton_built" if mode == "native" else "tryton_with_module"
    server = Server(request.getfixturevalue(name), tmp_path_factory.mktemp("tryton"))
    server.start()
    try:
        yield Tryton(server, mode)
    finally:
        server.stop()
