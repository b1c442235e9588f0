"""The fixture `lambda_erp`, for modules with `pytest_plugins = ["tests.lambda_erp.fixtures"]`."""

import os
from collections.abc import Iterator

import pytest

from tests.erp import Unavailable
from tests.lambda_erp.server import Built, Server, build


@pytest.fixture(scope="session")
def lambda_built() -> Built:
    """The built lambda-erp: made once for a machine, within about a minute."""
    try:
        return build()
    except Unavailable as error:
        if os.environ.get("SCANPOST_REQUIRE_LAMBDA") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def lambda_erp(lambda_built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running lambda-erp; a test makes a company of its own in it."""
    server = Server(lambda_built, tmp_path_factory.mktemp("lambda-erp"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
