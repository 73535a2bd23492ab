from __future__ import annotations

import csv
import io
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.delimited import DelimitedConverter
from kmflow_orchestration.converters.delimited_records import Format, text_records
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, delimited, rows, types


def test_null_and_empty_text_stay_apart(source: Writes) -> None:
    assert rows(delimited(source('a,b\nx,\ny,""\n'))) == [("x", None), ("y", "")]


def test_quotes_hold_delimiters_line_ends_and_quotes(source: Writes) -> None:
    table = delimited(source('a,b\n"x, ""y""\nz",1\n5" pipe,2\n'))

    assert rows(table) == [('x, "y"\nz', 1), ('5" pipe', 2)]
    assert [row["_source_row"] for row in all_values(table)] == [2, 3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found(source: Writes, delimiter: str, end: str) -> None:
    text = end.join(delimiter.join(record) for record in (["a", "b"], ["1", "x"], ["2", "y"]))

    assert rows(delimited(source(text))) == [(1, "x"), (2, "y")]


def test_decimal_commas_do_not_hide_a_semicolon(source: Writes) -> None:
    table = delimited(source("name;amount\nx;1,5\ny;2,5\n"))

    assert rows(table, {"amount": STRING}) == [("x", "1,5"), ("y", "2,5")]
    assert rows(table) == [("x", Decimal("1.5")), ("y", Decimal("2.5"))]


def test_the_sep_line_of_a_spreadsheet_names_the_delimiter(source: Writes) -> None:
    table = delimited(source("sep=;\na;b\n1;2,3\n"))

    found = (rows(table), all_values(table)[0]["_source_row"])
    assert found == ([(1, Decimal("2.3"))], 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_the_encoding_is_found(source: Writes, encoding: str) -> None:
    assert rows(delimited(source("a,b\nGroße,€\n".encode(encoding)))) == [("Große", "€")]


def test_one_late_stray_byte_costs_no_other_character(source: Writes) -> None:
    good = "name,note\n" + "Müller,ä\n" * 1000
    table = delimited(source(good.encode() + b"caf\xe9,x\n"))

    assert (rows(table)[0], rows(table)[-1]) == (("Müller", "ä"), ("café", "x"))
    assert table.warnings[0].location == f"byte {len(good.encode()) + 3}"


def test_bytes_that_cp1252_leaves_open_are_kept(source: Writes) -> None:
    table = delimited(source(b"a,b\n\x81\xe9,1\n"))

    assert rows(table) == [("\x81é", 1)]


def test_nul_bytes_are_kept_with_a_warning(source: Writes) -> None:
    table = delimited(source(b"a,b\nx\x00y,1\n"))

    assert rows(table) == [("x\x00y", 1)]
    assert [warning.code for warning in table.warnings] == ["nul_bytes"]


def test_ragged_rows_lose_nothing_and_keep_their_place(source: Writes) -> None:
    table = delimited(source('a,b\n1,2\n3\n4,5,"x,y",\n6,7\n8,9,\n'))

    found = [
        (row["_source_row"], row["a"], row["b"], row["_rescued_data"]) for row in all_values(table)
    ]
    assert found == [
        (2, 1, 2, None),
        (3, 3, None, None),
        (4, 4, 5, '["x,y", null]'),
        (5, 6, 7, None),
        (6, 8, 9, None),
    ]
    receipt = table.receipt
    assert (receipt.rows_read, receipt.rows_padded, receipt.rows_rescued) == (5, 1, 1)
    assert receipt.adds_up


def test_blank_lines_are_skipped_and_counted(source: Writes) -> None:
    table = delimited(source("a,b\n\n1,2\n\n\n3,4\n\n"))

    assert [(row["_source_row"], row["a"]) for row in all_values(table)] == [(3, 1), (6, 3)]
    assert (table.receipt.rows_read, table.receipt.rows_skipped) == (6, 4)


@pytest.mark.parametrize("text", ["a,b", "a,b\n", "\ufeffa,b\r\n"])
def test_a_header_alone_is_a_table_without_rows(source: Writes, text: str) -> None:
    table = delimited(source(text))

    assert (types(table), rows(table)) == ({"a": "STRING", "b": "STRING"}, [])
    assert (table.receipt.rows_read, table.warnings) == (0, ())


@pytest.mark.parametrize("count", [8_000, 16_000])
@pytest.mark.parametrize(
    ("below", "skipped"), [("", 0), ("\n", 0), ("\n\n", 1), ("\n# a\n# b,c\n", 2)]
)
def test_a_long_header_alone_is_a_table_without_rows(
    source: Writes, count: int, below: str, skipped: int
) -> None:
    header = [f"a_long_name_of_column_{n}" for n in range(count)]
    table = delimited(source(",".join(header) + below))

    assert [fact.source_name for fact in table.facts] == header
    assert rows(table) == []
    assert (table.receipt.rows_read, table.receipt.rows_skipped) == (skipped, skipped)


@pytest.mark.parametrize("text", ["\n\n\n", '""\n'])
def test_a_file_without_any_value_is_refused(source: Writes, text: str) -> None:
    with pytest.raises(CorruptInput) as error:
        delimited(source(text))

    assert error.value.reason == "no_header"


def test_headers_become_safe_unique_names_and_keep_their_text(source: Writes) -> None:
    table = delimited(source("Löhne (€),,löhne,2026,group_id,_batch_id\n1,2,3,4,5,6\n"))

    assert [(fact.name, fact.source_name) for fact in table.facts] == [
        ("lohne", "Löhne (€)"),
        ("column_2", ""),
        ("lohne_2", "löhne"),
        ("c_2026", "2026"),
        ("group_id_2", "group_id"),
        ("batch_id", "_batch_id"),
    ]


def test_a_quote_that_never_closes_swallows_no_rows(source: Writes) -> None:
    table = delimited(source('a,b\n1,"open\n' + "2,x\n" * 3000))

    assert len(rows(table)) == 3001
    assert rows(table)[0] == (1, '"open')
    assert [warning.code for warning in table.warnings] == ["open_quote"]


def test_a_row_longer_than_a_block_is_read(source: Writes) -> None:
    long = "x" * (9 << 20)

    assert rows(delimited(source(f"a,b\n1,{long}\n2,y\n"))) == [(1, long), (2, "y")]


def test_a_column_can_be_read_as_the_exact_text_of_its_source(source: Writes) -> None:
    table = delimited(source("a,b\n1.50,true\n2,FALSE\n"))

    assert rows(table, {"a": STRING, "b": STRING}) == [("1.50", "true"), ("2", "FALSE")]


def test_ragged_rows_far_apart_are_put_back_in_order(source: Writes) -> None:
    lines = [f"{n}" if n % 997 == 0 else f"{n},x" for n in range(200_000)]
    table = delimited(source("a,b\n" + "\n".join(lines)))

    found = all_values(table)
    assert [row["_source_row"] for row in found] == list(range(2, 200_002))
    assert [row["a"] for row in found] == list(range(200_000))
    assert table.receipt.rows_padded == 201


fields = st.one_of(
    st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\x00")), st.just("")
)
tables = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(fields, min_size=width, max_size=width), max_size=8)
)


