"""`kmflow dataset drift` as a person calls it (row CD-N5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.names import EngagementId, GroupId
from kmflow_orchestration_tests.cli.conftest import Kmflow

FIRST = DatasetDrift(
    table_name="e1__loans",
    engagement_id="e1",
    item_id="i1",
    file_name="loans_2.csv",
    batch_id="b1",
    at=datetime(2026, 11, 20, 9, tzinfo=UTC),
    kind="retyped",
    column_name="amount",
    old_type="BIGINT",
    new_type="STRING",
)
SECOND = DatasetDrift(
    table_name="e1__rates",
    engagement_id="e1",
    item_id="",
    file_name="",
    batch_id="b2",
    at=datetime(2026, 11, 21, 9, tzinfo=UTC),
    kind="removed",
    column_name="note",
    old_type="STRING",
)


def test_changes_are_listed_newest_first_and_by_table(
    kmflow: Kmflow, groups_file: Callable[..., str]
) -> None:
    assert kmflow("group", "import", groups_file()).code == 0
    with Context(load_settings()) as context:
        context.datasets.drift.record(GroupId("acme"), [FIRST, SECOND])

    everything = kmflow("dataset", "drift", "--group", "acme", "--json")
    one = kmflow("dataset", "drift", "--group", "acme", "--table", "e1__loans")
    few = kmflow("dataset", "drift", "--group", "acme", "--limit", "1", "--json")
    unknown = kmflow("dataset", "drift", "--group", "nobody")

    assert [change["table_name"] for change in everything.json["drift"]] == [
        "e1__rates",
        "e1__loans",
    ]
    assert everything.json["drift"][1]["at"].startswith("2026-11-20T09:00:00")
    assert ("loans_2.csv" in one.out, "e1__rates" in one.out) == (True, False)
    assert len(few.json["drift"]) == 1
    assert unknown.code == 3


def test_a_table_that_is_not_there_is_told_and_one_without_changes_is_empty(
    kmflow: Kmflow, groups_file: Callable[..., str]
) -> None:
    assert kmflow("group", "import", groups_file()).code == 0
    with Context(load_settings()) as context:
        context.datasets.drift.record(GroupId("acme"), [FIRST])
        context.datasets.table_name(GroupId("acme"), EngagementId("e1"), "terms.csv", ["e1__terms"])
    call = ("dataset", "drift", "--group", "acme", "--table")

    unchanged = kmflow(*call, "e1__terms", "--json")
    # Of before the registry knew it, or after it forgot: what is noted is told.
    forgotten = kmflow(*call, "e1__loans", "--json")
    unknown = kmflow(*call, "e1__term")
    as_json = kmflow(*call, "e1__term", "--json")

    assert (unchanged.code, unchanged.json["drift"]) == (0, [])
    assert (forgotten.code, len(forgotten.json["drift"])) == (0, 1)
    assert unknown.code == as_json.code == 3
    assert "group acme has no dataset table 'e1__term': did you mean e1__terms?" in unknown.err
    assert (unknown.out, as_json.json["error"]["code"]) == ("", "KM-CONFIG-008")
