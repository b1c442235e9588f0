"""Where reference data is tested: SQLite, and PostgreSQL where it is installed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.bridge import postgresql
from tests.bridge.reference.room import Room, put, room

ITEMS = "sku;name;unit;weight_g\nBOLT-8;Bolt M8;EA;12.5\nNUT-8;Nut M8;EA;\n"
PACKS = "sku,gtin,quantity\nBOLT-8,4006381333931,10\n"
DOCUMENTS = "document,number,line,sku,quantity\npo,PO-1,1,BOLT-8,10\npo,PO-1,2,NUT-8,5\n"


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    folder = postgresql.programs()
    if folder is None:
        yield None
        return
    with postgresql.running(folder) as url:
        yield url


@pytest.fixture
async def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite's, or with the mark `both` each of the two."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    postgresql_server: str | None = request.getfixturevalue("postgresql_server")
    if postgresql_server is None:
        pytest.skip("PostgreSQL is not installed")
    name = f"reference_{uuid4().hex}"
    engine = create_async_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return f"{postgresql_server}/{name}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two items, one of them in packs of ten, and a purchase order of both."""
    made = tmp_path / "reference"
    made.mkdir()
    put(made, "items.csv", ITEMS)
    put(made, "packs.csv", PACKS)
    put(made, "documents.csv", DOCUMENTS)
    return made


@pytest.fixture
async def bridge(ledger_url: str, folder: Path) -> AsyncIterator[Room]:
    """The reference data of one bridge, read once."""
    async with room(ledger_url, folder) as made:
        await made.keeper.look()
        assert made.keeper.failure is None
        yield made
