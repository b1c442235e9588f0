"""That the bridge and the loop it is measured beside do the same work."""

from pathlib import Path

import pytest

from tests.prove.tryton_rate import SOURCE, TARGET, WARMED, measure
from tests.tryton.office import Office
from tests.tryton.server import Built, Server

pytest_plugins = ["tests.tryton.fixtures"]
pytestmark = [pytest.mark.tryton, pytest.mark.timeout(900)]  # the first test may have to build it


async def test_both_book_as_many_documents_of_as_many_lines(
    tryton_built: Built, tmp_path: Path
) -> None:
    found = await measure(tmp_path, rounds=1, documents=2, lines=3)

    assert min(found["lines_per_s"], found["bare_lines_per_s"], found["ratio"]) > 0
    office = Office(Server(tryton_built, tmp_path))  # to look at its file only
    stock = office.stock()
    moved = {lot: quantity for (_, place, lot), quantity in stock.items() if place == TARGET}
    assert moved == dict.fromkeys(("R0", "R1", "R2"), 2 * (WARMED + 2))
    assert {place for _, place, _ in stock} == {SOURCE, TARGET}
    assert len(office.references_of("stock_shipment_internal")) == 2 * (WARMED + 2)
