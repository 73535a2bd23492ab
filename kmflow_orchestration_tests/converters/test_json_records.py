from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ijson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.json_records import JsonConverter
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types

Opens = Callable[..., list[GatheredTable]]
LOANS = [
    {"id": 1, "amount": 1200.50, "due": "2026-11-20", "paid": True, "who": {"name": "Ana"}},
    {"id": 2, "amount": 7, "due": None, "paid": False, "who": {"name": "Bo", "tags": []}},
]
AS_LINES = "".join(json.dumps(loan) + "\n" for loan in LOANS)


@pytest.fixture
def opened(source: Writes) -> Opens:
    def open_json(content: str | bytes, name: str = "loans.json", **options: Any) -> Any:
        return JsonConverter().open_tables(source(content, name), options)

    return open_json


def codes(table: GatheredTable) -> list[str]:
    return [warning.code for warning in table.warnings]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (AS_LINES.encode(), "loans.jsonl"),
        (AS_LINES.encode(), "loans.json"),
        (json.dumps(LOANS).encode(), "loans.json"),
        (json.dumps(LOANS, indent=2).encode(), "loans.json"),
        (json.dumps(LOANS).encode("utf-16"), "loans.json"),
        (json.dumps(LOANS).encode("utf-8-sig"), "loans.json"),
        (gzip.compress(AS_LINES.encode()), "loans.jsonl.gz"),
        (bz2.compress(json.dumps(LOANS).encode()), "loans.json.bz2"),
        (pa.compress(AS_LINES.encode(), "zstd", asbytes=True), "loans.ndjson.zst"),
    ],
)
def test_objects_become_typed_rows_however_they_are_laid_out(
    opened: Opens, content: bytes, name: str
) -> None:
    (table,) = opened(content, name)

    assert types(table) == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,1)",
        "due": "DATE",
        "paid": "BOOLEAN",
        "who": "STRING",
    }
    assert rows(table) == [
        (1, Decimal("1200.5"), date(2026, 11, 20), True, '{"name":"Ana"}'),
        (2, Decimal("7.0"), None, False, '{"name":"Bo","tags":[]}'),
    ]
    assert (table.part, table.receipt.rows_written, table.receipt.adds_up) == ("", 2, True)


def test_numbers_are_exact_and_text_keeps_their_digits(opened: Opens) -> None:
    (table,) = opened('{"n": 9007199254740993, "d": 0.10, "big": 123456789012345678901234}\n')

    assert rows(table) == [(9007199254740993, Decimal("0.10"), 123456789012345678901234)]
    wanted = dict.fromkeys(types(table), STRING)
    assert rows(table, wanted) == [("9007199254740993", "0.10", "123456789012345678901234")]


def test_numbers_in_quotes_stay_text_and_moments_do_not(opened: Opens) -> None:
    (table,) = opened('[{"code": "7", "at": "2026-11-20T10:00:00Z", "said": "true"}]')

    assert rows(table) == [("7", datetime(2026, 11, 20, 10, tzinfo=UTC), "true")]


def test_columns_are_the_keys_of_all_records_as_they_show_up(opened: Opens) -> None:
    (table,) = opened('{"b": 1}\n{"a": 2, "b": 3}\n{"c": 4}\n')

    assert list(types(table)) == ["b", "a", "c"]
    assert rows(table) == [(1, None, None), (3, 2, None), (None, None, 4)]
    assert [fact.null_count for fact in table.facts] == [1, 2, 2]


def test_mixed_types_are_text_with_a_warning(opened: Opens) -> None:
    (table,) = opened('[{"a": 1}, {"a": "x"}, {"a": [1, 2.50]}, {"a": true}, {"a": NaN}]')

    assert rows(table) == [("1",), ("x",), ("[1,2.50]",), ("true",), ("NaN",)]
    assert [(warning.code, warning.location) for warning in table.warnings] == [
        ("mixed_types", "column a")
    ]


def test_of_a_key_that_is_there_twice_no_value_is_lost(opened: Opens) -> None:
    (table,) = opened('{"a": 1, "a": 2, "b": {"x": 1, "x": 2}}\n{"a": 3}\n')

    assert rows(table) == [(2, '{"x":1,"x":2}'), (3, None)]
    assert all_values(table)[0]["_rescued_data"] == '{"a": ["1"]}'
    assert codes(table) == ["nested_duplicate_keys", "duplicate_keys"]
    assert table.receipt.rows_rescued == 1
    (flat,) = opened('{"b": {"x": 1, "x": 2}, "c": [[{"y": 1, "y": 2}]]}', flatten=True)
    assert (rows(flat), codes(flat)) == (
        [(2, '[[{"y":1,"y":2}]]')],
        ["nested_duplicate_keys", "duplicate_keys"],
    )


