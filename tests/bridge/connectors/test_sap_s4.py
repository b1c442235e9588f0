import contextlib
import doctest
import itertools
import json
import random
import re
import urllib.parse
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.connector import Call
from bridge.connectors.sap_s4 import (
    CAPABILITIES,
    Config,
    calls,
    document,
    goods,
    odata,
    reference,
)
from bridge.connectors.sap_s4 import plan as plans
from bridge.connectors.sap_s4.attempts import Attempts
from bridge.connectors.sap_s4.plan import Counted, Delivery, Posting, Postings, body
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Pick,
    Putaway,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Item, Line, Quantity
from tests.bridge.connectors import sap_s4_house
from tests.bridge.connectors.sap_s4_house import ORDERS, PARCEL, PASSWORD, config_of, of
from tests.bridge.connectors.suite import ConnectorSuite, Stage, transaction
from tests.bridge.goods import COUNTED, SKUS, event_of, line, some
from tests.bridge.streams import lines, name
from tests.fakes.sap_s4_contract import FUNCTIONS, PACKAGES, Model, model
from tests.fakes.vendor import Faults

NOWHERE = Path("/nonexistent")
NO_NPM = "no npm, or it does not reach: SAP's models are not here"


class TestOfSapS4(ConnectorSuite):
    """One request for each change."""

    name = "sap_s4"
    secrets = (PASSWORD,)
    many = 30
    left_out = frozenset({"reversal"})
    more: ClassVar[Mapping[str, Any]] = {}

    def setup_method(self) -> None:
        self._numbers = itertools.count()

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder, **self.more)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        repeatable = bool(self.more.get("repeatable"))
        async with sap_s4_house.running(faults, repeatable=repeatable) as vendor:
            yield Stage(
                self.config(vendor.url, folder),
                lambda: sap_s4_house.effects(vendor),
                lambda: sap_s4_house.on_hand(vendor),
                vendor,
            )

    def event(self, kind: str, rng: random.Random) -> Event:
        a, b = rng.sample(["DOCK", "A-01", "A-02", "B-01"], 2)
        match kind:
            case "receipt" if rng.random() < 0.3:
                every = tuple(line(rng, sku) for sku in SKUS)
                number = str(180000000 + next(self._numbers))
                return Receipt(lines=every, documents=of("desadv", number))
            case "receipt":
                place = rng.choice(["DOCK", "A-01", "A-02"])  # of the plant it was ordered for
                order = of("po", rng.choice(ORDERS))
                return Receipt(lines=some(rng), documents=order, to_location=place)
            case "shipment":
                every = tuple(line(rng, sku) for sku in SKUS)
                number = str(80000000 + next(self._numbers))
                return Shipment(packages=PARCEL, lines=every, documents=of("pick_list", number))
            case "adjustment":
                way = rng.choice(["increase", "decrease"])
                reason = "broken" if way == "decrease" else "found"
                return Adjustment.model_validate(
                    {"lines": some(rng), "location": a, "direction": way, "reason": reason}
                )
            case "count":
                return Count(lines=(line(rng, COUNTED),), location="STORE")
            case "assembly":
                made, order = (line(rng, "KIT"),), of("prodorder", "1000001")
                return Assembly(produced=made, consumed=some(rng), location=a, documents=order)
            case "transfer":
                return Transfer(lines=some(rng), from_location=a, to_location=b)
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return sap_s4_house.clerk(given)


class TestOfSapS4InBatches(TestOfSapS4):
    """Changes of several items in one changeset, and requests that SAP itself knows again."""

    many = 12
    more: ClassVar[Mapping[str, Any]] = {"changesets": True, "repeatable": True}


# --- SAP's own models ---


def judged(call: Call) -> list[str]:
    """What SAP's model says is wrong with a call; what only SAP knows is filled in."""
    address, _, query = call.target.partition("?")
    service, path = address.partition("/sap/opu/odata/sap/")[2].split("/", 1)
    judge = model(service)
    assert judge is not None
    asked = dict(urllib.parse.parse_qsl(query))
    entity = path.partition("(")[0]
    if call.method == "POST" and not call.body:
        return judge.wrong_call(entity, asked)
    if "<unit, batch>" in call.body or not call.body:
        return [] if entity in judge.entities else [f"no {entity}"]
    return judge.wrong(entity, json.loads(re.sub("<item of [^>]*>", "10", call.body)))


