"""The fixture `tryton`, for modules with `pytest_plugins = ["tests.tryton.fixtures"]`."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.tryton.office import Tryton
from tests.tryton.server import Built, Server, TrytonUnavailable, build, tell


@pytest.fixture(scope="session")
def tryton_built(request: pytest.FixtureRequest) -> Built:
    """The built Tryton: made once for a machine, within about a minute."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else nullcontext()
    try:
        with shown:
            return build(tell)
    except TrytonUnavailable as error:
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
