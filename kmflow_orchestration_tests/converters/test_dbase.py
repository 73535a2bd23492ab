from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dbf
import dbfread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.dbase import DbaseConverter
from kmflow_orchestration.converters.dbase_header import is_dbase
from kmflow_orchestration.converters.dbase_table import DbaseTable
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types

FIELDS = "id N(6,0); amount N(12,3); name C(12); due D; ok L; rate F(12,6)"
RECORDS = [
    (1, 12.5, "Größe", dbf.Date(2026, 11, 20), True, 1.234567),
    (2, None, "", None, None, None),
    (3, -0.125, "x", dbf.Date(1999, 1, 2), False, 0),
]
TWO = [("ID", "N", 4), ("NAME", "C", 6)]


def written(path: Path, fields: str, records: list[Any], **changes: Any) -> Path:
    arguments = {"codepage": "cp850", "dbf_type": "db3", **changes}
    with _for_writing(dbf.Table(str(path), fields, **arguments)) as table:
        for record in records:
            table.append(record)
    return path


@contextmanager
def _for_writing(table: dbf.Table) -> Iterator[dbf.Table]:
    table.open(dbf.READ_WRITE)
    try:
        yield table
    finally:
        table.close()


def opened(path: Path, **options: Any) -> DbaseTable:
    (table,) = DbaseConverter().open_tables(Source(path, path.name), options)
    return table


def codes(table: DbaseTable) -> list[str]:
    return [warning.code for warning in table.warnings]


def test_records_become_typed_rows(tmp_path: Path) -> None:
    table = opened(written(tmp_path / "loans.dbf", FIELDS, RECORDS))

    assert types(table) == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,3)",
        "name": "STRING",
        "due": "DATE",
        "ok": "BOOLEAN",
        "rate": "DECIMAL(18,6)",
    }
    assert rows(table) == [
        (1, Decimal("12.500"), "Größe", date(2026, 11, 20), True, Decimal("1.234567")),
        (2, None, None, None, None, None),
        (3, Decimal("-0.125"), "x", date(1999, 1, 2), False, Decimal("0.000000")),
    ]
    receipt = table.receipt
    assert (receipt.rows_read, receipt.adds_up, receipt.options["encoding"]) == (3, True, "cp850")
    assert rows(table) == rows(table)


def test_text_keeps_the_digits_of_numbers(tmp_path: Path) -> None:
    table = opened(written(tmp_path / "loans.dbf", FIELDS, RECORDS[:1]))

    assert rows(table, dict.fromkeys(types(table), STRING)) == [
        ("1", "12.500", "Größe", "2026-11-20", "true", "1.234567")
    ]


def test_deleted_records_are_skipped_and_counted_or_told(tmp_path: Path) -> None:
    path = written(tmp_path / "loans.dbf", "id N(4,0)", [(1,), (2,), (3,)])
    with _for_writing(dbf.Table(str(path))) as table:
        dbf.delete(table[1])
    without, whole = opened(path), opened(path, include_deleted=True)

    assert [(row["_source_row"], row["id"]) for row in all_values(without)] == [(1, 1), (3, 3)]
    assert (without.receipt.rows_read, without.receipt.rows_skipped) == (3, 1)
    assert without.receipt.adds_up
    assert codes(without) == ["deleted_records"]
    assert rows(whole) == [(False, 1), (True, 2), (False, 3)]
    assert (whole.receipt.rows_written, codes(whole)) == (3, [])


@pytest.mark.parametrize(
    ("kind", "suffix"), [("db3", ".dbt"), ("db4", ".DBT"), ("fp", ".fpt"), ("vfp", ".FPT")]
)
def test_memos_are_read_from_their_file(tmp_path: Path, kind: str, suffix: str) -> None:
    notes = ["short", "é" * 700, ""]
    path = tmp_path / "notes.dbf"
    if kind == "db4":
        fields = [("ID", "N", 2), ("NOTE", "M", 10)]
        content = dbf_bytes(
            fields, [b"  1         1", b"  2         2", b"  3          "], version=0x8B
        )
        path.write_bytes(content)
        blocks = b"".join(
            (b"\xff\xff\x08\x00" + struct.pack("<I", 8 + len(note)) + note).ljust(1024, b"\0")
            for note in (notes[0].encode(), notes[1].encode("cp1252"))
        )
        head = bytes(20) + struct.pack("<H", 1024)
        (tmp_path / "notes.dbt").write_bytes(head.ljust(1024, b"\0") + blocks)
    else:
        records = [(number, note) for number, note in enumerate(notes)]
        written(path, "id N(2,0); note M", records, dbf_type=kind, codepage="cp1252")
    for memo in tmp_path.glob("notes.[df][bp]t"):
        memo.rename(memo.with_suffix(suffix))

    assert [note or "" for _, note in rows(opened(path))] == notes


