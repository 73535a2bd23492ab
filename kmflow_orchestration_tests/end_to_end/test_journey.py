"""A file from landing to score, and what Dagster shows of it (rows G2, G9, G10)."""

from __future__ import annotations

import pytest

from kmflow_orchestration.profiling.hygiene_rules import RULES
from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration_tests.end_to_end.world import today_key

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("end_to_end_journey")]

MARK = "Zylphora"
ROWS = "\n".join(
    f"{number},{MARK} {number},{'N/A' if number < 30 else 'open'},{number * 1.5},,{number}"
    for number in range(1, 41)
)
LOANS = f"loan_id,last_name,status,amount,empty_col,year\n{ROWS}\n".encode()
CLEAN = b"id,amount\n" + b"\n".join(b"%d,%d" % (n, 100 + n) for n in range(1, 41)) + b"\n"
EMPTY_FILE, BROKEN_BOOK = "lending/nothing.csv", "lending/broken.xlsx"


@pytest.fixture(scope="module")
def world(local_world):
    """Both groups after one drop and its profiles."""
    local_world.drop(
        "acme",
        {
            "lending/loans.csv": LOANS,
            "lending/notes.md": f"# Interview\n\n{MARK} said that it works.\n".encode(),
            EMPTY_FILE: b"",
            BROKEN_BOOK: b"PK\x03\x04 not a workbook",
        },
    )
    local_world.drop("globex", {"plants/readings.csv": CLEAN})
    local_world.settle()
    for group, table_group in (("acme", "lending"), ("globex", "plants")):
        if not local_world.group(group).latest_profile_run(table_group):
            local_world.profile(group, table_group)
    return local_world


INTAKE_AND_SILVER = [*keys.INTAKE, *keys.SILVER]
PROFILES = [keys.PROFILE_RUN, *keys.PROFILE_OUTCOME]


@pytest.mark.parametrize("key", INTAKE_AND_SILVER, ids=lambda key: key.path[-1])
def test_each_step_of_the_day_is_materialized_for_both_groups(world, key):
    assert set(world.materializations(key)) == {today_key("acme"), today_key("globex")}


@pytest.mark.parametrize("key", PROFILES, ids=lambda key: key.path[-1])
def test_each_step_of_a_profile_is_materialized_for_both_groups(world, key):
    assert set(world.materializations(key)) == {"acme|lending", "globex|plants"}


def test_gold_is_materialized_by_group(world):
    assert set(world.materializations(keys.GOLD_SCORE_HISTORY)) == {"acme", "globex"}


def test_counts_of_the_day_are_those_of_the_files(world):
    day = today_key("acme")
    evidence = world.materializations(keys.EVIDENCE_FILES)[day].metadata
    datasets = world.materializations(keys.BRONZE_DATASETS)[day].metadata

    assert evidence["files_stored"].value == 3
    assert datasets["dagster/row_count"].value == 40
    assert datasets["files_quarantined"].value == 1
    assert evidence["stage_error_types"].value == {"empty": 1}
    assert datasets["stage_output_count"].value == 40
    assert datasets["stage_error_types"].value == {"corrupt": 1}
    for key, rows in ((keys.BRONZE_EVIDENCE, 3), (keys.SILVER_FRAGMENTS, 1)):
        assert world.materializations(key)[day].metadata["dagster/row_count"].value == rows


@pytest.mark.parametrize(
    "key",
    [
        *(keys.BRONZE_EVIDENCE, keys.BRONZE_DATASETS, keys.SILVER_FRAGMENTS, keys.SILVER_QUALITY),
        *(keys.GOLD_SCORE_HISTORY, keys.PROFILE_RESULTS),
    ],
)
def test_a_table_is_shown_with_its_first_rows(world, key):
    shown = [one.metadata for one in world.materializations(key).values()]
    assert any(metadata["dagster/row_count"].value for metadata in shown)
    for metadata in shown:
        lines = metadata["preview"].value.splitlines()[2:]
        assert bool(lines) is bool(metadata["dagster/row_count"].value)


@pytest.mark.parametrize(
    "key",
    [
        *(keys.EVIDENCE_FILES, keys.BRONZE_EVIDENCE, keys.BRONZE_DATASETS, keys.SILVER_FRAGMENTS),
        *(keys.SILVER_ENTITIES, keys.SILVER_QUALITY, keys.GOLD_SCORE_HISTORY, *PROFILES[1:]),
    ],
)
def test_a_materialization_has_an_inline_plot_and_stays_small(world, key):
    for one in world.materializations(key).values():
        texts = [str(value.value) for value in one.metadata.values()]
        assert any("data:image/svg+xml;base64," in text for text in texts)
        assert sum(map(len, texts)) < 1_000_000


