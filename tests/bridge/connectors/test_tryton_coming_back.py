"""Returns, assemblies and reversals in a real Tryton, each once."""

from uuid import uuid4

import pytest

from bridge.outcome import Posted, Refused, Unknown
from contract.transactions import Return, Transaction
from contract.values import Line
from tests.tryton.delivering import Stock, bridge, changed, deliver, lay_in
from tests.tryton.line import Line as Wire
from tests.tryton.office import Tryton
from tests.tryton.scans import (
    BEANS,
    COFFEE,
    GADGET,
    SERUM,
    WIDGET,
    adjustment,
    assembled,
    came_back,
    count,
    line,
    pack,
    receipt,
    reversal,
    shipment,
    transaction,
    transfer,
)

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it

HERE, THERE = "A-01-01", "A-01-02"
RETURNING = (r"POST .*out\.return\?", r"POST .*/receive\?", r"POST .*/do\?")
MAKING = (
    r"POST .*model/production\?",
    *(rf"POST .*production/.*/{button}\?" for button in ("wait", "assign_try", "run", "do")),
)
CANCEL = r"POST .*/cancel\?"
SSCC = "340123450000000018"


async def booked(tryton: Tryton, scanned: Transaction) -> Transaction:
    outcome = await deliver(tryton, scanned)
    assert isinstance(outcome, Posted), outcome
    return scanned


@pytest.fixture
def stocked(tryton: Tryton) -> Tryton:
    """Tryton with ten of each thing at one location, and more in its storage."""
    wanted: Stock = {(product, HERE, None): 10 for product in ("widget", "beans", "coffee")}
    wanted |= {("serum", HERE, "A7"): 10, ("serum", "STO", "A7"): 100, ("widget", "STO", None): 100}
    lay_in(tryton, wanted)
    return tryton


async def sent(tryton: Tryton) -> str:
    """Send a customer ten widgets and five of a serum, and return the order's number."""
    order = tryton.office.sell(widget=10, serum=5)
    lines = (line(WIDGET, "10"), line(SERUM, "5", lot="A7"))
    await booked(tryton, shipment(order, None, lines=lines))
    return order


def states(tryton: Tryton, scanned: Transaction) -> list[str]:
    return [state for _, _, state in tryton.office.papers(scanned.id)]


# what customers return


async def test_what_comes_back_is_in_storage_again_once(stocked: Tryton) -> None:
    order = await sent(stocked)
    before = stocked.office.stock()
    scanned = came_back(order, line(WIDGET, "2"), line(SERUM, "1", lot="A7"))

    async with bridge(stocked) as connector:
        outcomes = [await connector.deliver(scanned, again=n > 0) for n in range(3)]

    assert isinstance(outcomes[0], Posted), outcomes[0]
    assert len(set(outcomes)) == 1
    assert changed(before, stocked.office.stock()) == {
        ("widget", "STO", None): 2,
        ("serum", "STO", "A7"): 1,
    }
    assert states(stocked, scanned) == ["done"]
    assert stocked.office.sale_state(order)[1] == "sent"


async def test_every_request_of_a_return_may_be_lost(stocked: Tryton) -> None:
    order = await sent(stocked)
    before = stocked.office.stock()
    scanned = came_back(order, line(WIDGET, "2"), to=HERE, kind="rma", disposition="damaged")
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        for step in RETURNING:
            struck = wire.cut(step, "before")
            assert isinstance(await connector.deliver(scanned, again=True), Unknown)
            assert struck.is_set()
        assert isinstance(await connector.deliver(scanned, again=True), Posted)

    assert changed(before, stocked.office.stock()) == {("widget", HERE, None): 2}
    assert states(stocked, scanned) == ["done"]


async def test_no_more_comes_back_than_was_sent(stocked: Tryton) -> None:
    order = await sent(stocked)
    await booked(stocked, came_back(order, line(WIDGET, "8")))

    outcome = await deliver(stocked, came_back(order, line(WIDGET, "3")))

    assert isinstance(outcome, Refused)
    assert "2 of GTIN 04006381333931 is with the customer" in outcome.text
    await booked(stocked, came_back(order, line(WIDGET, "2")))


@pytest.mark.parametrize(
    ("scanned", "code"),
    [
        (came_back("none", line(WIDGET, "1")), "unknown_document"),
        (came_back("1", line(WIDGET, "1"), kind="po"), "unsupported"),
        (transaction(Return(lines=(line(WIDGET, "1"),))), "unknown_document"),
        (came_back("1", line(WIDGET, "1"), disposition="damaged"), "unknown_location"),
    ],
)
async def test_a_return_of_nobody_or_to_nowhere_is_refused(
    stocked: Tryton, scanned: Transaction, code: str
) -> None:
    outcome = await deliver(stocked, scanned)

    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert states(stocked, scanned) == []


