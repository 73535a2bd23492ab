"""From profiles to issues: every rule on every column, a faulty rule never stopping the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kmflow_orchestration import identity
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene_rules import RULES, Finding, Rule


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong with a column. Its id is made of run, column and rule (design AD5).

    `prevalence` is the share of the table's rows that are bad, 0 to 1; `risk_factor` how much a
    bad row hurts.
    """

    anomaly_id: str
    profile_run_id: str
    schema_name: str
    table_name: str
    column_name: str
    anomaly_type_id: int
    anomaly_type: str
    likelihood: str
    severity: str
    dimension: str
    impact_dimension: str
    prevalence: float
    risk_factor: float
    priority: str
    detail: str
    detected_at: datetime

    @property
    def badness(self) -> float:
        """What the issue takes from the score: prevalence times risk, 0 to 1 (part 5, rule 1)."""
        return min(1.0, max(0.0, self.prevalence * self.risk_factor))


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A rule that raised: its id and name, and the kind of error, never its text."""

    rule_id: int
    rule_name: str
    error: str


@dataclass(frozen=True, slots=True)
class HygieneResult:
    """All issues, by table, column and rule, and the rules that failed."""

    issues: tuple[Issue, ...]
    faults: tuple[RuleFault, ...]


def find_issues(
    profile_run_id: str, profiles: Iterable[ColumnProfile], rules: Sequence[Rule] = RULES
) -> HygieneResult:
    """Apply the rules; the same profiles give the same issues with the same ids (F15, F16)."""
    faults: dict[int, RuleFault] = {}
    issues: list[Issue] = []
    for profile in profiles:
        for rule in rules:
            try:
                finding = rule.examine(profile)
                if finding is not None:
                    issues.append(_issue(profile_run_id, profile, rule, finding))
            except Exception as error:  # noqa: BLE001 - isolation of rules is the point (F15)
                faults.setdefault(rule.id, RuleFault(rule.id, rule.name, type(error).__name__))
    return HygieneResult(tuple(issues), tuple(faults.values()))


def _issue(profile_run_id: str, profile: ColumnProfile, rule: Rule, finding: Finding) -> Issue:
    if profile.profiled_at is None:
        raise ValueError("a profile without its time cannot have issues")
    place = (profile.schema_name, profile.table_name, profile.column_name)
    return Issue(
        anomaly_id=identity.anomaly_id(profile_run_id, *place, str(rule.id)),
        profile_run_id=profile_run_id,
        schema_name=profile.schema_name,
        table_name=profile.table_name,
        column_name=profile.column_name,
        anomaly_type_id=rule.id,
        anomaly_type=rule.name,
        likelihood=rule.likelihood,
        severity=rule.severity,
        dimension=rule.dimension,
        impact_dimension=rule.impact_dimension,
        prevalence=finding.bad_rows / profile.record_count if profile.record_count else 0.0,
        risk_factor=rule.risk,
        priority=rule.priority,
        detail=finding.detail,
        detected_at=profile.profiled_at,
    )


def issue_row(issue: Issue) -> Mapping[str, Any]:
    """Columns of `dq_profile_anomaly_results`, group and table group left out."""
    return {name: getattr(issue, name) for name in Issue.__dataclass_fields__}
