"""A finished profile run as people look at it, and judged again by the rules of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import GroupMismatch, ResultsMissing
from kmflow_orchestration.metadata.profile_completions import ProfileFindings
from kmflow_orchestration.metadata.profile_records import Anomaly, ProfileRun, Score
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene import RuleFault
from kmflow_orchestration.profiling.stored_results import stored_results_sql
from kmflow_orchestration.runs.stored_results import stored_profile
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS


@dataclass(frozen=True, slots=True)
class JudgedProfile:
    """Issues and scores of a run, by table and column.

    `faults` are rules that could not be applied, `unread` columns the run could not read: about
    these nobody knows, which is not the same as nothing found.
    """

    run: ProfileRun
    anomalies: tuple[Anomaly, ...]
    scores: tuple[Score, ...]
    faults: tuple[RuleFault, ...] = ()
    unread: tuple[ColumnProfile, ...] = ()

    @property
    def score(self) -> float | None:
        """Score of the whole table group in [0, 1]; None where there is nothing to score."""
        whole = (one for one in self.scores if one.scope == "table_group" and not one.dimension)
        return next((one.score for one in whole), None)

    def worst_columns(self, count: int = 5) -> Sequence[Score]:
        """Columns with the lowest scores below 1, worst first."""
        columns = [one for one in self.scores if one.scope == "column" and not one.dimension]
        flawed = [one for one in columns if one.score is not None and one.score < 1]
        return sorted(flawed, key=lambda one: (one.score, one.table_name, one.column_name))[:count]


def stored_rows(run: ProfileRun, *, lakehouse: Lakehouse, config: GroupConfig) -> pa.Table:
    """Rows of `dq_profile_results` of a run, by table and column.

    Raises:
        GroupMismatch: the run is another group's.
        ResultsMissing: it left none.
    """
    _check(run, config)
    sql = stored_results_sql(config.namespace.dq(DQ_PROFILE_RESULTS.name))
    bound = {"group_id": run.group_id, "profile_run_id": run.profile_run_id}
    rows = lakehouse.query(sql, bound)
    if rows.num_rows == 0:
        raise ResultsMissing(f"profile run {run.profile_run_id} left no results")
    return rows


def judge_again(
    group: GroupId,
    run: ProfileRun,
    *,
    findings: ProfileFindings,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> JudgedProfile:
    """Issues and scores of a run's stored records by the rules of today; no table is scanned.

    What people decided about an issue stays with it.

    Raises:
        GroupMismatch: the run is another group's.
        ResultsMissing: it left no results.
    """
    _check(run, config)
    stored = stored_profile(run, lakehouse=lakehouse, namespace=config.namespace)
    if stored is None:
        raise ResultsMissing(f"profile run {run.profile_run_id} left no results")
    completion = stored.completion()
    findings.replace(group, run.profile_run_id, completion)
    return JudgedProfile(
        run,
        completion.anomalies,
        completion.scores,
        faults=stored.judged.faults,
        unread=stored.unread,
    )


def _check(run: ProfileRun, config: GroupConfig) -> None:
    if run.group_id != config.group_id:
        raise GroupMismatch(f"profile run {run.profile_run_id} is not of group {config.group_id}")
