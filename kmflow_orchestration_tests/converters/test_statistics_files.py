from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat
import pytest

from kmflow_orchestration.converters.interface import RESCUED_DATA, Source
from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.converters.statistics_columns import Clock, clock_of
from kmflow_orchestration.converters.statistics_files import StatisticsConverter
from kmflow_orchestration.converters.statistics_signature import kind_of
from kmflow_orchestration.converters.statistics_table import StatisticsTable
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types
from kmflow_orchestration_tests.converters.sas_samples import SasColumn, sas_data_set

Survey = Callable[..., Source]
ANSWERS: dict[str, list[Any]] = {
    "id": [1.0, 2.0, 9007199254740991.0],
    "agree": [1.0, 99.0, None],
    "share": [0.1, -2.5, None],
    "name": ["Ana", "", "Ünal"],
    "born": [date(2026, 1, 2), None, date(1859, 1, 1)],
    "sent": [datetime(2026, 1, 2, 3, 4, 5, 250_000), None, None],  # noqa: DTZ001
    "took": [time(1, 2, 3), None, None],
}
_WRITERS: dict[str, Callable[..., None]] = {
    "sav": pyreadstat.write_sav,
    "zsav": pyreadstat.write_sav,
    "por": pyreadstat.write_por,
    "dta": pyreadstat.write_dta,
    "xpt": pyreadstat.write_xport,
}
LABELS = {"agree": {1: "yes", 99: "refused"}}
SENT = datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    """Writes a file of SPSS or Stata with the library's own writers."""

    def write(name: str, columns: dict[str, list[Any]] = ANSWERS, **how: Any) -> Source:
        path = tmp_path / name
        frame = pd.DataFrame({key: pd.Series(of, dtype=object) for key, of in columns.items()})
        numeric = [key for key, of in columns.items() if _are_numbers(of)]
        frame[numeric] = frame[numeric].astype(float)
        _WRITERS[name.rpartition(".")[2]](frame, str(path), **how)
        return Source(path, name)

    return write


def _are_numbers(values: list[Any]) -> bool:
    return all(value is None or isinstance(value, float) for value in values)


def opened(source: Source, **options: Any) -> StatisticsTable:
    (table,) = StatisticsConverter().open_tables(source, options)
    return table


def notes(table: StatisticsTable, name: str) -> dict[str, str]:
    return next(dict(fact.notes) for fact in table.facts if fact.name == name)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.sav", {"row_compress": False}),
        ("a.sav", {"row_compress": True}),
        ("a.zsav", {"compress": True}),
        ("a.dta", {"version": 15}),
        ("a.dta", {"version": 12}),
    ],
    ids=["sav", "packed-sav", "zsav", "stata-15", "stata-12"],
)
def test_surveys_are_tables_of_typed_columns(
    survey: Survey, name: str, how: dict[str, Any]
) -> None:
    columns = dict(ANSWERS)
    if how.get("version") == 12:
        columns["name"] = ["Ana", "", "U"]  # before Unicode
    table = opened(survey(name, columns, **how))

    assert types(table) == {
        "id": "BIGINT",
        "agree": "BIGINT",
        "share": "DOUBLE",
        "name": "STRING",
        "born": "DATE",
        "sent": "TIMESTAMP",
        "took": "STRING",
    }
    assert rows(table) == [
        (1, 1, 0.1, "Ana", date(2026, 1, 2), SENT, "01:02:03"),
        (2, 99, -2.5, "", None, None, None),
        (9007199254740991, None, None, columns["name"][2], date(1859, 1, 1), None, None),
    ]
    assert [fact.null_count for fact in table.facts] == [0, 1, 1, 0, 1, 2, 2]
    assert (table.receipt.rows_written, table.receipt.adds_up, table.warnings) == (3, True, ())
    assert rows(table, dict.fromkeys(types(table), STRING))[0] == (
        *("1", "1", "0.1", "Ana", "2026-01-02", "2026-01-02T03:04:05.250000", "01:02:03"),
    )


