"""Numbers and dates as people write them: one reading for every row, or the text and both told."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kmflow_orchestration.converters.delimited import DelimitedConverter, DelimitedTable
from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import rows, types
from kmflow_orchestration_tests.corpus.written_columns import WrittenColumn, written_column


def column_of(source: Writes, texts: tuple[str, ...], **options: Any) -> DelimitedTable:
    lines = [f'{number}|"{text}"' for number, text in enumerate(texts)]
    (table,) = DelimitedConverter().open_tables(source("id|v\n" + "\n".join(lines)), options)
    return table


def about(table: DelimitedTable, code: str) -> list[ConversionWarning]:
    return [warning for warning in table.warnings if warning.code == code]


def values(table: DelimitedTable) -> list[Any]:
    return [row[1] for row in rows(table)]


def side_by_side(source: Writes, columns: list[WrittenColumn]) -> DelimitedTable:
    longest = max(len(column.texts) for column in columns)
    lines = ["id|" + "|".join(f"v{at}" for at in range(len(columns)))]
    for row in range(longest):
        cells = [column.texts[row] if row < len(column.texts) else "" for column in columns]
        lines.append(f"{row}|" + "|".join(cells))
    (table,) = DelimitedConverter().open_tables(source("\n".join(lines)))
    return table


def test_of_220_seeded_columns_none_is_wrong_and_every_ambiguous_one_is_told(
    source: Writes,
) -> None:
    columns = [written_column(number) for number in range(220)]
    table = side_by_side(source, columns)

    found = list(zip(*rows(table), strict=True))[1:]
    told = {warning.location for warning in about(table, "ambiguous_values")}
    for at, (column, cells) in enumerate(zip(columns, found, strict=True)):
        present = [cell for cell in cells if cell is not None]
        assert present == list(column.texts if column.values is None else column.values), column
        assert (f"column v{at}" in told) is column.is_ambiguous, column
    assert sum(column.is_ambiguous for column in columns) > 20
    assert sum(column.values is not None for column in columns) > 150


def test_a_point_before_three_digits_is_doubted_where_people_wrote_commas(source: Writes) -> None:
    (alone,) = DelimitedConverter().open_tables(source("a,b\n1.234,x\n2.500,y\n"))
    (beside,) = DelimitedConverter().open_tables(source('a,b\n1.234,"1,5"\n2.500,"2,5"\n'))

    assert rows(alone)[0][0] == Decimal("1.234")
    assert rows(beside) == [("1.234", Decimal("1.5")), ("2.500", Decimal("2.5"))]
    assert [warning.location for warning in about(beside, "ambiguous_values")] == ["column a"]


def test_the_reading_and_the_row_that_decided_it_are_told(source: Writes) -> None:
    table = column_of(source, ("01.02.2026", "03.04.2026", "13.04.2026"))

    assert values(table)[0] == date(2026, 2, 1)
    assert table.facts[1].reading == "day, month, year"
    (warning,) = about(table, "written_values")
    assert "row 4" in warning.message
    assert warning.location == "column v"


def test_both_readings_of_an_ambiguous_column_are_told(source: Writes) -> None:
    table = column_of(source, ("01.02.2026", "03.04.2026"))

    assert values(table) == ["01.02.2026", "03.04.2026"]
    (warning,) = about(table, "ambiguous_values")
    for part in ("all its 2 values", "day, month, year", "month, day, year", "01.02.2026"):
        assert part in warning.message


def test_the_text_of_a_column_that_was_read_can_be_had(source: Writes) -> None:
    table = column_of(source, ("1.234,50", "7"))

    assert rows(table, {"v": STRING})[0][1] == "1.234,50"
    assert values(table) == [Decimal("1234.50"), Decimal(7)]


@pytest.mark.parametrize(
    "texts",
    [
        ("€5", "$6"),
        ("€5", "6"),
        ("5 %", "6"),
        ("(5)", "(6)"),
        ("555 123 456", "555 987 654"),
        ("+5,5", "6,5"),
        ("007,5", "8,5"),
        ("1,5", "1.5"),
        ("1.23,4", "2.000,5"),
        ("29.02.2025", "28.02.2025"),
        ("12.11.2026", "2026-11-12"),
        ("10:30", "11:45"),
        ("A-1", "B-2"),
        ("1/2", "3/4"),
    ],
)
def test_what_is_no_single_reading_stays_text(source: Writes, texts: tuple[str, ...]) -> None:
    assert values(column_of(source, texts)) == list(texts)


def test_times_of_day_come_along(source: Writes) -> None:
    table = column_of(source, ("20.11.2026 9:05", "21.11.2026 10:30:15"))

    assert types(table)["v"] == "TIMESTAMP"
    assert [value.hour for value in values(table)] == [9, 10]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"decimal": ","}, [Decimal("1.234"), Decimal("2.500")]),
        ({"decimal": "."}, [1234, 2500]),
        ({"thousands": ","}, [1234, 2500]),
    ],
)
def test_a_mark_that_was_said_decides(
    source: Writes, options: dict[str, Any], expected: list[Any]
) -> None:
    assert values(column_of(source, ("1,234", "2,500"), **options)) == expected


@pytest.mark.parametrize(
    ("order", "texts", "expected"),
    [
        ("dmy", ("01/02/2026", "03/04/2026"), date(2026, 2, 1)),
        ("mdy", ("01/02/2026", "03/04/2026"), date(2026, 1, 2)),
        ("mdy", ("01/02/2026", "31/01/2026"), date(2026, 2, 1)),  # the rows say otherwise
        ("ymd", ("01/02/2026", "03/04/2026"), "01/02/2026"),  # no row can be read so
    ],
)
def test_an_order_that_was_said_decides_where_the_rows_do_not(
    source: Writes, order: str, texts: tuple[str, ...], expected: object
) -> None:
    table = column_of(source, texts, date_order=order)

    assert values(table)[0] == expected
    if "31" not in texts[1] and order != "ymd":
        assert "as was said" in about(table, "written_values")[0].message


def test_a_point_is_no_decimal_mark_where_it_was_said_to_part_thousands(source: Writes) -> None:
    assert values(column_of(source, ("1.234", "2.500"), decimal=",")) == [1234, 2500]
    assert values(column_of(source, ("1.5", "2.5"), decimal=",")) == ["1.5", "2.5"]


def test_one_late_row_decides_for_all(source: Writes) -> None:
    texts = ("01/02/2026",) * 30_000 + ("31/01/2026",)
    table = column_of(source, texts)

    assert (values(table)[0], values(table)[-1]) == (date(2026, 2, 1), date(2026, 1, 31))
    assert "row 30002" in about(table, "written_values")[0].message
