"""Against a real lambda-erp: the suite through a relay with faults, and what is its own."""

import contextlib
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.connectors.lambda_erp import Config
from contract.transactions import Event, Package, Receipt, Shipment, Transaction
from contract.values import Document
from tests.bridge.connectors.suite import ConnectorSuite, Stage
from tests.bridge.goods import clerk, event_of, some
from tests.fakes.vendor import Faults
from tests.lambda_erp.house import DEFAULTS, ORDERS, PLACES, PLENTY, Company
from tests.lambda_erp.relay import Relay
from tests.lambda_erp.server import Server

pytest_plugins = ["tests.lambda_erp.fixtures"]
pytestmark = [pytest.mark.timeout(600)]  # the first test installs it


def config_of(company: Company, url: str, folder: Path, key: str, **more: Any) -> Config:
    file = folder / "key"
    if folder.exists():
        file.write_text(key)
    return Config.model_validate(
        {
            "connector": "lambda_erp",
            "url": url,
            "api_key_file": file,
            **company.settings,
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def on_hand(server: Server, company: Company) -> dict[str, Decimal]:
    """What the company's warehouses have more than they began with, read from the database."""
    rows = server.query('SELECT item_code, warehouse, actual_qty FROM "Bin"')
    hand = {}
    for row in rows:
        if not row["warehouse"].startswith(f"{company.name} "):
            continue
        item, place = row["item_code"], row["warehouse"].removeprefix(f"{company.name} ")
        began = PLENTY if item in ("BOLT-8", "NUT-8", "WASHER") else 0
        began = PLENTY if (item, place) == ("SCREW", "A-01") else began
        differs = round(Decimal(str(row["actual_qty"])), 6) - began
        if differs:
            hand[f"{item} at {place}"] = differs
    return hand


def effects(server: Server, company: Company) -> Mapping[str, int]:
    """How often each transaction moved stock: the most postings of any one row of its vouchers."""
    rows = server.query(
        "SELECT voucher_no, voucher_detail_no, warehouse, COUNT(*) AS postings "
        'FROM "Stock Ledger Entry" WHERE company = ? GROUP BY 1, 2, 3',
        company.name,
    )
    often: Counter[str] = Counter()
    for row in rows:
        ours = re.match(r"C[0-9]{3}-([0-9a-f-]{36})", row["voucher_no"])
        if ours:
            often[ours[1]] = max(often[ours[1]], row["postings"])
    return often


class TestOfLambdaErp(ConnectorSuite):
    name = "lambda_erp"
    left_out = frozenset({"reversal"})

    @pytest.fixture(autouse=True)
    def _has_a_server(self, lambda_erp: Server) -> None:
        self.server = lambda_erp
        type(self).secrets = (lambda_erp.built.key,)
        self.company = lambda_erp.company()

    def config(self, url: str, folder: Path) -> Config:
        return config_of(self.company, url, folder, self.server.built.key)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Relay(self.server.url, faults).serving() as relay:
            yield Stage(
                self.config(relay.url, folder),
                lambda: effects(self.server, self.company),
                lambda: on_hand(self.server, self.company),
                relay,
            )

    def event(self, kind: str, rng: random.Random) -> Event:
        match kind:
            case "receipt":
                orders = [(), *((self._order("po", each),) for each in ORDERS)]
                return Receipt(
                    lines=some(rng), documents=rng.choice(orders), to_location=rng.choice(PLACES)
                )
            case "shipment":
                order = self._order("so", f"S{rng.choice(ORDERS)}")
                parcels = (Package(tracking=f"1Z{rng.randrange(10**10)}"),)
                return Shipment(packages=parcels, lines=some(rng), documents=(order,))
        return event_of(kind, rng)

    def _order(self, kind: str, number: str) -> Document:
        return Document.model_validate({"kind": kind, "number": self.company.of(number)})

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        assert set(DEFAULTS.values()) == {"STORAGE", "RECEIVING", "STAGING", "RETURNS"}
        return clerk(given)