def test_codes_stay_and_their_meaning_stands_with_the_column(survey: Survey) -> None:
    table = opened(
        survey(
            "a.sav",
            column_labels={"agree": "Do you agree?"},
            variable_value_labels=LABELS,
            missing_ranges={"agree": [99]},
            file_label="a survey",
            note="by telephone",
        )
    )

    found = notes(table, "agree")
    assert (found["label"], json.loads(found["value_labels"])) == (
        "Do you agree?",
        {"1": "yes", "99": "refused"},
    )
    assert json.loads(found["missing_values"]) == [{"lo": 99.0, "hi": 99.0}]
    assert [row[1] for row in rows(table)] == [1, 99, None]
    options = table.receipt.options
    assert json.loads(options["value_labels"]) == {"agree": {"1": "yes", "99": "refused"}}
    assert (options["label"], options["notes"]) == ("a survey", "by telephone")


def test_why_a_number_is_missing_is_rescued(survey: Survey) -> None:
    columns = {"q": [1.0, "a", 3.5], "w": [1.0, 2.0, "z"]}
    table = opened(survey("a.dta", columns, missing_user_values={"q": ["a"], "w": ["z"]}))

    assert rows(table) == [(1.0, 1), (None, 2), (3.5, None)]
    rescued = [row["_rescued_data"] for row in all_values(table)]
    assert rescued == [None, '{"q": ".a"}', '{"w": ".z"}']
    assert table.receipt.rows_rescued == 2
    assert [warning.code for warning in table.warnings] == ["missing_reasons"]


SAS = sas_data_set(
    [
        SasColumn("id", label="Number"),
        SasColumn("name", width=8),
        SasColumn("due", format="DATE"),
        SasColumn("at", format="DATETIME"),
        SasColumn("amount"),
    ],
    [
        [1.0, "Ana", 24_108.0, 2_082_942_245.5, 1.5],
        [2.0, "Ünal", "", "", "A"],
        [3.0, "", -1.0, "", ""],
    ],
)


def test_sas_data_sets_are_tables_of_typed_columns(source: Writes) -> None:
    table = opened(source(SAS, "loans.sas7bdat"))

    assert types(table) == {
        "id": "BIGINT",
        "name": "STRING",
        "due": "DATE",
        "at": "TIMESTAMP",
        "amount": "DOUBLE",
    }
    moment = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    assert rows(table) == [
        (1, "Ana", date(2026, 1, 2), moment, 1.5),
        (2, "Ünal", None, None, None),
        (3, "", date(1959, 12, 31), None, None),
    ]
    rescued = [row["_rescued_data"] for row in all_values(table)]
    assert rescued == [None, '{"amount": ".A"}', None]
    assert notes(table, "id")["label"] == "Number"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_a_truncated_data_set_is_corrupt(source: Writes, share: float) -> None:
    with pytest.raises(CorruptInput):
        opened(source(SAS[: int(len(SAS) * share)], "loans.sas7bdat"))


@pytest.mark.parametrize("value", [1e300, 1.5 * 86_400, -1e12], ids=["never", "noon", "early"])
def test_what_is_no_date_leaves_its_column_numbers(survey: Survey, value: float) -> None:
    columns = {"born": [86_400.0, value]}
    table = opened(survey("a.sav", columns, variable_format={"born": "DATE11"}))

    assert (types(table), rows(table)) == (
        {"born": "DOUBLE" if abs(value) > 1e15 else "BIGINT"},
        [(86_400,), (value,)],
    )
    assert [warning.code for warning in table.warnings] == ["moments_as_numbers"]


def test_durations_may_be_longer_than_a_day(survey: Survey) -> None:
    columns = {"took": [100_000.5, 0.0]}
    table = opened(survey("a.sav", columns, variable_format={"took": "TIME11.2"}))

    assert rows(table) == [("27:46:40.500000",), ("00:00:00",)]


