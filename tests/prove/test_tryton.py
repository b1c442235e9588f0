"""The short form of `make prove-tryton`, and that its audit finds what is wrong."""

import os
import random
from pathlib import Path
from uuid import uuid4

import pytest

from contract.transactions import Transfer
from contract.values import Item, Line, Quantity
from runtime.clock import Clock
from tests.prove.shift import transaction
from tests.prove.tryton import audit, planned, prove, sound
from tests.tryton.office import Tryton

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

SEED = int(os.environ.get("SCANPOST_PROVE_SEED", "1"))


@pytest.mark.parametrize(("mode", "transactions", "kills"), [("native", 24, 4), ("module", 12, 2)])
async def test_everything_is_booked_once_however_often_bridge_and_tryton_are_killed(
    request: pytest.FixtureRequest, tmp_path: Path, mode: str, transactions: int, kills: int
) -> None:
    request.getfixturevalue("tryton_built" if mode == "native" else "tryton_with_module")

    found = await prove(tmp_path, SEED, transactions, kills, mode)

    assert sound(found), found
    assert found["transactions"] == transactions
    assert sum(found["kills"].values()) == kills
    assert found["answers_lost"]


class TestOfTheAudit:
    """What the proof says is worth as much as what its audit can find."""

    moved = Transfer(
        from_location="STO",
        to_location="A-01-01",
        lines=(Line(item=Item(sku="WID-1"), quantity=Quantity(value="2")),),
    )

    @pytest.fixture
    def office(self, tryton: Tryton) -> "Clerk":
        return Clerk(tryton)

    def test_what_is_there_once_is_sound(self, office: "Clerk") -> None:
        office.move("done")

        found = office.audit()

        assert (found["effects"], found["orphans"], found["totals_equal"]) == (1, 0, True)

    def test_what_is_not_there_is_lost(self, office: "Clerk") -> None:
        found = office.audit()

        assert (found["effects"], found["lost"], found["totals_equal"]) == (0, 1, False)

    def test_what_is_there_twice_is_a_duplicate(self, office: "Clerk") -> None:
        office.move("done")
        office.move("done")

        found = office.audit()

        assert (found["effects"], found["duplicates"], found["totals_equal"]) == (0, 1, False)

    def test_what_stopped_halfway_is_an_orphan(self, office: "Clerk") -> None:
        office.move("draft")

        assert office.audit()["orphans"] == 1

    def test_what_nobody_scanned_is_an_orphan(self, office: "Clerk") -> None:
        office.move("done")
        office.move("done", reference=str(uuid4()))

        found = office.audit()

        assert (found["effects"], found["orphans"], found["totals_equal"]) == (1, 1, False)


class Clerk:
    """Books a transfer by hand, as a bridge should or should not have."""

    def __init__(self, tryton: Tryton) -> None:
        self._tryton = tryton
        event = TestOfTheAudit.moved
        self.scanned = transaction("stock", random.Random(), event, Clock())
        tryton.office.put("widget", "STO", 100)
        self._before = tryton.office.stock(), tryton.office.loose(set())

    def move(self, state: str, reference: str | None = None) -> None:
        self._tryton.office.relocate(
            "widget", 2, "STO", "A-01-01", reference or str(self.scanned.id), state
        )

    def audit(self) -> dict[str, object]:
        return audit(self._tryton.office, *self._before, [self.scanned])


def test_every_type_that_is_booked_is_in_the_proof(tryton: Tryton) -> None:
    streams = planned(tryton.office, 45, seed=3)

    kinds = {each.event.type for stream in streams.values() for each in stream}
    assert kinds == {
        *("receipt", "putaway", "transfer", "count", "adjustment", "pack", "shipment"),
        *("return", "assembly", "reversal"),
    }
    assert sorted(map(len, streams.values())) == [15, 15, 15]
