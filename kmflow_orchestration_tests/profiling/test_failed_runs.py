"""A run that fails keeps what it measured, under its id, and ends with the fault (row E25)."""

from __future__ import annotations

from typing import Any

import pytest

from kmflow_orchestration.errors import ProfileRunError, StatementFailed
from kmflow_orchestration.profiling.result_writing import Progress
from kmflow_orchestration.profiling.run_profile import run_profile
from kmflow_orchestration.tables.profiling import (
    DQ_DATA_COLUMN_CHARS,
    DQ_DATA_TABLE_CHARS,
    DQ_PROFILE_ANOMALY_RESULTS,
    DQ_PROFILE_COLUMN_VALUES,
    DQ_PROFILE_OPERATIONS,
    DQ_PROFILE_RESULTS,
)

FOUND = (
    DQ_PROFILE_RESULTS,
    DQ_PROFILE_COLUMN_VALUES,
    DQ_PROFILE_ANOMALY_RESULTS,
    DQ_DATA_TABLE_CHARS,
    DQ_DATA_COLUMN_CHARS,
)
CLIENTS = "SELECT ' Anna' AS first_name, 7 AS amount"
VENDORS = "SELECT ' Bert' AS first_name"


class LostConnection(Exception):
    """A fault that is no statement's."""


class FailingSession:
    """A real session that fails with every statement that names `at`; from then on, if told so."""

    def __init__(self, real: Any, at: str, *, for_good: bool = False) -> None:
        self._real = real
        self._at = at
        self._for_good = for_good
        self._is_gone = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def sql(self, text: str, *arguments: Any) -> Any:
        if self._is_gone or self._at in text:
            self._is_gone = self._for_good
            raise LostConnection("Bearer hush-hush was refused")
        return self._real.sql(text, *arguments)


@pytest.fixture
def two_tables(world):
    world.add_table("clients", CLIENTS)
    world.add_table("vendors", VENDORS)
    return world


def fail(world, clock, **changes) -> dict[str, int]:
    """A run that fails at the second table; the counts of what it was done with."""
    progress = Progress()
    spark = FailingSession(world.spark, "vendors", **changes)
    with pytest.raises(LostConnection):
        run_profile(spark, world.parameters, clock, progress=progress)
    return progress.counts()


def test_the_tables_profiled_before_a_fault_are_kept_and_counted(two_tables, clock):
    counts = fail(two_tables, clock)

    assert counts == {"table_count": 1, "column_count": 2, "row_count": 1}
    kept = {row["column_name"]: row for row in two_tables.rows(DQ_PROFILE_RESULTS)}
    assert sorted(kept) == ["amount", "first_name"]
    assert kept["first_name"]["lead_space_count"] == 1
    assert [row["record_count"] for row in two_tables.rows(DQ_DATA_TABLE_CHARS)] == [1]
    assert len(two_tables.rows(DQ_PROFILE_COLUMN_VALUES)) == 2


def test_what_a_failed_run_measured_is_not_judged(two_tables, clock):
    fail(two_tables, clock)

    assert two_tables.rows(DQ_PROFILE_ANOMALY_RESULTS) == []
    assert [row["dq_score_profiling"] for row in two_tables.rows(DQ_DATA_TABLE_CHARS)] == [None]


def test_the_operations_of_a_failed_run_say_why_it_failed_without_secrets(two_tables, clock):
    fail(two_tables, clock)

    lines = {row["target"]: row for row in two_tables.rows(DQ_PROFILE_OPERATIONS)}
    assert (lines["profile run"]["status"], lines["profile run"]["error_payload"]) == (
        "failed",
        "LostConnection: *** was refused",
    )
    assert lines["dq_profile_results"]["rows_written"] == 2


def test_a_run_repeated_after_it_failed_leaves_the_rows_of_an_undisturbed_one(two_tables, clock):
    order = ("1", "2", "3", "4", "5", "6")
    run_profile(two_tables.spark, two_tables.parameters, clock)
    undisturbed = [two_tables.rows(table, order) for table in FOUND]

    fail(two_tables, clock)
    assert len(two_tables.rows(DQ_PROFILE_RESULTS)) == 2
    run_profile(two_tables.spark, two_tables.parameters, clock)

    assert [two_tables.rows(table, order) for table in FOUND] == undisturbed
    lines = two_tables.rows(DQ_PROFILE_OPERATIONS)
    assert {row["status"] for row in lines} == {"success"}


def test_a_session_that_is_gone_keeps_nothing_and_hides_nothing(two_tables, clock, caplog):
    fail(two_tables, clock, for_good=True)

    assert two_tables.rows(DQ_PROFILE_RESULTS) == []
    assert "partial results were not stored: LostConnection" in caplog.text
    assert "hush-hush" not in caplog.text


def test_a_run_that_fails_before_its_first_table_writes_nothing(world, clock):
    with pytest.raises(ProfileRunError):
        run_profile(world.spark, world.parameters, clock)

    assert world.rows(DQ_PROFILE_OPERATIONS) == []


def test_tables_of_which_none_could_be_read_are_recorded_with_their_errors(world, clock):
    world.list_table("vanished")

    with pytest.raises(ProfileRunError, match="no table could be read"):
        run_profile(world.spark, world.parameters, clock)

    (row,) = world.rows(DQ_PROFILE_RESULTS)
    assert row["table_name"] == "vanished"
    assert row["query_error"]
    assert world.rows(DQ_DATA_TABLE_CHARS)[0]["query_error"]


def test_a_result_table_that_cannot_be_written_leaves_those_before_it(two_tables, clock):
    missing = two_tables.parameters.result_table(DQ_DATA_TABLE_CHARS)
    two_tables.spark.sql(f"DROP TABLE {missing.sql}").collect()

    with pytest.raises(StatementFailed):
        run_profile(two_tables.spark, two_tables.parameters, clock)

    assert len(two_tables.rows(DQ_PROFILE_RESULTS)) == 3
    assert len(two_tables.rows(DQ_PROFILE_ANOMALY_RESULTS)) == 2
    lines = {row["target"]: row for row in two_tables.rows(DQ_PROFILE_OPERATIONS)}
    assert lines["dq_data_table_chars"]["status"] == "failed"
    assert lines["dq_data_table_chars"]["error_payload"].startswith("StatementFailed")
