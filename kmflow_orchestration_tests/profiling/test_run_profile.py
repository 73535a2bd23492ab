"""A whole run on the embedded engine: catalog copy in, profiles, issues and scores out."""

from __future__ import annotations

import dataclasses

import pytest

from kmflow_orchestration.errors import ProfileRunError
from kmflow_orchestration.profiling.run_profile import Progress, run_profile
from kmflow_orchestration.profiling.stored_results import (
    reevaluate,
    stored_profiles,
    stored_results_sql,
)
from kmflow_orchestration.profiling.table_profile import DEFAULT_LIMITS, PlanLimits
from kmflow_orchestration.tables.profiling import (
    DQ_DATA_TABLE_CHARS,
    DQ_PROFILE_ANOMALY_RESULTS,
    DQ_PROFILE_COLUMN_VALUES,
    DQ_PROFILE_OPERATIONS,
    DQ_PROFILE_RESULTS,
    PROFILING_TABLES,
)

CLIENTS = """SELECT * FROM VALUES
  ('acme', 'e1', 'i1', ' Anna', '10115', DATE '2026-11-01'),
  ('acme', 'e1', 'i1', 'Bert', '', DATE '1890-01-01'),
  ('acme', 'e1', 'i1', 'Carla', 'n/a', NULL)
  AS t(group_id, engagement_id, _evidence_id, first_name, zip, since)"""


def test_a_run_stores_profiles_issues_values_and_scores_of_every_data_column(world, clock):
    world.add_table("clients", CLIENTS)

    outcome = run_profile(world.spark, world.parameters, clock)

    assert outcome.status == "completed"
    assert [profile.column_name for profile in outcome.profiles] == ["first_name", "zip", "since"]
    assert {(issue.column_name, issue.anomaly_type_id) for issue in outcome.issues} == {
        ("first_name", 1009),
        ("zip", 1002),
        ("since", 1018),
    }
    assert len(world.rows(DQ_PROFILE_RESULTS)) == 3
    assert len(world.rows(DQ_PROFILE_ANOMALY_RESULTS)) == 3
    assert len(world.rows(DQ_PROFILE_COLUMN_VALUES)) == 8
    assert world.rows(DQ_DATA_TABLE_CHARS)[0]["dq_score_profiling"] == outcome.scores.score


def test_a_second_run_under_the_same_id_leaves_the_same_rows(world, clock):
    world.add_table("clients", CLIENTS)
    fixed = dataclasses.replace(world.parameters, started_at=clock.now())

    run_profile(world.spark, fixed, clock)
    first = [world.rows(table, ("1", "2", "3", "4", "5", "6")) for table in PROFILING_TABLES[2:7]]
    run_profile(world.spark, fixed, clock)

    again = [world.rows(table, ("1", "2", "3", "4", "5", "6")) for table in PROFILING_TABLES[2:7]]
    assert again == first


def test_another_run_keeps_the_rows_of_the_first(world, clock):
    world.add_table("clients", CLIENTS)

    run_profile(world.spark, world.parameters, clock)
    run_profile(world.spark, dataclasses.replace(world.parameters, profile_run_id="two"), clock)

    assert len(world.rows(DQ_PROFILE_RESULTS)) == 6


def test_stored_profiles_read_back_give_the_issues_and_scores_of_the_run(world, clock):
    world.add_table("clients", CLIENTS)
    outcome = run_profile(world.spark, world.parameters, clock)

    query = stored_results_sql(world.parameters.result_table(DQ_PROFILE_RESULTS))
    run_id = world.parameters.profile_run_id
    found = world.spark.sql(query, {"group_id": "acme", "profile_run_id": run_id}).toArrow()
    again = reevaluate(run_id, stored_profiles(found.to_pylist()))

    assert stored_profiles(found.to_pylist()) == list(outcome.profiles)
    assert (again.issues, again.scores) == (outcome.issues, outcome.scores)


def test_a_table_that_cannot_be_read_is_recorded_and_the_others_stand(world, clock):
    world.add_table("clients", CLIENTS)
    world.list_table("vanished")

    outcome = run_profile(world.spark, world.parameters, clock)

    assert outcome.status == "completed_with_warnings"
    assert [table.table_name for table in outcome.unreadable] == ["vanished"]
    by_table = {row["table_name"]: row for row in world.rows(DQ_DATA_TABLE_CHARS)}
    assert by_table["vanished"]["query_error"]
    assert by_table["clients"]["query_error"] is None


def test_masks_choose_the_tables(world, clock):
    world.add_table("clients", CLIENTS)
    world.add_table("clients_old", CLIENTS)
    world.set_masks(include="CLI*", exclude="%old")

    outcome = run_profile(world.spark, world.parameters, clock)

    assert [table.table_name for table in outcome.tables] == ["clients"]


def test_no_selected_table_an_unknown_table_group_and_only_unreadable_tables_fail(world, clock):
    with pytest.raises(ProfileRunError, match="no_tables_selected"):
        run_profile(world.spark, world.parameters, clock)
    unknown = dataclasses.replace(world.parameters, table_group_id="other")
    with pytest.raises(ProfileRunError, match="group_not_found"):
        run_profile(world.spark, unknown, clock)
    world.list_table("vanished")
    progress = Progress()
    with pytest.raises(ProfileRunError, match="no table could be read"):
        run_profile(world.spark, world.parameters, clock, progress=progress)
    assert progress.counts() == {"table_count": 1, "column_count": 1, "row_count": 0}


CONSTANTS = (
    "'x' AS a, 7 AS n, 1.5D AS d, 1.25BD AS m, DATE '2020-01-01' AS day, true AS b, "
    "TIMESTAMP '2020-01-01 00:00:00' AS at, CAST(NULL AS STRING) AS nothing, '' AS empty"
)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("limits", [DEFAULT_LIMITS, PlanLimits(exact_rows=0)])
def test_columns_of_one_single_value_are_read_from_delta_tables(world, clock, rows, limits):
    world.add_table("constants", f"SELECT {CONSTANTS} FROM range({rows})")

    outcome = run_profile(world.spark, world.parameters, clock, limits=limits)

    assert [column.query_error for column in outcome.profiles] == [None] * 9
    assert {column.value_count for column in outcome.profiles} == {rows, 0}
    assert {column.distinct_count for column in outcome.profiles} == {1, 0}


def test_an_empty_table_completes_without_a_score(world, clock):
    world.add_table("clients", f"{CLIENTS} WHERE false")

    outcome = run_profile(world.spark, world.parameters, clock)

    assert outcome.scores.score is None
    assert {profile.value_count for profile in outcome.profiles} == {0}
    assert outcome.issues == ()


def test_each_write_is_recorded_as_an_operation(world, clock):
    world.add_table("clients", CLIENTS)

    run_profile(world.spark, world.parameters, clock)

    operations = {row["target"]: row for row in world.rows(DQ_PROFILE_OPERATIONS)}
    assert operations["dq_profile_results"]["rows_written"] == 3
    assert {row["status"] for row in operations.values()} == {"success"}
