"""Bundles of files: every file by its own reader, whatever must not be unpacked refused (D40)."""

from __future__ import annotations

import bz2
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from kmflow_orchestration.converters.archives.converter import ArchiveConverter
from kmflow_orchestration.converters.archives.limits import ArchiveLimits, Budget
from kmflow_orchestration.converters.archives.open_archive import OpenArchive
from kmflow_orchestration.converters.archives.zip_files import ZipKind
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration_tests.converters.archives.bundles import (
    CSV,
    Files,
    seven_zipped,
    stored,
    tarred,
    zipped,
)
from kmflow_orchestration_tests.converters.archives.conftest import FILES, Bundle, Opens
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.converters.reading import all_values, rows


def zst(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (zipped(FILES), "a.zip"),
        (tarred(FILES), "a.tar"),
        (tarred(FILES, "gz"), "a.tar.gz"),
        (tarred(FILES, "bz2"), "a.tar.bz2"),
        (tarred(FILES, "xz"), "a.txz"),
        (zst(tarred(FILES)), "a.tar.zst"),
        (tarred(FILES, "gz"), "a"),
        (seven_zipped(FILES), "a.7z"),
        (seven_zipped(FILES), "a"),
    ],
    ids=["zip", "tar", "tar.gz", "tar.bz2", "txz", "tar.zst", "nameless", "7z", "nameless-7z"],
)
def test_every_file_is_read_by_its_own_reader(opened: Opens, content: bytes, name: str) -> None:
    bundle = opened(content, name)

    assert [(one.path, one.converter.partition(":")[0], one.rows) for one in bundle.members] == [
        ("a/loans.csv", "delimited", 2),
        ("b/notes.txt", "plain_text", 0),
        ("c.json", "json", 1),
    ]
    assert [table.part for table in bundle.tables] == ["a/loans.csv", "c.json"]
    assert [list(map(str, row)) for row in rows(bundle.by_part["a/loans.csv"])] == [
        ["1", "2.50"],
        ["2", "3.00"],
    ]
    assert bundle.text[0] == ("b/notes.txt", "b/notes.txt")
    assert bundle.text[-1] == ("b/notes.txt: line 3", "please find the notes.")
    assert bundle.warned == []


def test_a_table_says_which_archive_and_which_file_it_is_of(opened: Opens) -> None:
    content = zipped(FILES)
    receipt = opened(content).by_part["a/loans.csv"].receipt

    archive_hash = hashlib.sha256(content).hexdigest()
    assert receipt.content_hash == archive_hash
    assert receipt.adds_up
    assert (receipt.converter, receipt.rows_written) == ("delimited", 2)
    assert {name: receipt.options[name] for name in ("member", "archive_sha256")} == {
        "member": "a/loans.csv",
        "archive_sha256": archive_hash,
    }
    assert receipt.options["member_sha256"] == hashlib.sha256(CSV).hexdigest()


