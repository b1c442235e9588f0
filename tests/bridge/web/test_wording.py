"""Whatever stands in the ledger can be shown: bodies of newer gateways, and of none."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.web.entries import names_in
from bridge.web.looks import visible
from bridge.web.wording import what_of
from contract.envelope import plain
from contract.transactions import Transaction
from tests.bridge.streams import envelope, transaction
from tests.bridge.transactions import transactions
from tests.bridge.web.admin import site

words = st.sampled_from(
    ["event", "lines", "item", "sku", "gtin", "quantity", "value", "documents", "number", "kind",
     "to_location", "text", "produced", "type"]
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(anything)
def test_anything_at_all_can_be_told_in_a_few_words(body: Any) -> None:
    assert isinstance(what_of(body), str)
    assert what_of(json.dumps(body)) == what_of(json.loads(json.dumps(body)))
    found = names_in(body)
    assert all(isinstance(name, str) for name in found["documents"] + found["items"])


@given(transactions)
def test_every_document_and_item_of_a_transaction_is_named(one: Transaction) -> None:
    found = names_in(plain(one))
    for document in getattr(one.event, "documents", ()):
        assert document.number in found["documents"]
    for line in getattr(one.event, "lines", ()):
        assert (line.item.sku or line.item.gtin) in found["items"]


@given(st.text(st.characters()))
def test_nothing_unseen_is_left_in_what_is_shown(text: str) -> None:
    shown = visible(text)
    assert all(character.isprintable() or character in "\t\n" for character in shown)
    assert visible(shown) == shown
    shown.encode("utf-8")


async def test_rows_no_program_of_today_can_read_are_shown_all_the_same(tmp_path: Path) -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"event": "of a newer program"},
        {"event": {"lines": [1, {"item": [], "quantity": {}}], "documents": {"a": "b"}}},
        {"event": {"type": "teleport", "lines": "many", "documents": ["x", {"number": 7}]}},
        {"id": 7, "event": {"type": "receipt", "to_location": ["DOCK"]}},
    ]
    async with site(tmp_path) as admin, admin.person("olga") as olga:
        await admin.ledger.apply(envelope(1, [*odd, transaction(6)]))
        for path in ("/entries", "/dead-letters", *(f"/entries/{n}" for n in range(1, 7))):
            await olga.get(path)
            assert olga.status == 200, path
        for number in range(1, 6):
            await olga.get(f"/entries/{number}")
            await olga.post(f"/entries/{number}/amend", document_added="PO-1", why="try")
            assert olga.status == 409, number
            await olga.get(f"/test-scan?entry={number}")
            assert olga.status == 409, number
