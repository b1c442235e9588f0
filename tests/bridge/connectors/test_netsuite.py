import contextlib
import doctest
import importlib
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bridge.amendment import Amended
from bridge.connectors.netsuite import Config, calls, connect, document, names, probe
from bridge.connectors.netsuite.bodies import OrderLine, lines_of
from bridge.connectors.netsuite.plan import Change, Move, Part, Place
from bridge.outcome import Outcome, Posted, Refused, TryLater
from contract.transactions import (
    Adjustment,
    Assembly,
    Event,
    Package,
    Putaway,
    Receipt,
    Return,
    Shipment,
    Transaction,
    Transfer,
)
from contract.values import Document, Item, Line, Quantity, Weight
from tests.bridge.connectors.suite import ConnectorSuite, Stage, transaction
from tests.bridge.goods import SKUS, event_of, some
from tests.bridge.streams import lines
from tests.fakes.netsuite import Account
from tests.fakes.vendor import Faults

KEY = ec.generate_private_key(ec.SECP256R1())
PLENTY = dict.fromkeys(SKUS, 10_000)
PO = (Document(kind="po", number="P-1"),)
SO = (Document(kind="so", number="S-1"),)
RMA = (Document(kind="rma", number="R-1"),)
BINS = ("DOCK", "A-01", "A-02", "B-01")


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    none = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, none).decode()


def config_of(url: str, folder: Path, **more: Any) -> Config:
    key = folder / "key.pem"
    if folder.exists() and not key.exists():
        key.write_text(pem(KEY))
    return Config.model_validate(
        {
            "connector": "netsuite",
            "url": url,
            "client_id": "c1ient",
            "certificate_id": "cert-7",
            "key_file": key,
            "subsidiary": 1,
            "location": 1,
            "locations": {"SOUTH": 2},
            "bins": True,
            "place": "DOCK",
            "account": 58,
            "reasons": {"damaged": 59},
            "package_weight": "KGM",
            "http": {"timeout": 20, "settle": 0.1},
            **more,
        }
    )


def account_of(faults: Faults | None = None) -> Account:
    account = Account(faults, KEY.public_key(), "c1ient", "cert-7")
    for own, name in (("1", "North"), ("2", "South")):
        account.tables["location"].append({"id": own, "name": name})
    for name in BINS:
        account.row("bin", binnumber=name, location="1")
    for sku in (*SKUS, "KIT"):
        account.sell(sku)
    for number in (1, 2, 3):
        account.order("purchaseOrder", f"P-{number}", **PLENTY)
        account.order("returnAuthorization", f"R-{number}", **PLENTY)
        account.order("salesOrder", f"S-{number}", **PLENTY)
    return account


def netsuite_clerk(given: Iterable[Transaction]) -> dict[str, float]:
    """What the account must show, added up by hand."""
    hand: Counter[str] = Counter()

    def add(rows: Sequence[Line], place: str | None, sign: int) -> None:
        for row in rows:
            where = {"SOUTH": "2", None: "DOCK"}.get(place, place)
            hand[f"{row.item.sku} at {where}"] += sign * int(row.quantity.value)

    for each in given:
        event = each.event
        match event:
            case Receipt() | Return():
                add(event.lines, event.to_location, 1)
            case Shipment():
                add(event.lines, event.from_location, -1)
            case Adjustment():
                add(event.lines, event.location, 1 if event.direction == "increase" else -1)
            case Assembly():
                add(event.consumed, event.location, -1)
                add(event.produced, event.location, 1)
            case Putaway() | Transfer():
                add(event.lines, event.from_location, -1)
                add(event.lines, event.to_location, 1)
        if isinstance(event, Receipt | Return | Shipment):
            for row in event.lines:
                name = f"{row.item.sku} of {event.documents[0].number}"
                hand[name] += int(row.quantity.value)
    return {name: pieces for name, pieces in hand.items() if pieces}


