"""A folder of tables as people and spreadsheets leave it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.mapping.folder import FILES, contents, made, read, version_of
from bridge.mapping.problems import MOST
from bridge.mapping.tables import Mapping
from contract.values import Item
from tests.house.examples import ROOT

EACH, CASE = "04006381333931", "04006381333948"


def tables(**files: str | bytes) -> Mapping:
    """Of files by name without suffix; what is text is UTF-8."""
    found = {"mapping.toml": b""}
    for name, text in files.items():
        data = text.encode() if isinstance(text, str) else text
        found["mapping.toml" if name == "mapping" else f"{name}.csv"] = data
    return made(found)


def problems(**files: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        tables(**files)
    return str(caught.value).splitlines()


def code_of(mapping: Mapping, sku: str) -> object:
    return mapping.tables.items.code(Item(sku=sku))


# --- What spreadsheets do ---


@pytest.mark.parametrize(
    "data",
    [
        b"sku,code\n0815,007\n",
        b"\xef\xbb\xbfsku;code\r\n0815;007\r\n",
        b'"SKU";"Code"\r\n"0815";"007"\r\n',
        b"sep=;\r\nsku;code;;\r\n0815;007;;\r\n;;;\r\n",
        b"sku\tcode\r\n0815\t007\r\n",
        b" Code , SKU ,note\n 007 , 0815 ,any\n\n",
        b"sku,code\n0815,007",
    ],
    ids=["plain", "mark", "quoted", "sep and empty cells", "tabs", "order and blanks", "no end"],
)
def test_a_table_is_read_however_a_spreadsheet_wrote_it(data: bytes) -> None:
    mapping = tables(items=data)
    assert code_of(mapping, "0815") == "007"
    assert code_of(mapping, "815") is None, "a leading zero is part of it"


def test_a_value_in_quotes_may_hold_the_separator() -> None:
    assert code_of(tables(items='sku,code\n"A,B","say ""X"""\n'), "A,B") == 'say "X"'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"sku,code\n\xc4,1\n", 'items.csv:2: it is not UTF-8: save it as "CSV UTF-8"'),
        ("sku,code\nA,1\n".encode("utf-16"), 'items.csv: it is UTF-16: save it as "CSV UTF-8"'),
        (b"", "items.csv:1: it is empty: its first line names the columns"),
        (b"sep=|\nsku|code\n", "items.csv:1: separate columns by a comma, a semicolon or a tab"),
        (
            b"sku,kode,note,sku\nA,1,,A\n",
            "items.csv:1: unknown columns: kode; there are|items.csv:1: column sku is there twice",
        ),
        (b"sku,code\nA,1,2\n", "items.csv:2: there are more values than columns"),
        (b'sku,code\nA,1\nB,"2\n', "items.csv:2: a quote after this line is not closed"),
        (b'sku,code\nA,"1\n2"\n', "items.csv:3: code has a line break, a no-break space"),
        ("sku,code\nA\u00a0B,1\n".encode(), "items.csv:2: sku has a line break, a no-break space"),
        (b"sku,code\nA," + b"1" * 129, "items.csv:2: code has a line break, a no-break"),
        (b"sku,code\nA,\n", "items.csv:2: code must not be empty while the item is active"),
        (b"gtin,code\n4.00638E+12,1\n", "items.csv:2: gtin: a spreadsheet has rounded it"),
        (b'gtin,code\n"4,0064E+12",1\n', "items.csv:2: gtin: a spreadsheet has rounded it"),
        (b"gtin,code\n4006381333932,1\n", "items.csv:2: gtin: the check digit of 4006381333932"),
        (b"gtin,code\n12345,1\n", "items.csv:2: gtin: '12345' has not 8, 12, 13 or 14 digits"),
        (b"sku,code\n,1\n", "items.csv:2: fill sku or gtin"),
        (b"sku,code,active\nA,1,WAHR\n", "items.csv:2: active: write yes or no, not 'WAHR'"),
        (b"sku,code,unit\nA,1,CT\n", "items.csv:2: unit is that of a GTIN"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_line(data: bytes, says: str) -> None:
    found = problems(items=data)
    assert len(found) == says.count("|") + 1
    for line, text in zip(found, says.split("|"), strict=True):
        assert line.startswith(text)


# --- Rows that contradict each other ---


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            "A,,1,\nA,,2,\n",
            "items.csv:3: SKU A is 2 here and 1 on line 2: take one of the two rows",
        ),
        ("A,,1,\nA,,1,no\n", "items.csv:3: SKU A is not active here and 1 on line 2"),
        (f",{EACH},1,\nB,{EACH},2,\n", f"items.csv:3: GTIN {EACH} is 2 here and 1 on line 2"),
        ("A,,1,\nA,,1,\n", "items.csv:3: it says nothing that is not there already on line 2"),
        (f"A,{EACH},1,\nA,{EACH[1:]},1,\n", "items.csv:3: it says nothing that is not there"),
    ],
)
def test_two_rows_for_one_thing_are_found(rows: str, says: str) -> None:
    [found] = problems(items="sku,gtin,code,active\n" + rows)
    assert found.startswith(says)


