"""The database of one's own, held to what every connector keeps."""

import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bridge.connectors.sql import Config
from contract.transactions import Event, Transaction
from tests.bridge.connectors.suite import ConnectorSuite, Stage
from tests.bridge.goods import clerk, event_of
from tests.fakes.vendor import Faults


class TestOfSql(ConnectorSuite):
    name = "sql"
    left_out = frozenset({"reversal"})

    def config(self, url: str, folder: Path) -> Config:
        return Config(connector="sql", url=SecretStr(f"sqlite+aiosqlite:///{folder / 'stock.db'}"))

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        def rows(query: str) -> list[Any]:
            with contextlib.closing(sqlite3.connect(folder / "stock.db")) as connection:
                return connection.execute(query).fetchall()

        def effects() -> Mapping[str, int]:
            return Counter(row[0] for row in rows("SELECT transaction_id FROM postings"))

        def totals() -> Mapping[str, Any]:
            found = rows("SELECT item, location, quantity FROM stock_on_hand")
            return {f"{row[0]} at {row[1]}": Decimal(row[2]) for row in found if Decimal(row[2])}

        yield Stage(self.config("", folder), effects, totals)

    def event(self, kind: str, rng: random.Random) -> Event:
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return clerk(given)
