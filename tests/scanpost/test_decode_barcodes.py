"""`scanpost decode barcode` on labels that are not GS1: what a person at a shell gets to see."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str, labels: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "scanpost.decode", "barcode", *arguments],
        input="\n".join(label.encode().hex() for label in labels).encode(),
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


def answers(*arguments: str, labels: list[str]) -> list[dict[str, Any]]:
    done = run(*arguments, labels=labels)
    assert (done.returncode, done.stderr) == (0, b"")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert all({"kind", "text", "symbology", "elements", "gtin", "problems"} <= {*f} for f in found)
    return found


def test_a_hibc_label_has_named_elements() -> None:
    label, torn = answers(labels=["+A99912345/$$52001510X33", "+A99912345/$$52001510X34"])
    assert (label["kind"], label["problems"], label["check_ok"]) == ("hibc", [], True)
    assert label["elements"] == {
        "labeler": "A999",
        "product": "1234",
        "unit": "5",
        "expiry": "20015",
        "lot": "10X3",
    }
    assert (label["product"], label["unit"], label["lot"]) == ("1234", 5, "10X3")
    assert label["expiry"] == "2020-01-15"
    assert (torn["elements"], torn["lot"]) == (label["elements"], None)
    assert torn["problems"] == ["the check character is wrong"]


def test_an_iso_15434_label_has_its_data_identifiers() -> None:
    label, lost = answers(labels=["[)>\x1e06\x1d1PX-1\x1dQ3.5\x1e\x04", "[)>061PX-1Q3"])
    assert (label["kind"], label["formats"], label["complete"]) == ("mh10", ["06"], True)
    assert label["elements"] == {"1P": "X-1", "Q": "3.5"}
    assert (label["supplier_part"], label["quantity"]) == ("X-1", "3.5")
    assert lost["kind"] == "unknown"
    assert lost["problems"]


def test_a_parcel_number_names_every_carrier_it_can_be_of() -> None:
    one, several = answers(labels=["1Z5R89390357567127", "JJD0002257639032011"])
    assert (one["kind"], one["carrier"], one["number"]) == ("tracking", "ups", one["text"])
    assert one["matches"] == [
        {
            "carrier": "ups",
            "service": "UPS",
            "number": "1Z5R89390357567127",
            "checked": True,
            "distinctive": True,
        }
    ]
    assert several["carrier"] is None
    assert [match["carrier"] for match in several["matches"]] == ["yodel", "dhl"]


def test_a_book_and_its_price_are_shown() -> None:
    (book,) = answers(labels=["]E3978030640615752495"])
    assert (book["kind"], book["gtin"]) == ("gtin", "09780306406157")
    assert book["publication"] == {"kind": "isbn", "number": "9780306406157"}
    assert (book["add_on"], book["price"], book["currency"]) == ("52495", "24.95", "USD")


def test_the_rules_of_the_site_can_be_given() -> None:
    labels = ["2135040039753", "1Z5R89390357567127", "2302148210869"]
    price, parcel, _ = answers(
        "--set", "in_store_country=dk", "--set", 'carriers=["dhl"]', labels=labels
    )
    assert (price["item"], price["price"]) == ("02135040000005", "39.75")
    assert parcel["kind"] == "unknown"
    *_, weight = answers("--set", "in_store_country=no", labels=labels)
    assert weight["net_weight"] == {
        "ai": "3103",
        "what": "net weight",
        "value": "1.086",
        "unit": "KGM",
    }


@pytest.mark.parametrize(
    ("setting", "word"),
    [("in_store_country=xx", "in_store_country"), ("colour=red", "colour"), ("dk", "KEY=VALUE")],
)
def test_a_wrong_rule_is_said_plainly(setting: str, word: str) -> None:
    done = run("--set", setting, labels=[])
    assert (done.returncode, done.stdout) == (2, b"")
    assert word in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