def test_two_units_of_one_gtin_are_found() -> None:
    [found] = problems(items=f"sku,gtin,code,unit\n,{CASE},1,CT\nA,{CASE},1,BX\n")
    assert found.startswith(f"items.csv:3: GTIN {CASE} has unit BX here and CT on line 2")


def test_an_item_may_have_several_gtins_and_a_gtin_several_skus() -> None:
    mapping = tables(items=f"sku,gtin,code\nA,{EACH},1\nA,{CASE},1\nB,{EACH},1\n")
    assert code_of(mapping, "A") == code_of(mapping, "B") == "1"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("*,CT,EA,12\n*,CT,EA,12\n", "units.csv:3: CT of * is on line 2 already"),
        ('*,CT,EA,"1,5"\n', "units.csv:2: factor: write 1.5 or 3/2: a comma can also stand"),
        ("*,CT,EA,Jan-12\n", "units.csv:2: factor: 'Jan-12' is no number, perhaps a date that a"),
        ("*,CT,EA,01.12.\n", "units.csv:2: factor: '01.12.' is no factor above 0"),
        ("*,CT,EA,0\n", "units.csv:2: factor: '0' is no factor above 0: write 12, 0.001 or 1/12"),
        ("*,CT,EA,1/0\n", "units.csv:2: factor: '1/0' is no factor above 0"),
        ("*,CT,EA,-1\n", "units.csv:2: factor: '-1' is no factor above 0"),
        ("*,carton,EA,12\n", "units.csv:2: carton is no unit: write a code of UN/ECE"),
        ("*,EA,EA,2\n", "units.csv:2: one EA is one EA: write 1 as factor"),
        (",CT,EA,12\n", "units.csv:2: sku must not be empty"),
        ("*,CT,EA,12\n*,EA,CT,1/12\n", "units.csv:2: it goes round, CT -> EA -> CT: take out what"),
        ("*,CT,BX,2\nX,BX,EA,6\nX,EA,CT,1/12\n", "units.csv:3: it goes round, BX -> EA -> CT"),
    ],
)  # fmt: skip
def test_a_unit_that_leads_nowhere_is_found(rows: str, says: str) -> None:
    [found] = problems(units="sku,from,to,factor\n" + rows)
    assert found.startswith(says)


def test_a_way_of_units_that_is_too_long_is_found() -> None:
    rows = "".join(f"*,U{n},U{n + 1},1000000\n" for n in range(9))
    assert problems(units="sku,from,to,factor\n" + rows)[0] == (
        "units.csv:2: there are more than 8 units on the way from U0"
    )


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("A,1,,\nA,2,,\n", "locations.csv:3: A is on line 2 already: take one of the two out"),
        ("A,1,bench,W\n", "locations.csv:2: fill station or warehouse, not both"),
        ("A,1,Bench 1,\n", "locations.csv:2: station: 'Bench 1' is no name of one"),
        ("A,1,,X\n", "locations.csv:2: warehouse: there is no [warehouse.X] in mapping.toml"),
        ("A,,,\n", "locations.csv:2: code must not be empty"),
    ],
)
def test_a_place_that_is_nobody_s_is_found(rows: str, says: str) -> None:
    [found] = problems(
        mapping='[warehouse.W]\nstations = ["w"]\n',
        locations="location,code,station,warehouse\n" + rows,
    )
    assert found.startswith(says)


