"""What a profile's materializations show: counts and plots; never a value of the data."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from kmflow_orchestration.assets.rendering import bars, line, preview, urls
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.metadata.profile_records import Anomaly, ProfileRun
from kmflow_orchestration.operations.read_profile import JudgedProfile
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS

SHOWN_MEASURES = ("ordinal_position", "record_count", "null_count", "distinct_count", "max_length")


def results_metadata(group: GroupContext, run: ProfileRun, rows: pa.Table) -> dict[str, Any]:
    """Counts of a run, the columns with most nulls as a plot, and a preview."""
    table = group.config.namespace.dq(DQ_PROFILE_RESULTS.name)
    return {
        "dagster/row_count": rows.num_rows,
        "profile_run_id": run.profile_run_id,
        "status": str(run.status),
        "tables": run.table_count or 0,
        "columns": run.column_count or rows.num_rows,
        "rows_profiled": run.row_count or 0,
        "completed_by": run.completed_by or "",
        "null_share": bars("Share of NULL by column, %", _null_shares(rows), unit=" %"),
        "preview": preview(rows.select(["general_type", *SHOWN_MEASURES])),
        **({"run_page": dg.MetadataValue.url(run.run_page_url)} if run.run_page_url else {}),
        **urls(group.links(table)),
    }


def _null_shares(rows: pa.Table) -> dict[str, float]:
    names = ["table_name", "column_name", "null_count", "record_count"]
    shares = {
        f"{row['table_name']}.{row['column_name']}": round(
            100 * row["null_count"] / row["record_count"], 1
        )
        for row in rows.select(names).to_pylist()
        if row["null_count"] and row["record_count"]
    }
    return dict(sorted(shares.items(), key=lambda share: -share[1])[:10])


def issues_metadata(group: GroupContext, judged: JudgedProfile) -> dict[str, Any]:
    """Issues by rule, as a plot and a list without values."""
    by_rule = Counter(one.anomaly_type for one in judged.anomalies)
    return {
        "dagster/row_count": len(judged.anomalies),
        "profile_run_id": judged.run.profile_run_id,
        "issues_by_rule": bars("Issues by rule", dict(by_rule.most_common(10))),
        "list": dg.MetadataValue.md(_issue_table(judged.anomalies)),
        **_profiled(group),
    }


def _issue_table(anomalies: Sequence[Anomaly]) -> str:
    lines = ["| rule | likelihood | table | column | share of rows |", "|" + " --- |" * 5]
    lines += [
        f"| {one.anomaly_type} | {one.likelihood} | {one.table_name} | {one.column_name} "
        f"| {100 * (one.prevalence or 0):.2f} % |"
        for one in anomalies[:50]
    ]
    return "\n".join(lines)


def _profiled(group: GroupContext) -> dict[str, Any]:
    """Links to the measures that issues and scores are made of."""
    return urls(group.links(group.config.namespace.dq(DQ_PROFILE_RESULTS.name)))


def scores_metadata(group: GroupContext, judged: JudgedProfile) -> dict[str, Any]:
    """The score, the worst columns, and how the score went over the last runs."""
    trend = group.score_trend(judged.run.table_group_id)
    worst = {
        f"{one.table_name}.{one.column_name}": round(one.score or 0, 4)
        for one in judged.worst_columns()
    }
    score = judged.score
    return {
        **({"score": round(score, 4)} if score is not None else {}),
        "profile_run_id": judged.run.profile_run_id,
        "issues": len(judged.anomalies),
        "worst_columns": dg.MetadataValue.json(worst),
        "trend": line("Score by profile run", trend),
        **_profiled(group),
    }
