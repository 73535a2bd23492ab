"""Every method of a store and of a lakehouse, called as acme with what is globex's.

The methods are found, not listed: one written tomorrow without an attempt turns this red.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kmflow_orchestration.errors import GroupMismatch, KmflowError, UnsafePath
from kmflow_orchestration.names import TableName
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend, StorageMetadata
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration_tests.isolation.conftest import (
    COLUMNS,
    DEFINITION,
    ENGAGEMENT,
    NAME,
    Member,
    TwoGroups,
    rows,
)


def methods(protocol: type) -> set[str]:
    found = inspect.getmembers(protocol, inspect.isfunction)
    return {name for name, _ in found if not name.startswith("_")} - {"close"}


def read_stream(store: StorageBackend, path: str) -> bytes:
    with store.open_read(path) as stream:
        return stream.read()


def confirm(store: StorageBackend, path: str) -> object:
    return store.confirm([StorageMetadata(path, datetime(2026, 11, 20, tzinfo=UTC), "0" * 64, 10)])


BY_PATH: dict[str, Callable[[StorageBackend, str], object]] = {
    "read": lambda store, path: store.read(path),
    "open_read": read_stream,
    "exists": lambda store, path: store.exists(path),
    "delete": lambda store, path: store.delete(path),
    "confirm": confirm,
}
BY_NAME: dict[str, Callable[[TwoGroups, str, str], object]] = {
    "write": lambda two, engagement, name: two.acme.store.write(engagement, name, b"x"),
    "write_from": lambda two, engagement, name: two.acme.store.write_from(
        replace(two.acme.file, engagement_id=engagement, file_name=name)
    ),
    "path_of": lambda two, engagement, name: two.acme.store.path_of(
        replace(two.acme.file, engagement_id=engagement, file_name=name)
    ),
    "list_files": lambda two, engagement, name: two.acme.store.list_files(
        engagement if name == NAME else f"{engagement}/{name}"
    ),
}
BY_TABLE: dict[str, Callable[[Lakehouse, TableName], object]] = {
    "ensure_table": lambda house, table: house.ensure_table(table, DEFINITION),
    "columns": lambda house, table: house.columns(table),
    "tables": lambda house, table: house.tables(table.schema),
    "replace": lambda house, table: house.replace(table, rows("x"), matching={"_batch_id": ["b1"]}),
    "merge": lambda house, table: house.merge(table, rows("x"), ["k"]),
    "rebuild": lambda house, table: house.rebuild(table, COLUMNS, rows("x")),
    "query": lambda house, table: house.query(f"SELECT * FROM {table.sql}"),
    "execute": lambda house, table: house.execute(f"DELETE FROM {table.sql}"),
}


def test_every_method_there_is_is_tried() -> None:
    assert BY_PATH.keys() | BY_NAME.keys() | {"walk", "probe"} == methods(StorageBackend)
    assert BY_TABLE.keys() == methods(Lakehouse)


def test_a_walk_sees_no_file_of_a_neighbour(two: TwoGroups) -> None:
    mine = {file.path for file in two.acme.store.walk()}
    theirs = {file.path for file in two.globex.store.walk()}
    assert (two.acme.path in mine, two.globex.path in theirs) == (True, True)
    assert two.is_on_disk or not mine & theirs
    assert len(mine) == len(theirs)


def test_a_probe_looks_at_its_own_place_alone(two: TwoGroups) -> None:
    before = two.sent()
    assert two.acme.store.probe(has_files=True) is None
    assert two.is_on_disk or two.sent() != before


@pytest.fixture(autouse=True)
def untouched(two: TwoGroups) -> Iterator[None]:
    """Whatever a test tries, globex has exactly what it had."""
    before = two.globex.all_there_is()
    yield
    assert two.globex.all_there_is() == before


@pytest.fixture
def nothing_sent(two: TwoGroups) -> Iterator[None]:
    before = two.sent()
    yield
    assert two.sent() == before


def files_of(member: Member) -> Path:
    """Where a member's store on disk has its files."""
    assert isinstance(member.store, LocalStore | DeltaStore)
    return Path(str(member.store.local_path(member.path)).removesuffix(member.path))


