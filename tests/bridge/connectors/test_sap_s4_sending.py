"""What comes of what is sent to SAP: sessions, errors, odd answers, material documents."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bridge.connectors.sap_s4 import connect, probe
from bridge.connectors.sap_s4.odata import MATERIALS, connected, key
from bridge.http import MAX_ANSWER, Stopped
from bridge.outcome import Posted, Refused, TryLater, Unknown
from contract.transactions import (
    Adjustment,
    Assembly,
    Event,
    Transfer,
)
from tests.bridge.connectors.sap_s4_house import (
    FULL,
    PASSWORD,
    USER,
    config_of,
    deliver,
    effects,
    moved,
    of,
    on_hand,
    receipt,
    refused,
    running,
    shipment,
    stocked,
    undone,
)
from tests.bridge.connectors.suite import transaction
from tests.bridge.streams import lines
from tests.fakes.sap_s4 import System
from tests.fakes.sap_s4_books import COUNTS, Failed, unposted

HEADER = "A_MaterialDocumentHeader"


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as system:
        yield system


# --- The session ---


async def test_one_token_serves_until_the_session_ends(tmp_path: Path) -> None:
    async with running(session_lasts=3) as system:
        outcomes = await deliver(system, tmp_path, *(moved(seq) for seq in range(1, 8)))
        assert all(isinstance(outcome, Posted) for outcome in outcomes)
        assert system.fetches == 3
        assert set(effects(system).values()) == {1}


async def test_many_at_once_fetch_one_token(system: System, tmp_path: Path) -> None:
    async with connect(config_of(system.url, tmp_path)) as connector:
        made = [connector.deliver(moved(seq), again=False) for seq in range(1, 6)]
        assert all(isinstance(outcome, Posted) for outcome in await asyncio.gather(*made))
    assert system.fetches == 1


async def test_a_token_that_is_never_taken_is_told_and_nothing_is_booked(tmp_path: Path) -> None:
    async with running(session_lasts=0) as system:
        [outcome] = await deliver(system, tmp_path, moved())
        assert isinstance(outcome, TryLater)
        assert "cookies" in outcome.why
        assert not system.effects


async def test_a_wrong_password_needs_a_login(system: System, tmp_path: Path) -> None:
    async with connect(config_of(system.url, tmp_path)) as connector:
        (tmp_path / "password").write_text("wrong-password")
        outcome = await connector.deliver(moved(), again=False)
        assert isinstance(outcome, TryLater)
        assert outcome.needs == "login"
        (tmp_path / "password").write_text(PASSWORD)  # read anew
        assert isinstance(await connector.deliver(moved(), again=False), Posted)


async def test_an_oauth_client_gets_a_token_once(tmp_path: Path) -> None:
    async with running(token="eyJ0b2tlbiI6IjEyMyJ9") as system:
        (tmp_path / "secret").write_text(PASSWORD)
        login = {
            "token_url": f"{system.url}/oauth/token",
            "client_id": USER,
            "client_secret_file": tmp_path / "secret",
        }
        outcomes = await deliver(system, tmp_path, moved(1), moved(2), login=login)
        assert all(isinstance(outcome, Posted) for outcome in outcomes)
        asked = [seen for seen in system.seen if seen.path == "/oauth/token"]
        assert [seen.body for seen in asked] == [b"grant_type=client_credentials"]
        (tmp_path / "secret").write_text("wrong-secret")
        [outcome] = await deliver(system, tmp_path, moved(3), login=login)
        assert isinstance(outcome, TryLater)
        assert outcome.needs == "login"


async def test_a_client_of_its_own_is_named_in_every_request(
    system: System, tmp_path: Path
) -> None:
    await deliver(system, tmp_path, moved(), client="100")
    assert len(system.seen) == 3
    assert all("sap-client=100" in seen.path for seen in system.seen)


async def test_what_may_be_booked_comes_again_under_its_id_and_what_failed_under_a_new_one(
    tmp_path: Path,
) -> None:
    """SAP gives its first answer again to the same id: also the one that something was missing."""
    assembly = Assembly(produced=lines("KIT"), consumed=lines(), documents=of("prodorder", "1"))
    value = transaction(1, assembly)
    async with (
        running(repeatable=True) as system,
        connect(config_of(system.url, tmp_path, repeatable=True)) as connector,
    ):
        system.errors = [unposted("M7/021", "Deficit"), None]
        refused(await connector.deliver(value, again=False), "short_stock")
        system.faults.next = ["", "broken"]
        assert isinstance(await connector.deliver(value, again=False), Unknown)
        assert isinstance(await connector.deliver(value, again=True), Posted)
        posts = [seen for seen in system.seen if seen.method == "POST"]
        ids = [seen.headers["RequestID"] for seen in posts]
        assert [ids.index(each) for each in ids] == [0, 1, 2, 2]
        made = [seen.headers["RepeatabilityCreation"] for seen in posts]
        assert made[1] == made[2] == made[3]
        assert effects(system) == {str(value.id): 1}


async def test_where_it_was_not_set_up_no_request_has_an_id(system: System, tmp_path: Path) -> None:
    await deliver(system, tmp_path, moved(), undone(2, 1))
    assert len(system.effects) == 2
    assert not any("RequestID" in seen.headers for seen in system.seen)


# --- What SAP says ---


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("M7/021", "Deficit of SL Unrestricted-use 10 EA", "short_stock"),
        ("M7/022", "PU Ordered quantity exceeded by 2 EA", "over_receipt"),
        ("M7/053", "Posting only possible in periods 2026/11 and 2026/10", "closed_period"),
        ("F5/201", "Posting period 010 2026 is not open", "closed_period"),
        ("M7/018", "Enter Batch", "lot_required"),
        ("M7/018", "Enter Plant", "refused"),
        ("M3/351", "Material A not maintained in plant 1010", "unknown_sku"),
        ("M7/121", "You have no authorization", "forbidden"),
        ("/IWBEP/CM_COS/005", "RequestID is outdated", "needs_human"),
        ("ZZ/999", "Something of the house's own", "refused"),
    ],
)
async def test_a_posting_that_failed_says_who_acts(
    system: System, tmp_path: Path, code: str, text: str, expected: str
) -> None:
    system.errors = [unposted(code, text)]
    [outcome, then] = await deliver(system, tmp_path, moved(), moved())
    refused(outcome, expected, code, text)
    assert isinstance(then, Posted)


@pytest.mark.parametrize(
    "error",
    [
        unposted("M3/024", "Valuation data for material BOLT-8 is locked by the user MUELLER"),
        unposted("ME/006", "User MUELLER is already processing the document"),
        unposted("VL/046", "Delivery 80000001 is currently being processed by MUELLER"),
        Failed(423, ("SY/530", "Locked")),
        Failed(412, ("/IWBEP/CM_MGW_RT/083", "Precondition failed")),
    ],
)
async def test_what_a_person_has_open_is_tried_again_soon(
    system: System, tmp_path: Path, error: Failed
) -> None:
    system.errors = [error]
    [outcome, then] = await deliver(system, tmp_path, moved(), moved())
    assert isinstance(outcome, TryLater), outcome
    assert outcome.after == 5
    assert isinstance(then, Posted)


async def test_a_right_that_is_missing_waits_for_a_person_and_refuses_nothing(
    system: System, tmp_path: Path
) -> None:
    system.errors = [Failed(403, ("/IWFND/MED/102", "No authorization to access the service"))]
    [outcome] = await deliver(system, tmp_path, moved())
    assert isinstance(outcome, TryLater)
    assert outcome.after == 60


async def test_a_server_that_broke_has_perhaps_posted(system: System, tmp_path: Path) -> None:
    system.errors = [Failed(500, ("SY/530", "An exception was raised: locked by somebody"))]
    [outcome] = await deliver(system, tmp_path, moved())
    assert isinstance(outcome, Unknown)


XML = b"""<?xml version="1.0"?><error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices\
/metadata"><code>M7/053</code><message xml:lang="en">Posting only possible in periods</message>\
</error>"""


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"<html><form action='/login'>Logon</form></html>", Unknown),
        (201, b'{"d": [1]}', Unknown),
        (201, b'{"d": {"MaterialDocument": ""}}', Unknown),
        (201, b'"d"', Unknown),
        (400, XML, Refused),
        (400, b"\xff\xfe", Refused),
        (400, b'{"error": {"message": 7, "innererror": {"errordetails": [1, {}]}}}', Refused),
        (201, b"x" * (MAX_ANSWER + 1), Unknown),
        (201, b"[" * 100_000, Unknown),
        (400, b"[" * 100_000, Refused),
    ],
)
async def test_an_answer_that_is_none_of_sap_s_books_nothing_twice(
    system: System, tmp_path: Path, status: int, body: bytes, expected: type
) -> None:
    system.answers = [web.Response(status=status, body=body)]
    [outcome, then] = await deliver(system, tmp_path, moved(), moved())
    assert isinstance(outcome, expected), outcome
    if body == XML:
        refused(outcome, "closed_period", "M7/053 Posting only possible")
    assert isinstance(then, Posted)
    assert set(effects(system).values()) == {1}