def test_every_call_fits_sap_s_own_models() -> None:
    if any(model(service) is None for service in PACKAGES):
        pytest.skip(NO_NPM)
    suite, rng = TestOfSapS4(), random.Random(4)
    suite.setup_method()
    config = config_of("https://s4.example", NOWHERE, serial_numbers=True)
    made = [suite.event(kind, rng) for kind in sorted(CAPABILITIES.books - {"reversal"}) * 6]
    labelled = lines(lot="LOT7", serial="S1", quantity="1", expiry=date(2027, 1, 31))
    made += [
        Receipt(lines=labelled, documents=of("po", ORDERS[0])),
        Count(lines=lines(quantity="0", lot="LOT7"), location="STORE"),
        Reversal(reverses=name(1)),
    ]
    seen = set()
    for event in made:
        planned = calls(transaction(1, event), config)
        assert planned, event
        for call in planned:
            assert not judged(call), (call, judged(call))
            seen.add(call.what.partition(",")[0])
    assert seen >= {
        *("make the material document", "claim the delivery", "pick all of it", "post it"),
        *("make the inventory document", "say what was found", "post the differences"),
        "cancel it",
    }


def test_the_judge_finds_what_is_wrong() -> None:
    found = {service: model(service) for service in FUNCTIONS}
    if None in found.values():
        pytest.skip(NO_NPM)
    judge = found["API_MATERIAL_DOCUMENT_SRV"]
    assert isinstance(judge, Model)
    good = {"MaterialDocumentHeaderText": "x" * 25, "PostingDate": "2026-11-23T00:00:00"}
    assert not judge.wrong("A_MaterialDocumentHeader", good)
    items = "to_MaterialDocumentItem"
    for wrong in (
        {"MaterialDocumentHeaderText": "x" * 26},
        {"HeaderText": "x"},
        {"PostingDate": "2026-11-23"},
        {items: [{"QuantityInEntryUnit": 2}]},
        {items: [{"QuantityInEntryUnit": "2.0001"}]},
        {items: [{"QuantityInEntryUnit": "12345678901"}]},
        {items: [{"Batch": "x" * 11}]},
    ):
        assert judge.wrong("A_MaterialDocumentHeader", wrong), wrong
    assert judge.wrong("A_MaterialDocument", {})
    assert not judge.wrong_call("Cancel", {"MaterialDocument": "'49'"})
    assert judge.wrong_call("Cancel", {"MaterialDocument": "49"})
    assert judge.wrong_call("Cancel", {"PostingDate": "'2026-11-23'"})
    assert judge.wrong_call("CancelAll", {})
    assert {"Cancel", "PostGoodsIssue", "PostGoodsReceipt", "PostDifferences"} <= {
        function for each in found.values() if each is not None for function in each.functions
    }


# --- What it is called ---


@given(st.uuids())
def test_an_id_fits_a_header_text_and_is_read_back(value: Any) -> None:
    text = reference.reference(value)
    assert len(text) == 25
    assert reference.named(text) == value


@pytest.mark.parametrize("text", ["", "GR-0001", "Z" * 25, "0" * 24, "a" * 25, "0" * 24 + "\n"])
def test_somebody_else_s_text_is_no_id(text: str) -> None:
    assert reference.named(text) is None


def test_each_step_of_an_attempt_has_a_name_of_its_own() -> None:
    known = Attempts()
    attempt = known.of(name(1), again=False)
    ids = {attempt.headers(step)["RequestID"] for step in ("1", "2", "2")}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9A-F]{32}", each) for each in ids)
    assert known.of(name(1), again=True) == attempt
    assert known.of(name(1), again=False) != attempt
    assert known.of(name(2), again=True) != attempt


def test_attempts_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.connectors.sap_s4.attempts.MAX_KNOWN", 2)
    known = Attempts()
    first, second, third = (known.of(name(n), again=False) for n in (1, 2, 3))
    assert known.of(name(2), again=True) == second
    assert known.of(name(3), again=True) == third
    assert known.of(name(1), again=True) != first


# --- What a transaction is to SAP ---


def plan_of(event: Event, **more: Any) -> Any:
    return document(transaction(1, event), config_of("https://s4.example", NOWHERE, **more))


def posting_of(event: Event, **more: Any) -> Posting:
    plan = plan_of(event, **more)
    assert isinstance(plan, Postings), plan
    [posting] = plan.documents
    return posting


def test_labels_of_one_material_and_batch_are_one_item() -> None:
    rows = lines(lot="a1") + lines(quantity="3", lot="A1") + lines(lot="B2") + lines("NUT-8")
    posting = posting_of(Receipt(lines=rows, documents=of("po", ORDERS[0])))
    assert [(row.material, row.batch, str(row.quantity)) for row in posting.rows] == [
        ("BOLT-8", "A1", "5"),
        ("BOLT-8", "B2", "2"),
        ("NUT-8", "", "2"),
    ]