def foreign_paths(two: TwoGroups) -> list[str]:
    """Ways to write the place of globex's file, none of which may be followed."""
    theirs, mine = two.globex.path, two.acme.path
    if two.is_on_disk:
        root = files_of(two.globex)
        over = os.path.relpath(root, files_of(two.acme))
        return [
            str(root / theirs),
            f"{over}/{theirs}",
            f"evidence_store/../{over}/{theirs}",
            f"{mine}/../../../../{over}/{theirs}",
            f"evidence_store/{ENGAGEMENT}/link/{Path(theirs).name}",
            f"{theirs}\x00",
            "",
            "..",
        ]
    volume = two.acme.config.volume.text
    return [
        theirs,
        theirs.replace("globex", "GLOBEX"),
        theirs.replace("/Volumes/kmflow", "/Volumes/KMFLOW"),
        theirs.removeprefix("/"),
        f"/{theirs}",
        f"dbfs:{theirs}",
        f"/Workspace{theirs}",
        theirs.replace("/", "\\"),
        f"{volume}/evidence_store/../../../globex_evidence/raw_evidence/x",
        f"{volume}/evidence_store/..%2f..%2f..%2fglobex_evidence/raw_evidence/x",
        f"{volume}/evidence_store/..%5C..%5Cglobex_evidence",
        f"{volume}/evidence_store//../x",
        f"{volume}/evidence_store/\x00",
        f"{volume}2/evidence_store/x",
        f"{volume}/.kmflow/wheels",
        volume,
        "",
        "..",
    ]


@pytest.fixture
def link(two: TwoGroups) -> None:
    """On disk somebody put a link to globex's folder into acme's."""
    if two.is_on_disk:
        link = files_of(two.acme) / "evidence_store" / ENGAGEMENT / "link"
        theirs = files_of(two.globex) / two.globex.path
        if not link.is_symlink():
            link.symlink_to(theirs.parent, target_is_directory=True)


@pytest.mark.usefixtures("nothing_sent", "link")
@pytest.mark.parametrize("method", BY_PATH)
def test_no_path_leads_to_a_neighbours_file(two: TwoGroups, method: str) -> None:
    for path in foreign_paths(two):
        with pytest.raises(UnsafePath):
            BY_PATH[method](two.acme.store, path)


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize("method", BY_NAME)
@pytest.mark.parametrize(
    ("engagement", "name"),
    [
        ("../../globex/evidence_store/e1", NAME),
        ("..", NAME),
        ("e1/../../globex", NAME),
        ("/e1", NAME),
        ("%2e%2e", NAME),
        ("E1", NAME),
        ("", NAME),
        (ENGAGEMENT, "../loans.csv"),
        (ENGAGEMENT, "a/b.csv"),
        (ENGAGEMENT, "a\\b.csv"),
        (ENGAGEMENT, "..%2floans.csv"),
        (ENGAGEMENT, "a\x00.csv"),
    ],
    ids=repr,
)
def test_no_name_leads_out_of_ones_own_engagement(
    two: TwoGroups, method: str, engagement: str, name: str
) -> None:
    with pytest.raises(UnsafePath):
        BY_NAME[method](two, engagement, name)


def test_the_same_names_are_two_files(two: TwoGroups) -> None:
    assert two.acme.file.file_name == two.globex.file.file_name
    assert two.acme.file.item_id != two.globex.file.item_id
    assert two.acme.store.read(two.acme.path) == b"of acme\n"
    assert two.globex.store.read(two.globex.path) == b"of globex\n"


def spelled(table: TableName) -> list[TableName]:
    return [
        table,
        TableName(table.catalog, table.schema.upper(), table.name),
        TableName(table.catalog.upper(), table.schema, table.name),
        TableName(table.catalog, table.schema, table.name.upper()),
        TableName(table.catalog, "acme_evidence_bronze2", table.name),
        TableName("globex", "evidence_bronze", table.name),
    ]


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize("method", BY_TABLE)
def test_no_table_of_a_neighbour_is_reached_by_name(two: TwoGroups, method: str) -> None:
    for table in spelled(two.globex.table):
        own_schema = method == "tables" and table.schema in two.acme.config.namespace.schemas
        if method in {"query", "execute"} or not own_schema:
            with pytest.raises(GroupMismatch):
                BY_TABLE[method](two.acme.lakehouse, table)


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize("method", ["ensure_table", "columns", "replace", "merge", "rebuild"])
@pytest.mark.parametrize("name", ["../../globex/globex_evidence_bronze/secret", "a\\b", "", ".."])
def test_no_table_name_leads_out_of_ones_own_schema(two: TwoGroups, method: str, name: str) -> None:
    with pytest.raises(UnsafePath):
        BY_TABLE[method](two.acme.lakehouse, TableName("kmflow", two.acme.table.schema, name))


