"""Types that columns must have: what does not fit is named or set aside, never changed (D18)."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import CorruptInput, DataLossError, InvalidOptions
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.earlier_results import find_earlier
from kmflow_orchestration.operations.convert.fitting import arrow_type, fitted
from kmflow_orchestration.operations.convert.folder_plan import PlannedFile, plan_folder
from kmflow_orchestration.operations.convert.inspect_file import inspect_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.type_schema import read_schema
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.operations.convert.conftest import names_in

MIXED = 'id,name,amount\n1,Ann,10.50\n2,Bo\nx,Cy,7\n4,Di,1,zz\n5,"",nan\n'
SCHEMA = {"columns": {"id": "int64", "amount": "decimal(10,2)"}}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A short row, a long one, and two with a value that is no number."""
    path = tmp_path / "mixed.csv"
    path.write_text(MIXED)
    return path


def converted(source: Path, **options: object) -> Conversion:
    return convert_file(source, options=conversion_options(options))


def read(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_columns_get_the_types_that_are_demanded(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text("id,share,day,at,code\n007,1,2026-01-02,2026-01-02,5\n")
    types = {"id": "int32", "share": "double", "day": "date", "at": "timestamp"}

    converted(source, schema={**types, "code": "string"})

    table = pq.read_table(source.with_suffix(".parquet"))
    assert [str(kind) for kind in table.schema.types] == [
        *("int32", "double", "date32[day]", "timestamp[us]", "string"),
    ]
    moment = datetime(2026, 1, 2)  # noqa: DTZ001
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (7, 1.0, date(2026, 1, 2), moment, "5"),
    ]


def test_the_first_value_that_does_not_fit_is_named_and_nothing_is_made(mixed: Path) -> None:
    mixed.write_text(f"id\n1\n{'y' * 200}\n")

    with pytest.raises(DataLossError) as failed:
        converted(mixed, schema={"id": "int64"})

    assert failed.value.message == f"column id, row 3: '{'y' * 80}…' is no int64"
    assert names_in(mixed.parent) == {"mixed.csv"}


def test_rows_that_do_not_fit_are_set_aside_and_counted(mixed: Path) -> None:
    done = converted(mixed, schema=SCHEMA, on_bad_row="quarantine")

    assert read(mixed.with_suffix(".parquet")) == [
        {"id": 1, "name": "Ann", "amount": Decimal("10.50")},
    ]
    rejects = read(mixed.with_name("mixed.rejects.parquet"))
    assert [(one["source_row"], one["column"], one["reason"]) for one in rejects] == [
        (4, "id", "'x' is no int64"),
        (6, "amount", "'nan' is no decimal128(10, 2)"),
        (3, "", "it has 2 fields, and there are 3 columns"),
        (5, "", "it has 4 fields, and there are 3 columns"),
    ]
    assert json.loads(rejects[0]["raw"]) == {"id": "x", "name": "Cy", "amount": "7"}
    assert json.loads(rejects[3]["raw"]) == ["4", "Di", "1", "zz"]
    [output] = done.manifest.outputs
    counts = {name: output.receipt[f"rows_{name}"] for name in ("read", "written", "rejected")}
    assert counts == {"read": 5, "written": 1, "rejected": 4}
    assert done.missed == ("mixed.parquet: 4 rows were rejected, see mixed.rejects.parquet",)
    assert verify_output(mixed.with_suffix(".parquet")).is_equal


def test_beside_a_file_without_a_suffix_they_are_no_hidden_file(mixed: Path) -> None:
    output = mixed.with_name("out")
    output.touch()
    options = conversion_options({"on_bad_row": "quarantine", "force": True})
    done = convert_file(mixed, output, options)

    assert [one.rejects for one in done.manifest.outputs] == ["out.rejects.parquet"]
    assert "out.rejects.parquet" in names_in(mixed.parent)


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "old manifest"])
def test_rows_set_aside_are_guarded_as_the_others_are(mixed: Path, is_old: bool) -> None:
    options = conversion_options({"schema": SCHEMA, "on_bad_row": "quarantine"})
    done = convert_file(mixed, options=options)
    rejects = mixed.with_name("mixed.rejects.parquet")
    told = json.loads(done.manifest_path.read_text())
    if is_old:
        for name in ("rejects_size_bytes", "rejects_sha256"):
            del told["outputs"][0][name]
        done.manifest_path.write_text(json.dumps(told))

    def state() -> tuple[bool, list[str]]:
        planned = PlannedFile(mixed.name, mixed, mixed.parent, mixed.stem)
        earlier = find_earlier(planned, options)
        assert earlier is not None
        found = verify_output(done.outputs[0])
        return earlier.is_current(mixed, options), [str(one) for one in found.differences]

    assert state() == (True, [])
    rejects.write_bytes(rejects.read_bytes() + b"more")
    bytes_differ = [f"{rejects.name}: its bytes are not those that were written"]
    assert state() == ((True, []) if is_old else (False, bytes_differ))
    rejects.unlink()
    assert state() == (False, [f"{rejects.name}: the file is not there"])


def test_rows_set_aside_are_no_source_and_go_when_all_rows_fit(mixed: Path) -> None:
    converted(mixed, schema=SCHEMA, on_bad_row="quarantine")
    assert [one.path for one in plan_folder(mixed.parent).files] == ["mixed.csv"]

    mixed.write_text("id,amount\n1,2\n")
    done = converted(mixed, schema=SCHEMA, on_bad_row="quarantine", force=True)

    assert done.missed == ()
    assert not mixed.with_name("mixed.rejects.parquet").exists()


