"""The short form of `make prove-lambda-erp`, and that its audit finds what is wrong."""

import os
import random
from pathlib import Path
from uuid import uuid4

import pytest

from contract.transactions import Adjustment, Reversal, Transaction
from runtime.clock import Clock
from tests.bridge.streams import lines
from tests.lambda_erp.house import Company
from tests.lambda_erp.server import Built, Server
from tests.prove.lambda_erp import audit, planned, prove
from tests.prove.shift import transaction

pytest_plugins = ["tests.lambda_erp.fixtures"]
pytestmark = [pytest.mark.timeout(900)]  # the first test may have to install it

SEED = int(os.environ.get("SCANPOST_PROVE_SEED", "1"))
TRANSACTIONS, KILLS = 30, 4
SOUND = {"duplicates": 0, "lost": 0, "orphans": 0, "totals_equal": True}


async def test_everything_is_booked_once_however_often_bridge_and_erp_are_killed(
    lambda_built: Built, tmp_path: Path
) -> None:
    found = await prove(tmp_path, SEED, TRANSACTIONS, KILLS)
    assert {name: found[name] for name in SOUND} == SOUND, found
    assert (found["rejected"], found["findings"]) == ([], 0)
    assert found["effects"] == found["transactions"] == TRANSACTIONS
    assert sum(found["kills"].values()) == KILLS
    assert found["answers_lost"]


class TestOfTheAudit:
    """What the proof says is worth as much as what its audit can find."""

    @pytest.fixture
    def company(self, lambda_erp: Server) -> Company:
        return lambda_erp.company()

    def adjustment(self, company: Company) -> Transaction:
        event = Adjustment(
            lines=lines(quantity="3"), location="A-01", direction="decrease", reason="lost"
        )
        return transaction("stock", random.Random(company.name), event, Clock())

    def voucher(self, company: Company, name: str, *, submit: bool = True) -> None:
        row = {"item_code": "BOLT-8", "qty": 3, "s_warehouse": company.of("A-01")}
        head = {"company": company.name, "stock_entry_type": "Material Issue"}
        company.office.call(
            "POST", "/documents/stock-entry", {"name": name, **head, "items": [row]}
        )
        if submit:
            company.office.call("POST", f"/documents/stock-entry/{name}/submit", {})

    def test_what_is_there_once_is_sound(self, lambda_erp: Server, company: Company) -> None:
        each = self.adjustment(company)
        self.voucher(company, f"{company.name}-{each.id}")
        found = audit(lambda_erp, company, [each])
        assert found == {"transactions": 1, "effects": 1, **SOUND}

    def test_what_is_not_there_is_lost(self, lambda_erp: Server, company: Company) -> None:
        found = audit(lambda_erp, company, [self.adjustment(company)])
        assert (found["lost"], found["effects"], found["totals_equal"]) == (1, 0, False)

    def test_a_second_voucher_is_an_orphan_and_the_totals_differ(
        self, lambda_erp: Server, company: Company
    ) -> None:
        each = self.adjustment(company)
        self.voucher(company, f"{company.name}-{each.id}")
        self.voucher(company, f"{company.name}-{uuid4()}")
        found = audit(lambda_erp, company, [each])
        assert (found["orphans"], found["totals_equal"]) == (1, False)

    def test_a_draft_that_was_left_is_an_orphan(self, lambda_erp: Server, company: Company) -> None:
        self.voucher(company, f"{company.name}-{uuid4()}", submit=False)
        assert audit(lambda_erp, company, [])["orphans"] == 1

    def test_what_was_booked_and_not_taken_back_is_found(
        self, lambda_erp: Server, company: Company
    ) -> None:
        each = self.adjustment(company)
        self.voucher(company, f"{company.name}-{each.id}")
        back = each.model_copy(update={"id": uuid4(), "event": Reversal(reverses=each.id)})
        found = audit(lambda_erp, company, [each, back])
        assert (found["lost"], found["totals_equal"]) == (2, False)

    def test_every_type_that_is_booked_is_in_the_proof(self, company: Company) -> None:
        streams = planned(company, 60, seed=3)
        kinds = {each.event.type for stream in streams.values() for each in stream}
        assert kinds == {
            *("receipt", "putaway", "pick", "shipment", "transfer", "count", "adjustment"),
            *("return", "assembly", "reversal"),
        }
        assert sorted(map(len, streams.values())) == [20, 20, 20]