def test_a_missing_memo_file_fails_unless_it_may_be_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "notes.dbf", "id N(2,0); note M", [(1, "a"), (2, "b")])
    (tmp_path / "notes.dbt").unlink()
    with pytest.raises(CorruptInput, match="NOTE") as error:
        opened(path)
    table = opened(path, ignore_missing_memo=True)

    assert error.value.reason == "missing_memo"
    assert (rows(table), codes(table)) == ([(1, None), (2, None)], ["missing_memo"])


def test_a_memo_file_that_nothing_points_to_is_not_missed(source: Writes) -> None:
    content = dbf_bytes([("ID", "N", 2), ("NOTE", "M", 10)], [b"  1          "], version=0x83)
    (table,) = DbaseConverter().open_tables(source(content, "notes.dbf"))

    assert rows(table) == [(1, None)]


def test_a_truncated_memo_file_is_corrupt(tmp_path: Path) -> None:
    path = written(tmp_path / "n.dbf", "id N(2,0); note M", [(1, "a" * 600)], dbf_type="vfp")
    memo = tmp_path / "n.fpt"
    memo.write_bytes(memo.read_bytes()[:700])

    with pytest.raises(CorruptInput, match="memo"):
        opened(path)


def test_visual_foxpro_types_and_nulls(tmp_path: Path) -> None:
    fields = "id I; paid Y; share B; name C(6) null; at T; cut N(8,3) null"
    records = [
        (1, Decimal("12.3400"), 0.1, "a", dbf.DateTime(2026, 11, 20, 10, 30, 5), 1.5),
        (-5, Decimal("-0.0001"), 1e20, dbf.Null, dbf.NullDateTime, dbf.Null),
        (7, Decimal(1), -2.5, "", dbf.DateTime(1999, 12, 31, 23, 59, 59), 0),
    ]
    path = written(tmp_path / "v.dbf", fields, records, dbf_type="vfp", codepage="cp1252")

    assert rows(opened(path)) == [
        (1, Decimal("12.34"), 0.1, "a", _utc("2026-11-20T10:30:05"), Decimal("1.5")),
        (-5, Decimal("-0.0001"), 1e20, None, None, None),
        (7, Decimal(1), -2.5, "", _utc("1999-12-31T23:59:59"), Decimal(0)),
    ]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_dbase_7_numbers_are_turned_back(source: Writes) -> None:
    def turned(value: float) -> bytes:
        (bits,) = struct.unpack(">Q", struct.pack(">d", value))
        return struct.pack(">Q", bits ^ (1 << 63) if value >= 0 else bits ^ ((1 << 64) - 1))

    fields = [("N", "I", 4), ("AUTO", "+", 4), ("SHARE", "O", 8)]
    records = [
        b" " + struct.pack(">II", (number + (1 << 31)), at + (1 << 31)) + turned(value)
        for at, (number, value) in enumerate([(7, 0.5), (-7, -1e30)])
    ]
    content = dbf_bytes(fields, [*records, b" " + bytes(16)], version=0x04)
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"))

    assert rows(table) == [(7, 0, 0.5), (-7, 1, -1e30), (None, None, None)]


def test_values_of_varying_length_end_where_they_say(source: Writes) -> None:
    fields = [("V", "V", 6), ("Q", "Q", 4), ("_NullFlags", "0", 1)]
    flags = [0x02, 0x00, 0x05]
    records = [
        b" ab \0\0\3" + b"\1\2\0\2" + b"\5",
        b" abcdef" + b"\1\2\3\4" + b"\0",
        b" \0\0\0\0\0\0" + bytes(4) + b"\2",
    ]
    content = dbf_bytes(fields, records, version=0x32, flags=flags)
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"))

    assert rows(table) == [
        ("ab", base64.b64encode(b"\1\2").decode()),
        ("abcdef", base64.b64encode(b"\1\2\3\4").decode()),
        (None, base64.b64encode(bytes(4)).decode()),
    ]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0042", 42),
        (b"  +7", 7),
        (b"  -0", 0),
        (b"  12", 12),
        (b" 12.", 12),
        (b"\0\0\0\0", None),
        (b"****", None),
    ],
)
def test_numbers_are_what_their_digits_say(source: Writes, raw: bytes, value: object) -> None:
    content = dbf_bytes(TWO, [b" " + raw + b"x     ", b"    1y     "])
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"))

    assert rows(table) == [(value, "x"), (1, "y")]
    assert codes(table) == (["overflow"] if raw == b"****" else [])


@pytest.mark.parametrize(
    ("language", "beside", "text"),
    [
        (0x01, b"", "cp437"),
        (0xC9, b"", "cp1251"),
        (0x57, b"UTF-8", "utf-8"),
        (0x00, b"", "cp1252"),
        (0x00, b"", "utf-8"),
        (0x00, b"ANSI 1251", "cp1251"),
    ],
)
def test_the_code_page_is_found(
    source: Writes, tmp_path: Path, language: int, beside: bytes, text: str
) -> None:
    name = {"cp1251": "Имя"}.get(text, "é¿")
    content = dbf_bytes(TWO, [b"    1" + name.encode(text).ljust(6)], language=language)
    if beside:
        (tmp_path / "T.CPG").write_bytes(beside)
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"))

    assert rows(table) == [(1, name)]
    assert codes(table) == ([] if language or beside else ["encoding"])