@pytest.mark.parametrize(
    ("how", "rows", "copies"),
    [
        ({}, 5, 1),
        ({"on_bad_row": "quarantine"}, 3, 1),
        # So many that the faster reader takes them.
        ({"on_bad_row": "quarantine"}, 3, 25_000),
    ],
    ids=["by itself", "quarantine", "large"],
)
def test_short_and_long_rows_are_kept_unless_they_are_to_be_left_out(
    mixed: Path, how: dict[str, object], rows: int, copies: int
) -> None:
    header, _, body = MIXED.partition("\n")
    mixed.write_text(header + "\n" + body * copies)

    done = converted(mixed, **how)

    [output] = done.manifest.outputs
    assert output.rows == rows * copies
    assert ("_rescued_data" in [one.name for one in output.columns]) is not bool(how)
    if how:
        rejects = pq.read_table(mixed.with_name("mixed.rejects.parquet"))
        numbers = rejects.column("source_row").to_pylist()
        expected = [first + 5 * at for at in range(copies) for first in (3, 5)]
        assert numbers == expected


def test_lines_that_are_no_json_are_set_aside_in_their_order(tmp_path: Path) -> None:
    source = tmp_path / "t.jsonl"
    bad = [f"{{oops {at} {'x' * 2000}" for at in range(600)]
    source.write_text('{"a": 1}\n' + "\n".join(bad) + '\n{"a": 2}\n')

    converted(source, on_bad_row="quarantine")

    assert read(source.with_suffix(".parquet")) == [{"a": 1}, {"a": 2}]
    rejects = read(source.with_name("t.rejects.parquet"))
    assert [json.loads(one["raw"]) for one in rejects] == bad
    assert [one["source_row"] for one in rejects] == list(range(2, 602))
    assert rejects[0]["reason"].startswith("column ")


def test_a_short_row_may_be_told_to_end_it_all(mixed: Path) -> None:
    with pytest.raises(CorruptInput, match="row 3: it has 2 fields, and there are 3 columns"):
        converted(mixed, on_bad_row="fail")


def test_a_manifest_and_what_info_tells_are_schemas(mixed: Path, workbook: Path) -> None:
    first = converted(workbook)
    told = inspect_file(workbook).as_dict()
    (mixed.parent / "info.json").write_text(json.dumps(told))

    assert read_schema(first.manifest_path) == read_schema(mixed.parent / "info.json")
    again = converted(workbook, schema=str(first.manifest_path), force=True)
    assert [one.columns for one in again.manifest.outputs] == [
        one.columns for one in first.manifest.outputs
    ]


def test_a_table_is_named_where_there_are_several(workbook: Path) -> None:
    schema = {"tables": {"Loans 2026": {"amount": "int64"}}}

    with pytest.raises(DataLossError, match=r"table Loans 2026, column amount, row 2: '2.5'"):
        converted(workbook, schema=schema)
    converted(workbook, schema=schema, tables=["People"])


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("columns: {amoumt: int64}", "column amoumt, which is not there", "amount"),
        ("columns: {id: integr64}", "there is no type integr64", "int64"),
        ("columns: {id: 'decimal(39,2)'}", r"there is no type decimal\(39,2\)", ""),
        ("tables: {Loans: {id: int64}}", "a table Loans, which is not there", "one table"),
        ("[1, 2]", "is no list of types", "columns"),
        ("columns: [id", "is no YAML", ""),
        ("columns: {id: 5}", "is no list of types", ""),
        ("{}", "names no column", ""),
    ],
    ids=lambda one: one[:24],
)
def test_a_schema_that_says_nothing_of_this_file_is_refused(
    mixed: Path, text: str, message: str, hint: str
) -> None:
    schema = mixed.with_name("schema.yaml")
    schema.write_text(text)

    with pytest.raises(InvalidOptions, match=message) as refused:
        converted(mixed, schema=str(schema))

    assert hint in refused.value.hint
    with pytest.raises(InvalidOptions, match="No such file"):
        converted(mixed, schema=str(mixed.with_name("nowhere.yaml")))


@pytest.mark.parametrize(
    ("wanted", "texts", "values", "misfits"),
    [
        ("int8", ["+5", "-128", "300", "0x1F", "1.0", " 1", ""], [5, -128], [2, 3, 4, 5, 6]),
        ("int64", ["9223372036854775807", "9223372036854775808"], [2**63 - 1], [1]),
        ("double", ["1e3", "inf", "1e400", "1,5"], [1000.0, math.inf], [2, 3]),
        ("decimal128(5, 2)", ["1.20", "1e2", "1.234", "99999"], [Decimal("1.20"), 100], [2, 3]),
        ("bool", ["TRUE", "0", "yes"], [True, False], [2]),
        ("date32[day]", ["2026-02-28", "2026-02-30"], [date(2026, 2, 28)], [1]),
        ("timestamp[us]", ["2026-01-02T03:04Z"], [], [0]),
        ("timestamp[us, tz=UTC]", ["2026-01-02T03:04"], [], [0]),
        ("string", ["anything"], ["anything"], []),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_text_fits_a_type_or_is_named(
    wanted: str, texts: list[str], values: list[object], misfits: list[int]
) -> None:
    found, refused = fitted(pa.array([*texts, None], pa.string()), arrow_type(wanted))

    nulls = [None] * (len(texts) + 1 - len(values))
    assert (found.to_pylist(), refused) == ([*values, *nulls], misfits)
    assert str(found.type) == wanted