def test_records_of_many_shapes_keep_their_order(opened: Opens) -> None:
    lines = ['{"a":1,"b":"x"}', '{"b":"y","a":2}', '{"c":[1, 2.50]}', '{"a":3,"a":4}', "{}"]
    (table,) = opened("\n".join([*lines, '{"c":null,"d":true}', '{"a":5,"b":"z"}', *lines]))

    start = [(1, "x", None, None), (2, "y", None, None), (None, None, "[1,2.50]", None)]
    start += [(4, None, None, None), (None, None, None, None)]
    assert rows(table) == [*start, (None, None, None, True), (5, "z", None, None), *start]
    assert [row["_source_row"] for row in all_values(table)] == list(range(1, 13))
    assert table.receipt.rows_rescued == 2


def test_keys_named_as_ours_clash_with_nothing(opened: Opens) -> None:
    (table,) = opened('[{"_source_row": 7, "group_id": "x", "_rescued_data": 1, "_id": 2}]')

    assert [fact.source_name for fact in table.facts] == [
        *("_source_row", "group_id", "_rescued_data", "_id")
    ]
    assert all_values(table) == [
        {
            "_source_row": 1,
            "source_row": 7,
            "group_id_2": "x",
            "rescued_data": 1,
            "id": 2,
            "_rescued_data": None,
        }
    ]


def test_blank_lines_and_null_records_are_skipped_and_counted(opened: Opens) -> None:
    (table,) = opened('{"a": 1}\n\n  \r\nnull\n{}\n{"a": 2}')

    assert [row["_source_row"] for row in all_values(table)] == [1, 5, 6]
    receipt = table.receipt
    assert (receipt.rows_read, receipt.rows_skipped, receipt.adds_up) == (6, 3, True)


@pytest.mark.parametrize(
    ("content", "name"),
    [("{}\n{}\n", "k.jsonl"), ("[{},{}]", "k.json"), ('{"a": [{}, {}]}', "k.json")],
)
def test_records_that_all_have_no_key_are_skipped_and_counted(
    opened: Opens, content: str, name: str
) -> None:
    (table,) = opened(content, name)
    receipt = table.receipt

    assert (table.facts, all_values(table), codes(table)) == ((), [], ["blank_rows"])
    assert (receipt.rows_read, receipt.rows_skipped, receipt.adds_up) == (2, 2, True)


def test_a_record_without_keys_beside_a_rescued_line_is_a_row(opened: Opens) -> None:
    (table,) = opened("{}\n{oops\n", "k.jsonl", bad_lines="rescue")

    assert [row["_rescued_data"] for row in all_values(table)] == [None, "{oops"]


def test_records_that_are_no_objects_have_one_column(opened: Opens) -> None:
    (table,) = opened('[1, 2.5, [3], {"value": "x"}]')

    assert rows(table) == [("1", None), ("2.5", None), ("[3]", None), (None, "x")]


def test_arrays_of_a_document_are_tables_that_know_their_document(opened: Opens) -> None:
    root, items = opened('{"type": "F", "items": [{"id": 1}, {"id": 2}], "tags": ["x"]}')

    assert (root.part, rows(root)) == ("", [(1, "F", '["x"]')])
    assert list(types(root)) == ["_id", "type", "tags"]
    assert (items.part, list(types(items)), rows(items)) == (
        "items",
        ["_parent_id", "id"],
        [(1, 1), (1, 2)],
    )


def test_a_document_of_one_array_alone_is_that_table(opened: Opens) -> None:
    (table,) = opened('{"items": [{"id": 1}, null, {"id": 2}]}')

    assert (table.part, rows(table), table.receipt.rows_skipped) == ("items", [(1,), (2,)], 1)


def test_parts_that_differ_in_case_alone_keep_apart(opened: Opens) -> None:
    tables = opened('{"Items": [{"a": 1}], "items": [{"a": 2}]}')

    assert [(table.part, rows(table)) for table in tables] == [
        ("Items", [(1,)]),
        ("items_2", [(2,)]),
    ]