def test_a_receipt_says_its_order_batch_expiry_and_serial_numbers() -> None:
    rows = lines(quantity="1", lot="LOT7", serial="S1", expiry=date(2027, 1, 31))
    rows += lines(quantity="1", lot="LOT7", serial="S2", expiry=date(2027, 1, 31))
    event = Receipt(lines=rows, documents=of("po", "4500000001"), to_location="A-01")
    made = body(posting_of(event, serial_numbers=True), "2026-11-23", {0: "10"})
    assert made == {
        "GoodsMovementCode": "01",
        "PostingDate": "2026-11-23T00:00:00",
        "DocumentDate": "2026-11-23T00:00:00",
        "MaterialDocumentHeaderText": reference.reference(name(1)),
        "ReferenceDocument": "4500000001",
        "to_MaterialDocumentItem": [
            {
                "Material": "BOLT-8",
                "GoodsMovementType": "101",
                "QuantityInEntryUnit": "2",
                "EntryUnit": "EA",
                "Plant": "1010",
                "StorageLocation": "0002",
                "PurchaseOrder": "4500000001",
                "PurchaseOrderItem": "10",
                "GoodsMovementRefDocType": "B",
                "Batch": "LOT7",
                "ShelfLifeExpirationDate": "2027-01-31T00:00:00",
                "to_SerialNumbers": [{"SerialNumber": "S1"}, {"SerialNumber": "S2"}],
            }
        ],
    }


def test_what_sap_is_not_to_have_stays_in_the_ledger() -> None:
    rows = lines(quantity="1", lot="LOT7", serial="S1")
    [row] = posting_of(Receipt(lines=rows, documents=of("po", "45")), batches=False).rows
    assert (row.batch, row.serials) == ("", ())


@pytest.mark.parametrize(("by", "expected"), [("order", "4500000001"), ("delivery", "180000001")])
def test_a_receipt_that_names_both_goes_by_what_the_house_says(by: str, expected: str) -> None:
    both = of("po", "4500000001") + of("desadv", "180000001")
    plan = plan_of(Receipt(lines=lines(), documents=both), receive_by=by)
    assert isinstance(plan, Postings if by == "order" else Delivery)
    number = plan.documents[0].order if isinstance(plan, Postings) else plan.number
    assert number == expected


def test_a_receipt_without_an_order_needs_a_movement_type() -> None:
    refused = plan_of(Receipt(lines=lines()))
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_document"
    posting = posting_of(Receipt(lines=lines()), movements={"unplanned_receipt": "05/501"})
    assert (posting.movement, posting.order) == ("05/501", "")


def test_a_move_within_a_storage_location_is_nothing_to_sap() -> None:
    event = Transfer(lines=lines(), from_location="X-01", to_location="DOCK")
    assert plan_of(event) == Posted("")


@pytest.mark.parametrize(("goal", "movement"), [("A-01", "04/311"), ("B-01", "04/301")])
def test_a_move_is_of_one_plant_or_of_two(goal: str, movement: str) -> None:
    event = Putaway(lines=lines(), from_location="DOCK", to_location=goal)
    assert posting_of(event).movement == movement


def test_a_reason_has_its_own_movement_reason_and_cost_center() -> None:
    event = Adjustment(lines=lines(), direction="decrease", reason="broken", location="A-01")
    posting = posting_of(event)
    assert posting.movement == "03/551"
    assert dict(posting.common) == {
        "Plant": "1010",
        "StorageLocation": "0002",
        "GoodsMovementReasonCode": "0001",
        "CostCenter": "1010-W",
    }
    other = Adjustment(lines=lines(), direction="decrease", reason="lost")
    assert posting_of(other).movement == "03/702"
    back = Adjustment(lines=lines(), direction="increase", reason="broken")
    assert posting_of(back).movement == "05/701"


def test_a_return_goes_by_its_reason_and_else_by_its_disposition() -> None:
    causes = {
        "damaged": {"customer_return": "05/651", "reason": "0001"},
        "recall": {"reason": "0002"},
    }
    made = {"lines": lines(), "disposition": "damaged"}
    posting = posting_of(Return.model_validate(made), causes=causes)
    assert (posting.movement, dict(posting.common)["GoodsMovementReasonCode"]) == ("05/651", "0001")
    posting = posting_of(Return.model_validate({**made, "reason": "recall"}), causes=causes)
    assert (posting.movement, dict(posting.common)["GoodsMovementReasonCode"]) == ("05/451", "0002")


def test_an_assembly_is_what_was_used_and_what_was_made() -> None:
    rows, order = lines("KIT", "1"), of("prodorder", "1000001")
    plan = plan_of(Assembly(produced=rows, consumed=lines(), documents=order))
    assert isinstance(plan, Postings)
    said = [(each.movement, each.slip) for each in plan.documents]
    assert said == [("03/261", "1000001/1"), ("02/101", "1000001/2")]
    assert len({each.text for each in plan.documents}) == 1


