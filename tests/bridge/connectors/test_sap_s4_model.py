"""What is sent to SAP, taken by SAP's own server for its own models (`SCANPOST_SAP_CDS=1`)."""

import itertools
import json
import os
import random
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from bridge.connector import Call
from bridge.connectors.sap_s4 import CAPABILITIES, calls
from contract.transactions import Count, Event, Receipt
from tests.bridge.connectors.sap_s4_house import ORDERS, config_of, of
from tests.bridge.connectors.suite import transaction
from tests.bridge.connectors.test_sap_s4 import TestOfSapS4 as Suite
from tests.bridge.streams import lines
from tests.fakes import sap_cds

pytestmark = [
    pytest.mark.skipif(not os.environ.get(sap_cds.ASKED), reason=f"say {sap_cds.ASKED}=1 for it"),
    pytest.mark.timeout(1200),
]
KEYS = {
    "A_MaterialDocumentHeader": ("MaterialDocumentYear", "MaterialDocument"),
    "A_PhysInventoryDocHeader": ("FiscalYear", "PhysicalInventoryDocument"),
}
ITEMS = {
    "to_MaterialDocumentItem": "MaterialDocumentItem",
    "to_PhysicalInventoryDocumentItem": "PhysicalInventoryDocumentItem",
}


@pytest.fixture(scope="module")
def sap() -> Iterator[str]:
    root = sap_cds.installed()
    if root is None:
        pytest.skip("no npm, or it does not reach: @sap/cds is not here")
    with sap_cds.serving(root) as url:
        yield url


def ask(url: str, verb: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    service, _, entity = path.partition("/")
    address = f"{url}/odata/v2/{service.lower().replace('_', '-')}/{entity}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Basic YWxpY2U6"}
    try:
        with urlopen(Request(address, data, headers, method=verb), timeout=60) as answer:
            said = answer.read()
            return answer.status, json.loads(said) if said else None
    except HTTPError as error:
        return error.code, error.read().decode()


def path_of(call: Call) -> str:
    return call.target.partition("/sap/opu/odata/sap/")[2]


def with_keys(entity: str, number: int, body: dict[str, Any]) -> dict[str, Any]:
    """Number a document as SAP's real system would, which its model alone does not."""
    year, name = KEYS[entity]
    said = {year: "2026", name: str(number), **body}
    for association, item in ITEMS.items():
        if association in body:
            rows = [{item: str(n), **row} for n, row in enumerate(body[association], start=1)]
            said[association] = rows
    for row in said.get("to_MaterialDocumentItem", ()):
        for each in row.get("to_SerialNumbers", ()):
            each.update(Material=row["Material"])
    return said


def test_every_body_is_taken_and_read_back_as_it_was(sap: str) -> None:
    suite, rng, numbers = Suite(), random.Random(9), itertools.count(1)
    suite.setup_method()
    config = config_of("https://s4.example", Path("/nonexistent"), serial_numbers=True)
    events: list[Event] = [
        suite.event(kind, rng) for kind in sorted(CAPABILITIES.books - {"reversal"}) * 6
    ]
    labelled = lines(lot="LOT7", serial="S1", quantity="1", expiry=date(2027, 1, 31))
    events += [
        Receipt(lines=labelled, documents=of("po", ORDERS[0])),
        Count(lines=lines(lot="LOT7", quantity="2.125"), location="STORE"),
    ]
    seen: set[str] = set()
    for event in events:
        for call in calls(transaction(1, event), config):
            service, _, path = path_of(call).partition("/")
            entity = path.partition("(")[0].partition("?")[0]
            if call.method == "GET" and "$filter" in path:
                # Its own mock cannot expand what has associations
                plain = re.sub(r"&?\$expand=\w+", "", path).replace(" ", "%20")
                assert ask(sap, "GET", f"{service}/{plain}")[0] == 200, call
            elif call.method == "POST" and call.body:
                said = json.loads(re.sub("<item of [^>]*>", "10", call.body))
                made = with_keys(entity, next(numbers), said)
                status, answer = ask(sap, "POST", f"{service}/{entity}", made)
                assert status == 201, (call, answer)
                year, name = (answer["d"][each] for each in KEYS[entity])
                [association] = [each for each in ITEMS if each in made]
                asked = f"{service}/{entity}({KEYS[entity][0]}='{year}',{KEYS[entity][1]}='{name}')"
                status, answer = ask(sap, "GET", f"{asked}/{association}")
                assert status == 200, answer
                rows = answer["d"]["results"]
                for sent, kept in zip(made[association], rows, strict=True):
                    for field in ("Material", "Plant", "StorageLocation", "Batch"):
                        assert kept[field] == sent.get(field), (sent, kept)
                    if "QuantityInEntryUnit" in sent:
                        same = (kept["QuantityInEntryUnit"], sent["QuantityInEntryUnit"])
                        assert float(same[0]) == float(same[1])
                seen.add(entity)
            elif call.method == "PATCH" and "claim" in call.what:
                number = path.split("'")[1]
                ask(sap, "POST", f"{service}/{entity}", {"DeliveryDocument": number})
                status, answer = ask(sap, "PATCH", f"{service}/{path}", json.loads(call.body))
                assert status in (200, 204), answer
                seen.add(entity)
    assert seen == {*KEYS, "A_InbDeliveryHeader", "A_OutbDeliveryHeader"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"MaterialDocumentHeaderText": "x" * 26},
        {"ReferenceDocument": "x" * 17},
        {"Nonsense": "x"},
        {"to_MaterialDocumentItem": [{"MaterialDocumentItem": "1", "Material": "x" * 41}]},
    ],
)
def test_what_does_not_fit_is_refused(sap: str, wrong: dict[str, Any]) -> None:
    entity = "A_MaterialDocumentHeader"
    body = {"MaterialDocumentYear": "2026", "MaterialDocument": "9", **wrong}
    status, answer = ask(sap, "POST", f"API_MATERIAL_DOCUMENT_SRV/{quote(entity)}", body)
    assert status == 400, answer
