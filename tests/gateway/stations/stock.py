"""Items, documents and a bench for the tests of the smaller jobs, and any shift at all."""

from decimal import Decimal
from types import ModuleType

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.codes.cards import COMMANDS, command_card
from contract.reference import Component, DocumentLine, DocumentRecord, HeldLot, ItemRecord, Pack
from tests.gateway.stations.table import Copy, Table

EAN, CASE = "5901234123457", "15901234123454"
BOLT = ItemRecord(
    sku="BOLT",
    packs=(Pack(gtin="0" + EAN, quantity=Decimal(1)), Pack(gtin=CASE, quantity=Decimal(6))),
)
DRILL = ItemRecord(sku="DRILL", serial=True)
MILK = ItemRecord(sku="MILK", lot=True, held=(HeldLot(lot="L7", why="lab"),))
KIT = ItemRecord(
    sku="KIT",
    components=(
        Component(sku="BOLT", quantity=Decimal(4)),
        Component(sku="DRILL", quantity=Decimal(1)),
    ),
)
RMA = DocumentRecord(
    document="rma", number="8", lines=(DocumentLine(line="1", sku="BOLT", quantity=Decimal(2)),)
)
SHEET = DocumentRecord(
    document="count_sheet",
    number="6",
    lines=(
        DocumentLine(line="1", sku="BOLT", quantity=Decimal(10), location="A-1"),
        DocumentLine(line="2", sku="MILK", quantity=Decimal(3), location="A-1", lot="L1"),
        DocumentLine(line="3", sku="BOLT", quantity=Decimal(5), location="B-1"),
    ),
)
BLIND = SHEET.model_copy(update={"number": "66", "blind": True})
COPY = Copy.of(BOLT, DRILL, MILK, KIT, RMA, SHEET, BLIND)


def at(job: ModuleType, **settings_: object) -> Table:
    return Table(job, job.Config(**settings_), copy=COPY)


def amounts(table: Table) -> dict[str, str]:
    return {
        f"{line.item.sku}{line.lot or ''}{line.serial or ''}": str(line.quantity.value)
        for line in table.lines()
    }


LABELS = st.sampled_from(
    [
        EAN, CASE, "DRILL", "MILK", "KIT", "S1", "S2", "L1", "L7", "RMA:8", "CS:6", "CS:66", "PO:1",
        "LOC:A-1", "LOC:B-1", "LOC:Z", "QTY:2", "QTY:0", "REASON:LOST", "REASON:GOOD", "REASON:x",
        "OP:1", "MODE:x", "]C100123456789012345675", "what is this", "\x00\x1d",
        *(command_card(word) for word in COMMANDS), command_card("UNDO"), command_card("UNDO"),
    ]
)  # fmt: skip
INPUTS = st.lists(st.one_of(LABELS, st.decimals("-1", "20", places=2)), max_size=40)


def play_any_shift(job: ModuleType, copy: Copy | None) -> None:
    """Play random shifts of `job`: nothing fails, no serial stands twice, all can be undone."""

    @settings(max_examples=150, deadline=None)
    @given(INPUTS)
    def shift(inputs: list[str | Decimal]) -> None:
        table = Table(job, job.Config(), copy=copy)
        for number, each in enumerate(inputs):
            if isinstance(each, Decimal):
                table.weigh(str(each))
            else:
                table.scan(each)
            assert table.view.headline
            if number % 7 == 0:
                table.restart()
        for event in table.booked:
            serials = [
                line.serial
                for line in getattr(event, "lines", getattr(event, "consumed", ()))
                if line.serial
            ]
            assert len(serials) == len(set(serials))
        for _ in range(60):
            table.card("UNDO")
        assert table.booked == []

    shift()