@pytest.mark.parametrize(
    ("kind", "shown_as", "clock"),
    [
        ("sav", "ADATE10", Clock.DATE),
        ("sav", "DATETIME23.2", Clock.MOMENT),
        ("sav", "F8.2", Clock.NONE),
        ("dta", "%tdD_m_Y", Clock.DATE),
        ("dta", "%tcHH:MM", Clock.TIME),
        ("dta", "%tcDDmonCCYY_HH:MM:SS", Clock.MOMENT),
        ("dta", "%tC", Clock.NONE),
        ("dta", "%tm", Clock.NONE),
        ("sas7bdat", "YYMMDD10.", Clock.DATE),
        ("sas7bdat", "e8601dt26.6", Clock.MOMENT),
        ("sas7bdat", "TIME8.", Clock.TIME),
        ("sas7bdat", "BEST12.", Clock.NONE),
        ("sas7bdat", "", Clock.NONE),
    ],
)
def test_the_format_of_a_column_says_what_its_numbers_are(
    kind: str, shown_as: str, clock: Clock
) -> None:
    assert clock_of(kind, shown_as) is clock


def test_columns_without_values_and_rows_keep_their_names(survey: Survey) -> None:
    empty = opened(survey("a.sav", {"a": [None, None], "b": ["", ""]}))
    nothing = opened(survey("b.sav", {"a": [], "b": []}))

    assert (types(empty), rows(empty)) == ({"a": "STRING", "b": "STRING"}, [(None, ""), (None, "")])
    assert (list(types(nothing)), rows(nothing)) == (["a", "b"], [])


def test_more_rows_than_a_block_holds_count_on(survey: Survey) -> None:
    """Types are proven on the last block, too: only there is one number no whole one."""
    count = 100_500
    values = [float(at) for at in range(1, count)] + [0.5]
    table = opened(survey("a.sav", {"a": values}, row_compress=True))

    found = all_values(table)
    assert [row["_source_row"] for row in found] == list(range(1, count + 1))
    assert [row["a"] for row in found] == values
    assert (types(table), table.receipt.rows_written) == ({"a": "DOUBLE"}, count)


