"""Tables against a lock, as plain values: what differs, and what holds both (row CD-N5)."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from kmflow_orchestration.converters.type_lattice import (
    DATE,
    EMPTY,
    STRING,
    TIMESTAMP_NTZ,
    ColumnType,
    number,
)
from kmflow_orchestration.errors import InvalidOptions, SchemaDriftError
from kmflow_orchestration.operations.convert.drift import (
    Change,
    contract_of,
    differences,
    widened,
)
from kmflow_orchestration.operations.convert.schema_lock import (
    LockedColumn,
    LockedTable,
    LockedVersion,
    SchemaLock,
    Tables,
    kind_of,
    read_lock,
)

LOCK = Path("schema.lock")


def tables(**columns: ColumnType) -> Tables:
    return {"": LockedTable(tuple(LockedColumn(name, kind) for name, kind in columns.items()))}


def locked(*found: Tables) -> SchemaLock:
    versions = (LockedVersion(at, one, "", "") for at, one in enumerate(found, start=1))
    return SchemaLock(tuple(versions))


def kinds(lock: Tables, found: Tables) -> list[tuple[str, str]]:
    return [(one.kind.value, one.column or one.table) for one in differences(lock, found)]


def test_every_kind_of_difference_is_told_by_name_and_type() -> None:
    old = {**tables(id=number(3), day=DATE, gone=STRING), "Loans": LockedTable(())}
    new = {**tables(day=DATE, id=STRING, more=number(2, 1)), "People": LockedTable(())}

    assert kinds(old, new) == [
        ("added", "more"),
        ("retyped", "id"),
        ("removed", "gone"),
        ("reordered", ""),
        ("table_removed", "Loans"),
        ("table_added", "People"),
    ]
    told = {one.kind: one for one in differences(old, new)}
    assert (told[Change.RETYPED].old, told[Change.RETYPED].new) == ("int64", "string")
    assert str(told[Change.REORDERED]).endswith("order id, day and are in day, id")


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (number(3, 2), number(5)),
        (number(3, 2), number(12, 1)),
        (STRING, number(3)),
        (TIMESTAMP_NTZ, DATE),
        (DATE, EMPTY),
    ],
    ids=["decimal-int", "decimal-longer", "text-int", "time-date", "date-nothing"],
)
def test_a_column_whose_values_fit_the_wider_type_is_no_drift(
    held: ColumnType, found: ColumnType
) -> None:
    assert kinds(tables(x=held), tables(x=found)) == []


def test_a_column_without_a_value_so_far_is_retyped_by_the_first() -> None:
    (told,) = differences(tables(x=EMPTY), tables(x=number(2)))

    assert str(told) == "column x was string without a value and is int64"
    assert widened(tables(x=EMPTY), tables(x=number(2)))[""].columns[0].type == "int64"


def test_what_holds_all_files_does_not_hang_on_their_order() -> None:
    files = [
        tables(id=number(3), amount=number(4, 2)),
        tables(id=number(16, 1), amount=number(2, 5), note=STRING),
        tables(id=number(2)),
        tables(amount=DATE, id=EMPTY),
    ]

    def held(order: tuple[Tables, ...]) -> dict[str, tuple[str, str, bool]]:
        lock = contract_of(None, order[0], "widen", now="", source="").lock
        for one in order[1:]:
            lock = contract_of(lock, one, "widen", now="", source="").lock
        (table,) = lock.newest.tables.values()
        return {one.name: (one.type, one.kind.text, one.is_optional) for one in table.columns}

    first, *others = [held(order) for order in permutations(files)]
    assert all(one == first for one in others)
    assert first["id"] == ("decimal128(18, 1)", "NUMBER(16,1,17)", False)
    assert (first["amount"][0], first["amount"][2]) == ("string", True)


def test_a_widened_lock_holds_everything_it_was_widened_by() -> None:
    old, new = tables(a=number(2), b=STRING), tables(b=STRING, a=DATE, c=DATE)

    both = widened(old, new)

    assert kinds(both, old) == kinds(both, new) == []
    assert widened(both, old) == widened(both, new) == both


def test_digits_are_learnt_where_no_type_moves() -> None:
    """Else a later common type would not hold the values of a file in between."""
    lock = locked(tables(x=number(3, 2)))
    lock = contract_of(lock, tables(x=number(16, 2)), "fail", now="", source="").lock

    moved = contract_of(lock, tables(x=number(1, 4)), "widen", now="", source="")

    assert moved.lock.newest.tables[""].columns[0].type == "decimal128(38, 4)"


def test_of_several_versions_the_one_with_the_very_tables_counts() -> None:
    lock = locked(tables(x=number(3)), tables(x=STRING), tables(x=STRING, y=DATE))

    chosen = [
        contract_of(lock, found, "fail", now="", source="").version
        for found in (tables(x=number(1)), tables(x=STRING), tables(x=DATE))
    ]
    assert chosen == [1, 2, 2]


def test_a_failure_names_the_first_differences_and_has_them_all() -> None:
    lock = locked(tables(x=number(3)))
    new = tables(**{f"c{at}": DATE for at in range(12)})

    with pytest.raises(SchemaDriftError, match=r"column c0 was added .* and 3 more") as raised:
        contract_of(lock, new, "fail", now="", source="loans.csv")

    assert len(raised.value.differences) == 13
    assert raised.value.differences[-1]["kind"] == "removed"


@pytest.mark.parametrize("name", ["schema.lock", "schema.json"])
def test_a_lock_is_read_as_it_was_written(name: str) -> None:
    lock = locked(
        {
            "a b": LockedTable(
                (LockedColumn("no", number(20, 3), is_optional=True),), any_order=True
            )
        },
        {"ä: 1": LockedTable((LockedColumn("x: [y]", EMPTY),), is_optional=True)},
    )
    path = Path(name)

    assert SchemaLock.of_text(lock.as_text(path).encode(), path) == lock


def test_a_type_that_a_person_wrote_counts_for_more_than_what_was_seen() -> None:
    text = locked(tables(x=number(3))).as_text(LOCK).replace("type: int64", "type: string")

    (column,) = SchemaLock.of_text(text.encode(), LOCK).newest.tables[""].columns

    assert column.kind == STRING


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "schema_lock: 2\nversions: [{version: 1, tables: []}]",
        "schema_lock: 1\nversions: []",
        "schema_lock: 1\nversions: [{version: 2, tables: []}]",
        "schema_lock: 1\nversions: [{version: 1, tables: [{table: '', columns: [{name: a}]}]}]",
        "schema_lock: 1\nversions: [{version: 1, tables: [{table: '', columns: 3}]}]",
        "PAR1",
    ],
)
def test_what_is_no_lock_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidOptions, match=r"schema\.lock is no schema lock"):
        SchemaLock.of_text(text.encode(), LOCK)


def test_a_folder_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="is a folder"):
        read_lock(tmp_path)


def test_types_that_no_conversion_finds_are_refused() -> None:
    with pytest.raises(InvalidOptions, match="column x: no column is of type int8"):
        kind_of("int8", "x")
