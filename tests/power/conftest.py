"""What the power tests share."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto, for tests that wait without a loop."""
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder)
    asyncio.run(broker.start())
    yield broker
    broker.kill()