async def test_what_was_never_sent_does_not_come_back(stocked: Tryton) -> None:
    order = await sent(stocked)
    unfit: list[tuple[Line, str]] = [
        (line(BEANS, "1", "KGM"), "unknown_sku"),
        (line(SERUM, "1"), "lot_required"),
        (line(SERUM, "1", lot="other"), "refused"),
        (line(WIDGET, "0.5"), "unsupported"),
    ]
    for goods, code in unfit:
        scanned = came_back(order, goods)
        outcome = await deliver(stocked, scanned)
        assert isinstance(outcome, Refused)
        assert outcome.code == code
        assert states(stocked, scanned) == []


# assemblies


async def test_parts_become_a_thing_once_whatever_is_lost(stocked: Tryton) -> None:
    before = stocked.office.stock()
    parts = (line(WIDGET, "4"), line(SERUM, "2", lot="A7"), line(BEANS, "0.5", "KGM"))
    scanned = assembled(parts, (line(GADGET, "2"),), HERE)
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        for step in MAKING:
            struck = wire.cut(step, "before")
            assert isinstance(await connector.deliver(scanned, again=True), Unknown)
            assert struck.is_set()
        outcome = await connector.deliver(scanned, again=True)
        assert await connector.deliver(scanned, again=True) == outcome

    assert isinstance(outcome, Posted)
    assert changed(before, stocked.office.stock()) == {
        ("widget", HERE, None): -4,
        ("serum", HERE, "A7"): -2,
        ("beans", HERE, None): -0.5,
        ("gadget", HERE, None): 2,
    }
    assert states(stocked, scanned) == ["done"]


async def test_what_tryton_does_not_make_is_refused(stocked: Tryton) -> None:
    scanned = assembled((line(WIDGET, "1"),), (line(COFFEE, "1"),), HERE)

    outcome = await deliver(stocked, scanned)

    assert isinstance(outcome, Refused)
    assert states(stocked, scanned) == []


async def test_without_the_module_nothing_is_assembled(stocked: Tryton) -> None:
    rename = "UPDATE ir_model_field SET model = ? WHERE model = ? AND name = 'reference'"
    stocked.office.change(rename, "no.production", "production")
    try:
        outcome = await deliver(
            stocked, assembled((line(WIDGET, "1"),), (line(GADGET, "1"),), HERE)
        )
    finally:
        stocked.office.change(rename, "production", "no.production")

    assert isinstance(outcome, Refused)
    assert outcome.code == "unsupported"
    assert "production" in outcome.text


# reversals


def to_be_undone(tryton: Tryton) -> dict[str, Transaction]:
    order = tryton.office.order(widget=10)
    findings = (line(WIDGET, "7"), line(SERUM, "12", lot="A7"), line(COFFEE, "10"))
    return {
        "receipt": receipt(order, line(WIDGET, "10"), to=HERE),
        "transfer": transfer(HERE, THERE, line(WIDGET, "2"), line(SERUM, "3", lot="A7")),
        "adjustment": adjustment("decrease", HERE, line(WIDGET, "4")),
        "assembly": assembled((line(WIDGET, "2"),), (line(GADGET, "1"),), HERE),
        "count": count(HERE, *findings),
    }


@pytest.mark.parametrize("kind", ["receipt", "transfer", "adjustment", "assembly", "count"])
async def test_what_was_booked_is_taken_back_once(stocked: Tryton, kind: str) -> None:
    before = stocked.office.stock()
    scanned = await booked(stocked, to_be_undone(stocked)[kind])
    assert stocked.office.stock() != before
    undone = reversal(scanned)

    async with bridge(stocked) as connector:
        outcomes = [await connector.deliver(undone, again=n > 0) for n in range(3)]

    assert isinstance(outcomes[0], Posted), outcomes[0]
    assert len(set(outcomes)) == 1
    assert changed(before, stocked.office.stock()) == {}


async def test_a_carton_is_unpacked_once_and_one_that_left_is_not(stocked: Tryton) -> None:
    before = stocked.office.stock()
    order = stocked.office.sell(widget=10)
    carton = await booked(stocked, pack(order, line(WIDGET, "3"), sscc=SSCC))

    assert isinstance(await deliver(stocked, reversal(carton)), Posted)

    assert changed(before, stocked.office.stock()) == {}
    assert states(stocked, carton) == ["cancelled"]
    other = stocked.office.sell(widget=10)
    await booked(stocked, pack(other, line(WIDGET, "3"), sscc=SSCC))
    left = await booked(stocked, shipment(other, SSCC))
    outcome = await deliver(stocked, reversal(left))
    assert isinstance(outcome, Refused)
    assert outcome.code == "unsupported"
    assert states(stocked, left) == ["done"]