class TestOfNetSuite(ConnectorSuite):
    name = "netsuite"
    secrets = (pem(KEY).splitlines()[1], "token-of-netsuite-")
    many = 28

    def config(self, url: str, folder: Path) -> Config:
        return config_of(url, folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with account_of(faults).serving() as account:

            def effects() -> Mapping[str, int]:
                found = account.effects.items()
                return {name.removeprefix("SP-"): often for name, often in found}

            yield Stage(self.config(account.url, folder), effects, account.totals, account)

    def event(self, kind: str, rng: random.Random) -> Event:
        order = rng.randint(1, 3)
        match kind:
            case "receipt":
                bought = (Document(kind="po", number=f"P-{order}"),)
                return Receipt(lines=some(rng), documents=bought, to_location="A-01")
            case "return":
                back = (Document(kind="rma", number=f"R-{order}"),)
                return Return(lines=some(rng), documents=back, to_location="B-01")
            case "shipment":
                sold = (Document(kind="so", number=f"S-{order}"),)
                return Shipment(packages=(Package(tracking="1Z"),), lines=some(rng), documents=sold)
            case "transfer":
                goal = rng.choice(["A-02", "SOUTH"])
                return Transfer(lines=some(rng), from_location="A-01", to_location=goal)
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return netsuite_clerk(given)


def test_what_is_written_in_docstrings_holds() -> None:
    assert doctest.testmod(names).failed == 0


# --- What a transaction is in NetSuite ---


def plan_of(event: Event, tmp_path: Path, **more: Any) -> Any:
    return document(transaction(1, event), config_of("https://x.example", tmp_path, **more))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines(quantity="0"), documents=PO), "contract"),
        (
            Receipt(
                lines=(Line(item=Item(sku="A"), quantity=Quantity(value="2", unit="KGM")),),
                documents=PO,
            ),
            "unsupported",
        ),
        (Receipt(lines=lines()), "unknown_document"),
        (Receipt(lines=lines(), documents=SO), "unknown_document"),
        (Receipt(lines=lines(), documents=(*PO, *SO)), "unknown_document"),
        (Return(lines=lines(), documents=PO), "unknown_document"),
        (Shipment(packages=(Package(),), lines=lines()), "unknown_document"),
        (
            Assembly(
                produced=lines("KIT"),
                consumed=lines(),
                documents=(Document(kind="prodorder", number="W-1"),),
            ),
            "unsupported",
        ),
    ],
)
def test_what_netsuite_cannot_be_told_is_refused(event: Event, code: str, tmp_path: Path) -> None:
    refused = plan_of(event, tmp_path)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_a_label_is_a_location_or_a_bin_or_nothing(tmp_path: Path) -> None:
    bin_ = plan_of(Receipt(lines=lines(), documents=PO, to_location="A-01"), tmp_path)
    assert isinstance(bin_, Part)
    assert bin_.place == Place(1, "A-01")
    south = Receipt(lines=lines(), documents=PO, to_location="SOUTH")
    assert plan_of(south, tmp_path).place == Place(2)
    refused = plan_of(south, tmp_path, bins=False, locations={})
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_location"


def test_a_move_is_from_bin_to_bin_or_from_location_to_location(tmp_path: Path) -> None:
    within = plan_of(Transfer(lines=lines(), from_location="A-01", to_location="A-02"), tmp_path)
    assert isinstance(within, Move)
    assert within.record == "binTransfer"
    away = plan_of(Transfer(lines=lines(), from_location="A-01", to_location="SOUTH"), tmp_path)
    assert away.record == "inventoryTransfer"
    labels = {"A-01": 1, "A-02": 1}
    event = Transfer(lines=lines(), from_location="A-01", to_location="A-02")
    assert plan_of(event, tmp_path, locations=labels) == Posted("")
    refused = plan_of(event, tmp_path, locations={"A-01": 1})
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_location"


def test_a_stock_change_needs_an_account(tmp_path: Path) -> None:
    event = Adjustment(lines=lines(), direction="decrease", reason="damaged")
    plan = plan_of(event, tmp_path)
    assert isinstance(plan, Change)
    assert (plan.account, plan.goods[0].amount) == (59, -2)
    refused = plan_of(event, tmp_path, account=None, reasons={})
    assert isinstance(refused, Refused)
    assert refused.code == "unmapped"


def test_a_closed_line_waits_for_nothing_and_a_text_line_is_none() -> None:
    rows = [
        {"line": 1, "item": {"id": "7"}, "quantity": 5, "quantityReceived": 2, "units": "3"},
        {"line": 2, "item": {"id": "8"}, "quantity": Decimal("5.5"), "isClosed": True},
        {"line": 3, "item": {"id": "9"}},
    ]
    first, second = lines_of({"item": {"items": rows}})
    assert first == OrderLine(1, "7", "3", Decimal(3))
    assert second.left == 0


# --- What comes of it ---


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with account_of().serving() as vendor:
        yield vendor
        assert not vendor.problems


async def deliver(
    account: Account, folder: Path, *values: Transaction, again: bool = False, **more: Any
) -> list[Outcome]:
    async with connect(config_of(account.url, folder, **more)) as connector:
        return [await connector.deliver(value, again=again) for value in values]


def _po(number: str) -> tuple[Document]:
    return (Document(kind="po", number=number),)


