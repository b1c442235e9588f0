"""Labels collected elsewhere, with what their source says they mean (`source` in each record).

`barcodes.jsonl` has GS1, EAN and UPC codes, `barcodes-parcels.jsonl` the numbers of carriers (its
source, tracking_number_data, is under the MIT licence), `barcodes-labels.jsonl` in-store numbers,
ISO 15434 and HIBC labels.
"""

import json
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contract.identifiers import Identifier, Measure, Rules, Tracking, identify

DATA = Path(__file__).parents[1] / "data"
VECTORS: list[dict[str, Any]] = [
    json.loads(line)
    for path in sorted(DATA.glob("barcodes*.jsonl"))
    for line in path.read_text("utf-8").splitlines()
]


def met(found: Identifier, name: str, value: Any) -> bool:
    match name:
        case "sound":
            return (found.kind != "unknown" and not found.problems) is bool(value)
        case "elements":
            return bool([list(pair) for pair in getattr(found, "elements", ())] == value)
        case "parcel":
            # A number that is wrong for this service may well be right for another.
            carrier, service, fits = value
            matches = found.matches if isinstance(found, Tracking) else ()
            return any((m.carrier, m.service) == (carrier, service) for m in matches) is bool(fits)
        case _:
            return bool(plain(getattr(found, name)) == value)


def plain(value: Any) -> Any:
    match value:
        case Measure():
            return str(value.value)
        case Decimal() | date():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_a_label_means_what_its_source_says(vector: dict[str, Any]) -> None:
    rules = Rules.model_validate(vector.get("rules", {}))
    data = bytes.fromhex(vector["hex"])
    found = identify(data, vector["symbology"], rules, today=date(2026, 11, 23))
    assert all(met(found, name, value) for name, value in vector["expect"].items()), found


def test_the_collection_is_as_large_as_it_was() -> None:
    assert len(VECTORS) >= 590
    assert len({vector["id"] for vector in VECTORS}) == len(VECTORS)
    assert all(vector["source"] for vector in VECTORS)
    kinds = Counter(name for vector in VECTORS for name in vector["expect"])
    assert kinds["parcel"] >= 150
