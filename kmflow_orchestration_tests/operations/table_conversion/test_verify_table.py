"""A table against its source, both read again and summed by the warehouse (CD-N3, H4)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import GroupMismatch, InvalidOptions, PlaceNotAllowed
from kmflow_orchestration.operations.convert.verify_output import OutputVerification
from kmflow_orchestration.operations.table_conversion.verify_table import verify_table
from kmflow_orchestration_tests.operations.table_conversion.conftest import Convert, World

Verify = Callable[..., OutputVerification]


@pytest.fixture
def verify(world: World, table: str) -> Verify:
    def call(source: Path | str | None, named: str = table) -> OutputVerification:
        text = str(source) if source is not None else None
        return verify_table(named, text, tables=world.tables)

    return call


def told(found: OutputVerification) -> list[tuple[str, str]]:
    assert {one.file for one in found.differences} <= {found.output}
    return [(one.column, one.what) for one in found.differences]


def change(world: World, sql: str) -> None:
    world.tables.statements.execute(sql)


def test_a_table_as_it_was_made_is_equal_and_says_so(
    world: World, convert: Convert, verify: Verify, loans: Path, table: str
) -> None:
    convert(loans)

    found = verify(loans)

    assert (found.is_equal, found.rows, found.columns) == (True, 3, 4)
    assert found.notes == ()
    noted = json.loads(unquote((world.properties(table) or {})["kmflow.convert.verified"]))
    assert (noted["is_equal"], noted["differences"]) == (True, 0)
    assert convert(loans)["status"] == "unchanged"


CHANGES = {
    "UPDATE {t} SET amount = amount + 1 WHERE id = 2": [("amount", "its values are others")],
    "UPDATE {t} SET name = NULL WHERE id = 1": [
        ("name", "1 NULLs instead of 0"),
        ("name", "its values are others"),
    ],
    "DELETE FROM {t} WHERE id = 3": [("", "2 rows instead of 3")],
    "INSERT INTO {t} SELECT * FROM {t} WHERE id = 3": [("", "4 rows instead of 3")],
    "ALTER TABLE {t} ADD COLUMN more STRING": [("more", "the source has no such column")],
}


@pytest.mark.parametrize("sql", CHANGES)
def test_what_was_changed_is_told_by_its_column(
    world: World, convert: Convert, verify: Verify, loans: Path, sql: str
) -> None:
    loans.write_text("id,name,amount\n1,Ann,1.50\n2,Bo,2.50\n3,Cy,3.50\n")
    (table,) = convert(loans)["outputs"]
    change(world, sql.format(t=table))

    found = verify(loans)

    assert [one for one in told(found) if one in CHANGES[sql]] == CHANGES[sql]
    noted = json.loads(unquote((world.properties(table) or {})["kmflow.convert.verified"]))
    assert noted["differences"] == len(found.differences) > 0


def test_values_that_went_to_each_others_rows_are_found(
    world: World, convert: Convert, verify: Verify, loans: Path, table: str
) -> None:
    loans.write_text("id,name\n1,Ann\n2,Bo\n")
    convert(loans)
    change(world, f"UPDATE {table} SET name = CASE id WHEN 1 THEN 'Bo' ELSE 'Ann' END")

    assert told(verify(loans)) == [("", "its rows hold values of one another")]


def test_every_type_of_a_table_is_summed(
    world: World, convert: Convert, verify: Verify, tmp_path: Path, table: str
) -> None:
    columns: dict[str, Any] = {
        "number": pa.array([1, None, -3], pa.int64()),
        "large": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "real": pa.array([1.5, float("nan"), None], pa.float64()),
        "exact": pa.array([None, "1.50", "-2.25"], pa.string()).cast(pa.decimal128(9, 2)),
        "day": pa.array([0, None, 20000], pa.int32()).cast(pa.date32()),
        "moment": pa.array([0, None, 10**15], pa.timestamp("us")),
        "instant": pa.array([0, None, 10**15], pa.timestamp("us", "UTC")),
        "is_so": pa.array([True, None, False]),
        "bytes": pa.array([b"a", None, b""], pa.binary()),
        "text": pa.array(["", None, "\U0001f600'\"\\"], pa.string()),
        "nothing": pa.array([None, None, None], pa.string()),
    }
    path = tmp_path / "all.parquet"
    pq.write_table(pa.table(columns), path)
    convert(path)

    found = verify(path)

    assert (told(found), found.columns) == ([], len(columns))


def test_a_wide_table_is_summed_in_pieces(
    world: World, convert: Convert, verify: Verify, tmp_path: Path
) -> None:
    names = [f"c{at}" for at in range(120)]
    path = tmp_path / "wide.csv"
    path.write_text(",".join(names) + "\n" + ",".join(map(str, range(120))) + "\n")
    convert(path)
    before = world.statements()

    assert verify(path).is_equal
    # Three pieces and the rows as a whole, on either side; and the note.
    assert world.statements() - before == 2 * (3 + 1) + 1


def test_options_that_it_was_made_by_are_kept(
    convert: Convert, verify: Verify, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;x\n007;1\n008;n/a\n")
    convert(path, types="string", delimiter=";", null=("n/a",))

    assert verify(path).is_equal


def test_the_part_of_a_workbook_is_compared_with_its_table(
    world: World, convert: Convert, verify: Verify, workbook: Path
) -> None:
    done = convert(workbook)
    first, second = done["outputs"][:2]
    change(world, f"DELETE FROM {second}")

    assert verify(workbook, first).is_equal
    assert not verify(workbook, second).is_equal


def test_other_bytes_are_no_source_and_another_name_is(
    world: World, convert: Convert, verify: Verify, loans: Path, tmp_path: Path
) -> None:
    convert(loans)
    moved = tmp_path / "moved.bin"
    shutil.copyfile(loans, moved)

    assert verify(moved).is_equal
    moved.write_text("id\n1\n")
    (difference,) = verify(moved).differences
    assert str(difference) == "moved.bin: these are not the bytes that were converted"


def test_a_table_of_before_options_were_kept_is_compared_by_the_usual_ones(
    world: World, convert: Convert, verify: Verify, loans: Path, table: str
) -> None:
    convert(loans)
    unset = "SET TBLPROPERTIES ('kmflow.convert.options' = '')"
    change(world, f"ALTER TABLE {table} {unset}")
    assert verify(loans).is_equal

    convert(loans, force=True, types="string")
    change(world, f"ALTER TABLE {table} {unset}")
    with pytest.raises(InvalidOptions, match="does not say by which options"):
        verify(loans)


def test_what_cannot_be_compared_is_refused(
    world: World, convert: Convert, verify: Verify, loans: Path, table: str
) -> None:
    with pytest.raises(InvalidOptions, match="there is no table"):
        verify(loans)
    change(world, f"CREATE TABLE {table} AS SELECT 1 AS id")
    with pytest.raises(InvalidOptions, match="no conversion made the table"):
        verify(loans)
    with pytest.raises(GroupMismatch):
        verify(loans, "kmflow.globex_evidence.loans")
    with pytest.raises(PlaceNotAllowed):
        verify(loans, "kmflow.acme_evidence_gold.loans")
    convert(loans, force=True)
    with pytest.raises(InvalidOptions, match="lay on one machine") as unknown:
        verify(None)
    assert "--source" in unknown.value.hint