def receipts(number: str, *rows: tuple[Line, ...]) -> list[Transaction]:
    return [
        transaction(seq, Receipt(lines=each, documents=_po(number)))
        for seq, each in enumerate(rows, start=1)
    ]


async def test_an_order_is_received_in_parts_and_never_in_too_many(
    account: Account, tmp_path: Path
) -> None:
    account.order("purchaseOrder", "P-9", **{"BOLT-8": 5, "NUT-8": 1})
    values = receipts("P-9", *(lines(quantity="2") for _ in range(3)))
    *posted, third = await deliver(account, tmp_path, *values)
    assert all(isinstance(each, Posted) for each in posted)
    assert isinstance(third, Refused)
    assert third.code == "over_receipt"
    accepted = Amended(**dict(values[2]), accepts=frozenset({"over_receipt"}))
    [more] = await deliver(account, tmp_path, accepted)
    assert isinstance(more, Posted)
    assert account.totals() == {"BOLT-8 at DOCK": 6, "BOLT-8 of P-9": 6}


async def test_goods_fill_the_lines_of_an_order_one_after_the_other(
    account: Account, tmp_path: Path
) -> None:
    order = account.order("purchaseOrder", "P-9", **{"BOLT-8": 2, "NUT-8": 4})
    order["item"]["items"].append({**order["item"]["items"][0], "line": 3, "quantity": 3.0})
    [posted] = await deliver(account, tmp_path, *receipts("P-9", lines(quantity="4")))
    assert isinstance(posted, Posted)
    assert posted.document.startswith("itemReceipt ")
    done = [row["quantityReceived"] for row in order["item"]["items"]]
    assert done == [2, 0, 2]
    later = transaction(2, Receipt(lines=lines("NUT-8"), documents=_po("P-9")))
    [rest] = await deliver(account, tmp_path, later)  # the first line is not open any more
    assert isinstance(rest, Posted)
    assert [row["quantityReceived"] for row in order["item"]["items"]] == [2, 2, 2]


async def test_lots_fill_the_lines_of_an_order_one_after_the_other(
    account: Account, tmp_path: Path
) -> None:
    account.sell("TEA", lots="T")
    order = account.order("purchaseOrder", "P-9", TEA=3)
    order["item"]["items"].append({**order["item"]["items"][0], "line": 2, "quantity": 1.0})
    rows = lines("TEA", lot="7") + lines("TEA", lot="8")
    [posted] = await deliver(account, tmp_path, *receipts("P-9", rows))
    assert isinstance(posted, Posted)
    assert [row["quantityReceived"] for row in order["item"]["items"]] == [3, 1]
    on_hand = {name: often for name, often in account.totals().items() if " at " in name}
    assert on_hand == {"TEA/7 at DOCK": 2, "TEA/8 at DOCK": 2}


async def test_a_stock_change_makes_lots_or_takes_of_them(account: Account, tmp_path: Path) -> None:
    tea = account.sell("TEA", lots="T")
    account.row("inventorynumber", inventorynumber="7", item=tea)
    more = Adjustment(lines=lines("TEA", "5", lot="7"), direction="increase", reason="found")
    less = Adjustment(lines=lines("TEA", lot="7"), direction="decrease", reason="damaged")
    moved = Transfer(lines=lines("TEA", lot="7"), from_location="DOCK", to_location="SOUTH")
    events: list[Event] = [more, less, moved]
    values = [transaction(seq, event) for seq, event in enumerate(events, start=1)]
    outcomes = await deliver(account, tmp_path, *values)
    assert all(isinstance(each, Posted) for each in outcomes)
    assert account.totals() == {"TEA/7 at DOCK": 1, "TEA/7 at 2": 2}
    made = account.records["inventoryAdjustment", f"SP-{values[1].id}"]
    [row] = made["inventory"]["items"]
    [part] = row["inventoryDetail"]["inventoryAssignment"]["items"]
    assert "issueInventoryNumber" in part
    assert (made["account"], made["memo"], part["quantity"]) == ({"id": "59"}, "damaged", -2)


