"""What travels comes back as it was, and its text and digest never change."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract import transactions
from contract.body import clock_text, write_body
from contract.canonical import canonical, digest
from contract.envelope import MAX_ENVELOPE, Envelope, encode, envelope_adapter, seal
from contract.transactions import Event, Receipt, Transaction
from contract.values import (
    Clock,
    Document,
    Evidence,
    Frozen,
    Item,
    Line,
    Quantity,
    Weight,
)

GOLDEN = Path(__file__).parents[1] / "data" / "envelope-v1.json"
EVENTS: tuple[type[Frozen], ...] = get_args(get_args(Event)[0])

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)
gtins = st.integers(0, 10**14 - 1).map("{:014}".format)
ssccs = st.integers(0, 10**18 - 1).map("{:018}".format)
amounts = st.integers(0, 10**12).map(lambda number: Decimal(number).scaleb(-3))
slugs = st.sampled_from(["dock-1", "b", "0"])
items = st.builds(Item, gtin=gtins, sku=st.none() | words)
quantities = st.builds(Quantity, value=amounts, unit=st.sampled_from(["EA", "KGM"]))
documents = st.builds(Document, kind=st.sampled_from(["po", "so", "unknown"]), number=words)
weights = st.builds(
    Weight,
    value=amounts,
    unit=st.sampled_from(["kg", "lb"]),
    unit_code=st.none() | st.just("KGM"),
    measure=st.none() | st.sampled_from(["gross", "net"]),
)
lines = st.builds(
    Line,
    item=items,
    quantity=quantities,
    lot=st.none() | words,
    serial=st.none() | words,
    expiry=st.none() | st.dates(),
    best_before=st.none() | st.dates(),
    sscc=st.none() | ssccs,
    document_line=st.none() | words,
)
# What Hypothesis cannot make out from the types alone: annotated strings, decimals and tuples.
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "documents": st.lists(documents, max_size=2).map(tuple),
    "lines": st.lists(lines, min_size=1, max_size=2).map(tuple),
    "produced": st.lists(lines, min_size=1, max_size=2).map(tuple),
    "consumed": st.lists(lines, min_size=1, max_size=2).map(tuple),
    "packages": st.lists(
        st.builds(
            transactions.Package, sscc=st.none() | ssccs, tracking=st.none() | words, weight=weights
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    "weight": weights,
    "item": items,
    "quantity": quantities,
    "sscc": ssccs,
    "reverses": st.uuids(),
    "direction": st.sampled_from(["increase", "decrease"]),
    "disposition": st.sampled_from(["returned", "damaged"]),
    "text": st.text(st.characters(codec="utf-8"), max_size=40),
    **dict.fromkeys(
        (
            "from_location",
            "to_location",
            "location",
            "reason",
            "identifier",
            "lot",
            "serial",
        ),
        words,
    ),
}


def events(kind: type[Frozen]) -> st.SearchStrategy[Frozen]:
    """Events of one type, with and without what may be left out."""
    wanted = {
        name: FIELDS[name] if field.is_required() else st.just(field.default) | FIELDS[name]
        for name, field in kind.model_fields.items()
        if name != "type"
    }
    return st.builds(kind, **wanted)


clocks = st.builds(
    Clock,
    wall=st.datetimes(timezones=st.just(UTC)),
    boot=st.uuids(),
    monotonic=st.integers(0, 10**13).map(lambda number: Decimal(number).scaleb(-6)),
    synchronised=st.booleans(),
)
evidences = st.builds(
    Evidence,
    kind=st.sampled_from(["scan", "weight"]),
    device=slugs,
    raw=st.binary(max_size=20).map(bytes.hex),
    symbology=st.none() | st.just("]C1"),
)


def whole(event: st.SearchStrategy[Frozen]) -> st.SearchStrategy[Transaction]:
    return st.builds(
        Transaction,
        id=st.uuids(),
        gateway=slugs,
        epoch=st.uuids(),
        seq=st.integers(1, 2**53 - 1),
        station=slugs,
        operator=st.none() | words,
        clock=clocks,
        event=event,
        evidence=st.lists(evidences, max_size=2).map(tuple),
    )


def test_every_type_of_transaction_has_its_test() -> None:
    own = {
        value
        for value in vars(transactions).values()
        if isinstance(value, type) and issubclass(value, Frozen) and "type" in value.model_fields
    }
    assert own == set(EVENTS)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_body_that_is_put_together_is_the_text_of_its_transaction(
    kind: type[Frozen], data: st.DataObject
) -> None:
    sent = data.draw(whole(events(kind)))
    now = sent.clock
    clock = clock_text(now.wall, now.boot, int(now.monotonic.scaleb(6)), now.synchronised)
    body = write_body(
        sent.id, sent.gateway, sent.station, sent.operator, clock, sent.event, sent.evidence
    )
    assert body.text(sent.epoch, sent.seq) == encode(sent)


@pytest.mark.parametrize(
    ("operator", "proofs"), [("", 0), ("x" * 129, 0), ("anna", 65), (None, 65)]
)
def test_a_body_beyond_the_contract_is_not_written(operator: str | None, proofs: int) -> None:
    evidence = (Evidence(kind="scan", device="gun", raw="00"),) * proofs
    clock = clock_text(datetime(2026, 11, 23, tzinfo=UTC), UUID(int=1), 0, False)
    with pytest.raises(ValueError, match=r"characters|scans"):
        write_body(UUID(int=2), "dock", "table", operator, clock, transactions.Reading(), evidence)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_transaction_comes_back_as_it_was(kind: type[Frozen], data: st.DataObject) -> None:
    sent = data.draw(whole(events(kind)))
    text = encode(sent)
    received = Transaction.model_validate_json(text)
    assert received == sent
    assert encode(received) == text


@given(st.sampled_from(EVENTS).flatmap(lambda kind: whole(events(kind))))
def test_the_stored_text_is_rfc_8785(sent: Transaction) -> None:
    text = encode(sent)
    assert text.encode() == rfc8785.dumps(json.loads(text))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_canonical_text_is_rfc_8785(value: Any) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)


def test_a_digest_covers_text_that_no_label_should_hold() -> None:
    assert len(digest(canonical({"text": "\udc80"}))) == 64


def test_a_weight_of_an_unknown_unit_comes_back_as_it_was() -> None:
    weight = Weight(value=Decimal("1.250"), unit=None)
    sent = first_golden().model_copy(update={"event": transactions.Weighing(weight=weight)})
    assert Transaction.model_validate_json(encode(sent)) == sent


def test_amounts_keep_their_digits() -> None:
    line = Line(item=Item(sku="A"), quantity=Quantity(value=Decimal("1.250")))
    event = Receipt(lines=(line,))
    assert '"value":"1.250"' in canonical(event.model_dump(mode="json"))
    back = Receipt.model_validate_json(event.model_dump_json())
    assert str(back.lines[0].quantity.value) == "1.250"


def golden() -> str:
    """The envelope of `tests/data/envelope-v1.json`, made anew."""
    bolt = Item(gtin="05901234123457", sku="BOLT-8")
    line = Line(
        item=bolt,
        quantity=Quantity(value=Decimal(12)),
        lot="LOT7",
        expiry=date(2027, 2, 28),
        sscc="376130321109103420",
    )
    epoch = UUID("0196f0a0-0000-4000-8000-000000000001")
    boot = UUID("0196f0a0-0000-4000-8000-0000000000b0")
    order = (Document(kind="po", number="4500001"),)
    weight = Weight(value=Decimal("1.250"), unit="kg", unit_code="KGM", measure="gross")
    scale = Evidence(kind="weight", device="scale-1", raw="532053202020202020312e323530206b670d0a")
    scan = Evidence(kind="scan", device="scanner-1", raw="30313035", symbology="]C1")
    happened: list[tuple[Event, tuple[Evidence, ...]]] = [
        (Receipt(documents=order, lines=(line,), to_location="DOCK-1"), (scan,)),
        (transactions.Weighing(weight=weight, item=bolt), (scale,)),
        (transactions.Reading(text="Größe \u2028 \x1d", identifier="unknown"), (scan,)),
        (transactions.Reversal(reverses=UUID("0196f0a0-0000-7000-8000-000000000001")), ()),
    ]
    bodies = [
        encode(
            Transaction(
                id=UUID(f"0196f0a0-0000-7000-8000-{number:012}"),
                gateway="dock-1",
                epoch=epoch,
                seq=number,
                station="bench-1",
                operator="4711",
                clock=Clock(
                    wall=datetime(2026, 11, 23, 11, 0, number, tzinfo=UTC),
                    boot=boot,
                    monotonic=Decimal("12.500000") + number,
                    synchronised=True,
                ),
                event=event,
                evidence=evidence,
            )
        )
        for number, (event, evidence) in enumerate(happened, start=1)
    ]
    sealed_at = datetime(2026, 11, 23, 11, 1, tzinfo=UTC)
    return seal("north", "dock-1", epoch, 1, bodies, sealed_at)


def test_an_envelope_of_version_1_is_made_and_read_for_ever() -> None:
    text = GOLDEN.read_text("utf-8").rstrip("\n")
    assert golden() == text
    envelope = envelope_adapter.validate_json(text)
    assert (envelope.data.first, envelope.data.last) == (1, 4)
    for row in envelope.data.rows:
        transaction = Transaction.model_validate(row.transaction)
        assert digest(encode(transaction)) == row.digest


@given(
    st.lists(st.sampled_from(EVENTS).flatmap(lambda k: whole(events(k))), min_size=1, max_size=3)
)
def test_a_sealed_envelope_carries_the_stored_texts_unchanged(sent: list[Transaction]) -> None:
    bodies = [encode(transaction) for transaction in sent]
    text = seal("north", "dock-1", sent[0].epoch, 7, bodies, datetime(2026, 1, 1, tzinfo=UTC))
    envelope = Envelope.model_validate_json(text)
    assert [row.digest for row in envelope.data.rows] == [digest(body) for body in bodies]
    assert [canonical(row.transaction) for row in envelope.data.rows] == bodies
    assert envelope.data.last == 6 + len(sent)


def test_what_a_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError):
        Transaction.model_validate({**json.loads(encode(first_golden())), "extra": 1})


def first_golden() -> Transaction:
    envelope = envelope_adapter.validate_json(golden())
    return Transaction.model_validate(envelope.data.rows[0].transaction)


def test_the_largest_scan_still_fits_an_envelope() -> None:
    largest = first_golden().model_copy(
        update={
            "event": transactions.Reading(text="\x1d" * 4096, identifier="unknown"),
            "evidence": (Evidence(kind="scan", device="s", raw="1d" * 8192),),
        }
    )
    text = seal("a", "b", largest.epoch, 1, [encode(largest)], datetime(2026, 1, 1, tzinfo=UTC))
    assert len(text.encode()) < MAX_ENVELOPE
