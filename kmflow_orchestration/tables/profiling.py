"""The `_dq` tables of a group: what is profiled, what was measured, what is wrong with it.

`dq_table_groups` and `dq_tables` are read-only copies of the control database, merged before each
run so that a job can read them; all others are written by the job, keyed by `profile_run_id`, and
count only once the control database says that the run is completed (design AD4).
"""

from __future__ import annotations

from kmflow_orchestration.tables.definition import Column, TableDefinition, required, string

RUN_COLUMN = "profile_run_id"


def _counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "BIGINT") for name in names)


def _doubles(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "DOUBLE") for name in names)


def _flags(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "BOOLEAN") for name in names)


def _time(name: str) -> Column:
    return Column(name, "TIMESTAMP")


def _catalog_copy(
    name: str, *columns: Column, key: tuple[str, ...], comment: str
) -> TableDefinition:
    return TableDefinition(
        "dq",
        name,
        (required("group_id"), required("table_group_id"), *columns),
        key=("group_id", "table_group_id", *key),
        comment=comment,
    )


def _result(name: str, *columns: Column, key: tuple[str, ...], comment: str) -> TableDefinition:
    return TableDefinition(
        "dq",
        name,
        (required("group_id"), required(RUN_COLUMN), required("table_group_id"), *columns),
        key=(RUN_COLUMN, *key),
        cluster_by=(RUN_COLUMN,),
        comment=comment,
    )


DQ_TABLE_GROUPS = _catalog_copy(
    "dq_table_groups",
    required("name"),
    string("engagement_id"),
    string("schema_name", comment="schema its tables lie in unless a table says otherwise"),
    string("include_mask", comment="comma-separated name patterns; empty takes all tables"),
    string("exclude_mask", comment="comma-separated name patterns; empty leaves none out"),
    Column("is_active", "BOOLEAN"),
    key=(),
    comment="Tables profiled together, as the control database had them before the last run",
)

DQ_TABLES = _catalog_copy(
    "dq_tables",
    required("schema_name"),
    required("table_name"),
    *_counts("row_count"),
    _time("changed_at"),
    string("changed_batch_id"),
    key=("schema_name", "table_name"),
    comment="Tables of each table group, as the control database had them before the last run",
)

_PLACE = (required("schema_name"), required("table_name"), required("column_name"))

# The measures of part 2 of the specification; NULL outside a measure's class.
PROFILE_COLUMNS = (
    *_PLACE,
    Column("ordinal_position", "INT", nullable=False, comment="place in the table, from 1"),
    string("data_type", comment="type as the table declares it"),
    string("column_type", comment="normalised type"),
    string("general_type", comment="A text, N number, D date, B boolean, T time of day, X other"),
    *_counts("record_count", "value_count", "null_count", "distinct_count"),
    *_flags("distinct_is_exact"),
    *_counts("min_length", "max_length"),
    *_doubles("avg_length"),
    string("distinct_value_hash"),
    string("functional_data_type"),
    string("functional_table_type"),
    string("datatype_suggestion"),
    string("pii_flag"),
    *_doubles("sample_ratio"),
    string("query_error"),
    *_counts(
        "distinct_std_count",
        "zero_length_count",
        "zero_value_count",
        "lead_space_count",
        "quoted_value_count",
        "includes_digit_count",
        "filled_value_count",
    ),
    string("min_text"),
    string("max_text"),
    *_counts(
        "upper_case_count",
        "lower_case_count",
        "non_alpha_count",
        "mixed_case_count",
        "non_printing_count",
        "numeric_count",
        "date_count",
        "distinct_pattern_count",
        "embedded_space_count",
    ),
    *_doubles("avg_embedded_spaces"),
    string("std_pattern_match"),
    *_doubles("std_pattern_ratio"),
    *_counts("non_ascii_count"),
    *_doubles("min_value", "max_value", "avg_value", "stdev_value", "min_value_over_0"),
    *_counts("negative_count"),
    *_doubles(
        "percentile_25",
        "percentile_50",
        "percentile_75",
        "percentile_95",
        "fractional_sum",
        "sum_value",
    ),
    *_counts("nan_count", "inf_count"),
    _time("min_date"),
    _time("max_date"),
    *_counts(
        "before_1yr_date_count",
        "before_5yr_date_count",
        "before_20yr_date_count",
        "before_100yr_date_count",
        "within_1yr_date_count",
        "within_1mo_date_count",
        "future_date_count",
        "distant_future_date_count",
        "date_days_present",
        "date_weeks_present",
        "date_months_present",
        "date_span_days",
        "boolean_true_count",
        "boolean_false_count",
    ),
    string("top_values_json"),
    string("top_patterns_json"),
    string("metrics_json", comment="reasons for absent measures, by name"),
    _time("profiled_at"),
    string("engine"),
)

