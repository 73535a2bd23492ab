"""Hygiene rules as asset checks: one check a rule, all answered by one step (row G9)."""

from typing import Any

import dagster as dg

from kmflow_orchestration.metadata.profile_records import Anomaly
from kmflow_orchestration.operations.read_profile import JudgedProfile
from kmflow_orchestration.profiling.column_kinds import OTHER
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene_rules import DEFINITE, RULES, Rule
from kmflow_orchestration.resources.asset_keys import HYGIENE_ISSUES

SAMPLES = 20


def rule_specs() -> list[dg.AssetCheckSpec]:
    """One check per hygiene rule."""
    return [
        dg.AssetCheckSpec(name=_check_name(rule), asset=HYGIENE_ISSUES, description=rule.advice)
        for rule in RULES
    ]


def rule_checks(judged: JudgedProfile) -> list[dg.AssetCheckResult]:
    """A rule's check passes when the rule looked at every column it is about and found nothing.

    A rule that failed, or a column nobody could read, is an error of the check, never a pass.
    Samples name columns and count rows; they hold no value of the data.
    """
    return [_rule_check(rule, judged) for rule in RULES]


def _rule_check(rule: Rule, judged: JudgedProfile) -> dg.AssetCheckResult:
    found = [one for one in judged.anomalies if one.anomaly_type_id == str(rule.id)]
    unknown = _not_examined(rule, judged)
    severe = rule.likelihood == DEFINITE or bool(unknown)
    return dg.AssetCheckResult(
        check_name=_check_name(rule),
        asset_key=HYGIENE_ISSUES,
        passed=not found and not unknown,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        metadata={
            "table_group": f"{judged.run.group_id}/{judged.run.table_group_id}",
            "profile_run_id": judged.run.profile_run_id,
            "issues": len(found),
            "columns": [_place(one) for one in found[:SAMPLES]],
            "samples": [f"{_place(one)}: {one.description}" for one in found[:SAMPLES]],
            **unknown,
        },
    )


def _not_examined(rule: Rule, judged: JudgedProfile) -> dict[str, Any]:
    """Why the rule's answer is not known, in metadata's form; empty when it is."""
    fault = next((one for one in judged.faults if one.rule_id == rule.id), None)
    unread = [_place(one) for one in judged.unread if _may_concern(rule, one)]
    return {
        **({"error": f"the rule could not be applied: {fault.error}"} if fault else {}),
        **({"columns_not_read": len(unread), "not_read": unread[:SAMPLES]} if unread else {}),
    }


def _may_concern(rule: Rule, column: ColumnProfile) -> bool:
    """Whether the rule would have looked at a column; of an unread table not even that is known."""
    return not rule.general_type or column.general_type in {rule.general_type, OTHER}


def _place(one: Anomaly | ColumnProfile) -> str:
    return f"{one.table_name}.{one.column_name}" if one.column_name else one.table_name


def _check_name(rule: Rule) -> str:
    return f"rule_{rule.id}_{rule.name.lower()}"
