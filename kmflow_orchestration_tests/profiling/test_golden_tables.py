"""Hand-computed answers, one table per class, and the odd tables: empty, all NULL, wide."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from kmflow_orchestration.errors import StatementFailed
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.table_profile import (
    DEFAULT_LIMITS,
    PlanLimits,
    SourceTable,
    profile_table,
)

RUN_START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def profiles(engine, select: str, limits: PlanLimits = DEFAULT_LIMITS) -> dict[str, ColumnProfile]:
    engine._spark.sql(select).createOrReplaceTempView("golden")
    source = SourceTable("golden", "s", "golden", tuple(engine.columns("golden")))
    found = profile_table(engine.query, source, reference=RUN_START, engine="test", limits=limits)
    return {column.column_name: column for column in found.columns}


def values(profile: ColumnProfile) -> dict[str, object]:
    """Measures that are known, identity and circumstances left out."""
    left_out = {"schema_name", "table_name", "column_name", "ordinal_position", "profiled_at",
                "engine", "distinct_value_hash", "functional_data_type", "data_type",
                "column_type", "general_type"}  # fmt: skip
    row = profile.to_row()
    return {name: row[name] for name in row if name not in left_out and row[name] is not None}


def test_texts(engine):
    found = profiles(
        engine,
        "SELECT * FROM VALUES ('Anna'), ('ANNA'), (' anna'), ('n/a'), (''), ('12%'), "
        "('2024-02-29'), (NULL) AS t(v)",
    )["v"]

    assert values(found) == {
        "record_count": 8, "value_count": 7, "null_count": 1, "distinct_count": 7,
        "distinct_is_exact": True, "min_length": 0, "max_length": 10,
        "avg_length": pytest.approx((4 + 4 + 5 + 3 + 3 + 10) / 6), "distinct_std_count": 5,
        "zero_length_count": 1, "zero_value_count": 0, "lead_space_count": 1,
        "quoted_value_count": 0, "includes_digit_count": 2, "filled_value_count": 1,
        "min_text": " anna", "max_text": "n/a", "upper_case_count": 1, "lower_case_count": 2,
        "non_alpha_count": 3, "mixed_case_count": 1, "non_printing_count": 0, "numeric_count": 1,
        "date_count": 1, "distinct_pattern_count": 6, "embedded_space_count": 0,
        "avg_embedded_spaces": 0.0, "non_ascii_count": 0,
        "top_values_json": found.to_row()["top_values_json"],
        "top_patterns_json": found.to_row()["top_patterns_json"],
    }  # fmt: skip
    assert [entry.text for entry in found.top_patterns] == [
        " aaaa", "AAAA", "Aaaa", "NN%", "NNNN-NN-NN",
    ]  # fmt: skip


def test_doubles_keep_nan_and_infinities_apart(engine):
    found = profiles(
        engine,
        "SELECT * FROM VALUES (1.5D), (-2.25D), (0D), (4D), (double('NaN')), (double('-inf')), "
        "(NULL) AS t(v)",
    )["v"]

    assert (found.value_count, found.null_count) == (6, 1)
    assert (found.nan_count, found.inf_count) == (1, 1)
    assert (found.min_value, found.max_value, found.min_value_over_0) == (-2.25, 4.0, 1.5)
    assert found.sum_value == pytest.approx(3.25)
    assert found.avg_value == pytest.approx(0.8125)
    assert found.stdev_value == pytest.approx(math.sqrt(20.671875 / 3))
    assert (found.zero_value_count, found.negative_count) == (1, 1)
    assert found.fractional_sum == 0.75
    assert (found.percentile_25, found.percentile_50) == (pytest.approx(-0.5625), 0.75)
    assert (found.percentile_75, found.percentile_95) == (2.125, pytest.approx(3.625))
    assert found.min_text is None


HUNDRED = "SELECT id + 1 AS v, CAST(id + 1 AS DECIMAL(9,2)) AS w FROM range(100) ORDER BY id % 7"
SHARES = (25, 50, 75, 95)


def test_percentiles_lie_between_values_as_their_share_does(engine):
    for found in profiles(engine, HUNDRED).values():
        measured = [getattr(found, f"percentile_{share}") for share in SHARES]
        assert measured == [pytest.approx(it) for it in (25.75, 50.5, 75.25, 95.05)]


def test_estimated_percentiles_are_within_one_rank_of_a_hundred(engine):
    for found in profiles(engine, HUNDRED, PlanLimits(exact_percentile_rows=0)).values():
        for share in SHARES:
            assert abs(getattr(found, f"percentile_{share}") - share) <= 1, share


def test_integers_have_exact_sums_and_no_fractions(engine):
    found = profiles(
        engine,
        "SELECT * FROM VALUES (9223372036854775807L), (-9223372036854775807L), (5L) AS t(v)",
    )["v"]

    assert (found.sum_value, found.fractional_sum) == (5.0, None)
    assert (found.min_length, found.max_length) == (1, 20)
    assert [entry.text for entry in found.top_values] == [
        "-9223372036854775807", "5", "9223372036854775807",
    ]  # fmt: skip


def test_decimals(engine):
    found = profiles(
        engine, "SELECT CAST(v AS DECIMAL(10,2)) AS v FROM VALUES ('1.50'), ('-0.25') AS t(v)"
    )["v"]

    assert (found.column_type, found.sum_value, found.fractional_sum) == (
        "DECIMAL(10,2)",
        1.25,
        0.75,
    )
    assert [entry.text for entry in found.top_values] == ["-0.25", "1.50"]


def test_dates_before_1900_and_ahead(engine):
    found = profiles(
        engine,
        "SELECT * FROM VALUES (DATE '1899-12-31'), (DATE '2026-11-20'), (DATE '2026-11-21'), "
        "(DATE '2060-01-01'), (NULL) AS t(v)",
    )["v"]

    assert found.min_date == datetime(1899, 12, 31, tzinfo=UTC)
    assert found.max_date == datetime(2060, 1, 1, tzinfo=UTC)
    assert (found.before_100yr_date_count, found.distant_future_date_count) == (1, 1)
    assert (found.within_1mo_date_count, found.future_date_count) == (1, 2)
    assert (found.date_days_present, found.date_weeks_present, found.date_months_present) == (
        4,
        3,
        3,
    )
    assert found.date_span_days == 58440


def test_timestamps_are_compared_with_the_very_moment_of_the_run(engine):
    found = profiles(
        engine,
        "SELECT * FROM VALUES (TIMESTAMP '2026-11-20 09:00:00'), "
        "(TIMESTAMP '2026-11-20 09:00:00.000001'), (TIMESTAMP '2025-11-20 08:59:59') AS t(v)",
    )["v"]

    assert (found.future_date_count, found.within_1mo_date_count) == (1, 1)
    assert found.before_1yr_date_count == 1
    assert found.top_values[-1].text == "2026-11-20 09:00:00.000001"


def test_booleans_and_what_has_only_base_measures(engine):
    found = profiles(
        engine,
        "SELECT * FROM VALUES (true, array(1)), (true, NULL), (false, array()) AS t(flag, items)",
    )

    assert (found["flag"].boolean_true_count, found["flag"].boolean_false_count) == (2, 1)
    assert [entry.text for entry in found["flag"].top_values] == ["true", "false"]
    assert values(found["items"]) == {"record_count": 3, "value_count": 2, "null_count": 1}


ALL_CLASSES = (
    "SELECT CAST(NULL AS STRING) AS a, CAST(NULL AS DOUBLE) AS n, CAST(NULL AS INT) AS i, "
    "CAST(NULL AS DATE) AS d, CAST(NULL AS BOOLEAN) AS b"
)


@pytest.mark.parametrize(("tail", "rows"), [("", 1), (" WHERE false", 0)])
def test_all_null_and_empty_tables_have_counts_of_0_and_no_extremes(engine, tail, rows):
    found = profiles(engine, ALL_CLASSES + tail)

    for column in found.values():
        assert column.query_error is None
        assert (column.record_count, column.value_count, column.null_count) == (rows, 0, rows)
        assert (column.distinct_count, column.top_values) == (0, ())
        assert column.min_value is column.avg_value is column.min_date is column.min_text is None
    assert (found["a"].zero_length_count, found["a"].mixed_case_count) == (0, 0)
    assert (found["n"].nan_count, found["d"].future_date_count) == (0, 0)
    assert found["b"].boolean_true_count == 0


def test_every_one_of_many_columns_is_profiled_in_order(engine):
    columns = ", ".join(f"id + {number} AS `col {number}`" for number in range(60))
    found = profiles(engine, f"SELECT {columns} FROM range(3)")

    assert list(found) == [f"col {number}" for number in range(60)]
    assert [column.min_value for column in found.values()] == list(range(60))


def test_long_texts_are_cut_and_keep_a_hash(engine):
    found = profiles(engine, "SELECT repeat('ä', 300) AS v")["v"]

    assert found.top_values[0].text == "ä" * 256
    assert len(found.top_values[0].text_hash) == 64
    assert (found.max_text, found.max_length) == ("ä" * 100, 300)
    assert found.reasons == (("top_patterns", "length_out_of_range"),)


def test_the_hash_of_a_set_does_not_depend_on_order_or_repetition(engine):
    one = profiles(engine, "SELECT * FROM VALUES ('a'), ('b'), ('b') AS t(v)")["v"]
    other = profiles(engine, "SELECT * FROM VALUES ('b'), ('a'), (NULL) AS t(v)")["v"]
    empty_text = profiles(engine, "SELECT '' AS v")["v"]
    null = profiles(engine, "SELECT CAST(NULL AS STRING) AS v")["v"]

    assert one.distinct_value_hash == other.distinct_value_hash
    assert empty_text.distinct_value_hash != null.distinct_value_hash


def test_values_beyond_the_list_are_one_remainder(engine):
    found = profiles(engine, "SELECT CAST(id % 30 AS STRING) AS v FROM range(90)")["v"]

    assert len(found.top_values) == 26
    assert (found.top_values[-1].text, found.top_values[-1].count) == ("other (5 values)", 15)


def test_a_column_that_cannot_be_read_carries_the_error_and_the_others_their_measures(engine):
    def failing(sql: str):
        if "`bad`" in sql:
            raise StatementFailed("no such file")
        return engine.query(sql)

    engine._spark.sql("SELECT 1 AS a, 2 AS bad, '3' AS c").createOrReplaceTempView("partly")
    source = SourceTable("partly", "s", "t", (("a", "int"), ("bad", "int"), ("c", "string")))
    found = profile_table(failing, source, reference=RUN_START, engine="test").columns

    assert [column.query_error for column in found] == [None, "no such file", None]
    assert (found[0].max_value, found[1].max_value, found[2].max_text) == (1.0, None, "3")
    assert found[1].negative_count is None


def test_a_profile_survives_its_row(engine):
    for column in profiles(engine, "SELECT 'x' AS a, 1.5D AS n, now() AS d").values():
        assert ColumnProfile.from_row(column.to_row()) == column
