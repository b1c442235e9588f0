"""Whatever JSON SAP, or what stands in its place, sends: a step is a value, and never an error."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.connectors.sap_s4 import counts, deliveries, document
from bridge.connectors.sap_s4.changeset import unpacked
from bridge.connectors.sap_s4.odata import day_of
from bridge.connectors.sap_s4.plan import Counted, Delivery
from bridge.connectors.sap_s4.verdict import judged, messages, warnings
from bridge.http import MAX_TEXT, Answer
from bridge.outcome import Posted, Refused, TryLater, Unknown
from contract.transactions import Count, Event
from tests.bridge.connectors.sap_s4_house import config_of, every, shipment
from tests.bridge.connectors.suite import transaction
from tests.bridge.streams import lines

CONFIG = config_of("https://s4.example", Path("/nonexistent"))
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["C", "X", "EA", "10", "BOLT-8", "1E+99999", "NaN", "-0", "/Date(1)/"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "__metadata", "etag", "d"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def rows(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, anything))


items = rows(
    *("DeliveryDocumentItem", "Material", "Batch", "ActualDeliveryQuantity", "__metadata"),
    *("DeliveryQuantityUnit", "OriginalDeliveryQuantity", "IsNotGoodsMovementsRelevant"),
)
headers = st.builds(
    lambda head, inside: {**head, "to_DeliveryDocumentItem": inside},
    rows("BillOfLading", "OverallGoodsMovementStatus", "OverallPickingStatus", "__metadata"),
    anything | st.lists(items, max_size=4).map(lambda found: {"results": found}),
)
sheets = st.builds(
    lambda head, inside: {**head, "to_PhysicalInventoryDocumentItem": inside},
    rows("FiscalYear", "PhysicalInventoryDocument", "PhysInvtryDeletionStatus", "__metadata"),
    anything
    | st.lists(
        rows(
            *("PhysicalInventoryDocumentItem", "Material", "Batch", "__metadata"),
            *("PhysicalInventoryItemIsCounted", "PhysInvtryDifferenceIsPosted"),
        ),
        min_size=1,
        max_size=2,
    ),
)


def plan_of(event: Event) -> Any:
    return document(transaction(1, event), CONFIG)


@given(there=headers, whole=st.booleans())
def test_whatever_a_delivery_says_there_is_a_next_step(there: dict[str, Any], whole: bool) -> None:
    plan = plan_of(shipment() if whole else shipment(*every("5")))
    assert isinstance(plan, Delivery)
    step = deliveries.next_step(plan, there, CONFIG)
    assert isinstance(step, deliveries.Act | deliveries.Alter | Posted | Refused)
    if isinstance(step, deliveries.Alter):
        assert all(json.loads(change.body) for change in step.changes)


@given(there=sheets)
def test_whatever_a_count_says_there_is_a_next_step(there: dict[str, Any]) -> None:
    plan = plan_of(Count(lines=lines(), location="STORE"))
    assert isinstance(plan, Counted)
    step = counts.next_step(plan, there)
    assert step is None or isinstance(step, deliveries.Alter | Posted | Refused)


@given(
    error=anything
    | rows("code", "message", "innererror").flatmap(
        lambda head: st.builds(
            lambda details: {"error": {**head, "innererror": {"errordetails": details}}},
            anything | st.lists(rows("code", "message", "severity"), max_size=3),
        )
    ),
    status=st.sampled_from([400, 403, 404, 409, 412, 422, 423, 428, 429, 500, 503]),
    writes=st.booleans(),
)
def test_whatever_an_error_says_it_is_an_outcome(error: Any, status: int, writes: bool) -> None:
    answer = Answer(status, json.dumps(error).encode(), {})
    outcome = judged(answer, writes=writes)
    assert isinstance(outcome, Refused | TryLater | Unknown)
    text = outcome.text if isinstance(outcome, Refused) else outcome.why
    assert len(text) <= MAX_TEXT
    if not writes:
        assert isinstance(outcome, TryLater)  # nobody asked for anything that could be refused


@given(body=st.binary(max_size=300), boundary=st.text(max_size=10))
def test_whatever_bytes_come_they_are_read(body: bytes, boundary: str) -> None:
    kind = f"multipart/mixed; boundary={boundary}"
    for each in (body, f"--{boundary}\r\n".encode() + body):
        unpacked(Answer(202, each, {"Content-Type": kind}))
    messages(Answer(400, body, {}))
    warnings(Answer(200, b"", {"sap-message": body.decode("latin-1")}))


@pytest.mark.parametrize("value", [None, "", "/Date(-1)/", "/Date(999999999999999)/", {}, "2026"])
def test_a_day_that_is_none_is_none(value: object) -> None:
    assert day_of(value) is None
    assert day_of("/Date(1795392000000+0000)/") == datetime(2026, 11, 23, tzinfo=UTC).date()
