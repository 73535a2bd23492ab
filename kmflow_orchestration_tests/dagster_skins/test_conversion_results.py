"""What a run says of the files that it converts: log events, and metadata (rows D17 and D42)."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration.assets.bronze import _MOST_RECEIPTS, _no_loss, _results
from kmflow_orchestration.converters.interface import Receipt
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.published_datasets import ItemReceipt, PublishedDatasets
from kmflow_orchestration.partitions.keys import GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import BRONZE_DATASETS, EVIDENCE_FILES
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld
from kmflow_orchestration_tests.operations.convert.database_of_loans import loans_database

ACME = GroupId("acme")


@pytest.fixture
def acme(world: SensorWorld) -> SensorWorld:
    """Provisioned, without a file."""
    world.add_group("acme")
    world.instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])
    own = world.context.group(ACME)
    provision(own.config, own.lakehouse, None)
    return world


def ran(world: SensorWorld, *assets: dg.AssetKey) -> dg.ExecuteInProcessResult:
    world.tick("evidence_arrival")
    return world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=list(assets),
        partition_key=str(day_key("acme", world.today)),
    )


def test_a_run_tells_what_became_of_each_table(acme: SensorWorld, tmp_path: Path) -> None:
    world = acme
    path = loans_database(tmp_path / "in")
    landed = world.drop("acme", "e1/loans.mdb")
    landed.write_bytes(path.read_bytes())
    os.utime(landed, (0, 0))
    world.drop("acme", "e1/terms.csv", "id,rate\n1,2.50\n2,3.75\n")

    run = ran(world, EVIDENCE_FILES, BRONZE_DATASETS)

    events = run.get_asset_materialization_events()
    (made,) = [one.materialization for one in events if one.asset_key == BRONZE_DATASETS]
    told_of: Any = made.metadata["receipts"].value
    receipts = {one["source"]: one for one in told_of}
    lent = receipts["loans.mdb [Loans]"]
    sha256, table = sha256_of(path), "acme.main_bronze.e1__loans__loans"
    assert lent["seconds"] >= 0
    assert lent | {"seconds": 0} == lent | {
        "seconds": 0,
        "table": table,
        "rows_written": 2,
        "rows_rejected": 0,
        "columns": 2,
        "types": {"id": "BIGINT", "name": "STRING"},
        "size_bytes": path.stat().st_size,
        "content_hash": sha256,
        "warnings": 0,
    }
    assert made.metadata["size_bytes"].value == path.stat().st_size + 22
    assert made.metadata["rows_rejected"].value == 0
    told = [one.user_message for one in world.instance.all_logs(run.run_id)]
    (line,) = [one for one in told if one.startswith("loans.mdb [Loans]: ")]
    assert line.startswith(f"loans.mdb [Loans]: 2 rows, 2 columns into {table}; 0 rejected, 0 ")
    assert line.endswith(f"sha256 {sha256}")


def test_rows_that_a_table_has_not_are_a_loss(acme: SensorWorld) -> None:
    acme.drop("acme", "e1/terms.csv", "id,rate\n1,2.50\n2,3.75\n")
    acme.drop("acme", "e1/rates.csv", "id\n1\n")
    run = ran(acme, EVIDENCE_FILES, BRONZE_DATASETS)
    own = acme.context.group(ACME)

    checks = {one.check_name: one for one in run.get_asset_check_evaluations()}
    published = publish_datasets(ACME, acme.today, **own.converting())
    whole = _no_loss(own, published, acme.today)
    own.lakehouse.execute("DELETE FROM acme.main_bronze.e1__terms WHERE id = 1")
    lost = _no_loss(own, published, acme.today)

    assert checks["no_loss"].passed
    assert whole.passed
    assert (lost.passed, lost.severity) == (False, dg.AssetCheckSeverity.ERROR)
    told = (lost.metadata or {})["tables_with_other_rows"].value
    assert told == ["acme.main_bronze.e1__terms: 1 rows instead of 2"]


def test_of_very_many_tables_the_first_are_told() -> None:
    one = ItemReceipt("1", "a.csv", Receipt("delimited", "1", "0" * 64, 1, 1))
    many = tuple(replace(one, item_id=str(at)) for at in range(_MOST_RECEIPTS + 5))
    published = PublishedDatasets(ACME, date(2026, 3, 1), receipts=many)

    lines = list(_results(published))

    assert (len(lines), lines[-1]) == (_MOST_RECEIPTS + 1, "5 more tables of files")