async def test_a_lot_that_comes_in_is_text_and_one_that_leaves_is_a_record(
    account: Account, tmp_path: Path
) -> None:
    tea = account.sell("TEA", lots="T")
    account.order("purchaseOrder", "P-9", TEA=10)
    account.order("salesOrder", "S-9", TEA=10)
    values = receipts("P-9", lines("TEA", lot="7") + lines("TEA", lot="8"), lines("TEA"))
    sold = (Document(kind="so", number="S-9"),)
    out = Shipment(packages=(Package(),), lines=lines("TEA", "1", lot="7"), documents=sold)
    first, without = await deliver(account, tmp_path, *values)
    assert isinstance(first, Posted)
    assert isinstance(without, Refused)
    assert without.code == "lot_required"
    [unknown] = await deliver(account, tmp_path, transaction(3, out))
    assert isinstance(unknown, Refused)
    account.row("inventorynumber", inventorynumber="7", item=tea)
    [left] = await deliver(account, tmp_path, transaction(3, out))
    assert isinstance(left, Posted)
    on_hand = {name: often for name, often in account.totals().items() if " at " in name}
    assert on_hand == {"TEA/7 at DOCK": 1, "TEA/8 at DOCK": 2}


async def test_a_lot_netsuite_does_not_keep_stays_in_the_ledger(
    account: Account, tmp_path: Path
) -> None:
    [posted] = await deliver(account, tmp_path, *receipts("P-1", lines(lot="7")))
    assert isinstance(posted, Posted)
    assert account.totals() == {"BOLT-8 at DOCK": 2, "BOLT-8 of P-1": 2}


async def test_a_shipment_without_lines_is_all_that_is_open(
    account: Account, tmp_path: Path
) -> None:
    account.order("salesOrder", "S-9", **{"BOLT-8": 5, "NUT-8": 1})
    weight = Weight(value="1.5", unit="kg", unit_code="KGM")
    pounds = Weight(value="3.3", unit="lb", unit_code="LBR")
    parcels = (Package(tracking="1Z", weight=weight), Package(tracking="1Y", weight=pounds))
    event = Shipment(packages=parcels, documents=(Document(kind="so", number="S-9"),))
    [posted] = await deliver(account, tmp_path, transaction(1, event))
    assert isinstance(posted, Posted)
    [made] = account.records.values()
    rows = [
        {"packageTrackingNumber": "1Z", "packageWeight": 1.5},
        {"packageTrackingNumber": "1Y"},
    ]
    assert made["package"]["items"] == rows
    assert made["shipStatus"] == {"id": "C"}
    assert account.moved == {"BOLT-8 of S-9": 5, "NUT-8 of S-9": 1}


async def test_a_shipment_says_no_more_than_the_account_has_fields_for(
    account: Account, tmp_path: Path
) -> None:
    event = Shipment(packages=(Package(tracking="1Z"),), lines=lines(), documents=SO)
    less: dict[str, Any] = {"pick_pack_ship": False, "package_weight": None}
    await deliver(account, tmp_path, transaction(1, event), **less)
    [made] = account.records.values()
    assert {*made} == {"id", "externalId", "item"}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Receipt(lines=lines("GHOST"), documents=PO), "unknown_sku"),
        (Receipt(lines=lines("KIT"), documents=PO), "unknown_sku"),
        (Receipt(lines=lines(), documents=PO, to_location="Z-99"), "unknown_location"),
        (Receipt(lines=lines(), documents=(Document(kind="po", number="S-1"),)),
         "unknown_document"),
        (Receipt(lines=lines("it's"), documents=PO), "unknown_sku"),
    ],
)  # fmt: skip
async def test_what_netsuite_does_not_have_is_refused(
    account: Account, tmp_path: Path, event: Event, code: str
) -> None:
    [refused] = await deliver(account, tmp_path, transaction(1, event))
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert not account.totals()


async def test_a_line_in_another_unit_is_refused(account: Account, tmp_path: Path) -> None:
    order = account.order("purchaseOrder", "P-9", **{"BOLT-8": 5})
    order["item"]["items"][0]["units"] = "12"
    [refused] = await deliver(account, tmp_path, *receipts("P-9", lines()))
    assert isinstance(refused, Refused)
    assert refused.code == "unsupported"
    [posted] = await deliver(account, tmp_path, *receipts("P-9", lines()), units={"EA": "12"})
    assert isinstance(posted, Posted)
    event = Adjustment(lines=lines(), direction="increase", reason="found")
    await deliver(account, tmp_path, transaction(2, event), units={"EA": "12"})
    made = account.records["inventoryAdjustment", f"SP-{transaction(2, event).id}"]
    assert made["inventory"]["items"][0]["units"] == "12"


async def test_a_gtin_is_found_as_it_was_typed(account: Account, tmp_path: Path) -> None:
    account.sell("SOAP", upccode="012345678905")
    account.order("purchaseOrder", "P-9", SOAP=5)
    rows = (Line(item=Item(gtin="00012345678905"), quantity=Quantity(value="2")),)
    [posted] = await deliver(account, tmp_path, *receipts("P-9", rows))
    assert isinstance(posted, Posted)
    assert account.moved == {"SOAP of P-9": 2}


