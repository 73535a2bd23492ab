"""From profiles to issues and scores, the same for a run that ends and for one read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene import Issue, RuleFault, find_issues
from kmflow_orchestration.profiling.hygiene_rules import RULES, Rule
from kmflow_orchestration.profiling.scoring import QualityScores, score_run


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Issues, scores, and the rules that could not be applied."""

    issues: tuple[Issue, ...]
    faults: tuple[RuleFault, ...]
    scores: QualityScores


def evaluate(
    profile_run_id: str, profiles: Sequence[ColumnProfile], rules: Sequence[Rule] = RULES
) -> Evaluation:
    """Issues and scores of a run's profiles; columns that could not be read are not scored."""
    found = find_issues(profile_run_id, profiles, rules)
    readable = [profile for profile in profiles if profile.query_error is None]
    return Evaluation(found.issues, found.faults, score_run(readable, found.issues))