async def test_a_login_page_in_place_of_what_was_asked_is_tried_later(tmp_path: Path) -> None:
    class Portal(System):
        async def gateway(self, request: web.Request) -> web.StreamResponse:
            return web.Response(text="<html>Logon</html>", content_type="text/html")

    async with Portal(None, USER, PASSWORD).serving() as portal:
        [outcome] = await deliver(portal, tmp_path, moved())
        assert isinstance(outcome, TryLater)
        assert "Logon" in outcome.why


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "<html>no such page</html>"),
        (404, json.dumps({"error": {"code": "/IWFND/MED/170", "message": {"value": "gone"}}})),
        (200, '{"d": {}}'),
        (200, '{"d": {"results": {}}}'),
        (200, '{"d": {"results": [{"MaterialDocumentHeaderText": "somebody else"}]}}'),
    ],
)
async def test_nothing_is_made_where_it_could_not_be_looked_for(
    tmp_path: Path, status: int, body: str
) -> None:
    class Blind(System):
        async def gateway(self, request: web.Request) -> web.StreamResponse:
            if request.method == "GET" and HEADER in request.path:
                return web.Response(status=status, text=body, content_type="application/json")
            return await super().gateway(request)

    async with Blind(None, USER, PASSWORD).serving() as blind:
        stocked(blind)
        [outcome] = await deliver(blind, tmp_path, moved())
        assert isinstance(outcome, TryLater), outcome
        assert not blind.effects