@pytest.mark.parametrize("name", ["a.sav", "a.zsav", "a.dta"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_a_truncated_file_is_corrupt(survey: Survey, name: str, share: float) -> None:
    path = survey(name, compress=True).path if name == "a.zsav" else survey(name).path
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(CorruptInput):
        opened(Source(path, name))


def test_texts_in_another_encoding_than_the_file_says(survey: Survey) -> None:
    path = survey("a.sav", {"name": ["Xnal"]}).path
    path.write_bytes(path.read_bytes().replace(b"Xnal", "Ünal".encode("cp1252")))

    with pytest.raises(CorruptInput):
        opened(Source(path, "a.sav"))
    assert rows(opened(Source(path, "a.sav"), encoding="cp1252")) == [("Ünal",)]
    with pytest.raises(ConfigurationError):
        opened(Source(path, "a.sav"), encoding="no such thing")


@pytest.mark.parametrize(
    "content", [b"", b"$FL2", b"<stata_dta>", b"\x72\x01\x01\0", b"a,b\n1,2\n"]
)
def test_what_is_no_such_file_is_corrupt(source: Writes, content: bytes) -> None:
    with pytest.raises(CorruptInput):
        opened(source(content, "a.sav"))


def test_files_are_told_by_their_first_bytes(survey: Survey) -> None:
    heads = {name: survey(name).path.read_bytes()[:64] for name in ("a.sav", "a.dta")}
    sas = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")

    assert [kind_of(heads["a.sav"]), kind_of(heads["a.dta"]), kind_of(sas)] == [
        *("sav", "dta", "sas7bdat"),
    ]
    assert kind_of(b"rows\x01\x00") == kind_of(b"") == ""


PLAIN: dict[str, list[Any]] = {
    "id": [1.0, None, 0.1],
    "name": ["Ana", "", "U"],
    "born": [date(2026, 1, 2), None, date(1959, 1, 1)],
}


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.por", {}), ("a.xpt", {"file_format_version": 5}), ("a.xpt", {"file_format_version": 8})],
    ids=["portable", "transport-5", "transport-8"],
)
def test_files_for_other_machines_are_tables_too(
    survey: Survey, name: str, how: dict[str, Any]
) -> None:
    source = survey(name, PLAIN, column_labels=["the id", None, None], **how)
    table = opened(source)

    assert [fact.source_name.lower() for fact in table.facts] == ["id", "name", "born"]
    assert list(types(table).values()) == ["DOUBLE", "STRING", "DATE"]
    assert rows(table) == [
        (1.0, "Ana", date(2026, 1, 2)),
        (None, "", None),
        (0.1, "U", date(1959, 1, 1)),
    ]
    assert dict(table.facts[0].notes)["label"] == "the id"
    assert table.part == ""
    head = source.path.read_bytes()[:600]
    assert kind_of(head) == name.rpartition(".")[2]
    assert media_type_of_content(head, len(head), lambda *_: b"").startswith("application/x-s")


def test_every_table_of_a_transport_file_is_read(survey: Survey) -> None:
    first = survey("a.xpt", PLAIN, table_name="FIRST", file_format_version=5).path.read_bytes()
    other = survey("b.xpt", {"n": [7.0, 8.0]}, table_name="OTHER", file_format_version=5)
    second = other.path.read_bytes()
    other.path.write_bytes(first + second[second.index(b"HEADER RECORD*******MEMBER") :])

    tables = StatisticsConverter().open_tables(other)

    assert [(table.part, table.receipt.rows_written) for table in tables] == [
        ("FIRST", 3),
        ("OTHER", 2),
    ]
    assert rows(tables[1]) == [(7,), (8,)]
    # A second reading, behind the end of the copies that each was read from.
    assert rows(tables[0])[0] == (1.0, "Ana", date(2026, 1, 2))


def test_why_a_number_is_missing_is_kept(survey: Survey) -> None:
    source = survey("a.xpt", {"id": [1.0, None, None], "n": [2.0, None, 3.0]})
    content = bytearray(source.path.read_bytes())
    row = content.index(b"OBS") + 60 + 16
    assert content[row : row + 16] == b"\x2e" + bytes(7) + b"\x2e" + bytes(7)
    content[row + 8] = ord("R")
    content[row + 16] = ord("_")
    source.path.write_bytes(content)

    table = opened(source)

    assert [row[RESCUED_DATA] for row in all_values(table)] == [
        None,
        '{"n": ".r"}',
        '{"id": "._"}',
    ]
    assert table.receipt.rows_rescued == 2
    assert rows(table) == [(1, 2), (None, None), (None, 3)]


@pytest.mark.parametrize("at", [0, 300, 400, 700, 900])
def test_transport_files_that_break_off_are_refused(survey: Survey, at: int) -> None:
    source = survey("a.xpt", PLAIN)
    source.path.write_bytes(source.path.read_bytes()[:at])

    with pytest.raises(CorruptInput):
        opened(source)


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize("lost", [1, 80, 4000])
def test_rows_that_a_transport_file_breaks_off_before_are_told(
    survey: Survey, version: int, lost: int
) -> None:
    values = {"c": [f"x{at}" for at in range(500)], "n": [float(at) for at in range(500)]}
    source = survey("a.xpt", values, file_format_version=version)
    assert not opened(source).warnings
    source.path.write_bytes(source.path.read_bytes()[:-lost])

    told = opened(source).warnings

    assert [one.code for one in told] == ["row_count_differs"]


def test_blank_rows_that_nothing_tells_from_the_end_of_the_file_are_told(survey: Survey) -> None:
    values = {"c": ["abcdefgh"] * 5 + [""] * 40}

    older = opened(survey("a.xpt", values, file_format_version=5))
    newer = opened(survey("b.xpt", values, file_format_version=8))

    assert older.receipt.rows_written == 5
    assert "at least 41" in older.warnings[0].message
    assert newer.receipt.rows_written == 45
    assert not newer.warnings


def test_a_portable_file_has_letters_of_its_own(survey: Survey) -> None:
    with pytest.raises(ConfigurationError, match="encoding"):
        opened(survey("a.por", PLAIN), encoding="cp1252")