DQ_PROFILE_RESULTS = _result(
    "dq_profile_results",
    *PROFILE_COLUMNS,
    key=("schema_name", "table_name", "column_name"),
    comment="One row per profiled column",
)

DQ_PROFILE_COLUMN_VALUES = _result(
    "dq_profile_column_values",
    *_PLACE,
    Column("value_rank", "INT", nullable=False, comment="from 1; the remainder comes last"),
    string("value", comment="first 256 characters; for the remainder 'other (n values)'"),
    string("value_hash", comment="SHA-256 of the whole value where it was cut"),
    *_counts("value_count"),
    *_doubles("relative_frequency"),
    *_flags("is_remainder", "is_exact"),
    key=("schema_name", "table_name", "column_name", "value_rank"),
    comment="Most frequent values of each column",
)

DQ_PROFILE_ANOMALY_RESULTS = _result(
    "dq_profile_anomaly_results",
    required("anomaly_id"),
    *_PLACE,
    Column("anomaly_type_id", "INT", nullable=False),
    required("anomaly_type"),
    required("likelihood", "Definite, Likely or Possible"),
    required("severity", "high, medium or low"),
    required("dimension"),
    required("impact_dimension"),
    *_doubles("prevalence", "risk_factor"),
    required("priority", "High, Medium or Low"),
    string("detail"),
    _time("detected_at"),
    key=("anomaly_id",),
    comment="Hygiene issues of each profile run",
)

DQ_DATA_TABLE_CHARS = _result(
    "dq_data_table_chars",
    required("schema_name"),
    required("table_name"),
    *_counts("record_count", "column_count", "anomaly_count"),
    *_doubles("dq_score_profiling"),
    string("functional_table_type"),
    string("query_error"),
    key=("schema_name", "table_name"),
    comment="Size and score of each profiled table",
)

DQ_DATA_COLUMN_CHARS = _result(
    "dq_data_column_chars",
    *_PLACE,
    string("general_type"),
    string("functional_data_type"),
    *_counts("record_count", "anomaly_count"),
    *_doubles("dq_score_profiling"),
    key=("schema_name", "table_name", "column_name"),
    comment="Kind and score of each profiled column",
)

DQ_PROFILE_OPERATIONS = _result(
    "dq_profile_operations",
    required("operation_id"),
    required("target", "table written, or rule applied"),
    *_counts("rows_written", "duration_ms"),
    required("status", "success, failed or skipped"),
    string("error_payload"),
    _time("finished_at"),
    key=("operation_id",),
    comment="What each step of a profile run did",
)

PROFILING_TABLES = (
    DQ_TABLE_GROUPS,
    DQ_TABLES,
    DQ_PROFILE_RESULTS,
    DQ_PROFILE_COLUMN_VALUES,
    DQ_PROFILE_ANOMALY_RESULTS,
    DQ_DATA_TABLE_CHARS,
    DQ_DATA_COLUMN_CHARS,
    DQ_PROFILE_OPERATIONS,
)