async def test_a_warning_does_not_stop_a_posting(
    system: System, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    details = [{"code": "M7/231", "message": "Recalculated", "severity": "warning"}]
    said = {"code": "M7/064", "message": "Check it", "severity": "warning", "details": details}
    caplog.set_level("INFO")
    for warning in (json.dumps(said), "no JSON", "[]", '{"details": 7}'):
        system.warning = warning
        [outcome] = await deliver(system, tmp_path, moved(len(system.effects) + 1))
        assert isinstance(outcome, Posted)
    said_besides = [getattr(record, "fields", {}).get("code") for record in caplog.records]
    assert [each for each in said_besides if each] == ["M7/064", "M7/231"]


@pytest.mark.parametrize("event", [receipt(), shipment()])
async def test_a_page_that_is_not_sap_s_does_not_say_that_a_document_is_unknown(
    tmp_path: Path, event: Event
) -> None:
    class Moved(System):
        async def gateway(self, request: web.Request) -> web.StreamResponse:
            if "A_PurchaseOrder" in request.path or "A_OutbDelivery" in request.path:
                return web.Response(status=404, text="<html>no such page</html>")
            return await super().gateway(request)

    async with Moved(None, USER, PASSWORD).serving() as there:
        stocked(there)
        [outcome] = await deliver(there, tmp_path, transaction(1, event))
        assert isinstance(outcome, TryLater), outcome


# --- Material documents ---


async def test_an_order_s_item_is_looked_up_where_the_station_did_not_know_it(
    system: System, tmp_path: Path
) -> None:
    given = (transaction(1, receipt(*lines("NUT-8"))),
             transaction(2, receipt(*lines("NUT-8", document_line="00020"))))  # fmt: skip
    outcomes = await deliver(system, tmp_path, *given)
    assert all(isinstance(outcome, Posted) for outcome in outcomes)
    items = system.items()
    assert [item["PurchaseOrderItem"] for item in items] == ["20", "20"]
    asked = [seen for seen in system.seen if "A_PurchaseOrder(" in seen.path]
    assert len(asked) == 1


async def test_an_order_or_item_that_is_not_there_is_refused(
    system: System, tmp_path: Path
) -> None:
    system.order("4500000009", "BOLT-8", "BOLT-8")
    gone = system.order("4500000010", "BOLT-8")
    gone["to_PurchaseOrderItem"][0]["PurchasingDocumentDeletionCode"] = "L"
    there = ("4500000404", "4500000001", "4500000009", "4500000010")
    items = ("BOLT-8", "KIT", "BOLT-8", "BOLT-8")
    events = (receipt(*lines(item), order=order) for order, item in zip(there, items, strict=True))
    given = [transaction(seq, event) for seq, event in enumerate(events, start=1)]
    none, foreign, twice, deleted = await deliver(system, tmp_path, *given)
    refused(none, "unknown_document", "4500000404")
    refused(foreign, "unknown_sku", "KIT")
    refused(twice, "needs_human", "10, 20")
    refused(deleted, "unknown_sku")
    assert not system.effects


async def test_more_than_was_ordered_and_less_than_there_is_are_refused(
    system: System, tmp_path: Path
) -> None:
    much = transaction(1, receipt(*lines(quantity="10001")))
    none = Adjustment(lines=lines(quantity=str(FULL + 1)), direction="decrease", reason="lost")
    over, short = await deliver(system, tmp_path, much, transaction(2, none))
    refused(over, "over_receipt")
    refused(short, "short_stock")
    assert not on_hand(system)


async def test_an_assembly_of_which_sap_took_the_half_is_carried_on(
    system: System, tmp_path: Path
) -> None:
    order = of("prodorder", "1000001")
    value = transaction(1, Assembly(produced=lines("KIT", "1"), consumed=lines(), documents=order))
    system.faults.next = ["", "throttled"]
    [outcome] = await deliver(system, tmp_path, value)
    assert isinstance(outcome, TryLater)
    [outcome] = await deliver(system, tmp_path, value, again=True)
    assert isinstance(outcome, Posted)
    assert outcome.document.count("/2026") == 2
    assert on_hand(system) == {"BOLT-8 at 1010/0001": -2, "KIT at 1010/0001": 1}


async def test_a_document_is_known_whatever_stands_on_its_slip(
    system: System, tmp_path: Path
) -> None:
    """SAP writes it in capitals, and a person may have put the number right since."""
    slips = ("move/7a", "move/8b", "")
    events = [
        Transfer(
            lines=lines(),
            from_location="DOCK",
            to_location="A-01",
            documents=of("transfer", slip) if slip else (),
        )
        for slip in slips
    ]
    first, *others = await deliver(system, tmp_path, *(transaction(1, each) for each in events))
    assert isinstance(first, Posted)
    assert others == [first, first]
    assert len(system.effects) == 1


async def test_a_quote_in_a_batch_is_a_batch(system: System, tmp_path: Path) -> None:
    [outcome] = await deliver(system, tmp_path, transaction(1, receipt(*lines(lot="O'NEIL&1"))))
    assert isinstance(outcome, Posted)
    assert on_hand(system) == {"BOLT-8 at 1010/0001 O'NEIL&1": 2}


# --- The first day ---


async def test_a_probe_only_reads_and_says_what_cannot_be_read(
    system: System, tmp_path: Path
) -> None:
    said = await probe(config_of(system.url, tmp_path))
    assert len(said) == 8
    assert all("can be read" in each for each in said[1:])
    assert {seen.method for seen in system.seen} == {"GET"}
    system.closed = {COUNTS}
    said = await probe(config_of(system.url, tmp_path))
    [other] = [each for each in said if "cannot" in each]
    assert other.startswith(f"{COUNTS} cannot be read: SAP answered 403: /IWFND/MED/170")
    system.closed = {MATERIALS}
    with pytest.raises(Stopped, match="403"):
        await probe(config_of(system.url, tmp_path))


async def test_what_is_not_there_is_none(system: System, tmp_path: Path) -> None:
    async with connected(config_of(system.url, tmp_path)) as sap:
        path = key("A_MaterialDocumentHeader", MaterialDocumentYear="2026", MaterialDocument="1")
        assert await sap.read(MATERIALS, path) is None