def written(record: list[str | None]) -> str:
    return ",".join("" if x is None else '"' + x.replace('"', '""') + '"' for x in record)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables, st.sampled_from(["\n", "\r\n"]))
def test_any_table_of_texts_comes_back_as_it_was(
    tmp_path: Path, table: list[list[str | None]], end: str
) -> None:
    width = len(table[0]) if table else 2
    header = [f"c{position}" for position in range(width)]
    path = tmp_path / "any.csv"
    path.write_bytes(end.join(map(written, [header, *table])).encode())
    found = delimited(Source(path, "any.csv"))

    # Beside a blank line, even one within quotes, rows without any value count as blank.
    skipped = found.receipt.rows_skipped
    expected = [tuple(row) for row in table if any(x is not None for x in row) or not skipped]
    assert rows(found, dict.fromkeys(types(found), STRING)) == expected
    assert found.receipt.adds_up


@given(tables, st.sampled_from(",;\t|"))
def test_single_records_are_split_as_the_standard_reader_does(
    table: list[list[str | None]], delimiter: str
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table)
    text = buffer.getvalue()

    expected = [
        [x or None for x in row] or [None]
        for row in csv.reader(io.StringIO(text), delimiter=delimiter)
    ]
    found = [record.fields for record in text_records(text, Format(delimiter))]
    assert [[x or None for x in row] for row in found] == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text())
def test_any_text_ends_in_tables_that_add_up_or_in_a_refusal(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(text.encode())
    try:
        tables = DelimitedConverter().open_tables(Source(path, "any.csv"))
    except CorruptInput as error:
        assert error.reason == "no_header"  # noqa: PT017
        return
    for table in tables:
        assert table.facts
        assert len(all_values(table)) == table.receipt.rows_written


def _public_tables() -> list[Path]:
    penguins = Path(str(files("palmerpenguins") / "data" / "penguins.csv"))
    vega = Path(str(files("vega_datasets") / "_data"))
    names = ("airports.csv", "seattle-weather.csv", "stocks.csv", "iowa-electricity.csv")
    return [path for path in (penguins, *(vega / name for name in names)) if path.exists()]


@pytest.mark.parametrize("path", _public_tables(), ids=lambda path: path.name)
def test_public_tables_read_as_another_reader_reads_them(path: Path) -> None:
    table = delimited(Source(path, path.name))
    other = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', header = true, all_varchar = true, nullstr = '')"
    ).fetchall()

    assert rows(table, dict.fromkeys(types(table), STRING)) == other
    assert table.receipt.rows_read == len(other)


def test_of_two_rows_of_different_width_the_first_is_the_header(source: Writes) -> None:
    table = delimited(source('a,b\n1,2,3,"x,y"\n4\n'))

    assert rows(table) == [(1, 2), (4, None)]
    assert all_values(table)[0]["_rescued_data"] == '["3", "x,y"]'