def test_an_encoding_can_be_named(source: Writes) -> None:
    content = dbf_bytes(TWO, [b"    1" + "é".encode("cp850").ljust(6)])
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"), {"encoding": "cp850"})

    assert rows(table) == [(1, "é")]


def test_bytes_no_code_page_knows_are_kept_as_escapes(source: Writes) -> None:
    content = dbf_bytes(TWO, [b"    1a\x81    "])
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"))

    assert (rows(table), codes(table)) == ([(1, "a\\x81")], ["undecodable"])


def test_a_table_without_records_has_its_columns(source: Writes) -> None:
    (table,) = DbaseConverter().open_tables(source(dbf_bytes(TWO, []), "t.dbf"))

    assert (list(types(table)), rows(table)) == (["id", "name"], [])


def test_records_behind_the_counted_ones_are_told(source: Writes) -> None:
    content = dbf_bytes(TWO, [b"    1x     "] * 3, count=2)
    (table,) = DbaseConverter().open_tables(source(content, "t.dbf"))

    assert (len(rows(table)), codes(table)) == (2, ["surplus_records"])


@pytest.mark.parametrize("options", [{"encoding": "klingon"}, {"encoding": "hex"}, {"memo": 1}])
def test_unknown_options_are_refused(source: Writes, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        DbaseConverter().open_tables(source(dbf_bytes(TWO, []), "t.dbf"), options)


WHOLE = dbf_bytes(TWO, [b"    1x     "] * 20)


@pytest.mark.parametrize("size", [0, 1, 20, 40, 80, 97, 150, len(WHOLE) - 5])
def test_a_truncated_table_is_corrupt(source: Writes, size: int) -> None:
    with pytest.raises(CorruptInput):
        DbaseConverter().open_tables(source(WHOLE[:size], "t.dbf"))


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_one_wrong_byte_is_refused_or_costs_no_more_than_its_record(
    tmp_path: Path, at: int, byte: int
) -> None:
    content = bytearray(WHOLE)
    content[at] = byte
    path = tmp_path / "t.dbf"
    path.write_bytes(content)
    try:
        table = opened(path)
        found = rows(table)
    except CorruptInput:
        assert at < 97
        return
    assert table.receipt.adds_up
    assert len(found) == table.receipt.rows_written
    if at >= 97:
        assert sum(len(row) == 2 and str(row[0]) == "1" and row[1] == "x" for row in found) >= 19


def test_csv_is_no_table_of_dbase() -> None:
    assert not is_dbase(b"a,b\n1,2\n" * 20)


names = st.text(st.characters(codec="cp850", exclude_categories=["Cc"]), max_size=10)
values = st.tuples(
    st.none() | st.integers(-99_999, 999_999),
    st.none() | st.decimals(-9999, 9999, places=3),
    names,
    st.none() | st.dates(date(1, 1, 1)),
    st.none() | st.booleans(),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.lists(values, min_size=1, max_size=6))
def test_any_table_reads_as_another_reader_does(tmp_path: Path, content: list[Any]) -> None:
    path = tmp_path / "any.dbf"
    path.write_bytes(_table_of(content))
    other = dbfread.DBF(str(path), encoding="cp850", char_decode_errors="strict")

    for row, record in zip(rows(opened(path)), other, strict=True):
        number, amount, name, due, ok = record.values()
        assert row[0] == number
        assert (row[1] is None and amount is None) or float(row[1]) == amount
        assert (row[2] or "") == name.rstrip(" \0")
        assert row[3:] == (due, ok)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.lists(values, min_size=1, max_size=6))
def test_any_table_comes_back_with_its_values(tmp_path: Path, content: list[Any]) -> None:
    path = tmp_path / "any.dbf"
    path.write_bytes(_table_of(content))

    for row, (number, amount, name, due, ok) in zip(rows(opened(path)), content, strict=True):
        assert row == (number, amount, name.rstrip(" ") or None, due, ok)


def _table_of(content: list[Any]) -> bytes:
    fields = [("N", "N", 6), ("A", "N", 10), ("C", "C", 10), ("D", "D", 8), ("L", "L", 1)]
    records = [
        b" "
        + ("" if number is None else str(number)).rjust(6).encode()
        + ("" if amount is None else f"{amount:.3f}").rjust(10).encode()
        + name.encode("cp850").ljust(10)
        + (b" " * 8 if due is None else due.strftime("%Y%m%d").rjust(8, "0").encode())
        + {None: b"?", True: b"T", False: b"F"}[ok]
        for number, amount, name, due, ok in content
    ]
    return dbf_bytes(fields, records, language=0x02)