# --- mapping.toml ---


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1\nb = 1 2\n", "mapping.toml:2: Expected newline or end of document"),
        ("\n[[document]\n", "mapping.toml:2: "),
        ("\nnonsense = 1\n", "mapping.toml:2: nonsense: Extra inputs are not permitted"),
        (
            '[unmapped]\n\nitems = "drop"\n',
            "mapping.toml:3: unmapped.items: Input should be 'pass'",
        ),
        ("[places]\nEA = 10\n", "mapping.toml:2: places.EA: Input should be less than or equal to"),
        (
            '[[document]]\nprefix = "A"\n[[document]]\npattern = "("\n',
            "mapping.toml:4: document.1.pattern: not a regular expression",
        ),
        ('[[document]]\nkind = "po"\n', "mapping.toml:1: document.0: say either prefix or pattern"),
        (
            '[[document]]\npattern = "(a)+"\n',
            "mapping.toml:2: document.0.pattern: a group (in brackets) may be optional",
        ),
        (
            '[[document]]\nprefix = "A"\nnumber = "{year}"\n',
            "mapping.toml:1: document.0: number: of what stands in braces there is {number}",
        ),
        (
            '[[document]]\nprefix = "A"\nnumber = "{number"\n',
            "mapping.toml:1: document.0: number: of what stands in braces there is {number}",
        ),
        (
            '[type.receit]\nrefuse = "x"\n',
            "mapping.toml:1: type.receit: receit is no type of transaction; there are receipt",
        ),
        (
            '[type.receipt]\nfrom_location = "x"\n',
            "mapping.toml:2: type.receipt.from_location: a receipt has no from_location",
        ),
        (
            '[type.count]\nbecomes = "transfer"\n',
            "mapping.toml:2: type.count.becomes: becomes is for putaway and pick only",
        ),
        (
            '[warehouse.A]\nstations = ["Bench"]\n',
            "mapping.toml:2: warehouse.A.stations: 'Bench' is no station",
        ),
        (
            '[warehouse.A]\nstations = ["a/b", "bench\\n"]\n',
            "mapping.toml:2: warehouse.A.stations: 'bench\\n' is no station",
        ),
        (
            '[warehouse.A]\nstations = ["x"]\n[warehouse.B]\nstations = ["x"]\n',
            "mapping.toml:4: warehouse.B.stations: x is in A and in B",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_found_where_it_stands(text: str, says: str) -> None:
    [found] = problems(mapping=text)
    assert found.startswith(says)


def test_all_mistakes_of_all_files_are_said_at_once_and_no_more_than_can_be_read() -> None:
    found = problems(
        mapping='[unmapped]\nitems = "x"\n',
        items="sku,code\nA,\nB,\n",
        units="sku,from,to,factor\n*,A,EA,1\n",
        locations="location,code,warehouse\nA,1,W\nB,,\n",
    )
    assert [line.partition(": ")[0] for line in found] == [
        *("mapping.toml:2", "items.csv:2", "items.csv:3", "units.csv:2", "locations.csv:3")
    ], "a warehouse of a file that cannot be read is not said to be missing"
    many = problems(items="sku,code\n" + "".join(f"S{n},\n" for n in range(1_000)))
    assert len(many) == MOST + 1
    assert many[-1] == f"and {1_000 - MOST} more"


cells = st.sampled_from(
    ["sku", "gtin", "code", "from", "to", "factor", "location", "A", "1/2", EACH, '"', "\r", "\x00"]
) | st.text(max_size=5)
sheets = st.binary(max_size=60) | st.lists(
    st.lists(cells, max_size=5).map(",".join), max_size=5
).map(lambda rows: "\n".join(rows).encode("utf-8", "surrogatepass"))
some_rules = st.binary(max_size=60) | st.text(
    "[]{}=\"'.,#\n 12ab" + "type reason document prefix", max_size=60
).map(str.encode)


@given(some_rules, st.dictionaries(st.sampled_from(FILES[1:]), sheets))
def test_whatever_lies_there_is_tables_or_says_what_is_wrong(
    rules: bytes, files: dict[str, bytes]
) -> None:
    said = ""
    try:
        made({"mapping.toml": rules} | files)
    except ConfigError as error:
        said = str(error)
    assert all(line.startswith((*FILES, "and ")) for line in said.splitlines())


def test_a_line_without_end_is_not_held_for_a_header() -> None:
    [found] = problems(items=b"sku," * 1_000_000)
    assert found.startswith("items.csv:1: column sku is there twice")


# --- The folder ---


def test_a_folder_is_what_its_files_say_and_not_when_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_text("")
    empty = read(tmp_path)
    (tmp_path / "items.csv").write_text("sku,code\nA,1\n")
    (tmp_path / ".~lock.items.csv#").write_text("somebody has it open")
    (tmp_path / "~$items.csv").write_text("somebody has it open")
    (tmp_path / "README").write_text("ask Ada")
    one = read(tmp_path)
    assert code_of(one, "A") == "1"
    assert one.version != empty.version
    assert len(one.version) == 64
    (tmp_path / "items.csv").write_text("sku,code\nA,2\n")
    assert read(tmp_path).version not in {one.version, empty.version}
    (tmp_path / "items.csv").write_text("sku,code\nA,1\n")
    assert read(tmp_path).version == one.version == version_of(contents(tmp_path))


def test_what_is_no_folder_of_tables_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read(tmp_path / "nowhere")
    (tmp_path / "item.csv").write_text("sku,code\n")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)
    assert str(caught.value).splitlines() == [
        f"item.csv: there is no such table; there are {', '.join(FILES)}",
        "mapping.toml: it is not there; it may be empty",
    ]
    (tmp_path / "items.csv").mkdir()
    with pytest.raises(ConfigError, match="it is no file"):
        read(tmp_path)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_text("")
    with (tmp_path / "items.csv").open("wb") as file:
        file.truncate(64_000_001)
    with pytest.raises(ConfigError, match=r"items\.csv: it has 64000001 bytes"):
        read(tmp_path)


