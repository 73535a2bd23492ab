"""Each rule: one hit, one near miss, one unknown measure; then the engine around them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene import find_issues
from kmflow_orchestration.profiling.hygiene_rules import RULES, RULES_BY_ID

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CLEAN_TEXT = {
    "value_count": 100,
    "null_count": 0,
    "zero_length_count": 0,
    "filled_value_count": 0,
    "lead_space_count": 0,
    "quoted_value_count": 0,
    "non_printing_count": 0,
    "non_alpha_count": 0,
    "numeric_count": 0,
    "date_count": 0,
}
CLEAN_DATE = {
    "value_count": 100,
    "null_count": 0,
    "min_date": datetime(2020, 1, 1, tzinfo=UTC),
    "max_date": datetime(2026, 1, 1, tzinfo=UTC),
    "before_100yr_date_count": 0,
    "distant_future_date_count": 0,
}


def column(general_type: str, name: str = "v", **measures) -> ColumnProfile:
    clean = {"A": CLEAN_TEXT, "D": CLEAN_DATE, "N": {"value_count": 100, "null_count": 0}}
    return ColumnProfile(
        schema_name="s",
        table_name="t",
        column_name=name,
        ordinal_position=1,
        data_type="",
        column_type="",
        general_type=general_type,
        record_count=measures.pop("record_count", 100),
        profiled_at=NOW,
        **(clean[general_type] | measures),
    )


def moment(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


# rule, prevalence expected of the hit, the hit, the near miss, the same with a measure unknown
CASES = [
    (
        1002,
        0.05,
        column("A", zero_length_count=2, filled_value_count=3),
        column("A", filled_value_count=100, numeric_count=100),
        column("A", zero_length_count=None),
    ),
    (
        1002,
        0.03,
        column("A", filled_value_count=3, numeric_count=100, functional_data_type="Zip"),
        column("A"),
        column("A", filled_value_count=None),
    ),
    (
        1006,
        1.0,
        column("N", value_count=0, null_count=100),
        column("N", value_count=1, null_count=99),
        column("N", null_count=None),
    ),
    (
        1006,
        1.0,
        column("A", value_count=60, null_count=40, zero_length_count=20, filled_value_count=40),
        column("A", value_count=0, null_count=0, record_count=0),
        column("A", filled_value_count=None),
    ),
    (1009, 0.01, column("A", lead_space_count=1), column("A"), column("A", lead_space_count=None)),
    (
        1010,
        0.04,
        column("A", quoted_value_count=4),
        column("A"),
        column("A", quoted_value_count=None),
    ),
    (
        1011,
        0.04,
        column("A", numeric_count=96),
        column("A", numeric_count=95),
        column("A", numeric_count=None),
    ),
    (
        1011,
        0.04,
        column("A", numeric_count=96),
        column("A", numeric_count=100),
        column("A", value_count=None),
    ),
    (
        1011,
        0.04,
        column("A", numeric_count=96),
        column("A", "zipped", numeric_count=96),
        column("A", numeric_count=None),
    ),
    (
        1011,
        0.04,
        column("A", numeric_count=96),
        column("A", numeric_count=96, functional_data_type="ID"),
        column("A", numeric_count=None),
    ),
    (
        1012,
        0.01,
        column("A", date_count=99),
        column("A", date_count=100),
        column("A", date_count=None),
    ),
    (
        1013,
        0.02,
        column("N", value_count=98, null_count=2),
        column("N", value_count=97, null_count=3),
        column("N", value_count=None),
    ),
    (
        1013,
        0.02,
        column("A", zero_length_count=2),
        column("A"),
        column("A", zero_length_count=None),
    ),
    (
        1018,
        0.02,
        column("D", min_date=moment(1900), before_100yr_date_count=2),
        column("D", min_date=moment(1900, 1, 2), before_100yr_date_count=2),
        column("D", min_date=None),
    ),
    (
        1018,
        0.01,
        column("D", max_date=moment(2056, 11, 21), distant_future_date_count=1),
        column("D", max_date=moment(2056, 11, 20), distant_future_date_count=1),
        column("D", max_date=moment(2060), distant_future_date_count=None),
    ),
    (
        1018,
        0.02,
        column("D", min_date=moment(1, 1, 2), before_100yr_date_count=2),
        column("D", min_date=moment(1), before_100yr_date_count=2),
        column("D", max_date=None),
    ),
    (
        1029,
        0.05,
        column("A", non_alpha_count=7, zero_length_count=2, functional_data_type="City"),
        column("A", non_alpha_count=2, zero_length_count=2, functional_data_type="City"),
        column("A", non_alpha_count=None, functional_data_type="City"),
    ),
    (
        1029,
        0.05,
        column("A", non_alpha_count=5, functional_data_type="Person Full Name"),
        column("A", non_alpha_count=5, functional_data_type="Unknown"),
        column("A", zero_length_count=None, functional_data_type="City"),
    ),
    (
        1031,
        0.01,
        column("A", non_printing_count=1),
        column("A"),
        column("A", non_printing_count=None),
    ),
]


@pytest.mark.parametrize(("rule_id", "prevalence", "hit", "near_miss", "unknown"), CASES)
def test_a_rule_fires_on_its_condition_only(rule_id, prevalence, hit, near_miss, unknown):
    rule = RULES_BY_ID[rule_id]

    assert rule.examine(hit).bad_rows / hit.record_count == pytest.approx(prevalence)
    assert rule.examine(near_miss) is None
    assert rule.examine(unknown) is None


def test_rules_stand_as_the_specification_lists_them():
    assert [(rule.id, rule.likelihood, rule.dimension, rule.risk) for rule in RULES] == [
        (1002, "Definite", "Completeness", 1.0),
        (1006, "Possible", "Completeness", 0.33),
        (1009, "Likely", "Validity", 0.66),
        (1010, "Likely", "Validity", 0.66),
        (1011, "Likely", "Validity", 0.66),
        (1012, "Likely", "Validity", 0.66),
        (1013, "Possible", "Completeness", 0.33),
        (1018, "Likely", "Accuracy", 0.66),
        (1029, "Definite", "Validity", 1.0),
        (1031, "Definite", "Validity", 1.0),
    ]


def test_a_text_rule_leaves_other_classes_alone():
    assert RULES_BY_ID[1009].examine(column("N", lead_space_count=5)) is None


def test_a_rule_that_raises_is_reported_and_stops_no_other():
    def broken(_):
        raise ZeroDivisionError("a value of the data")

    faulty = dataclasses.replace(RULES_BY_ID[1009], id=9999, find=broken)
    found = find_issues("run", [column("A", lead_space_count=1)], [faulty, *RULES])

    assert [issue.anomaly_type_id for issue in found.issues] == [1009]
    assert [(fault.rule_id, fault.error) for fault in found.faults] == [(9999, "ZeroDivisionError")]


def test_an_issue_that_cannot_be_recorded_is_a_fault_of_its_rule():
    timeless = dataclasses.replace(column("A", lead_space_count=1), profiled_at=None)

    found = find_issues("run", [timeless, column("A", "w", quoted_value_count=1)])

    assert [issue.anomaly_type_id for issue in found.issues] == [1010]
    assert [(fault.rule_id, fault.error) for fault in found.faults] == [(1009, "ValueError")]


def test_evaluating_again_gives_the_same_issues_with_the_same_ids():
    profiles = [column("A", lead_space_count=1), column("D", "d", min_date=moment(1890))]

    assert find_issues("run", profiles) == find_issues("run", profiles)
    assert find_issues("run", profiles).issues != find_issues("other", profiles).issues


def test_details_hold_counts_and_no_values():
    marked = column("A", lead_space_count=1, min_text=" SECRET", max_text="SECRET")

    (issue,) = find_issues("run", [marked]).issues

    assert issue.detail == "1 of 100 rows (1.0 %) begin with a blank"
