"""What the Tryton connector says it would call is what it calls, of a real Tryton."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bridge import config as bridge_config
from bridge.connector import Call
from bridge.connectors.tryton import Config, calls
from bridge.mapping.trial import trial
from bridge.outcome import Posted
from bridge.terms import UNTRANSLATED
from bridge.wire import recording
from contract.transactions import Transaction
from contract.values import Item
from tests.bridge.connectors.test_tryton_document import config
from tests.bridge.connectors.test_tryton_modes import KINDS, case_of
from tests.house.examples import CONFIG
from tests.tryton.delivering import Stock, deliver, lay_in
from tests.tryton.office import Tryton
from tests.tryton.scans import (
    BEANS,
    SERUM,
    WIDGET,
    count,
    line,
    pack,
    receipt,
    reversal,
    shipment,
    transfer,
)

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

HERE, THERE = "A-01-01", "A-01-02"
MADE = "make the lot"
ANY_VALUE = r'(?:-?[0-9.]+|null|"[^"]*"|\{[^{}]*\})'
ANY_NAME = r"[0-9a-f-]+"


def as_shown(sent: str) -> str:
    """Return what went over the wire as a person is shown it: no base64, one count for each."""
    head, _, body = sent.partition("\n")
    path, _, query = head.partition("?")
    said = [f"{name}={_decoded(name, value)}" for name, value in parse_qsl(query)]
    line = f"{path}?{'&'.join(said)}" if said else path
    return f"{line}\n{body}"


def _decoded(name: str, value: str) -> str:
    if name not in ("d", "o"):
        return value
    said = json.dumps(json.loads(base64.urlsafe_b64decode(value)))
    return re.sub(r'("stock.inventory,[0-9]+")(, "stock.inventory,[0-9]+")+', r"\1", said)


def agrees(call: Call, sent: str, endpoint: str) -> bool:
    """Whether a call that was sent is the one that was shown; in brackets may stand anything."""
    shown = f"{call.method} {call.target.removeprefix(endpoint + '/')}\n{call.body}"
    parts = re.split(r'("<[^<>"]*>"|<[^<>"]*>)', shown)
    pattern = "".join(
        re.escape(part) if place % 2 == 0 else ANY_VALUE if part[0] == '"' else ANY_NAME
        for place, part in enumerate(parts)
    )
    return re.fullmatch(pattern, as_shown(sent)) is not None


def held_against(shown: Sequence[Call], sent: Sequence[str], endpoint: str) -> list[str]:
    """Return what was shown and not sent, or the other way, in order."""
    wrong, left = [], list(sent)
    for call in shown:
        if left and agrees(call, left[0], endpoint):
            left.pop(0)
        elif not call.what.startswith(MADE):
            wrong.append(f"shown: {call.method} {call.target} {call.body}")
    return wrong + [f"sent: {as_shown(each)}" for each in left]


async def both(
    tryton: Tryton, scanned: Transaction, **changes: Any
) -> tuple[list[Call], list[str], Config]:
    """Return what is shown beforehand, and what then goes over the wire."""
    given = Config.model_validate(tryton.settings(**changes))
    shown = calls(scanned, given)
    with recording() as notes:
        assert isinstance(await deliver(tryton, scanned, **changes), Posted)
    return shown, [note.text for note in notes if note.way == "sent"], given


@pytest.fixture
def stocked(either: Tryton) -> Tryton:
    wanted: Stock = {(product, HERE, None): 10 for product in ("widget", "beans", "coffee")}
    wanted |= {("serum", HERE, "A7"): 10, ("serum", "STO", "A7"): 100, ("widget", "STO", None): 100}
    lay_in(either, wanted)
    return either


@pytest.mark.parametrize("kind", [each for each in KINDS if not each.startswith("reversal")])
async def test_what_is_shown_is_what_is_sent(stocked: Tryton, kind: str) -> None:
    case = case_of(kind, stocked)
    for each in case.before:
        assert isinstance(await deliver(stocked, each), Posted)

    shown, sent, given = await both(stocked, case.scanned, time_zone="UTC")

    assert held_against(shown, sent, given.endpoint) == []


@pytest.mark.parametrize("kind", ["transfer", "receipt"])
async def test_a_reversal_shows_all_look_ups_of_which_those_up_to_the_find_are_sent(
    stocked: Tryton, kind: str
) -> None:
    scanned = case_of(kind, stocked).scanned
    assert isinstance(await deliver(stocked, scanned), Posted)

    shown, sent, given = await both(stocked, reversal(scanned))

    *asked, cancels = sent
    assert held_against(shown[: len(asked)], asked, given.endpoint) == []
    assert cancels.partition("\n")[0].startswith("POST ")
    at = shown[-1].target.removeprefix(f"{given.endpoint}/").replace("<kind of what was found>", "")
    assert all(part in cancels for part in re.split("<[^<>]*>", at))
    assert "cancel" in shown[-1].target + shown[-1].body


async def test_two_lots_of_one_order_line_are_shown_as_they_are_sent(
    stocked: Tryton,
) -> None:
    bought = stocked.office.order("ACME-9", serum=20, beans=9.5)
    lots = (line(SERUM, "2", lot="N1"), line(SERUM, "3", lot="N2"), line(BEANS, "2.5", "KGM"))

    shown, sent, given = await both(stocked, receipt(bought, *lots, to=THERE))

    assert held_against(shown, sent, given.endpoint) == []
    assert any('"quantity": 2.5' in call.body for call in shown)


async def test_a_company_by_its_name_is_looked_up_first(stocked: Tryton) -> None:
    company = str(stocked.server.built.seeded["company_name"])

    moved = transfer(HERE, THERE, line(WIDGET, "1"))
    shown, sent, given = await both(stocked, moved, company=company)

    assert held_against(shown, sent, given.endpoint) == []
    assert shown[0].target.endswith(f'd=[["party.name", "=", "{company}"]]&s=20&f=id')


async def test_what_is_sent_otherwise_than_shown_is_found(stocked: Tryton) -> None:
    """The comparison itself: a quantity, a call too many, an order changed."""
    moved = transfer(HERE, THERE, line(WIDGET, "2"))
    shown, sent, given = await both(stocked, moved)
    place = next(n for n, call in enumerate(shown) if '"quantity": 2' in call.body)
    wrong = replace(shown[place], body=shown[place].body.replace('"quantity": 2', '"quantity": 3'))

    for other in (
        [*shown[:place], wrong, *shown[place + 1 :]],
        shown[:-1],
        [*shown, shown[-1]],
        [shown[1], shown[0], *shown[2:]],
    ):
        assert held_against(other, sent, given.endpoint) != []


# Without a Tryton


def test_whoever_tries_a_scan_with_the_example_sees_the_calls() -> None:
    given = bridge_config.load(CONFIG / "bridge-tryton.toml")
    scanned = transfer("A", "B", line(WIDGET, "2"))

    tried = trial(given, UNTRANSLATED, scanned)

    assert list(tried.calls) == calls(scanned, given.target)
    assert writes(tried.calls)


def writes(shown: Sequence[Call]) -> list[str]:
    return [call.what for call in shown if call.method != "GET"]


def test_no_key_is_read_and_nobody_is_asked() -> None:
    given = config(api_key=None, api_key_file="/nowhere/key")

    shown = calls(transfer("A", "B", line(WIDGET, "2")), given)

    assert writes(shown) == [
        "make the internal shipment",
        "press wait on the internal shipment",
        "press assign_try on the internal shipment",
        "press do on the internal shipment",
    ]


def test_with_the_module_one_call_writes() -> None:
    shown = calls(count("A", line(WIDGET, "0")), config(mode="module"))

    assert writes(shown) == ["book it, whole or not at all"]
    assert '"quantity": 0' in shown[-1].body


def test_numbered_packages_are_shown_as_cartons_that_were_packed() -> None:
    one, two = ("3" * 17 + digit for digit in "12")

    shown = calls(shipment("SO-1", one, two, lines=(line(WIDGET, "2"),)), config())

    assert (
        writes(shown) == ["change the customer shipment", "press do on the customer shipment"] * 2
    )
    assert "<id of its pack>" in shown[-2].body
    assert two in shown[-2].body


def test_a_parcel_without_a_number_that_says_its_goods_is_shown_going_the_whole_way() -> None:
    shown = calls(shipment("SO-1", None, lines=(line(WIDGET, "2"),)), config())

    pressed = [each.split()[1] for each in writes(shown) if each.startswith("press")]
    assert pressed == ["draft", "wait", "assign_try", "pick", "pack", "do"]


def test_what_is_refused_at_once_shows_no_call() -> None:
    assert calls(pack("SO-1", line(WIDGET, "1", "CT")), config()) == []


def test_what_tryton_cannot_take_in_any_case_shows_no_write() -> None:
    two_units = (line(BEANS, "1", "KGM"), line(BEANS, "1", "EA"))

    shown = calls(transfer("A", "B", *two_units), config())

    assert shown
    assert writes(shown) == []


@pytest.mark.parametrize("field", ["kind", "id", "rec_name", "identifiers"])
def test_whatever_the_field_of_the_sku_is_called_a_preview_is_shown(field: str) -> None:
    assert calls(transfer("A", "B", line(Item(sku="S"), "2")), config(sku_field=field))