def test_no_text_of_the_data_stands_in_the_event_log(world):
    told = world.event_log()

    assert "acme__" in told or "lending__loans" in told
    assert MARK not in told
    assert "N/A" not in told


def test_bronze_equals_evidence_passes(world):
    assert world.checks(keys.BRONZE_EVIDENCE)["bronze_equals_evidence"].passed


def _first_check(world, name, group):
    """A check's evaluation in the run that found the files."""
    return [
        one
        for run in world.instance.get_runs()
        if run.tags["kmflow/group"] == group
        for event in (entry.dagster_event for entry in world.instance.all_logs(run.run_id))
        if event is not None and event.event_type_value == "ASSET_CHECK_EVALUATION"
        for one in [event.asset_check_evaluation_data]
        if one.check_name == name
    ][-1]


def test_a_refused_file_is_a_warning_that_names_it(world):
    entered = _first_check(world, "all_files_entered", "acme")

    assert (entered.passed, entered.severity.name) == (False, "WARN")
    assert "nothing.csv" in str(entered.metadata["quarantined"].value)
    assert _first_check(world, "all_files_entered", "globex").passed


def test_a_refused_file_is_still_named_when_the_day_is_run_again(world):
    result = world.run([keys.EVIDENCE_FILES, keys.BRONZE_DATASETS], partition=today_key("acme"))
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}

    assert result.success
    assert "nothing.csv" in str(checks["all_files_entered"].metadata["quarantined"].value)
    assert "broken.xlsx" in str(checks["no_loss"].metadata["quarantined"].value)
    assert {name: one.passed for name, one in checks.items()} == {
        "all_files_entered": False,
        "no_loss": False,
        "schema_stable": True,
        "values_decided": True,
    }


def test_a_file_that_cannot_be_converted_is_a_warning_of_no_loss(world):
    lost = _first_check(world, "no_loss", "acme")

    assert (lost.passed, lost.severity.name) == (False, "WARN")
    assert "broken.xlsx" in str(lost.metadata["quarantined"].value)
    assert _first_check(world, "no_loss", "globex").passed


def _rule_checks(world, partition):
    result = world.run([keys.HYGIENE_ISSUES], partition=partition)
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_each_hygiene_rule_has_its_check_and_dirty_data_fails_some(world):
    checks = _rule_checks(world, "acme|lending")

    assert len(checks) == len(RULES)
    failed = {name for name, one in checks.items() if not one.passed}
    assert {"rule_1002_non_standard_blanks", "rule_1006_no_values"} <= failed
    assert "lending__loans.status" in str(
        checks["rule_1002_non_standard_blanks"].metadata["columns"].value
    )


def test_clean_data_passes_each_hygiene_rule(world):
    checks = _rule_checks(world, "globex|plants")

    assert len(checks) == len(RULES)
    assert [name for name, one in checks.items() if not one.passed] == []


def test_scores_tell_dirty_data_from_clean(world):
    dirty, clean = (
        world.materializations(keys.QUALITY_SCORES)[one].metadata["score"].value
        for one in ("acme|lending", "globex|plants")
    )
    assert dirty < clean <= 1.0


def test_gold_is_what_plain_python_makes_of_silver(world):
    events = world.query("acme", "SELECT * FROM {base}_silver.silver_quality_events")
    bronze = world.query(
        "acme", "SELECT evidence_item_id, category FROM {base}_bronze.bronze_evidence_raw"
    )
    category = {row["evidence_item_id"]: row["category"] for row in bronze}
    expected: dict[str, list[float]] = {}
    for event in events:
        expected.setdefault(category[event["evidence_item_id"]], []).append(
            event["composite_score"]
        )
    gold = world.query("acme", "SELECT * FROM {base}_gold.gold_quality_score_history")

    assert {row["category"]: row["item_count"] for row in gold} == {
        name: len(values) for name, values in expected.items()
    }
    for row in gold:
        values = expected[row["category"]]
        assert row["avg_composite_score"] == pytest.approx(sum(values) / len(values), abs=1e-6)
        assert row["min_composite_score"] == min(values)
