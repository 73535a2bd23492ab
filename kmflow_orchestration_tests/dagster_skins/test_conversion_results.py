"""What a run says of the files that it converts: log events, and metadata (rows D17 and D42)."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from kmflow_orchestration.assets.bronze import _MOST_RECEIPTS, _results
from kmflow_orchestration.converters.interface import Receipt
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.published_datasets import ItemReceipt, PublishedDatasets
from kmflow_orchestration.partitions.keys import GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import BRONZE_DATASETS, EVIDENCE_FILES
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld
from kmflow_orchestration_tests.operations.convert.database_of_loans import loans_database

ACME = GroupId("acme")


def test_a_run_tells_what_became_of_each_table(world: SensorWorld, tmp_path: Path) -> None:
    world.add_group("acme")
    world.instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])
    own = world.context.group(ACME)
    provision(own.config, own.lakehouse, None)
    path = loans_database(tmp_path / "in")
    landed = world.drop("acme", "e1/loans.mdb")
    landed.write_bytes(path.read_bytes())
    os.utime(landed, (0, 0))
    world.drop("acme", "e1/terms.csv", "id,rate\n1,2.50\n2,3.75\n")
    world.tick("evidence_arrival")

    run = world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=[EVIDENCE_FILES, BRONZE_DATASETS],
        partition_key=str(day_key("acme", world.today)),
    )

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


def test_of_very_many_tables_the_first_are_told() -> None:
    one = ItemReceipt("1", "a.csv", Receipt("delimited", "1", "0" * 64, 1, 1))
    many = tuple(replace(one, item_id=str(at)) for at in range(_MOST_RECEIPTS + 5))
    published = PublishedDatasets(ACME, date(2026, 3, 1), receipts=many)

    lines = list(_results(published))

    assert (len(lines), lines[-1]) == (_MOST_RECEIPTS + 1, "5 more tables of files")