READ = """
import sys, time
from pathlib import Path
from bridge.mapping.folder import read
def most() -> int:  # kB; what getrusage says begins with what the parent had
    said = Path("/proc/self/status").read_text().partition("VmHWM:")[2]
    return int(said.split()[0])
before = most()
began = time.process_time()
mapping = read(Path(sys.argv[1]))
took = time.process_time() - began
items = mapping.tables.items
assert len(items.by_sku) == len(items.by_gtin) == 200_000, len(items.by_sku)
assert items.by_sku["SKU-199999"] == "100199999"
print(took, most() - before)
"""


def test_two_hundred_thousand_items_are_read_in_bounded_time_and_memory(tmp_path: Path) -> None:
    rows = [f"SKU-{n:06},{_gtin(n)},{100_000_000 + n},,,thing {n}\n" for n in range(200_000)]
    (tmp_path / "items.csv").write_text("sku,gtin,code,unit,active,note\n" + "".join(rows))
    (tmp_path / "mapping.toml").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    took, kilobytes = map(float, done.stdout.split())
    print(f"200,000 items: {took:.2f} s of CPU, {kilobytes / 1024:.0f} MB at most")
    assert took < 15.0, "CPU, not the clock on the wall: some 1.5 s where this was written"
    assert kilobytes < 300 * 1024


def _gtin(number: int) -> str:
    body = f"{400_638_100_000 + number:013}"
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(body))
    return body + str(-total % 10)
