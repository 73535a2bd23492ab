from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.names import GroupId, Namespace, TableName, literal
from kmflow_orchestration.storage.own_tables import OwnTables

OWN = OwnTables(GroupId("acme"), Namespace("km-flow", "acme"))


def test_the_five_schemas_are_ours_and_no_other() -> None:
    for schema in ("acme", "acme_bronze", "acme_silver", "acme_gold", "acme_dq"):
        assert OWN.check(TableName("km-flow", schema, "t")).schema == schema
    for catalog, schema in (("km-flow", "acme2"), ("other", "acme"), ("km-flow", "acme_bronze2")):
        with pytest.raises(GroupMismatch):
            OWN.check(TableName(catalog, schema, "t"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM `km-flow`.`acme_bronze`.`a``b`",
        "select 1 from km-flow . acme_bronze.`a``b` as x",
        "SELECT '`km-flow`.`acme`.`no`' FROM `km-flow`.acme_bronze.`a``b` -- `km-flow`.acme.no",
        "SELECT q.a.b FROM `km-flow`.acme_bronze.`a``b` q JOIN `KM-flow`.ACME.t",
    ],
)
def test_our_tables_are_found_in_a_statement(sql: str) -> None:
    assert OWN.named_in(sql) == {TableName("km-flow", "acme_bronze", "a`b")}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM parquet.`/x/y.parquet`",
        "SELECT * FROM `PARQUET` . `file:/x`",
        "SELECT * FROM csv.`C:\\x`",
        "SELECT 1; CREATE TABLE t USING DELTA location '/x'",
        'CREATE TABLE t LOCATION "/x"',
        "CREATE TABLE t LOCATION/**/'/x'",
        "SELECT r'\\', * FROM parquet.`/x` WHERE '' = ''",
        "SELECT * FROM text.`..`",
        "CREATE TEMP VIEW v USING parquet OPTIONS (path '/x')",
        "INSERT OVERWRITE LOCAL DIRECTORY '/x' USING parquet SELECT 1",
        "INSERT OVERWRITE DIRECTORY USING parquet OPTIONS (path '/x') SELECT 1",
        "LOAD DATA INPATH '/x' INTO TABLE t",
        "SELECT * FROM IDENTIFIER('delta.`/x`')",
    ],
)
def test_files_are_refused(sql: str) -> None:
    with pytest.raises(GroupMismatch):
        OWN.named_in(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM `km-flow`.other.t",
        "SELECT 1 FROM `km-flow`.acme.t JOIN `KM-FLOW` . `Other`.t",
        "SELECT q.a.b FROM `km-flow`.acme.t q, `km-flow`.other.t",
        "SELECT (SELECT max(k) FROM other.acme.t) AS k",
        "MERGE INTO `km-flow`.acme.t USING `km-flow`.`acme2`.t ON 1 = 1 WHEN MATCHED THEN DELETE",
        "UPDATE `km-flow`.other.t SET a = 1",
        "DROP TABLE `km-flow`.other.t",
    ],
)
def test_tables_of_others_are_refused(sql: str) -> None:
    with pytest.raises(GroupMismatch):
        OWN.named_in(sql)


@given(text=st.text())
def test_a_text_in_a_statement_never_matters(text: str) -> None:
    sql = f"SELECT {literal(text)} AS `a` FROM `km-flow`.`acme`.`t` WHERE `b` = {literal(text)}"

    assert OWN.named_in(sql) == {TableName("km-flow", "acme", "t")}