STATEMENTS = {
    "dotted": "SELECT * FROM kmflow.globex_evidence_bronze.secret",
    "other case": "SELECT * FROM KMFLOW.Globex_Evidence_Bronze.SECRET",
    "quoted": "SELECT * FROM `kmflow` . `globex_evidence_bronze`.secret",
    "comment": "SELECT * FROM kmflow/**/.globex_evidence_bronze/* */.secret",
    "sub-query": "SELECT * FROM (SELECT * FROM {theirs}) q",
    "scalar": "SELECT (SELECT max(k) FROM {theirs}) AS k",
    "join": "SELECT t.* FROM {mine} m JOIN {theirs} t ON true",
    "comma": "SELECT t.* FROM {mine} m, {theirs} t",
    "with": "WITH q AS (SELECT * FROM {theirs}) SELECT * FROM q",
    "union": "SELECT k FROM {mine} UNION ALL SELECT k FROM {theirs}",
    "raw text": "SELECT r'\\', t.* FROM {theirs} t WHERE '' = ''",
    "text before": "SELECT 'it''s', \"a\", t.* FROM {theirs} t",
    "identifier": "SELECT * FROM IDENTIFIER('kmflow.globex_evidence_bronze.secret')",
    "insert": "INSERT INTO {theirs} VALUES ('x', 'b1')",
    "insert from": "INSERT INTO {mine} SELECT * FROM {theirs}",
    "update": "UPDATE {theirs} SET k = 'x'",
    "delete": "DELETE FROM {theirs}",
    "merge": "MERGE INTO {theirs} t USING {mine} m ON t.k = m.k WHEN MATCHED THEN DELETE",
    "merge from": "MERGE INTO {mine} m USING {theirs} t ON t.k = m.k WHEN MATCHED THEN DELETE",
    "drop": "DROP TABLE {theirs}",
    "create as": "CREATE OR REPLACE TABLE {mine} AS SELECT * FROM {theirs}",
    "path": "SELECT * FROM delta.`{place}`",
    "path in quotes": "SELECT * FROM `parquet`.`{place}`",
    "path of a table": "CREATE TABLE {mine}2 USING DELTA LOCATION '{place}'",
    "path in options": "CREATE TEMP VIEW v USING parquet OPTIONS (path '{place}')",
    "path written to": "INSERT OVERWRITE DIRECTORY '{place}' USING parquet SELECT 1 AS k",
    "path in identifier": "SELECT * FROM IDENTIFIER('delta.`{place}`')",
    "path without slash": "SELECT * FROM text.`..`",
}


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
def test_no_statement_reaches_a_neighbour(two: TwoGroups, sql: str) -> None:
    local = two.home / "lakehouse" / "globex" / two.globex.table.schema / "secret"
    place = local if two.is_on_disk else two.globex.path
    text = sql.format(mine=two.acme.table.sql, theirs=two.globex.table.sql, place=place)

    for run in (two.acme.lakehouse.query, two.acme.lakehouse.execute):
        with pytest.raises(GroupMismatch):
            run(text)


@pytest.mark.parametrize("sql", ["SELECT * FROM globex_evidence_bronze.secret", "SHOW TABLES"])
def test_what_only_the_platform_can_judge_shows_nothing(two: TwoGroups, sql: str) -> None:
    try:
        answer = str(two.acme.lakehouse.query(sql).to_pylist())
    except KmflowError as error:
        answer = str(error)
    assert "of globex" not in answer


def test_a_linked_table_folder_is_not_followed(two: TwoGroups) -> None:
    if not two.is_on_disk:
        pytest.skip("Volumes have no links")
    place = two.home / "lakehouse"
    link = place / "acme" / two.acme.table.schema / "linked"
    link.symlink_to(place / "globex" / two.globex.table.schema / "secret")
    table = TableName("kmflow", two.acme.table.schema, "linked")
    try:
        for attempt in ("columns", "replace", "merge", "rebuild", "query", "execute"):
            with pytest.raises(UnsafePath):
                BY_TABLE[attempt](two.acme.lakehouse, table)
    finally:
        link.unlink()
