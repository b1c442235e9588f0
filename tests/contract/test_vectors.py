"""Labels collected elsewhere, with what their source says they mean (`source` in each record)."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contract.identifiers import identify

LINES = (Path(__file__).parents[1] / "data" / "barcodes.jsonl").read_text("utf-8").splitlines()
VECTORS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_a_label_means_what_its_source_says(vector: dict[str, Any]) -> None:
    found = identify(bytes.fromhex(vector["hex"]), vector["symbology"], today=date(2026, 11, 23))

    for name, value in vector["expect"].items():
        match name:
            case "sound":
                assert (found.kind != "unknown" and not found.problems) is value, found
            case "elements":
                assert [list(pair) for pair in getattr(found, "elements", ())] == value
            case _:
                assert getattr(found, name) == value


def test_the_collection_is_as_large_as_it_was() -> None:
    assert len(VECTORS) >= 300
    assert all(vector["source"] for vector in VECTORS)
