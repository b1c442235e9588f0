import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.inspection import MAX_PAYLOAD, Poison, inspect, inspect_again, storable, unpack
from contract.canonical import canonical, digest
from contract.envelope import Row, Rows
from tests.bridge.streams import EPOCH, run_of, sealed, transaction

TOPIC = "scanpost/v1/north/dock-1/tx"


def test_what_a_gateway_seals_is_read_back() -> None:
    payload = sealed(1, [transaction(1), transaction(2)]).encode()
    assert unpack(TOPIC, payload) == run_of(1, 2)


def damaged(change: dict[str, Any]) -> bytes:
    value = json.loads(sealed(1, [transaction(1)]))
    return json.dumps(value | change).encode()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"{}", "not an envelope"),
        (b"null", "not an envelope"),
        (b"9" * 50_000, "not an envelope"),
        (b"NaN", "not an envelope"),
        (damaged({"type": "org.scanpost.transactions.v2"}), "not an envelope: type"),
        (damaged({"data": {"rows": []}}), "not an envelope: data.site"),
        (b" " * (MAX_PAYLOAD + 1), "too large"),
    ],
)
def test_what_can_not_be_read_is_poison_with_a_reason(payload: bytes, reason: str) -> None:
    found = unpack(TOPIC, payload)
    assert isinstance(found, Poison)
    assert found.reason.startswith(reason)
    assert len(found.reason) <= 500


@pytest.mark.parametrize(
    "topic",
    [
        "scanpost/v1/north/dock-2/tx",
        "scanpost/v1/south/dock-1/tx",
        "scanpost/v1/NORTH/dock-1/tx",
        "elsewhere",
    ],
)
def test_an_envelope_under_another_name_is_forged(topic: str) -> None:
    found = unpack(topic, sealed(1, [transaction(1)]).encode())
    assert isinstance(found, Poison)
    assert found.reason.startswith("forged")


@pytest.mark.parametrize(
    "text",
    ["NaN", "-Infinity", "1e999", "1.5", "-0.0", "123456789012345678901234567890", "1" * 5_000],
)
def test_a_number_that_is_no_contract_integer_costs_one_row_only(text: str) -> None:
    whole = sealed(1, [transaction(1), transaction(2)])
    payload = whole.replace('"seq":2', f'"seq":{text}').encode()
    rows = unpack(TOPIC, payload)
    assert isinstance(rows, Rows)
    found = [inspect("dock-1", EPOCH, 1 + n, row) for n, row in enumerate(rows.rows)]
    assert found[0].transaction == transaction(1)
    assert found[1].transaction is None
    assert found[1].code == "corrupt"


def test_a_stored_row_is_what_it_was() -> None:
    first = inspect("dock-1", EPOCH, 1, run_of(1, 1).rows[0])
    assert inspect_again("dock-1", EPOCH, 1, first.digest, first.body) == first


def test_a_duplicate_key_has_one_meaning() -> None:
    whole = sealed(1, [transaction(1)])
    payload = whole.replace('"station":"bench"', '"station":"other","station":"bench"').encode()
    rows = unpack(TOPIC, payload)
    assert isinstance(rows, Rows)
    assert inspect("dock-1", EPOCH, 1, rows.rows[0]).transaction == transaction(1)


@given(st.binary(max_size=300))
def test_no_bytes_can_break_it(payload: bytes) -> None:
    assert isinstance(unpack(TOPIC, payload), Poison)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), anything), st.booleans())
def test_no_row_can_break_it(value: dict[str, Any], honest: bool) -> None:
    try:
        claimed = digest(canonical(value)) if honest else "0" * 64
    except ValueError:
        claimed = "0" * 64
    found = inspect("dock-1", EPOCH, 1, Row(digest=claimed, transaction=value))
    assert found.transaction is None
    assert found.code in {"contract", "corrupt"}
    assert storable(found.body) == found.body
    assert 0 < len(found.text) <= 500
    assert storable(found.text) == found.text
