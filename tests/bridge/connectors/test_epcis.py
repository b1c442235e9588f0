import contextlib
import copy
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from bridge.connectors.epcis import Config, connect, document, epcis_document
from bridge.outcome import Posted, Refused, TryLater
from contract.transactions import (
    Adjustment,
    Assembly,
    Event,
    Pack,
    Package,
    Reading,
    Receipt,
    Reversal,
    Shipment,
    Transaction,
    Weighing,
)
from contract.values import Item, Line, Quantity, Weight
from tests.bridge.connectors.suite import ConnectorSuite, Stage
from tests.bridge.goods import SKUS, WEIGHT, event_of
from tests.bridge.streams import name, receipt, transaction
from tests.bridge.transactions import transactions
from tests.fakes.epcis import Repository
from tests.fakes.epcis_contract import judge
from tests.fakes.vendor import Faults

TOKEN = "t0ken-of-the-repository"
BASE = "https://wms.example/id"
GTIN = "04012345678901"


def config_of(**more: Any) -> Config:
    return Config.model_validate({"connector": "epcis", "base": BASE, **more})


def token_in(folder: Path) -> Path:
    if folder.exists():
        (folder / "token").write_text(TOKEN)
    return folder / "token"


def amounts(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the events say of each class, by business step."""
    total: Counter[str] = Counter()
    for event in events:
        for way in ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"):
            for row in event.get(way, ()):
                total[f"{event['bizStep']} {way[0]} {row['epcClass']}"] += row.get("quantity", 0)
    return dict(total)


def told(given: Iterable[Transaction]) -> dict[str, Any]:
    """The same, from the transactions alone."""
    total: Counter[str] = Counter()
    for each in given:
        event, sides = each.event, [("q", getattr(each.event, "lines", ()))]
        if isinstance(event, Pack):
            sides = [("c", event.lines)]
        if isinstance(event, Assembly):
            sides = [("i", event.consumed), ("o", event.produced)]
        for side, rows in sides:
            for row in rows:
                key = f"{event.biz_step} {side} {BASE}/sku/{row.item.sku}"
                total[key] += int(row.quantity.value)
        if isinstance(event, Reading) and event.item is not None:
            total[f"{event.biz_step} q {BASE}/sku/{event.item.sku}"] += 0
    return dict(total)


class TestOfEpcis(ConnectorSuite):
    name = "epcis"
    secrets: ClassVar[tuple[str, ...]] = (TOKEN,)

    def config(self, url: str, folder: Path) -> Config:
        http = {"timeout": 20, "settle": 0.1}
        return config_of(url=f"{url}/epcis", token_file=token_in(folder), http=http)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Repository(faults, TOKEN).serving() as vendor:

            def effects() -> Mapping[str, int]:
                return {n.removeprefix("urn:uuid:"): k for n, k in vendor.effects.items()}

            config = self.config(vendor.url, folder)
            yield Stage(config, effects, lambda: amounts(vendor.kept.values()), vendor)

    def event(self, kind: str, rng: random.Random) -> Event:
        if kind == "reading":
            return Reading(text="a label", item=Item(sku=rng.choice(SKUS)))
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return told(given)


class TestOfEpcisInAFolder(TestOfEpcis):
    secrets: ClassVar[tuple[str, ...]] = ()
    many = 25

    def config(self, url: str, folder: Path) -> Config:
        return config_of(folder=folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        def events() -> list[Any]:
            found = [json.loads(path.read_text()) for path in folder.glob("*.jsonld")]
            wrong = judge()
            assert not [each for each in found if wrong is not None and wrong(each)]
            return [event for each in found for event in each["epcisBody"]["eventList"]]

        def effects() -> Mapping[str, int]:
            return Counter(each["eventID"].removeprefix("urn:uuid:") for each in events())

        yield Stage(self.config("", folder), effects, lambda: amounts(events()))


# --- GS1's own schema ---


@pytest.fixture
def wrong() -> Callable[[Any], list[str]]:
    found = judge()
    if found is None:
        pytest.skip("no npm, or it does not reach: GS1's schema is not here")
    return found


@settings(
    max_examples=75,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(value=transactions)
def test_every_event_fits_gs1_s_schema(
    wrong: Callable[[Any], list[str]], value: Transaction
) -> None:
    made, left_out = epcis_document([value], config_of(folder="/x"))
    assert not wrong(made)
    assert len(made["epcisBody"]["eventList"]) + len(left_out) <= 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bizStep", "recieving"),
        ("eventTimeZoneOffset", None),
        ("action", None),
        ("quantityList", [{"epcClass": "https://x", "quantity": "16"}]),
        ("unheard", 1),
    ],
)
def test_the_judge_finds_what_is_wrong(
    wrong: Callable[[Any], list[str]], field: str, value: Any
) -> None:
    made, _ = epcis_document([transaction(1)], config_of(folder="/x"))
    assert not wrong(made)
    other = copy.deepcopy(made)
    event = other["epcisBody"]["eventList"][0]
    if value is None:
        del event[field]
    else:
        event[field] = value
    assert wrong(other)


# --- What an event says ---


def made_of(event: Event, **more: Any) -> Any:
    return document(transaction(1, event), config_of(folder="/x", **more))


def line(quantity: str = "2", unit: str = "EA", **more: Any) -> Line:
    value = Quantity.model_validate({"value": quantity, "unit": unit})
    return Line(item=Item(gtin=GTIN), quantity=value, **more)


def test_a_receipt_says_what_when_where_and_why() -> None:
    made = document(
        transaction(1, receipt("PO-7")),
        config_of(folder="/x", locations={"DOCK": "https://id.gs1.org/414/4012345000016"}),
    )
    assert made == {
        "eventID": f"urn:uuid:{name(1)}",
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "eventTime": "2026-11-23T08:00:00.000Z",
        "eventTimeZoneOffset": "+00:00",
        "bizStep": "receiving",
        "disposition": "in_progress",
        "epcList": [],
        "quantityList": [{"epcClass": f"{BASE}/sku/BOLT-8", "quantity": 2}],
        "readPoint": {"id": "https://id.gs1.org/414/4012345000016"},
        "bizLocation": {"id": "https://id.gs1.org/414/4012345000016"},
        "bizTransactionList": [{"type": "po", "bizTransaction": f"{BASE}/document/po/PO-7"}],
    }


def test_things_are_named_by_gs1_digital_link() -> None:
    rows = (line("2.5", "KGM", lot="L/1"), line("1", serial="S1"), line("1", serial="S1"))
    made = made_of(Receipt(lines=rows, sscc="340123450000000017"))
    assert made["quantityList"] == [
        {"epcClass": f"https://id.gs1.org/01/{GTIN}/10/L%2F1", "quantity": 2.5, "uom": "KGM"}
    ]
    assert made["epcList"] == [
        f"https://id.gs1.org/01/{GTIN}/21/S1",
        "https://id.gs1.org/00/340123450000000017",
    ]


def test_packing_puts_goods_into_a_unit() -> None:
    made = made_of(Pack(lines=(line(),), sscc="340123450000000017"))
    assert (made["type"], made["action"]) == ("AggregationEvent", "ADD")
    assert made["parentID"] == "https://id.gs1.org/00/340123450000000017"
    assert made_of(Pack(lines=(line(),)))["type"] == "ObjectEvent"


def test_a_weight_is_a_mass_only_in_a_unit_somebody_knows() -> None:
    made = made_of(Weighing(weight=WEIGHT, sscc="340123450000000017"))
    [element] = made["sensorElementList"]
    assert element["sensorReport"] == [{"type": "Mass", "value": 1.5, "uom": "KGM"}]
    assert element["sensorMetadata"]["deviceID"] == f"{BASE}/station/dock-1/bench"
    odd = Weighing(weight=Weight(value="1.50", unit="mm"), sscc="340123450000000017")
    [element] = made_of(odd)["sensorElementList"]
    assert element["sensorReport"] == [{"type": "Dimensionless", "stringValue": "1.50 mm"}]


def test_what_epcis_has_no_field_for_stands_in_fields_of_our_own() -> None:
    made = made_of(Adjustment(lines=(line(),), direction="decrease", reason="broken"))
    assert (made["scanpost:direction"], made["scanpost:reason"]) == ("decrease", "broken")


def test_a_parcel_is_named_by_its_sscc_or_tracking_number_or_not_at_all() -> None:
    parcels = (Package(sscc="340123450000000017", tracking="1Z"), Package(tracking="2Z"))
    made = made_of(Shipment(packages=parcels))
    assert made["epcList"] == ["https://id.gs1.org/00/340123450000000017", f"{BASE}/parcel/2Z"]
    assert isinstance(made_of(Shipment(packages=(Package(),))), Refused)


def test_a_number_that_json_would_round_is_refused() -> None:
    exact = made_of(Receipt(lines=(line("0.1"), line("99999999999"), line("12345678901.1234"))))
    assert [row["quantity"] for row in exact["quantityList"]] == [
        0.1,
        99999999999,
        12345678901.1234,
    ]
    refused = made_of(Receipt(lines=(line("12345678901.123456789"),)))
    assert isinstance(refused, Refused)
    assert refused.code == "contract"


def test_what_names_nothing_needs_no_event() -> None:
    assert made_of(Reading(text="HELLO")) == Posted("")
    assert made_of(Weighing(weight=WEIGHT)) == Posted("")


def test_a_document_says_what_is_not_in_it() -> None:
    given = [
        transaction(1),
        transaction(2, Reading(text="?")),
        transaction(3, Reversal(reverses=name(1))),
    ]
    made, left_out = epcis_document(given, config_of(folder="/x"))
    assert made == epcis_document(given, config_of(folder="/x"))[0]
    assert len(made["epcisBody"]["eventList"]) == 1
    assert made["creationDate"] == "2026-11-23T08:00:00.000Z"
    assert {key: each.code for key, each in left_out.items()} == {str(name(3)): "unsupported"}


# --- What comes of it ---


async def test_an_event_that_is_there_already_was_ours(tmp_path: Path) -> None:
    async with Repository(token=TOKEN).serving() as vendor:
        config = config_of(url=f"{vendor.url}/epcis/", token_file=token_in(tmp_path))
        async with connect(config) as connector:
            assert isinstance(await connector.deliver(transaction(1), again=False), Posted)
            assert isinstance(await connector.deliver(transaction(1), again=True), Posted)
        assert [seen.method for seen in vendor.seen] == ["POST", "GET"]


async def test_a_stranger_waits_for_a_person(tmp_path: Path) -> None:
    async with Repository(token=TOKEN).serving() as vendor:
        config = config_of(url=f"{vendor.url}/epcis")
        async with connect(config) as connector:
            for again in (False, True):
                outcome = await connector.deliver(transaction(1), again=again)
                assert isinstance(outcome, TryLater)


async def test_a_folder_that_is_gone_is_tried_later(tmp_path: Path) -> None:
    async with connect(config_of(folder=tmp_path / "gone")) as connector:
        assert isinstance(await connector.deliver(transaction(1), again=False), TryLater)


@pytest.mark.parametrize(
    "wrong_setting",
    [{}, {"url": "http://x", "folder": "/x"}, {"folder": "/x", "locations": {"A": "no uri"}}],
)
def test_settings_that_do_not_fit_are_refused(wrong_setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config_of(**wrong_setting)
