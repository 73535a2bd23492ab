"""How a file is written is found out, explained, and overruled by options."""

from __future__ import annotations

from typing import Any

import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter, DelimitedTable
from kmflow_orchestration.converters.delimited_options import DelimitedOptions
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, delimited, rows, types


def opened(source: Source, **options: Any) -> DelimitedTable:
    (table,) = DelimitedConverter().open_tables(source, options)
    return table


def names(table: DelimitedTable) -> list[str]:
    return [fact.source_name for fact in table.facts]


def codes(table: DelimitedTable) -> set[str]:
    return {warning.code for warning in table.warnings}


LINES = "id,name\n" + "".join(f"{n},{'x' * 20}\n" for n in range(60_000))


@pytest.mark.parametrize("body", ["id,name\n1,a\n2,b\n", LINES], ids=["small", "large"])
def test_lines_around_a_table_are_left_out_counted_and_told(source: Writes, body: str) -> None:
    table = delimited(source("Loan register\nmade in spring\n\n" + body + "Source: the ledger\n"))

    count = body.count("\n") - 1
    assert names(table) == ["id", "name"]
    assert [row["_source_row"] for row in all_values(table)] == list(range(5, 5 + count))
    assert types(table)["id"] == "BIGINT"
    assert codes(table) == {"preamble", "footer"}
    assert (table.receipt.rows_written, table.receipt.rows_skipped) == (count, 1)
    assert table.receipt.adds_up


def test_a_sparse_last_row_in_quotes_is_data(source: Writes) -> None:
    table = delimited(source('a,b,c\n"1","x","y"\n,,\n"z",,\n,,""\n'))

    assert rows(table)[1:] == [("z", None, None), (None, None, "")]


@pytest.mark.parametrize(
    "last", ["Notebook,,", "Football,,", "Note,,", "John Ronald Reuel Tolkien,,", "Source: me,,"]
)
def test_a_last_row_with_a_name_alone_is_data(source: Writes, last: str) -> None:
    table = delimited(source(f"name,qty,price\nPen,1,2\nPencil,3,4\n{last}\n"))

    assert rows(table)[2:] == [(last.strip(","), None, None)]
    assert codes(table) == set()


@pytest.mark.parametrize("last", ["Record", "Notebook", "Sourdough", "Footstool"])
def test_a_last_row_of_one_word_is_data(source: Writes, last: str) -> None:
    table = delimited(source(f"name,qty\nPen,1\nPencil,3\n{last}\n"))

    assert rows(table)[2:] == [(last, None)]
    assert codes(table) == {"short_rows"}


@pytest.mark.parametrize("body", ["id,name\n1,a\n2,b\n", LINES], ids=["small", "large"])
def test_comments_and_repeated_headers_are_no_rows(source: Writes, body: str) -> None:
    table = delimited(source("# export of loans\n" + body + "# checked, twice, by hand\nid,name\n"))

    assert table.receipt.rows_written == body.count("\n") - 1
    assert types(table)["id"] == "BIGINT"
    assert codes(table) == {"comments", "repeated_header"}


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("#3,c,x\n", {"comments"}),
        ("#3,c,x\n\n", {"comments", "blank_rows"}),
        ("\n#3,c,x\n", {"comments", "blank_rows"}),
        ("#3,c,x\nSource: the ledger\n", {"footer"}),
        ("Source: the ledger\n#3,c,x\n", {"footer"}),
    ],
)
@pytest.mark.parametrize("options", [{}, {"header": 1}], ids=["found", "asked"])
def test_comments_at_the_end_are_counted_and_told(
    source: Writes, end: str, told: set[str], options: dict[str, Any]
) -> None:
    table = opened(source("id,name\n1,a\n2,b\n" + end), **options)

    assert rows(table) == [(1, "a"), (2, "b")]
    assert codes(table) == told
    assert table.receipt.rows_skipped == len(end.splitlines())
    assert table.receipt.adds_up


def test_a_hash_within_quotes_or_in_most_rows_is_data(source: Writes) -> None:
    text = '# note\nid,tag\n1,#a\n"#2",#b\n3,#c\n'

    assert rows(delimited(source(text))) == [("1", "#a"), ("#2", "#b"), ("3", "#c")]
    assert len(rows(delimited(source("tag,id\n#1,4\n#2,5\n#3,6\n")))) == 3


