from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.profiling.hygiene import Issue
from kmflow_orchestration.profiling.scoring import score_run
from kmflow_orchestration_tests.profiling.test_hygiene import NOW, column

SHARES = st.floats(0, 1)


def issue(prevalence: float, risk: float, name: str = "v", dimension: str = "Validity") -> Issue:
    return Issue(
        anomaly_id="",
        profile_run_id="",
        schema_name="s",
        table_name="t",
        column_name=name,
        anomaly_type_id=1,
        anomaly_type="",
        likelihood="",
        severity="",
        dimension=dimension,
        impact_dimension="Usability",
        prevalence=prevalence,
        risk_factor=risk,
        priority="",
        detail="",
        detected_at=NOW,
    )


def test_the_worked_example_of_the_specification():
    issues = [issue(0.2, 0.66), issue(0.1, 1.0)]

    alone = score_run([column("A")], issues)
    beside_a_clean_one = score_run([column("A"), column("A", "clean")], issues)

    assert alone.score == pytest.approx(0.7812)
    assert beside_a_clean_one.score == pytest.approx(0.8906)


def test_a_column_that_is_bad_in_every_row_at_full_risk_scores_zero():
    assert score_run([column("A")], [issue(1.0, 1.0)]).score == 0.0


def test_no_rows_or_no_columns_have_no_score():
    assert score_run([], []).score is None
    assert score_run([column("A", record_count=0)], []).score is None


def test_a_dimension_counts_its_issues_over_all_columns():
    issues = [issue(0.5, 1.0), issue(0.5, 1.0, dimension="Completeness")]
    scores = dict(score_run([column("A"), column("A", "clean")], issues).dimensions)

    assert scores["Validity"] == pytest.approx(0.75)
    assert scores["Accuracy"] == 1.0


def test_tables_weigh_by_their_rows():
    small = dataclasses.replace(column("A", record_count=1), table_name="small")
    scores = score_run([column("A", record_count=99), small], [issue(1.0, 1.0)])

    assert scores.score == pytest.approx(0.01)
    assert [table.score for table in scores.tables] == [0.0, 1.0]


@given(st.lists(st.tuples(SHARES, SHARES), max_size=6), SHARES, SHARES)
def test_scores_stay_within_bounds_and_an_issue_never_raises_them(pairs, prevalence, risk):
    issues = [issue(*pair) for pair in pairs]

    before = score_run([column("A"), column("A", "clean")], issues).score
    after = score_run([column("A"), column("A", "clean")], [*issues, issue(prevalence, risk)]).score

    assert 0 <= after <= before <= 1


@given(SHARES)
def test_a_wholly_bad_column_scores_no_more_than_its_risk_leaves(risk):
    assert score_run([column("A")], [issue(1.0, risk)]).score <= 0.000001 + (1 - risk)
