"""The SQL's measures equal an independent Python reading of the specification."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.spark_engine import SparkEngine
from kmflow_orchestration.profiling.sql_builder import part
from kmflow_orchestration.profiling.table_profile import (
    DEFAULT_LIMITS,
    PlanLimits,
    SourceTable,
    profile_table,
)
from kmflow_orchestration_tests.profiling import reference
from kmflow_orchestration_tests.profiling.telling_texts import TELLING

RUN_START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SEVERAL = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ALPHABET = "aZé日 '\"-.,0159/$%:TNA\t\n\u00a0\u200b"
TEXTS = st.lists(st.none() | st.sampled_from(TELLING) | st.text(ALPHABET, max_size=12), max_size=40)


def profile_of(
    engine: SparkEngine, values: list[Any], type_name: str, limits: PlanLimits = DEFAULT_LIMITS
) -> ColumnProfile:
    rows = [(value,) for value in values]
    engine._spark.createDataFrame(rows, f"v {type_name}").createOrReplaceTempView("one_column")
    source = SourceTable("one_column", "s", "t", (("v", type_name),))
    found = profile_table(
        engine.query, source, reference=RUN_START, engine="test", limits=limits
    ).columns[0]
    assert found.query_error is None, found.query_error
    return found


def test_patterns_are_the_reference_s(engine):
    engine._spark.createDataFrame(
        [(text,) for text in TELLING], "value string"
    ).createOrReplaceTempView("texts")

    rows = engine.query(f"SELECT value, {part('pattern')} AS pattern FROM texts")

    assert {row["value"]: row["pattern"] for row in rows} == {
        text: reference.pattern(text) for text in TELLING
    }


@SEVERAL
@given(TEXTS)
def test_text_measures_equal_the_reference(engine, values):
    found = profile_of(engine, values, "string")

    expected = reference.text_measures(values)
    assert {name: getattr(found, name) for name in expected} == expected
    listed = [(entry.text, entry.count) for entry in found.top_values if not entry.is_remainder]
    assert listed == reference.top([value for value in values if value is not None], 25)


@SEVERAL
@given(TEXTS)
def test_reading_rows_gives_what_reading_distinct_values_gives(engine, values):
    few = PlanLimits(exact_rows=0, grouped_distinct=-1)
    found = profile_of(engine, values, "string", few)

    expected = reference.text_measures(values)
    # Estimates, exact for such small sets in practice but not by promise.
    for name in ("distinct_count", "distinct_std_count"):
        assert abs(getattr(found, name) - expected.pop(name)) <= 2
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.distinct_is_exact is False


@SEVERAL
@given(st.lists(st.none() | st.dates(date(1, 1, 2), date(2300, 1, 1)), max_size=30))
def test_date_measures_equal_the_reference(engine, days):
    found = profile_of(engine, days, "date")

    expected = reference.date_measures(days, RUN_START.date())
    assert {name: getattr(found, name) for name in expected} == expected


NEAR_THE_EDGES = [date(2025, 11, 20), date(2025, 11, 19), date(2025, 11, 21), date(2026, 10, 21),
                  date(2026, 10, 20), date(2026, 11, 20), date(2026, 11, 21), date(2046, 11, 20),
                  date(2046, 11, 21), date(1926, 11, 20), date(1926, 11, 19)]  # fmt: skip


def test_dates_at_the_edge_of_each_window_equal_the_reference(engine):
    found = profile_of(engine, NEAR_THE_EDGES, "date")

    expected = reference.date_measures(NEAR_THE_EDGES, RUN_START.date())
    assert {name: getattr(found, name) for name in expected} == expected