def test_a_file_without_a_header_keeps_its_first_row(source: Writes) -> None:
    table = delimited(source("1,Ann,2026-01-01\n2,Bob,2026-01-02\n3,Cy,2026-01-03\n"))

    assert list(types(table)) == ["column_1", "column_2", "column_3"]
    assert [row["_source_row"] for row in all_values(table)] == [1, 2, 3]
    assert table.decision.tables[0].header_rows == 0


def test_short_first_rows_above_no_header_are_data(source: Writes) -> None:
    table = delimited(source("1,a\n2,b\n3,c,x\n4,d,y\n5,e,z\n"))

    assert rows(table)[:3] == [(1, "a", None), (2, "b", None), (3, "c", "x")]
    assert (table.receipt.rows_read, codes(table)) == (5, {"short_rows"})


def test_lines_left_out_above_a_table_are_quoted(source: Writes) -> None:
    (warning,) = delimited(source('Loans,"May,\nJune"\n\nid,name,n\n1,a,2\n2,b,3\n')).warnings
    assert warning.message == '1 rows above the table left out: Loans,"May, June"'

    (warning,) = delimited(source("x" * 300 + "\nid,name\n1,a\n2,b\n")).warnings
    assert warning.message == "1 rows above the table left out: " + "x" * 200


def test_years_may_be_names(source: Writes) -> None:
    assert names(delimited(source("2019,2020\n5,6\n7,8\n"))) == ["2019", "2020"]


def test_a_header_of_several_rows_is_joined(source: Writes) -> None:
    text = ",2025,,2026,\nname,q1,q2,q1,q2\na,1,2,3,4\nb,1,2,3,4\nc,1,2,3,4\n"

    assert names(delimited(source(text))) == ["name", "2025 q1", "2025 q2", "2026 q1", "2026 q2"]


def test_a_word_for_nothing_in_the_first_row_joins_no_header(source: Writes) -> None:
    table = delimited(source("id,amount\nunknown,1\n2,3\n4,5\n6,7\n"))

    assert names(table) == ["id", "amount"]


def test_several_tables_in_a_file_are_several_parts(source: Writes) -> None:
    text = "Persons\nid,name\n1,A\n2,B\n\nCities\nid,name,zip\n1,X,5\n2,Y,6\n"
    persons, cities = DelimitedConverter().open_tables(source(text))

    assert (persons.part, rows(persons)) == ("Persons", [(1, "A"), (2, "B")])
    assert (cities.part, rows(cities)) == ("Cities", [(1, "X", 5), (2, "Y", 6)])
    assert [row["_source_row"] for row in all_values(cities)] == [8, 9]


def test_keys_and_values_above_a_table_are_no_table(source: Writes) -> None:
    text = "Author,A\nVersion,7\n\nid,name,n\n1,x,5\n,,\n2,y,6\n3,z,7\n"

    assert rows(delimited(source(text))) == [(1, "x", 5), (2, "y", 6), (3, "z", 7)]


def test_a_column_the_header_leaves_out_is_a_column(source: Writes) -> None:
    table = delimited(source("a,b\n1,2,x\n3,4,y\n"))

    assert rows(table) == [(1, 2, "x"), (3, 4, "y")]
    assert table.receipt.rows_rescued == 0


def test_quotes_that_nobody_doubled_stay_in_their_field(source: Writes) -> None:
    table = delimited(source('a,b\n"the "old, red" one",1\n"x, y",2\n'))

    assert rows(table) == [('the "old, red" one', 1), ("x, y", 2)]


@pytest.mark.parametrize(
    ("text", "delimiter", "quote", "escape"),
    [
        ("a;b\n'x;y';1\n'z';2\n", ";", "'", ""),
        ('a,b\n"say \\"hi\\", twice",1\n"x",2\n', ",", '"', "\\"),
        ("a~b\nx y~1.5\nz~2\n", "~", '"', ""),
        ("time\n10:00\n11:30\n", "", '"', ""),
        ('path,n\n"C:\\new\\",1\n"D:\\",2\n', ",", '"', ""),
    ],
)
def test_a_dialect_is_found(
    source: Writes, text: str, delimiter: str, quote: str, escape: str
) -> None:
    found = DelimitedConverter().decide(source(text))

    assert (found.delimiter, found.quote, found.escape) == (delimiter, quote, escape)