async def test_what_is_refused_and_there_all_the_same_is_posted(
    account: Account, tmp_path: Path
) -> None:
    account.order("purchaseOrder", "P-9", **{"BOLT-8": 2})
    account.faults.next = ["doubled"]
    [value] = receipts("P-9", lines())
    [posted] = await deliver(account, tmp_path, value)
    assert isinstance(posted, Posted)
    assert await deliver(account, tmp_path, value) == [posted]
    tried = len(account.seen)
    assert await deliver(account, tmp_path, value, again=True) == [posted]
    asked = [seen.method for seen in account.seen[tried:] if "/record/" in seen.path]
    assert asked == ["GET"]
    assert account.totals() == {"BOLT-8 at DOCK": 2, "BOLT-8 of P-9": 2}


@pytest.mark.parametrize(
    ("status", "code", "words", "expected"),
    [
        (400, "USER_ERROR", "The posting period is closed.", "closed_period"),
        (400, "USER_ERROR", "Please configure the inventory detail in line 1.", "lot_required"),
        (400, "USER_ERROR", "Please enter value(s) for: Class", "refused"),
        (400, "RCRD_HAS_BEEN_CHANGED", "Record has been changed", None),
        (403, "INSUFFICIENT_PERMISSION", "Permission Violation", None),
        (400, "INSUFFICIENT_PERMISSION", "Permission Violation", None),
    ],
)
async def test_what_netsuite_says_is_sorted(
    account: Account, tmp_path: Path, status: int, code: str, words: str, expected: str | None
) -> None:
    account.no = [(status, code, words)]
    [value] = receipts("P-1", lines())
    [outcome] = await deliver(account, tmp_path, value)
    if expected is None:
        assert isinstance(outcome, TryLater)
        assert code in outcome.why
    else:
        assert isinstance(outcome, Refused)
        assert (outcome.code, words in outcome.text) == (expected, True)
    assert not account.totals()


async def test_a_page_that_is_none_of_netsuite_s_does_not_say_it_is_not_booked(
    account: Account, tmp_path: Path
) -> None:
    account.astray = True
    event = Adjustment(lines=lines(), direction="increase", reason="found")
    [outcome] = await deliver(account, tmp_path, transaction(1, event), again=True)
    assert isinstance(outcome, TryLater)
    assert not account.totals()


# --- Keys ---


async def test_an_rsa_key_signs_as_well(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 3072)
    (tmp_path / "key.pem").write_text(pem(key))
    account = account_of()
    account._key = key.public_key()
    async with account.serving():
        [posted] = await deliver(account, tmp_path, *receipts("P-1", lines()))
    assert isinstance(posted, Posted)


async def test_another_s_key_gets_no_token(account: Account, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(pem(ec.generate_private_key(ec.SECP256R1())))
    [outcome] = await deliver(account, tmp_path, *receipts("P-1", lines()))
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "login"


@pytest.mark.parametrize("text", ["", "no key", pem(ec.generate_private_key(ec.SECP384R1()))])
async def test_a_key_of_no_use_is_said_and_not_shown(
    account: Account, tmp_path: Path, text: str
) -> None:
    (tmp_path / "key.pem").write_text(text)
    [outcome] = await deliver(account, tmp_path, *receipts("P-1", lines()))
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "login"
    assert not account.seen


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    monkeypatch.delitem(sys.modules, "bridge.connectors.netsuite.assertion")
    with pytest.raises(ImportError, match=r"scanpost\[netsuite\]"):
        importlib.import_module("bridge.connectors.netsuite.assertion")


# --- What a person is shown ---


def test_planned_calls_show_what_is_known(tmp_path: Path) -> None:
    event = Receipt(lines=lines(lot="7"), documents=PO)
    config = config_of("https://x.example", tmp_path)
    look, make = calls(transaction(1, event), config)
    assert look.method == "GET"
    assert make.target.endswith("/purchaseOrder/<id of P-1>/!transform/itemReceipt")
    [row] = json.loads(make.body)["item"]["items"]
    assert (row["orderLine"], row["quantity"]) == ("<line of BOLT-8>", 2)
    [part] = row["inventoryDetail"]["inventoryAssignment"]["items"]
    assert part["binNumber"] == {"id": "<id of bin DOCK>"}


async def test_a_probe_names_the_locations(account: Account, tmp_path: Path) -> None:
    said = await probe(config_of(account.url, tmp_path, locations={"SOUTH": 2, "X": 3}))
    assert said == ["location 1: North", "location 2: South", "location 3: it is not there"]
