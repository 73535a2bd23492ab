"""How a group-by-day asset walks over its days: one story, shared by all of them (AD6).

A run over several days gives each day its own metadata. If some days fail, those that went well
are recorded, the step fails with the others named, and nothing is lost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.partitions.keys import day_key, split_days
from kmflow_orchestration.resources.clean_texts import clean_metadata
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster


@dataclass(frozen=True, slots=True)
class DayReport:
    """What one day's work says about itself."""

    metadata: Mapping[str, Any]
    checks: tuple[dg.AssetCheckResult, ...] = ()


DayWork = Callable[[GroupContext, date], DayReport]
AboutFailure = Callable[[GroupContext], Mapping[str, Any]]
DayEvents = Iterator[dg.AssetMaterialization | dg.MaterializeResult]


def materialize_days(
    context: dg.AssetExecutionContext,
    kmflow: ContextResource,
    work: DayWork,
    *,
    about_failure: AboutFailure = lambda _: {},
) -> DayEvents:
    """Do `work` for each day of the run's one group; `about_failure` tells what a failure left.

    Raises:
        dg.Failure: some day failed; retried by Dagster only if trying again can help all of them.
    """
    with failing_as_dagster():
        target = split_days(context.partition_keys)
        group = kmflow.for_group(target.group)
    reports: dict[date, DayReport] = {}
    failures: dict[date, KmflowError] = {}
    for day in target.days:
        try:
            reports[day] = work(group, day)
        except KmflowError as error:
            context.log.warning("%s %s failed: %s", target.group, day, error)
            failures[day] = error
    if failures:
        # Yielded, not logged: what a step has logged is lost when it fails.
        yield from _records(context, target.group, reports)
        raise _failure(target.group, failures, _left(context, group, about_failure))
    for day, report in reports.items():
        shown = clean_metadata(report.metadata)  # added here, so that no event carries it
        context.add_asset_metadata(shown, partition_key=day_key(target.group, day))
    yield dg.MaterializeResult(check_results=_joined(reports.values()))


def _left(
    context: dg.AssetExecutionContext, group: GroupContext, about_failure: AboutFailure
) -> Mapping[str, Any]:
    """What failures left; what they took away with them may be what would tell."""
    try:
        return about_failure(group)
    except KmflowError as error:
        context.log.warning("what is left to do cannot be told: %s", error)
        return {}


def _records(
    context: dg.AssetExecutionContext, group: str, reports: Mapping[date, DayReport]
) -> Iterator[dg.AssetMaterialization]:
    for day, report in reports.items():
        yield dg.AssetMaterialization(
            asset_key=context.asset_key,
            partition=day_key(group, day),
            metadata=dict(report.metadata),
        )


def _failure(
    group: str, failures: Mapping[date, KmflowError], about: Mapping[str, Any]
) -> dg.Failure:
    days = "; ".join(f"{day}: [{error.code}] {error}" for day, error in failures.items())
    return dg.Failure(
        f"group {group}: {len(failures)} day(s) failed. {days}",
        metadata={"failed_days": [day.isoformat() for day in failures], **about},
        allow_retries=all(error.retryable for error in failures.values()),
    )


def _joined(reports: Iterable[DayReport]) -> list[dg.AssetCheckResult]:
    """One result per check: it passed if it passed on every day, with the worst day's metadata."""
    results: dict[str, dg.AssetCheckResult] = {}
    for report in reports:
        for result in report.checks:
            name = result.check_name or ""
            if name not in results or results[name].passed:
                results[name] = result
    return list(results.values())
