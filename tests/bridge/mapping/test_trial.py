"""Test this scan: what a transaction becomes, before anything is sent."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bridge import config as bridge_config
from bridge.config import Config
from bridge.connector import Call
from bridge.mapping.folder import made as tables_of
from bridge.mapping.scans import Asked, made
from bridge.mapping.trial import trial
from bridge.outcome import Refused
from bridge.terms import UNTRANSLATED
from contract.transactions import Event
from contract.values import Document, Item, Quantity
from tests.bridge.streams import transaction
from tests.bridge.transactions import EVERY_TYPE
from tests.house.examples import CONFIG


@pytest.fixture
def webhook() -> Config:
    return bridge_config.load(CONFIG / "bridge-webhook.toml")


def event_of(*scans: str, **said: Any) -> Event:
    return made(Asked(scans=scans, **said)).event


# --- A transaction from labels and words ---


def test_labels_are_understood_as_a_gateway_understands_them() -> None:
    event: Any = event_of(
        "PO:4711", "]C10104006381333931" + "17261231" + "10LOT7", "QTY:3", "LOC:A-01"
    )
    [line] = event.lines
    assert event.type == "receipt"
    assert event.documents == (Document(kind="po", number="4711"),)
    assert event.to_location == "A-01"
    assert line.item == Item(gtin="04006381333931")
    assert (line.lot, str(line.expiry), line.quantity) == (
        *("LOT7", "2026-12-31"),
        Quantity(value="3"),
    )


def test_the_whole_label_is_kept_as_evidence() -> None:
    came = made(Asked(scans=("4006381333931",)))
    assert [bytes.fromhex(each.raw) for each in came.evidence] == [b"4006381333931"]


@pytest.mark.parametrize(
    ("scan", "item", "quantity"),
    [
        ("4006381333931", Item(gtin="04006381333931"), Quantity(value="1")),
        ("]C1021400638133393837" + "12", Item(gtin="14006381333938"), Quantity(value="12")),
        (
            "]C10104006381333931" + "3103001250",
            Item(gtin="04006381333931"),
            Quantity(value="1.250", unit="KGM"),
        ),
        ("BOLT-8", Item(sku="BOLT-8"), Quantity(value="1")),
        ("+A123BJC5D6E71G", Item(sku="BJC5D6E7"), Quantity(value="1")),
    ],
)
def test_what_is_on_a_label_is_the_item(scan: str, item: Item, quantity: Quantity) -> None:
    event: Any = event_of(scan)
    [line] = event.lines
    assert (line.item, line.quantity) == (item, quantity)


def test_what_a_person_says_goes_before_what_a_label_says() -> None:
    event: Any = event_of("BOLT-8", "QTY:3", sku="NUT-8", quantity="7", unit="CT", document="so:9")
    assert event.lines[0].item.sku == "NUT-8"
    assert event.lines[0].quantity == Quantity(value="7", unit="CT")
    assert event.documents == (Document(kind="so", number="9"),)


@pytest.mark.parametrize(
    ("kind", "places", "found"),
    [
        ("receipt", ["B"], {"to_location": "B"}),
        ("putaway", ["B"], {"from_location": None, "to_location": "B"}),
        ("putaway", ["A", "B"], {"from_location": "A", "to_location": "B"}),
        ("pick", ["A"], {"from_location": "A", "to_location": None}),
        ("transfer", ["A", "B"], {"from_location": "A", "to_location": "B"}),
        ("count", ["A"], {"location": "A"}),
    ],
)
def test_places_are_scanned_in_the_order_people_walk(
    kind: str, places: Sequence[str], found: dict[str, str | None]
) -> None:
    event = event_of("BOLT-8", *(f"LOC:{place}" for place in places), type=kind)
    assert {name: getattr(event, name) for name in found} == found


def test_every_type_of_transaction_can_be_tried() -> None:
    for kind in EVERY_TYPE:
        came = event_of(
            "REASON:damaged",
            type=kind,
            sku="A",
            from_location="F",
            to_location="T",
            location="L",
            weight="1.5",
            reverses=UUID(int=7),
        )
        assert came.type == kind
    with pytest.raises(ValueError, match="there is no type 'receit'; there are receipt"):
        made(Asked(type="receit"))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(), "a receipt needs lines: give it with --sku, --gtin or a label"),
        (
            Asked(type="transfer", sku="A", from_location="F"),
            "a transfer needs to_location: give it with --to",
        ),
        (Asked(sku="A", quantity="1,5"), "lines.0.quantity.value: "),
        (Asked(gtin="123"), "lines.0.item.gtin: "),
        (Asked(scans=("CMD:DONE-43",)), "'CMD:DONE-43' is of no use here: it is a command"),
        (Asked(scans=("4006381333932",)), "is of no use here: the check digit is wrong"),
        (Asked(scans=("+A123BJC5D6E71H",)), "is of no use here: the check character"),
        (Asked(sku="A", scans=("LOC:A", "LOC:B")), "a receipt has no use for the location B"),
    ],
)
def test_what_is_missing_is_said(asked: Asked, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        made(asked)


# --- What becomes of it ---

ITEMS = {"mapping.toml": b'[unmapped]\nitems = "refuse"\n', "items.csv": b"sku,code\nBOLT-8,X1\n"}


def test_a_trial_shows_what_came_what_it_becomes_and_the_calls(webhook: Config) -> None:
    tables = tables_of(ITEMS)
    came = transaction(1)
    tried = trial(webhook, tables, came)
    assert tried.came is came
    assert tried.mapped is not None
    assert tried.changed
    assert (tried.refused, tried.by, tried.note) == (None, None, "")
    assert tried.version == tables.version
    [call] = tried.calls
    assert isinstance(call, Call)
    assert (call.method, call.headers["Idempotency-Key"]) == ("POST", str(came.id))
    assert '"sku":"X1"' in call.body
    assert "BOLT-8" not in call.body


def test_a_trial_says_who_refuses(webhook: Config, tmp_path: Path) -> None:
    by_tables = trial(webhook, tables_of(ITEMS), made(Asked(sku="NEW")))
    assert by_tables.refused == Refused("unknown_sku", "items.csv has no SKU NEW")
    assert (by_tables.by, by_tables.mapped, list(by_tables.calls)) == ("mapping", None, [])
    shopify = bridge_config.load(CONFIG / "bridge-shopify.toml")
    by_target = trial(shopify, tables_of(ITEMS), made(Asked(sku="BOLT-8", quantity="1.5")))
    assert by_target.by == "shopify"
    assert by_target.refused is not None
    assert by_target.mapped is not None
    assert by_target.changed


def test_without_tables_it_is_what_came(webhook: Config) -> None:
    tried = trial(webhook, UNTRANSLATED, transaction(1))
    assert not tried.changed
    assert tried.version == ""
    assert '"sku":"BOLT-8"' in tried.calls[0].body


def test_what_needs_no_call_says_so() -> None:
    tryton = bridge_config.load(CONFIG / "bridge-tryton.toml")
    tried = trial(tryton, UNTRANSLATED, made(Asked(type="reading", sku="A")))
    assert tried.note or tried.refused, "a reading moves nothing"
    assert not tried.calls
