"""The disk of the replay loses what a disk may lose, and nothing that was flushed."""

import random
from pathlib import Path

from tests.power.tape import SECTOR, Disk, Record

FOLDER = Path("/store")
A, B = b"a" * SECTOR, b"b" * SECTOR


def opened(name: str, descriptor: int = 3) -> Record:
    return Record("o", descriptor, 0, 0, f"{FOLDER}/{name}".rstrip("/"), b"")


def wrote(data: bytes, at: int = 0, descriptor: int = 3) -> Record:
    return Record("w", descriptor, at, len(data), "", data)


def flushed(descriptor: int = 3) -> list[Record]:
    return [Record(op, descriptor, 0, 0, "", b"") for op in "sy"]


def named(name: str, op: str) -> Record:
    return Record(op, -1, 0, 0, f"{FOLDER}/{name}", b"")


FOLDER_FLUSHED = [opened("", 9), *flushed(9)]


def left(*records: Record, image: dict[str, bytes] | None = None) -> list[dict[str, bytes]]:
    """Return what many cuts at the end of `records` leave, each kind once."""
    disk = Disk(FOLDER, image)
    for each in records:
        disk.play(each)
    found = [disk.after_a_cut(random.Random(seed)) for seed in range(400)]
    return [each for number, each in enumerate(found) if each not in found[:number]]


def test_what_was_flushed_is_there_however_often_power_is_cut() -> None:
    assert left(opened("db"), wrote(A + B), *flushed(), *FOLDER_FLUSHED) == [{"db": A + B}]


def test_what_was_not_flushed_may_be_there_or_not_sector_by_sector() -> None:
    after = left(opened("db"), wrote(B + B), image={"db": A + A})
    assert sorted(each["db"] for each in after) == sorted([A + A, A + B, B + A, B + B])


def test_a_sector_is_never_half_of_one_write_and_half_of_another() -> None:
    short = b"b" * 100
    after = left(opened("db"), wrote(short), image={"db": A})
    assert {each["db"] for each in after} == {A, short + A[100:]}


def test_a_later_write_may_come_through_without_an_earlier_one() -> None:
    after = left(opened("db"), wrote(B), wrote(B, SECTOR), image={"db": A + A})
    assert {"db": A + B} in after


def test_a_sector_may_have_any_of_the_contents_it_had_since_the_flush() -> None:
    c = b"c" * SECTOR
    after = left(opened("db"), wrote(B), wrote(c), image={"db": A})
    assert {each["db"] for each in after} == {A, B, c}


def test_what_is_written_while_a_flush_runs_is_not_covered_by_it() -> None:
    begin, end = flushed()
    after = left(opened("db"), wrote(B), begin, wrote(B, SECTOR), end, image={"db": A + A})
    assert {each["db"] for each in after} == {B + A, B + B}


def test_a_file_that_grew_may_have_its_old_size_or_zeros_at_its_end() -> None:
    after = left(opened("db"), wrote(B, SECTOR), image={"db": A})
    assert {each["db"] for each in after} == {A, A + bytes(SECTOR), A + B}


def test_a_file_that_was_cut_reads_as_zeros_when_it_grows_again() -> None:
    cut = Record("t", 3, 0, 0, "", b"")
    grown = Record("t", 3, 0, 2 * SECTOR, "", b"")
    after = left(opened("db"), cut, grown, *flushed(), image={"db": A + B})
    assert after == [{"db": bytes(2 * SECTOR)}]


def test_a_new_name_is_not_sure_before_the_folder_is_flushed() -> None:
    assert {} in left(opened("db"), wrote(A), *flushed())


def test_a_name_that_was_removed_may_come_back_with_what_was_flushed() -> None:
    after = left(named("db", "n"), image={"db": A})
    assert {} in after
    assert {"db": A} in after


def test_a_file_made_anew_is_another_one() -> None:
    after = left(named("db", "n"), opened("db"), wrote(B), *flushed(), image={"db": A})
    assert {each.get("db") for each in after} == {A, None, B}
    sure = left(
        named("db", "n"), opened("db"), wrote(B), *flushed(), *FOLDER_FLUSHED, image={"db": A}
    )
    assert sure == [{"db": B}]


def test_a_rename_takes_the_content_along() -> None:
    moved = [named("new", "r"), named("db", "R")]
    after = left(*moved, *FOLDER_FLUSHED, image={"db": A, "new": B})
    assert after == [{"db": B}]
