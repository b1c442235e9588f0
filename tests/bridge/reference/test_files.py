"""CSV files become records, or one sentence with file and line."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import SourceFailed
from bridge.reference.files import Files, Watch, reader
from contract.reference import DocumentRecord, ItemRecord, LocationRecord


async def every(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


def written(folder: Path, **files: str) -> Files:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return Files(folder)


async def test_every_column_of_an_item_is_read(tmp_path: Path) -> None:
    files = written(
        tmp_path,
        items="\ufeffsku;name;unit;lot;serial;expiry;weight_g;tolerance_g;codes;held;components\r\n"
        'KIT-1;"Kit; small";EA;yes;0;TRUE;120.50;2;S-1 S-2;L1=recalled|L2;BOLT-8=4|NUT-8\r\n',
        packs="sku,gtin,quantity\nKIT-1,96385074,\nKIT-1,4006381333931,10\n",
    )
    [kit] = await every(files.items())
    assert kit == ItemRecord.model_validate(
        {
            "sku": "KIT-1",
            "name": "Kit; small",
            "lot": True,
            "expiry": True,
            "weight_g": "120.50",
            "tolerance_g": "2",
            "codes": ["S-1", "S-2"],
            "held": [{"lot": "L1", "why": "recalled"}, {"lot": "L2"}],
            "components": [{"sku": "BOLT-8", "quantity": "4"}, {"sku": "NUT-8", "quantity": "1"}],
            "packs": [
                {"gtin": "00000096385074"},
                {"gtin": "04006381333931", "quantity": "10"},
            ],
        }
    )


async def test_rows_of_one_number_are_one_document(tmp_path: Path) -> None:
    files = written(
        tmp_path,
        documents="document,number,line,sku,quantity,done,lot,expiry,location,partner,over_percent,"
        "from_location,to_location,blind\n"
        "po,PO-1,1,A,10,4,L1,2026-11-30,DOCK,ACME,5,,,\n"
        "po,PO-1,2,B,3,,,,,,,,,\n"
        "\n"
        "count_sheet,CS-1,1,A,7,,,,A-1,,,,,yes\n",
        locations="name,gln,extension,purpose\nA-1,4006381333900,12,storage\nQ,,,quarantine\n",
    )
    order, sheet = await every(files.documents())
    assert isinstance(order, DocumentRecord)
    assert (order.partner, len(order.lines)) == ("ACME", 2)
    assert order.over_percent == 5
    assert [line.done for line in order.lines] == [4, 0]
    assert order.lines[0].lot == "L1"
    assert sheet.blind
    assert sheet.lines[0].location == "A-1"
    assert [each.name for each in await every(files.locations())] == ["A-1", "Q"]
    assert isinstance((await every(files.locations()))[1], LocationRecord)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("items", "name\nBolt\n", "items.csv:1: there is no column sku"),
        ("items", "sku,colour\nA,red\n", "items.csv:1: unknown or repeated columns: colour"),
        ("items", "sku,sku\nA,A\n", "items.csv:1: unknown or repeated columns: sku, sku"),
        ("items", "sku,name\nA,x\n,y\n", "items.csv:3: sku must not be empty"),
        ("items", "sku,name\nA\n", "items.csv:2: 1 fields for 2 columns"),
        ("items", "sku,lot\nA,perhaps\n", "items.csv:2: lot: say yes or no, not 'perhaps'"),
        ("items", "sku,weight_g\nA,-1\n", "items.csv:2: weight_g: Input should be greater than 0"),
        ("items", 'sku,name\nA,"two\nlines"\nB,x,y\n', "items.csv:4: 3 fields for 2 columns"),
        ("items", 'sku,name\nA,"open\n', "items.csv:2: unexpected end of data"),
        ("packs", "sku,gtin\nA,4006381333932\n", "packs.csv:2: gtin: '4006381333932' is no GTIN"),
        (
            "packs",
            "sku,gtin\nGHOST,4006381333931\n",
            "packs.csv: there is no item 'GHOST' in items.csv",
        ),
        (
            "documents",
            "document,number,line,sku,quantity\npo,P,1,A,1\npo,Q,1,A,1\npo,P,2,A,1\n",
            "documents.csv:4: rows of 'P' do not stand together",
        ),
        (
            "documents",
            "document,number,line,sku,quantity\npo,P,1,A,1\npo,P,1,B,1\n",
            "documents.csv:3: line '1' is there twice",
        ),
        (
            "documents",
            "document,number,line,sku,quantity\ninvoice,P,1,A,1\n",
            "documents.csv:2: document: Input should be 'po'",
        ),
        ("locations", "name,gln\nA,123\n", "locations.csv:2: gln: String should match pattern"),
    ],
)
async def test_what_is_wrong_is_said_with_file_and_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    files = written(tmp_path, **{name: text})
    rows = {"packs": files.items, "documents": files.documents, "locations": files.locations}
    with pytest.raises(SourceFailed) as failed:
        await every(rows.get(name, files.items)())
    assert str(failed.value).startswith(said)


async def test_a_file_in_another_encoding_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes("sku,name\nA,Schl\u00fcssel\n".encode("latin-1"))
    with pytest.raises(SourceFailed, match=r"items\.csv: .utf-8. codec"):
        await every(Files(tmp_path).items())


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="not there"):
        async with reader(tmp_path / "nowhere").open():
            pass


def test_only_changed_files_are_read_again(tmp_path: Path) -> None:
    written(tmp_path, items="sku\nA\n", documents="document,number,line,sku,quantity\n")
    watch = Watch(tmp_path)
    assert watch.changed() == {"item", "document"}
    assert watch.changed() == frozenset()
    written(tmp_path, packs="sku,gtin\n")
    assert watch.changed() == {"item"}
    (tmp_path / "documents.csv").unlink()
    assert watch.changed() == {"document"}
