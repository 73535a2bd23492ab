"""How a group-by-day asset walks over its days: one story, shared by all of them (AD6).

A run over several days gives each day its own metadata. If some days fail, those that went well
are recorded, the step fails with the others named, and nothing is lost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
    """What one day's work says about itself; `beside` about the assets that it makes as well."""

    metadata: Mapping[str, Any]
    checks: tuple[dg.AssetCheckResult, ...] = ()
    beside: Mapping[dg.AssetKey, Mapping[str, Any]] = field(default_factory=dict)

    def about(self, main: dg.AssetKey) -> Mapping[dg.AssetKey, Mapping[str, Any]]:
        """All assets of the work, `main` first."""
        return {main: self.metadata, **self.beside}


DayWork = Callable[[GroupContext, date], DayReport]
AboutFailure = Callable[[GroupContext], Mapping[str, Any]]
DayEvents = Iterator[dg.AssetMaterialization | dg.MaterializeResult]


def materialize_days(
    context: dg.AssetExecutionContext,
    kmflow: ContextResource,
    work: DayWork,
    *,
    about_failure: AboutFailure = lambda _: {},
    key: dg.AssetKey | None = None,
) -> DayEvents:
    """Do `work` for each day of the run's one group; `about_failure` tells what a failure left.

    `key` is the main one of a step that makes several assets.

    Raises:
        dg.Failure: some day failed; retried by Dagster only if trying again can help all of them.
    """
    with failing_as_dagster():
        target = split_days(context.partition_keys)
        group = kmflow.for_group(target.group)
    main = key or context.asset_key
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
        yield from _records(main, target.group, reports)
        raise _failure(target.group, failures, _left(context, group, about_failure))
    others: dict[dg.AssetKey, None] = {}
    for day, report in reports.items():
        others |= dict.fromkeys(report.beside)
        for one, metadata in report.about(main).items():
            shown = clean_metadata(metadata)  # added here, so that no event carries it
            partition = day_key(target.group, day)
            context.add_asset_metadata(shown, asset_key=one, partition_key=partition)
    yield dg.MaterializeResult(asset_key=main, check_results=_joined(reports.values()))
    for one in others:
        yield dg.MaterializeResult(asset_key=one)


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
    main: dg.AssetKey, group: str, reports: Mapping[date, DayReport]
) -> Iterator[dg.AssetMaterialization]:
    for day, report in reports.items():
        for one, metadata in report.about(main).items():
            yield dg.AssetMaterialization(
                asset_key=one, partition=day_key(group, day), metadata=dict(metadata)
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
