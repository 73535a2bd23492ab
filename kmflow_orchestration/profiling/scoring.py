"""Scores of columns, tables and table groups from their issues (specification part 5).

    badness of an issue       p = clamp(prevalence x risk, 0, 1)
    good share of a column    g = product of (1 - p) over its issues; no issue: 1
    data points of a column   its table's rows x weight          (weights are 1 for now)
    score of a set            1 - sum of (1 - g) x data points / sum of data points; no points: None

A dimension's score takes only the dimension's issues but all columns of the set. So 100 rows with
p = 0.2 x 0.66 and p = 0.1 x 1.0 have g = 0.868 x 0.9 = 0.7812, 21.88 bad data points; beside a
clean column of 100 rows the score is 1 - 21.88 / 200 = 0.8906.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene import Issue

DIMENSIONS = ("Accuracy", "Completeness", "Consistency", "Timeliness", "Uniqueness", "Validity")
IMPACT_DIMENSIONS = ("Conformance", "Regularity", "Reliability", "Usability")

ColumnKey = tuple[str, str, str]
TableKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """A column's score, 0 to 1, None for a table without rows; `data_points` is its weight."""

    schema_name: str
    table_name: str
    column_name: str
    data_points: float
    score: float | None
    issue_count: int


@dataclass(frozen=True, slots=True)
class TableScore:
    """A table's score over all its columns, 0 to 1; None without rows."""

    schema_name: str
    table_name: str
    data_points: float
    score: float | None
    issue_count: int


@dataclass(frozen=True, slots=True)
class QualityScores:
    """Scores of one profile run, each 0 to 1, None when there is no data."""

    score: float | None
    columns: tuple[ColumnScore, ...]
    tables: tuple[TableScore, ...]
    dimensions: tuple[tuple[str, float | None], ...]
    impact_dimensions: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class _Points:
    """Data points of one column, and those of them that its issues affect."""

    key: ColumnKey
    total: float
    affected: float
    issue_count: int


def score_run(profiles: Sequence[ColumnProfile], issues: Sequence[Issue]) -> QualityScores:
    """Scores of every column, table, dimension and of the whole run."""
    points = _points(profiles, issues)
    return QualityScores(
        score=_score(points),
        columns=tuple(
            ColumnScore(*entry.key, entry.total, _score([entry]), entry.issue_count)
            for entry in points
        ),
        tables=_table_scores(points),
        dimensions=_by(DIMENSIONS, lambda issue: issue.dimension, profiles, issues),
        impact_dimensions=_by(
            IMPACT_DIMENSIONS, lambda issue: issue.impact_dimension, profiles, issues
        ),
    )


def good_share(issues: Iterable[Issue]) -> float:
    """Share of rows without a fault, taking faults as independent."""
    return prod(1.0 - issue.badness for issue in issues)


def _points(profiles: Sequence[ColumnProfile], issues: Sequence[Issue]) -> list[_Points]:
    of_column: dict[ColumnKey, list[Issue]] = {}
    for issue in issues:
        key = (issue.schema_name, issue.table_name, issue.column_name)
        of_column.setdefault(key, []).append(issue)
    points = []
    for profile in profiles:
        key = (profile.schema_name, profile.table_name, profile.column_name)
        own = of_column.get(key, [])
        affected = (1.0 - good_share(own)) * profile.record_count
        points.append(_Points(key, float(profile.record_count), affected, len(own)))
    return points


def _score(points: Sequence[_Points]) -> float | None:
    total = sum(entry.total for entry in points)
    if total <= 0:
        return None
    return min(1.0, max(0.0, 1.0 - sum(entry.affected for entry in points) / total))


def _table_scores(points: Sequence[_Points]) -> tuple[TableScore, ...]:
    of_table: dict[TableKey, list[_Points]] = {}
    for entry in points:
        of_table.setdefault(entry.key[:2], []).append(entry)
    return tuple(
        TableScore(
            *key,
            sum(entry.total for entry in entries),
            _score(entries),
            sum(entry.issue_count for entry in entries),
        )
        for key, entries in of_table.items()
    )


def _by(
    names: Sequence[str],
    dimension_of: Callable[[Issue], str],
    profiles: Sequence[ColumnProfile],
    issues: Sequence[Issue],
) -> tuple[tuple[str, float | None], ...]:
    return tuple(
        (name, _score(_points(profiles, [one for one in issues if dimension_of(one) == name])))
        for name in names
    )