def test_a_decision_names_its_reasons_and_the_next_best(source: Writes) -> None:
    decision = DelimitedConverter().decide(source("name;amount\nx;1,5\ny;2,5\n"))

    assert (decision.certainty, decision.record_separator) == ("sure", "\n")
    assert [candidate.form.delimiter for candidate in decision.candidates[:2]] == [";", ","]
    assert any("next best delimiter ','" in reason for reason in decision.reasons)
    assert decision.tables[0].header_row == 1


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("utf-16-le", "Größe und Maße"),
        ("utf-16-be", "Größe und Maße"),
        ("utf-32", "Größe"),
        ("cp1250", "Łódź, Gdańsk"),
        ("cp1251", "Москва, Казань"),
        ("shift_jis", "東京のカタログ"),
        ("gb18030", "北京有限公司"),
        ("cp1252", "Müller, Größe"),
    ],
)
def test_an_encoding_without_a_mark_is_found(source: Writes, encoding: str, word: str) -> None:
    text = f'id,word\n1,"{word}"\n2,plain\n3,plain\n'

    assert rows(delimited(source(text.encode(encoding))))[0] == (1, word)


def test_a_late_byte_decides_the_encoding_of_a_large_file(source: Writes) -> None:
    table = delimited(source(LINES.encode() + "7,Łódź i Gdańsk\n".encode("cp1250")))

    assert rows(table)[-1] == (7, "Łódź i Gdańsk")


def test_an_encoding_that_was_asked_for_is_taken_or_refused_with_the_byte(source: Writes) -> None:
    file = source(b"a,b\n\xe9,1\n")

    assert rows(opened(file, encoding="cp1251")) == [("й", 1)]
    with pytest.raises(CorruptInput, match="byte 4") as error:
        opened(file, encoding="utf-8")
    assert error.value.hint


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a b\n1 2\n", {"delimiter": "space"}, [(1, 2)]),
        ("a;b,c\n1;2,3\n", {"delimiter": ","}, [("1;2", 3)]),
        ("a,b\n'1','x'\n'2','y'\n", {"quote": "none"}, [("'1'", "'x'"), ("'2'", "'y'")]),
        ("1,2\n3,4\n", {"header": "1"}, [(3, 4)]),
        ("a,b\n1,2\n", {"header": "none"}, [("a", "b"), ("1", "2")]),
        ("x\ny\na,b\n1,2\n", {"header": 3}, [(1, 2)]),
        ("x,y\na,b\n1,2\n", {"skip_lines": 1}, [(1, 2)]),
        ("a,b\n#1,2\n! no\n", {"comment": "!"}, [("#1", 2)]),
        ("a,b\n# x\n1,2\n3,4\n", {"comment": "none"}, [("# x", None), ("1", 2), ("3", 4)]),
        ("a,b\nN/A,1\n5,-\n", {"null": ["N/A", "-"]}, [(None, 1), (5, None)]),
        ("a,b\nN/A,1\n5,-\n", {"null": "N/A,-"}, [(None, 1), (5, None)]),
        ("a,b\n1x,2\n", {"delimiter": "tab", "header": "auto"}, [("1x,2",)]),
    ],
)
def test_an_option_wins_over_what_would_be_found(
    source: Writes, text: str, options: dict[str, Any], expected: list[tuple[Any, ...]]
) -> None:
    assert rows(opened(source(text), **options)) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "ab"},
        {"delimiter": "\n"},
        {"delimiter": "'", "quote": "'"},
        {"quote": "xx"},
        {"header": "first"},
        {"header": 0},
        {"skip_lines": -1},
        {"skip_lines": "many"},
        {"null": 5},
        {"decimal": "x"},
        {"decimal": ",", "thousands": ","},
        {"encoding": "utf-99"},
        {"delimeter": ";"},
    ],
    ids=str,
)
def test_a_wrong_option_is_named(source: Writes, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        opened(source("a,b\n1,2\n"), **options)

    assert set(error.value.fields) & set(options)
    assert error.value.hint


def test_a_header_row_beyond_the_file_is_refused(source: Writes) -> None:
    with pytest.raises(CorruptInput) as error:
        opened(source("a,b\n1,2\n"), header=9)

    assert error.value.reason == "no_header"


def test_the_options_are_those_that_are_understood(source: Writes) -> None:
    assert (
        opened(source("a,b\n1,2\n"), **DelimitedOptions.defaults()).facts
        == opened(source("a,b\n1,2\n")).facts
    )