def test_flatten_makes_columns_of_members_and_tables_of_arrays(opened: Opens) -> None:
    content = """[{"id": 1, "who": {"name": "Ana", "home": {"zip": 5}}, "empty": {},
                   "pays": [{"on": "2026-01-02", "parts": [{"n": 1}, {"n": 2}]}, {"on": null}]}]"""
    loans, pays, parts = opened(content, flatten=True)

    assert [fact.source_name for fact in loans.facts] == [
        *("_id", "id", "who.name", "who.home.zip", "empty")
    ]
    assert rows(loans) == [(1, 1, "Ana", 5, "{}")]
    assert (pays.part, rows(pays)) == ("pays", [(1, 1, date(2026, 1, 2)), (2, 1, None)])
    assert (parts.part, rows(parts)) == ("pays.parts", [(1, 1), (1, 2)])


@pytest.mark.parametrize("path", ["data.rows[*]", "data.rows"])
def test_a_record_path_picks_the_rows_and_counts_what_lies_beside(opened: Opens, path: str) -> None:
    content = '{"took": 5, "data": {"rows": [{"a": 1}, {"a": 2}], "total": 2}}'
    (table,) = opened(content, record_path=path)

    assert rows(table) == [(1,), (2,)]
    assert [(one.code, one.message[:2]) for one in table.warnings] == [
        ("outside_record_path", "2 ")
    ]


def test_a_record_path_goes_through_arrays(opened: Opens) -> None:
    (table,) = opened('[{"x": [{"a": 1}]}, {"x": [{"a": 2}]}]', record_path="[*].x[*]")

    assert rows(table) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no JSON value"),
        (" \n ", "no JSON value"),
        ("5", "plain value"),
        ('"x"', "plain value"),
        ("Dear all,\n", "line 1, column 1"),
        ('[{"a": 1},\n {"a": 2]', "line 2, column 9"),
        ('[{"a": 1}', "',' is missing"),
        ('[{"a": "x', "line 1, column 10"),
        ('[{"a": 1},]', "line 1, column 11"),
        ('{"a": 1}\n{"a": \n{"a": 3}\n', "line 2, column"),
        ('{"a": 1}\n{"a": 1} x\n', "line 2, column 10"),
        ("[" * 5000 + "]" * 5000, "200 levels"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "200 levels"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(opened: Opens, content: str, told: str) -> None:
    with pytest.raises(CorruptInput, match=told):
        opened(content)


def test_a_record_path_to_nothing_is_refused(opened: Opens) -> None:
    with pytest.raises(CorruptInput, match=r"a\.b"):
        opened('{"a": {"c": []}}', record_path="a.b")


def test_broken_lines_can_be_rescued_or_rejected(opened: Opens) -> None:
    content = '{"a": 1}\n{"a": \n{"a": 3}\n'
    (rescued,) = opened(content, bad_lines="rescue")
    (rejected,) = opened(content, bad_lines="reject")

    assert rows(rescued) == [(1,), (None,), (3,)]
    assert all_values(rescued)[1]["_rescued_data"] == '{"a":'
    assert rows(rejected) == [(1,), (3,)]
    assert (rejected.receipt.rows_rejected, rejected.receipt.adds_up) == (1, True)
    (line,) = rejected.rejected_rows()
    assert (line.source_row, line.raw) == (2, json.dumps('{"a":'))
    assert line.reason.startswith("column 6: no JSON")
    assert [one.warnings[0].location[:6] for one in (rescued, rejected)] == ["line 2"] * 2


@pytest.mark.parametrize(
    "options", [{"flat": True}, {"bad_lines": "skip"}, {"record_path": "a[0]"}]
)
def test_unknown_options_are_refused(opened: Opens, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        opened("[]", **options)


def test_half_a_character_is_kept_as_its_escape(opened: Opens) -> None:
    (table,) = opened('[{"a": "x\\ud800"}]')

    assert (rows(table), codes(table)) == ([("x\\ud800",)], ["half_characters"])


@pytest.mark.parametrize("flatten", [False, True])
def test_half_a_character_in_a_key_is_its_escape(opened: Opens, flatten: bool) -> None:
    (table,) = opened('[{"x\\ud800": 1}, {"x\\ud800": 2, "x\\ud800": 3}]', flatten=flatten)

    assert [fact.source_name for fact in table.facts] == ["x\\ud800"]
    assert rows(table) == [(1,), (3,)]
    assert all_values(table)[1]["_rescued_data"] == json.dumps({"x\\ud800": ["2"]})


def test_half_a_character_in_the_key_of_a_table_is_its_escape(opened: Opens) -> None:
    (table,) = opened('{"x\\ud800": [{"a": 1}]}')

    assert (table.part, rows(table)) == ("x\\ud800", [(1,)])


def test_stray_bytes_are_told(opened: Opens) -> None:
    (table,) = opened('[{"a": "café"}]'.encode("cp1252"))

    assert (rows(table), codes(table)) == ([("café",)], ["encoding"])


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_truncated_gzip_is_corrupt(opened: Opens, share: float) -> None:
    whole = gzip.compress(AS_LINES.encode() * 50)

    with pytest.raises(CorruptInput):
        opened(whole[: int(len(whole) * share)], "loans.json.gz")


def test_too_many_columns_are_refused(opened: Opens) -> None:
    content = json.dumps([{f"k{number}": 1 for number in range(16_385)}])

    with pytest.raises(CorruptInput) as error:
        opened(content)

    assert error.value.reason == "too_large_inside"


def test_records_longer_than_what_is_read_at_once_come_whole(opened: Opens) -> None:
    long = "x" * (3 << 20)
    (table,) = opened(json.dumps([{"a": long, "b": 1}, {"a": "y", "b": 22}]))

    assert rows(table) == [(long, 1), ("y", 22)]


def test_numbers_across_what_is_read_at_once_come_whole(opened: Opens) -> None:
    (table,) = opened(json.dumps(list(range(100_000, 300_000)), separators=(",", ":")))

    assert [value for (value,) in rows(table)] == list(range(100_000, 300_000))


@pytest.mark.parametrize("number", ["1.5", "1e5", "1E+5", "-1.25e-7"])
def test_a_number_is_whole_wherever_what_is_read_at_once_ends(opened: Opens, number: str) -> None:
    for cut in range(len(number) + 1):
        (table,) = opened("[" + " " * ((1 << 20) - 1 - cut) + number + "]")

        assert [float(value) for (value,) in rows(table)] == [float(number)]


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=4)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.decimals(-(10**9), 10**9, places=3)
    | names
)
values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(names, leaves, max_size=2)
records = st.lists(st.dictionaries(names, values, max_size=4), min_size=2, max_size=5)