def test_the_list_of_files_is_a_table_of_fixed_types(opened: Opens) -> None:
    (row,) = all_values(opened(zipped({"2024": CSV})).list)

    assert (row["path"], row["size_bytes"], row["fate"]) == ("2024", len(CSV), "converted")
    assert row["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert row["message"] is None


def test_archives_are_opened_three_deep_and_a_fourth_is_told(opened: Opens) -> None:
    four = zipped({"d.csv": CSV})
    three = zipped({"c.csv": CSV, "four.zip": four})
    two = tarred({"b.csv": CSV, "three.zip": three}, "gz")
    bundle = opened(zipped({"a.csv": CSV, "two.tgz": two}))

    assert bundle.fates == {
        "a.csv": "converted",
        "two.tgz": "opened",
        "two.tgz!/b.csv": "converted",
        "two.tgz!/three.zip": "opened",
        "two.tgz!/three.zip!/c.csv": "converted",
        "two.tgz!/three.zip!/four.zip": "too_deep",
    }
    assert [len(rows(table)) for table in bundle.tables] == [2, 2, 2]
    assert bundle.warned == [("member_skipped", "two.tgz!/three.zip!/four.zip")]


def test_tables_can_be_read_in_any_order_and_at_the_same_time(opened: Opens) -> None:
    many = {f"{number}.csv": b"id\n%d\n" % number for number in range(4)}
    bundle = opened(zipped({"x.zip": zipped(many), "y.tgz": tarred(many, "gz"), "z.csv": CSV}))
    expected = {table.part: rows(table) for table in reversed(bundle.tables)}

    assert expected["y.tgz!/3.csv"] == [(3,)]
    assert len(expected) == 9
    at_once = [table.batches() for table in bundle.tables]
    assert [next(batches).num_rows for batches in at_once] == [1] * 8 + [2]
    for batches in at_once:
        batches.close()  # type: ignore[attr-defined]
    assert {table.part: rows(table) for table in bundle.tables} == expected


def test_no_more_than_a_file_at_a_time_lies_on_disk(opened: Opens, temporary: Path) -> None:
    many = {f"{number}.csv": b"id\n%d\n" % number for number in range(9)}
    nested = {"x.zip": zipped(many), "y.tgz": tarred(many, "gz"), "z.tgz": tarred(many, "gz")}
    bundle = opened(zipped({**many, **nested}))
    seen = [
        sum(path.is_file() for path in temporary.rglob("*"))
        for table in bundle.tables
        for _ in table.batches()
    ]

    # A file, the archive it lies in, and that archive unpacked.
    assert len(seen) == 36
    assert max(seen) == 3


def test_a_file_in_use_stays_while_others_come(source: Writes, tmp_path: Path) -> None:
    budget = Budget(ArchiveLimits(), 1 << 20)
    bundle = source(zipped({"a.csv": CSV, "b.csv": CSV, "c.csv": CSV}), "a.zip")
    archive = OpenArchive(ZipKind(), bundle.path, tmp_path / "files", budget)
    first, second, third = archive.entries
    with archive.on_disk(first) as used:
        with archive.on_disk(second) as idle:
            assert idle.read_bytes() == CSV
        with archive.on_disk(third):
            assert (used.exists(), idle.exists()) == (True, False)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_two_files_of_one_name_are_both_read(opened: Opens, pack: Callable[[Files], bytes]) -> None:
    bundle = opened(pack([("a.csv", b"id\n1\n"), ("a.csv", b"id\n2\n")]))

    assert [(table.part, rows(table)) for table in bundle.tables] == [
        ("a.csv", [(1,)]),
        ("a.csv #2", [(2,)]),
    ]


def test_a_file_named_as_the_list_is_has_a_table_of_its_own(opened: Opens) -> None:
    assert [table.part for table in opened(zipped({"members": CSV})).tables] == ["members #2"]


def test_what_systems_pack_of_their_own_accord_is_no_loss(opened: Opens) -> None:
    notes = {"__MACOSX/._a.csv": b"\0", "x/.DS_Store": b"\0"}
    bundle = opened(zipped({**notes, "a.csv": CSV, "__MACOSX/b.csv": CSV}))

    assert bundle.fates == {
        "__MACOSX/._a.csv": "ignored",
        "__MACOSX/b.csv": "converted",
        "x/.DS_Store": "ignored",
        "a.csv": "converted",
    }
    assert bundle.warned == []


def test_a_dbf_table_is_read_with_the_memos_beside_it(opened: Opens) -> None:
    memos = bytearray(1024)
    memos[512:519] = b"A note\x1a"
    table = dbf_bytes([("ID", "N", 4), ("NOTE", "M", 10)], [b"    1         1"], version=0x83)
    bundle = opened(zipped({"x/t.dbf": table, "x/T.DBT": bytes(memos), "y/t.dbt": bytes(memos)}))

    assert rows(bundle.by_part["x/t.dbf"]) == [(1, "A note")]
    assert bundle.fates == {
        "x/T.DBT": "companion",
        "x/t.dbf": "converted",
        "y/t.dbt": "no_converter",
    }


def test_names_are_text_however_they_were_written(opened: Opens) -> None:
    latin = zipped({"caf_.csv": CSV}).replace(b"caf_", b"caf\x82")
    unmarked = zipped({"caf__.csv": CSV}).replace(b"caf__", "café".encode())
    tar = tarred({"caf_.csv": CSV}).replace(b"caf_", b"caf\xe9")
    header = bytearray(tar)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 8 * 32)

    assert list(opened(latin).fates) == ["café.csv"]
    assert list(opened(unmarked).fates) == ["café.csv"]
    assert list(opened(zipped({"café.csv": CSV})).fates) == ["café.csv"]
    assert list(opened(bytes(header), "a.tar").fates) == ["café.csv"]


def test_a_long_path_has_a_short_and_unique_part(opened: Opens) -> None:
    folder = "f" * 120 + "/" + "g" * 120 + "/"
    bundle = opened(zipped({f"1{folder}a.csv": CSV, f"2{folder}a.csv": CSV}))

    assert len({table.part for table in bundle.tables}) == 2
    assert all(len(table.part) <= 255 for table in bundle.tables)
    assert [one.path for one in bundle.members] == [f"1{folder}a.csv", f"2{folder}a.csv"]


def test_packed_tables_and_text_that_begins_like_one_are_read(opened: Opens) -> None:
    bundle = opened(zipped({"a.csv.bz2": bz2.compress(CSV), "b.csv": b"BZh,x\n1,2\n"}))

    assert bundle.fates == {"a.csv.bz2": "converted", "b.csv": "converted"}


def test_the_same_archive_reads_the_same_again(source: Writes) -> None:
    bundle = source(zipped({"x.zip": zipped(FILES), **dict(FILES)}), "a.zip")
    first, second = (Bundle(bundle, ArchiveConverter(default_converters)) for _ in range(2))

    assert first.members == second.members
    assert first.text == second.text
    assert [table.receipt for table in first.tables] == [table.receipt for table in second.tables]


def test_stored_zips_of_documents_are_no_bundles(source: Writes) -> None:
    jar = zipped({"META-INF/MANIFEST.MF": b"x", "a.csv": CSV})
    epub = stored({"mimetype": b"application/epub+zip", "a.csv": CSV})

    for content, name in ((jar, "a.zip"), (epub, "a.epub"), (zipped(FILES), "a.xlsx")):
        assert ArchiveConverter(default_converters).detect(source(content, name), content) == 0.0
    assert zipfile.is_zipfile(source(jar, "a.zip").path)


@pytest.mark.usefixtures("few_open_files", "temporary")
def test_an_archive_of_many_files_keeps_none_of_them_open(opened: Opens) -> None:
    bundle = opened(zipped({f"{number:02}.json": b'[{"a": %d}]' % number for number in range(60)}))

    assert [rows(table) for table in bundle.tables] == [[(number,)] for number in range(60)]