async def test_a_reversal_whose_answer_is_lost_is_done_once(stocked: Tryton) -> None:
    before = stocked.office.stock()
    scanned = await booked(stocked, transfer(HERE, THERE, line(WIDGET, "2")))
    undone = reversal(scanned)
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        struck = wire.cut(CANCEL, "before")
        assert isinstance(await connector.deliver(undone, again=False), Unknown)
        assert struck.is_set()
        assert isinstance(await connector.deliver(undone, again=True), Posted)

    assert changed(before, stocked.office.stock()) == {}
    assert states(stocked, scanned) == ["cancelled"]


async def test_a_count_is_taken_back_once_though_every_answer_is_lost(stocked: Tryton) -> None:
    before = stocked.office.stock()
    scanned = await booked(stocked, to_be_undone(stocked)["count"])
    undone = reversal(scanned)
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        for _ in range(8):  # two shipments of four requests each
            struck = wire.cut("POST ", "after")
            assert isinstance(await connector.deliver(undone, again=True), Unknown)
            assert struck.is_set()
        assert isinstance(await connector.deliver(undone, again=True), Posted)

    assert changed(before, stocked.office.stock()) == {}
    assert states(stocked, undone) == ["done", "done"]


async def test_what_a_count_took_back_can_be_put_back(stocked: Tryton) -> None:
    scanned = await booked(stocked, to_be_undone(stocked)["count"])
    counted = stocked.office.stock()
    undone = await booked(stocked, reversal(scanned))
    assert stocked.office.stock() != counted

    assert isinstance(await deliver(stocked, reversal(undone)), Posted)

    assert stocked.office.stock() == counted
    assert states(stocked, undone) == ["cancelled", "cancelled"]


async def test_a_count_that_was_never_booked_is_taken_back_once(stocked: Tryton) -> None:
    before = stocked.office.stock()
    scanned = to_be_undone(stocked)["count"]
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        wire.cut("POST .*/confirm", "before")
        assert isinstance(await connector.deliver(scanned, again=False), Unknown)
        wire.cut(CANCEL, "after")
        undone = reversal(scanned)
        assert isinstance(await connector.deliver(undone, again=False), Unknown)
        outcome = await connector.deliver(undone, again=True)

    assert isinstance(outcome, Posted)
    assert states(stocked, scanned) == ["cancelled"]
    assert stocked.office.stock() == before


async def test_a_carton_that_is_about_to_leave_is_not_unpacked_by_its_departure(
    stocked: Tryton,
) -> None:
    order = stocked.office.sell(widget=10)
    carton = await booked(stocked, pack(order, line(WIDGET, "3"), sscc=SSCC))
    leaves = shipment(order, SSCC)
    async with Wire(stocked.server.port) as wire, bridge(stocked, url=wire.url) as connector:
        wire.cut(r"POST .*/do\?", "before")
        assert isinstance(await connector.deliver(leaves, again=False), Unknown)

        outcome = await connector.deliver(reversal(leaves), again=False)

    assert isinstance(outcome, Refused)
    assert outcome.code == "unsupported"
    assert states(stocked, carton) == ["packed"]


async def test_what_was_never_booked_cannot_be_taken_back(stocked: Tryton) -> None:
    outcome = await deliver(stocked, reversal(uuid4()))

    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown_document"


async def test_who_may_not_cancel_is_told_so(stocked: Tryton) -> None:
    scanned = await booked(stocked, transfer(HERE, THERE, line(WIDGET, "2")))
    user = "(SELECT id FROM res_user WHERE login = 'bridge')"
    group = "(SELECT id FROM res_group WHERE name = 'Stock Cancellation')"
    give = 'UPDATE "res_user-res_group" SET "user" = {} WHERE "user" = {} AND "group" = {}'
    stocked.office.change(give.format("1", user, group))
    stocked.server.stop()  # it remembers rights
    stocked.server.start()
    try:
        outcome = await deliver(stocked, reversal(scanned))
    finally:
        stocked.office.change(give.format(user, "1", group))
        stocked.server.stop()
        stocked.server.start()

    assert isinstance(outcome, Refused), outcome
    assert outcome.code == "forbidden"
    assert "Stock Cancellation" in outcome.text
    assert states(stocked, scanned) == ["done"]
    assert isinstance(await deliver(stocked, reversal(scanned)), Posted)
