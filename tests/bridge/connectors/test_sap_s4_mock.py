"""The session, the tokens and the batches, against somebody else's idea of SAP Gateway: mock-sap.

It knows nothing of goods movements, and its entities have fewer properties than SAP's: only what
goes over the wire is tried here, not what it means.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from bridge.connectors.sap_s4.changeset import Change
from bridge.connectors.sap_s4.odata import (
    MATERIALS,
    OData,
    Service,
    connected,
    etag,
    key,
    listed,
    written,
)
from bridge.http import Stopped
from bridge.outcome import Refused, TryLater
from tests.bridge.connectors.sap_s4_house import PASSWORD, USER, config_of

OUTBOUND: Service = "API_OUTBOUND_DELIVERY_SRV"
ORDERS: Service = "API_PURCHASEORDER_PROCESS_SRV"


@contextmanager
def mock(*options: str) -> Iterator[str]:
    """Run mock-sap on a free port of loopback, and yield its address."""
    words = (sys.executable, "-u", "-m", "mocksap", "--port", "0", "--quiet", *options)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            found = re.search(r"listening on (http://127\.0\.0\.1:[0-9]+)", said)
            assert found, said
            yield found[1]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with mock("--auth", f"{USER}:{PASSWORD}", "--require-if-match") as url:
        yield url


@pytest.fixture
def url(gateway: str) -> str:
    """The address of a mock as it was at first."""
    tell(gateway, "POST", "reset")
    tell(gateway, "DELETE", "faults")
    return gateway


def tell(url: str, verb: str, what: str, **said: str | int) -> None:
    """Tell the mock itself something, beside SAP's services."""
    headers = {"Content-Type": "application/json"}
    asked = Request(f"{url}/_mock/{what}", json.dumps(said).encode(), headers, method=verb)
    urlopen(asked, timeout=60).close()


async def a_delivery(sap: OData) -> dict[str, Any]:
    [found] = await sap.rows(
        OUTBOUND, "A_OutbDeliveryHeader", (("$expand", "to_DeliveryDocumentItem"), ("$top", "1"))
    )
    return found


def moves(delivery: dict[str, Any], place: str) -> list[Change]:
    """Changes to every item of a delivery."""
    return [
        Change(
            key(
                "A_OutbDeliveryItem",
                DeliveryDocument=row["DeliveryDocument"],
                DeliveryDocumentItem=row["DeliveryDocumentItem"],
            ),
            written({"StorageLocation": place}),
            etag(row),
        )
        for row in listed(delivery["to_DeliveryDocumentItem"])
    ]


async def test_what_is_made_there_is_found_there(url: str, tmp_path: Path) -> None:
    async with connected(config_of(url, tmp_path, client="100")) as sap:
        [order] = await sap.rows(
            ORDERS, "A_PurchaseOrder", (("$expand", "to_PurchaseOrderItem"), ("$top", "1"))
        )
        [line, *_] = listed(order["to_PurchaseOrderItem"])
        names = ("Material", "PurchaseOrder", "PurchaseOrderItem", "Plant")
        item = {name: line[name] for name in names} | {"QuantityInEntryUnit": "1"}
        head = {"ReferenceDocument": "O'NEIL & 7", "PostingDate": "2026-11-23T00:00:00"}
        body = written({**head, "to_MaterialDocumentItem": [item]})
        made = await sap.create(MATERIALS, "A_MaterialDocumentHeader", body)
        assert made["MaterialDocument"]
        asked = (("$filter", "ReferenceDocument eq 'O''NEIL & 7'"),)
        [found] = await sap.rows(MATERIALS, "A_MaterialDocumentHeader", asked)
        assert found["MaterialDocument"] == made["MaterialDocument"]


