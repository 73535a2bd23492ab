"""Each hygiene rule as a check in Dagster: seen failing, passing, unable to run (G9, G10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from kmflow_orchestration.assets.rule_checks import SAMPLES
from kmflow_orchestration.partitions.keys import table_group_key
from kmflow_orchestration.profiling.hygiene_rules import RULES
from kmflow_orchestration.resources.asset_keys import (
    HYGIENE_ISSUES,
    PROFILE_RESULTS,
    QUALITY_SCORES,
)
from kmflow_orchestration_tests.dagster_skins.profiled_tables import ProfiledTables, Rows
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

# One lakehouse and one engine for the module: its tests stay together in one worker.
pytestmark = pytest.mark.xdist_group("dagster_rule_checks")

COUNT = 40
MARK, DIGITS = "Zylphora", "90210777"
# Each rule has one bad column, in the order of the rules' numbers.
DIRTY: Rows = {
    "status": ("STRING", ["n/a"] * 30 + [f"{MARK} open"] * 10),
    "nothing": ("DOUBLE", [None] * COUNT),
    "remark": ("STRING", [f" {MARK} {n}" for n in range(COUNT)]),
    "nickname": ("STRING", [f'"{MARK} {n}"' for n in range(COUNT)]),
    "amount": ("STRING", [f"{n}.5" for n in range(COUNT - 1)] + [MARK]),
    "signed": ("STRING", [f"2026-01-{1 + n % 28:02d}" for n in range(COUNT - 1)] + [MARK]),
    "rating": ("DOUBLE", [n / 8 for n in range(COUNT - 1)] + [None]),
    "since": ("DATE", [date(1890, 1, 1) + timedelta(days=n) for n in range(COUNT)]),
    "city": ("STRING", [DIGITS] + [f"{MARK} am See"] * (COUNT - 1)),
    "note": ("STRING", [f"{MARK}\u200b{n}" for n in range(COUNT)]),
}
RULE_OF = dict(
    zip((1002, 1006, 1009, 1010, 1011, 1012, 1013, 1018, 1029, 1031), DIRTY, strict=True)
)
DEFINITE = {1002, 1029, 1031}
CLEAN: Rows = {
    "status": ("STRING", ["open", "closed"] * 20),
    "rating": ("DOUBLE", [n / 8 for n in range(COUNT)]),
    "since": ("DATE", [date(2020, 1, 1) + timedelta(days=n) for n in range(COUNT)]),
    "city": ("STRING", ["Bern", "Basel"] * 20),
    "is_open": ("BOOLEAN", [True, False] * 20),
}
MANY: Rows = {f"c{n:02d}": ("STRING", [f" {MARK}"]) for n in range(30)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory, control_databases) -> Iterator[ProfiledTables]:
    home = tmp_path_factory.mktemp("checks")
    with SensorWorld(home, control_databases.new(home / "control.db")) as world:
        made = ProfiledTables(world)
        for name, rows in (("dirty", DIRTY), ("clean", CLEAN), ("many", MANY)):
            made.profile(name, made.add(name, rows))
        yield made


@pytest.fixture(scope="module")
def dirty(tables):
    return tables.checks("dirty")


@pytest.fixture(scope="module")
def clean(tables):
    return tables.checks("clean")


@pytest.mark.parametrize("rule", RULE_OF)
def test_each_rule_fails_as_a_check_and_names_its_column(dirty, rule):
    check = dirty[rule]

    assert not check.passed
    assert check.severity.name == ("ERROR" if rule in DEFINITE else "WARN")
    assert check.metadata["issues"].value == len(check.metadata["columns"].value) > 0
    assert f"dirty.{RULE_OF[rule]}" in check.metadata["columns"].value
    assert check.metadata["table_group"].value == "acme/dirty"


def test_no_other_column_fails_a_rule(dirty):
    expected = {rule: [f"dirty.{column}"] for rule, column in RULE_OF.items()}

    assert {rule: one.metadata["columns"].value for rule, one in dirty.items()} == expected


@pytest.mark.parametrize("rule", RULE_OF)
def test_each_rule_passes_on_a_clean_table(clean, rule):
    check = clean[rule]

    assert check.passed
    assert check.metadata["issues"].value == 0
    assert check.metadata["columns"].value == []


def test_every_rule_we_have_was_seen_failing_and_passing(dirty, clean):
    assert set(RULE_OF) == set(dirty) == set(clean) == {rule.id for rule in RULES}


def test_samples_are_bounded_and_the_count_is_whole(tables):
    check = tables.checks("many")[1009]

    assert check.metadata["issues"].value == len(MANY)
    assert len(check.metadata["columns"].value) == SAMPLES
    assert len(check.metadata["samples"].value) == SAMPLES


def test_samples_count_rows_and_show_no_value(tables, dirty):
    assert dirty[1002].metadata["samples"].value == [
        "dirty.status: 30 of 40 rows (75.0 %): 0 empty texts, 30 dummy fillers"
    ]
    told = tables.event_log()

    assert "dirty.status" in told
    for value in (MARK, DIGITS, "n/a"):
        assert value not in told


def test_a_run_whose_results_are_stored_passes_its_own_check(tables):
    result = tables.run([PROFILE_RESULTS], "acme|clean")

    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("profile_run_succeeded", True)


def test_a_rule_that_cannot_be_applied_is_an_error_of_its_check_and_of_no_other(tables):
    run = tables.profile("damaged", tables.add("damaged", {"remark": DIRTY["remark"]}))
    # An issue needs the time of its profile.
    tables.group.lakehouse.execute(
        f"UPDATE {tables.results.sql} SET profiled_at = NULL "
        f"WHERE profile_run_id = '{run.profile_run_id}'"
    )

    checks = tables.checks("damaged")

    failed = {rule: one for rule, one in checks.items() if not one.passed}
    assert set(failed) == {1009}
    assert failed[1009].severity.name == "ERROR"
    assert failed[1009].metadata["error"].value == "the rule could not be applied: ValueError"


def test_a_column_nobody_could_read_passes_no_check_that_is_about_it(tables):
    table = tables.add("torn", {"status": CLEAN["status"]})
    tables.profile("torn", table, missing=[("ghost", "DATE")])

    checks = tables.checks("torn")

    failed = {rule: one for rule, one in checks.items() if not one.passed}
    assert set(failed) == {1006, 1013, 1018}  # of any class, and of dates
    for check in failed.values():
        assert (check.severity.name, check.metadata["issues"].value) == ("ERROR", 0)
        assert check.metadata["not_read"].value == ["torn.ghost"]


def test_checks_whose_results_are_gone_have_failed_to_run_whatever_they_said_before(tables):
    run = tables.profile("lost", tables.add("lost", CLEAN))
    assert all(one.passed for one in tables.checks("lost").values())
    assert tables.states(HYGIENE_ISSUES) == {("SUCCEEDED", "SUCCESS")}
    tables.group.lakehouse.execute(
        f"DELETE FROM {tables.results.sql} WHERE profile_run_id = '{run.profile_run_id}'"
    )

    result = tables.judge("lost")

    assert not result.success
    assert result.get_asset_check_evaluations() == []
    assert tables.states(HYGIENE_ISSUES) == {("PLANNED", "FAILURE")}


def test_a_profile_waits_for_its_outcome_until_its_scores_are_out(tables):
    group = tables.group.id
    run = tables.profile("late", tables.add("late", CLEAN))

    def is_waiting() -> bool:
        waiting = tables.world.context.profile_runs.finished_unmaterialized(group)
        return run.profile_run_id in {one.profile_run_id for one in waiting}

    key = str(table_group_key(group, "late"))
    seen = [is_waiting()]
    for asset in (PROFILE_RESULTS, HYGIENE_ISSUES, QUALITY_SCORES):
        assert tables.run([asset], key).success
        seen.append(is_waiting())

    assert seen == [True, True, True, False]
