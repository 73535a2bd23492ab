"""`kmflow tables history|optimize|vacuum|restore`, on disk and in a workspace alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import BRONZE_INGESTION_LOG
from kmflow_orchestration_tests.cli.conftest import Kmflow

pytestmark = pytest.mark.journey

LOG = "bronze.bronze_ingestion_log"
FAILED, USAGE, CONFIGURATION, REMOTE = 1, 2, 3, 5
GROUP = ("--group", "acme")


@pytest.fixture(params=["local", "databricks"])
def acme(request: pytest.FixtureRequest, kmflow: Kmflow, groups_file: Callable[..., str]) -> Kmflow:
    """A provisioned group whose ingestion log got a row twice."""
    if request.param == "local":
        assert kmflow("group", "import", groups_file()).code == 0
    else:
        request.getfixturevalue("on_workspace")
    assert kmflow("provision", *GROUP).code == 0
    for number in range(2):
        add_row(f"l{number}")
    return kmflow


def add_row(log_id: str) -> None:
    names = ("group_id", "engagement_id", "log_id", "evidence_item_id", "_batch_id")
    row = dict(zip(names, ("acme", "e1", log_id, "i1", log_id), strict=True))
    rows = pa.Table.from_pylist([row], schema=arrow_schema(BRONZE_INGESTION_LOG.columns))
    with Context(load_settings()) as context:
        own = context.group(GroupId("acme"))
        table = own.config.namespace.bronze(BRONZE_INGESTION_LOG.name)
        own.lakehouse.replace(table, rows, matching={"_batch_id": [log_id]})


def log_ids() -> list[str]:
    with Context(load_settings()) as context:
        own = context.group(GroupId("acme"))
        table = own.config.namespace.bronze(BRONZE_INGESTION_LOG.name)
        found = own.lakehouse.query(f"SELECT log_id FROM {table.sql} ORDER BY log_id")
        return [str(one) for one in found["log_id"].to_pylist()]


def versions(kmflow: Kmflow) -> list[dict[str, Any]]:
    told = kmflow("tables", "history", LOG, *GROUP, "--json").json
    assert told["table"] == "kmflow.acme_bronze.bronze_ingestion_log"
    return list(told["versions"])


def test_a_table_is_compacted_taken_back_and_cleaned_and_says_so(acme: Kmflow) -> None:
    before = versions(acme)
    assert [one["version"] for one in before] == list(range(len(before) - 1, -1, -1))
    assert before[0]["at"].endswith("+00:00")
    (newest,) = acme("tables", "history", LOG, *GROUP, "--limit", "1", "--json").json["versions"]
    assert newest == before[0]

    assert acme("tables", "optimize", LOG, *GROUP).code == 0
    assert log_ids() == ["l0", "l1"]
    assert versions(acme)[0]["operation"] == "OPTIMIZE"

    first = next(one["version"] for one in reversed(before) if one["version"] > 0)
    back = acme("tables", "restore", LOG, str(first), *GROUP, "--yes")
    assert (back.code, f"restored to version {first}" in back.err) == (0, True)
    assert log_ids() == ["l0"]
    again = acme("tables", "restore", LOG, str(before[0]["version"]), *GROUP, "--yes", "--json")
    assert (again.json["version"], log_ids()) == (before[0]["version"], ["l0", "l1"])

    would = acme("tables", "vacuum", LOG, *GROUP, "--dry-run", "--json").json
    assert would["files"] == []  # nothing is a week old
    assert acme("tables", "vacuum", LOG, *GROUP).code == 0
    assert log_ids() == ["l0", "l1"]


def test_what_cannot_be_done_is_refused_and_changes_nothing(acme: Kmflow) -> None:
    before = versions(acme)

    unasked = acme("tables", "restore", LOG, "1", *GROUP)
    no_version = acme("tables", "restore", LOG, "99", *GROUP, "--yes")
    too_short = acme("tables", "vacuum", LOG, *GROUP, "--retain-hours", "1")
    no_table = acme("tables", "optimize", "gold.nothing", *GROUP)
    no_layer = acme("tables", "history", "bronze_ingestion_log", *GROUP)

    assert (unasked.code, "--yes" in unasked.err) == (USAGE, True)
    assert (no_version.code, "version 99" in no_version.err) == (REMOTE, True)
    assert (too_short.code, "168 hours" in too_short.err) == (CONFIGURATION, True)
    assert (no_table.code, "nothing" in no_table.err) == (REMOTE, True)
    assert (no_layer.code, "base, bronze" in no_layer.err) == (CONFIGURATION, True)
    assert versions(acme) == before