async def test_pages_come_one_after_the_other(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(config_of(url, tmp_path)) as sap:
        whole = await sap.rows(ORDERS, "A_PurchaseOrder", (("$orderby", "PurchaseOrder"),))
        monkeypatch.setattr("bridge.connectors.sap_s4.odata.PAGE", 3)
        pages = [row async for row in sap.pages(ORDERS, "A_PurchaseOrder", "PurchaseOrder")]
        assert len(pages) > 3
        numbers = [row["PurchaseOrder"] for row in pages]
        assert numbers == [row["PurchaseOrder"] for row in whole]


@pytest.mark.parametrize("changesets", [False, True])
async def test_changes_of_items_arrive(url: str, tmp_path: Path, changesets: bool) -> None:
    async with connected(config_of(url, tmp_path, changesets=changesets)) as sap:
        before = await a_delivery(sap)
        changes = moves(before, "17A") * 2  # at least two, so that they are a batch
        await sap.change(OUTBOUND, changes)
        after = await a_delivery(sap)
        places = {row["StorageLocation"] for row in listed(after["to_DeliveryDocumentItem"])}
        assert places == {"17A"}


async def test_a_changeset_that_fails_changes_nothing(url: str, tmp_path: Path) -> None:
    async with connected(config_of(url, tmp_path, changesets=True)) as sap:
        before = await a_delivery(sap)
        wrong = Change("A_OutbDeliveryItem('404')", written({"Nonsense": "1"}), "*")
        with pytest.raises(Stopped) as stopped:
            await sap.change(OUTBOUND, [*moves(before, "17A"), wrong])
        assert isinstance(stopped.value.outcome, Refused | TryLater)
        after = await a_delivery(sap)
        assert after["to_DeliveryDocumentItem"] == before["to_DeliveryDocumentItem"]


@pytest.mark.parametrize(
    ("scenario", "expected"), [("lock", TryLater), ("precondition", TryLater), ("busy", TryLater)]
)
async def test_what_it_says_of_trouble_is_understood(
    url: str, tmp_path: Path, scenario: str, expected: type
) -> None:
    async with connected(config_of(url, tmp_path)) as sap:
        before = await a_delivery(sap)
        tell(url, "POST", "faults", count=1, method="PATCH", scenario=scenario)
        with pytest.raises(Stopped) as stopped:
            await sap.change(OUTBOUND, moves(before, "17A")[:1])
        assert isinstance(stopped.value.outcome, expected), stopped.value.outcome
        await sap.change(OUTBOUND, moves(before, "17A")[:1])


async def test_a_token_it_no_longer_knows_is_fetched_again(url: str, tmp_path: Path) -> None:
    async with connected(config_of(url, tmp_path)) as sap:
        before = await a_delivery(sap)
        await sap.change(OUTBOUND, moves(before, "17A")[:1])
        tell(url, "POST", "faults", count=1, method="PATCH", scenario="csrf")
        await sap.change(OUTBOUND, moves(before, "17B")[:1])
        after = listed((await a_delivery(sap))["to_DeliveryDocumentItem"])
        assert after[0]["StorageLocation"] == "17B"


async def test_its_password_and_its_tokens_are_asked_for(url: str, tmp_path: Path) -> None:
    async with connected(config_of(url, tmp_path)) as sap:
        (tmp_path / "password").write_text("wrong-password")
        with pytest.raises(Stopped) as stopped:
            await a_delivery(sap)
        assert isinstance(stopped.value.outcome, TryLater)
        assert stopped.value.outcome.needs == "login"
    (tmp_path / "secret").write_text(PASSWORD)
    with mock("--oauth", f"{USER}:{PASSWORD}") as other:
        login = {
            "token_url": f"{other}/sap/bc/sec/oauth2/token",
            "client_id": USER,
            "client_secret_file": tmp_path / "secret",
        }
        async with connected(config_of(other, tmp_path, login=login)) as sap:
            assert (await a_delivery(sap))["DeliveryDocument"]
            tell(other, "POST", "faults", count=1, scenario="expired-token")
            with pytest.raises(Stopped):
                await a_delivery(sap)
            assert (await a_delivery(sap))["DeliveryDocument"]