def as_json(value: Any) -> str:
    """JSON by a writer of the test's own: decimals with their digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_json(key)}: {as_json(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def read_back(value: Any, cell: Any) -> Any:
    """A cell as the JSON value it says it is, told by the value that was written."""
    if isinstance(cell, str) and not isinstance(value, str):
        return json.loads(cell, parse_float=Decimal)
    return cell.isoformat() if isinstance(value, str) and not isinstance(cell, str) else cell


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=records, is_lines=st.booleans())
def test_any_records_come_back_with_their_values(
    tmp_path: Path, content: list[dict[str, Any]], is_lines: bool
) -> None:
    path = tmp_path / "any.json"
    lines = [as_json(record) for record in content]
    path.write_text("\n".join(lines) if is_lines else f"[{', '.join(lines)}]", encoding="utf-8")
    (table,) = JsonConverter().open_tables(Source(path, "any.json"))

    keys = list(dict.fromkeys(key for record in content for key in record))
    assert [fact.source_name for fact in table.facts] == keys
    found = rows(table)
    assert table.receipt.rows_read == len(content)
    for row, record in zip(found, content if keys else [], strict=True):
        for key, cell in zip(keys, row, strict=True):
            value = record.get(key)
            assert read_back(value, cell) == value
    assert rows(table) == found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=records, cut=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_damaged_document_is_refused_or_read_as_another_reader_does(
    tmp_path: Path, content: list[dict[str, Any]], cut: int, byte: int
) -> None:
    text = bytearray(f"[{', '.join(map(as_json, content))}]".encode())
    text[cut % len(text)] = byte
    path = tmp_path / "any.json"
    path.write_bytes(text)
    try:
        tables = JsonConverter().open_tables(Source(path, "any.json"))
    except CorruptInput:
        return
    try:
        other = list(ijson.items(bytes(text), "item"))
    except (ijson.JSONError, UnicodeDecodeError):
        return
    assert sum(table.receipt.rows_read for table in tables) == len(other)