def test_zero_is_a_finding_and_nothing_is_none() -> None:
    plan = plan_of(Count(lines=lines(quantity="0"), location="STORE"))
    assert isinstance(plan, Counted)
    assert [str(row.quantity) for row in plan.goods] == ["0"]
    assert plan_of(Receipt(lines=lines(quantity="0"), documents=of("po", "45"))) == Posted("")
    none = Shipment(packages=PARCEL, lines=lines(quantity="0"), documents=of("so", "80"))
    assert plan_of(none) == Posted("")


def kilos(value: str, unit: str = "KGM") -> tuple[Line, ...]:
    return (Line(item=Item(sku="A"), quantity=Quantity(value=value, unit=unit)),)


def received(rows: tuple[Line, ...], number: str = "4500000001") -> Receipt:
    return Receipt(lines=rows, documents=of("po", number))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (received(kilos("0.0005")), "contract"),
        (received(kilos("10000000000")), "contract"),
        (received(kilos("2", "XBX")), "unsupported"),
        (received((Line(item=Item(gtin="0" * 14), quantity=Quantity(value="1")),)), "unknown_sku"),
        (received(lines("x" * 41)), "contract"),
        (received(lines("A\nB")), "contract"),
        (received(lines(lot="x" * 11)), "contract"),
        (received(lines(document_line="first")), "contract"),
        (received(lines(serial="S1")), "contract"),
        (received(lines(), "PO/2026/1"), "unknown_document"),
        (Receipt(lines=lines(), documents=of("po", "1") + of("po", "2")), "unknown_document"),
        (Shipment(packages=PARCEL, lines=lines()), "unknown_document"),
        (Assembly(produced=lines(), consumed=lines()), "unknown_document"),
        (Count(lines=lines(), location="A-01"), "unsupported"),
        (Return(lines=lines()), "unsupported"),
        (Pick(lines=lines()), "unsupported"),
        (Pack(lines=lines()), "unsupported"),
    ],
)
def test_what_sap_cannot_say_is_refused(event: Event, code: str) -> None:
    refused = plan_of(event, serial_numbers=True, movements={})
    assert isinstance(refused, Refused), refused
    assert refused.code == code


@pytest.mark.parametrize("way", ["increase", "decrease"])
def test_a_movement_the_house_does_not_have_is_refused(way: Any) -> None:
    config = config_of("https://s4.example", NOWHERE)
    none = config.movements.model_copy(
        update={"increase": None, "decrease": None, "plant_transfer": None}
    )
    without = config.model_copy(update={"movements": none})
    adjusted = Adjustment(lines=lines(), direction=way, reason="lost")
    moved = Transfer(lines=lines(), from_location="DOCK", to_location="B-01")
    for event in (adjusted, moved):
        refused = document(transaction(1, event), without)
        assert isinstance(refused, Refused)
        assert refused.code == "unsupported"


@pytest.mark.parametrize(
    "wrong",
    [
        {"login": {}},
        {"login": {"user": "A"}},
        {"login": {"user": "A:B", "password_file": "/p"}},
        {
            "login": {
                "user": "A",
                "password_file": "/p",
                "token_url": "https://s4.example/token",
                "client_id": "A",
                "client_secret_file": "/s",
            }
        },
        {"movements": {"receipt": "101"}},
        {"locations": {"A": "1010/0001/02"}},
        {"client": "1"},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config_of("https://s4.example", NOWHERE, **wrong)


def test_the_day_it_is_booked_on_is_that_of_the_scan_where_the_clock_was_right() -> None:
    value = transaction(1, received(lines()))
    late = value.clock.wall.replace(year=2026, month=11, day=23, hour=23, minute=30)

    def day(*, synchronised: bool, zone: str | None) -> str:
        clock = value.clock.model_copy(update={"wall": late, "synchronised": synchronised})
        config = config_of("https://s4.example", NOWHERE, time_zone=zone)
        [*_, made] = calls(value.model_copy(update={"clock": clock}), config)
        return str(json.loads(made.body)["PostingDate"])

    assert day(synchronised=True, zone="Europe/Berlin") == "2026-11-24T00:00:00"
    assert day(synchronised=True, zone="America/New_York") == "2026-11-23T00:00:00"
    assert day(synchronised=False, zone="Europe/Berlin") == "<today>T00:00:00"
    assert day(synchronised=True, zone=None) == "<today>T00:00:00"


def test_what_the_docstrings_show_is_true() -> None:
    for module in (goods, odata, plans, reference):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed
