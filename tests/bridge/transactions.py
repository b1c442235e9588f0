"""Any valid transaction at all, as Hypothesis makes them: odd text, huge amounts, every type."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Event,
    Pack,
    Package,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)
from contract.values import Clock, Document, Evidence, Item, Line, Quantity, Weight

EVERY_TYPE = frozenset(
    {
        *("receipt", "putaway", "pick", "pack", "shipment", "transfer", "count"),
        *("adjustment", "return", "assembly", "weighing", "reading", "reversal"),
    }
)

text = st.text(min_size=1, max_size=128) | st.sampled_from(["A", "ÄÖ", "=1+1", "a/b", "..", "\x00"])
maybe_text = st.none() | text
amount = st.decimals(0, Decimal("99999999999.999999999"), places=9) | st.sampled_from(
    [Decimal(0), Decimal(1), Decimal("2.50"), Decimal("1E+10"), Decimal("1E-9")]
)
uuids = st.uuids()
gtin = st.from_regex(r"[0-9]{14}", fullmatch=True)
sscc = st.from_regex(r"[0-9]{18}", fullmatch=True)
unit = st.sampled_from(["EA", "KGM", "GRM", "LBR"]) | st.from_regex(
    r"[A-Z0-9]{2,3}", fullmatch=True
)
days = st.dates(date(1950, 1, 1), date(2149, 12, 31))
quantities = st.builds(Quantity, value=amount, unit=unit)
items = st.builds(Item, gtin=gtin, sku=maybe_text) | st.builds(
    Item, gtin=st.none() | gtin, sku=text
)
lines = st.builds(
    Line,
    item=items,
    quantity=quantities,
    lot=maybe_text,
    serial=maybe_text,
    expiry=st.none() | days,
    best_before=st.none() | days,
    sscc=st.none() | sscc,
    document_line=maybe_text,
)
some_lines = st.lists(lines, min_size=1, max_size=3).map(tuple)
weights = st.builds(
    Weight,
    value=amount,
    unit=st.none() | st.text(min_size=1, max_size=8),
    unit_code=st.none() | unit,
    measure=st.sampled_from([None, "gross", "net", "tare", "count"]),
)
documents = st.lists(
    st.builds(
        Document,
        kind=st.sampled_from(
            ["po", "desadv", "so", "pick_list", "transfer", "count_sheet", "rma", "prodorder"]
        )
        | st.just("unknown"),
        number=text,
    ),
    max_size=2,
).map(tuple)

_common: dict[str, Any] = {"documents": documents, "weight": st.none() | weights}
_moved: dict[str, Any] = {**_common, "lines": some_lines, "reason": maybe_text}
_unit: dict[str, Any] = {"sscc": st.none() | sscc}

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Receipt, **_moved, **_unit, to_location=maybe_text),
    st.builds(Putaway, **_moved, **_unit, from_location=maybe_text, to_location=text),
    st.builds(Pick, **_moved, **_unit, from_location=maybe_text, to_location=maybe_text),
    st.builds(Pack, **_moved, **_unit),
    st.builds(
        Shipment,
        documents=documents,
        packages=st.lists(
            st.builds(
                Package, sscc=st.none() | sscc, tracking=maybe_text, weight=st.none() | weights
            ),
            min_size=1,
            max_size=2,
        ).map(tuple),
        lines=st.lists(lines, max_size=2).map(tuple),
        from_location=maybe_text,
    ),
    st.builds(Transfer, **_moved, **_unit, from_location=text, to_location=text),
    st.builds(Count, **_common, location=text, lines=some_lines),
    st.builds(
        Adjustment,
        **_common,
        location=maybe_text,
        direction=st.sampled_from(["increase", "decrease"]),
        lines=some_lines,
        reason=text,
    ),
    st.builds(
        Return,
        **_moved,
        **_unit,
        to_location=maybe_text,
        disposition=st.sampled_from(
            ["returned", "damaged", "expired", "sellable_accessible", "unknown"]
        ),
    ),
    st.builds(
        Assembly,
        documents=documents,
        produced=some_lines,
        consumed=some_lines,
        location=maybe_text,
    ),
    st.builds(Weighing, documents=documents, weight=weights, **_unit, item=st.none() | items),
    st.builds(
        Reading,
        text=st.none() | st.text(max_size=200),
        identifier=maybe_text,
        item=st.none() | items,
        lot=maybe_text,
        serial=maybe_text,
        **_unit,
        quantity=st.none() | quantities,
        weight=st.none() | weights,
    ),
    st.builds(Reversal, reverses=uuids, reason=maybe_text),
)

transactions: st.SearchStrategy[Transaction] = st.builds(
    Transaction,
    id=uuids,
    gateway=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    epoch=uuids,
    seq=st.integers(1, 2**53 - 1),
    station=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    operator=maybe_text,
    clock=st.builds(
        Clock,
        wall=st.datetimes(  # Hypothesis wants its ends without a zone
            datetime(1970, 1, 1),  # noqa: DTZ001
            datetime(2149, 1, 1),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
        boot=st.just(UUID(int=1)),
        monotonic=st.decimals(0, 999_999_999, places=6),
        synchronised=st.booleans(),
    ),
    event=events,
    evidence=st.lists(
        st.builds(
            Evidence,
            kind=st.sampled_from(["scan", "weight"]),
            device=st.just("scanner"),
            raw=st.binary(max_size=20).map(bytes.hex),
            symbology=st.sampled_from([None, "]C1"]),
        ),
        max_size=2,
    ).map(tuple),
)
