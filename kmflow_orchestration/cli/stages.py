"""`kmflow stages`: how long each stage of a group's batches took, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.output import JsonOption, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.intake.stage_sums import StageSummary

COLUMNS = ("stage", "batches", "seconds", "longest", "in", "out", "errors", "error types")


def stages(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    day: Annotated[
        datetime | None,
        typer.Option("--day", formats=["%Y-%m-%d"], help="Only batches of this day."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Time, counts and errors of each stage that a group's batches went through."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.stage_summary import stage_summaries

    caller = operator(group)
    only = None if day is None else day.replace(tzinfo=UTC).date()
    with open_context() as context:
        known_group(group, context.group_configs)
        found = stage_summaries(group, caller=caller, ledger=context.ledger, day=only)
    if as_json:
        show_json({"group": group, "stages": [_told(one) for one in found]})
        return
    rows = [
        (
            one.stage,
            one.batches,
            f"{one.duration_ms / 1000:.1f}",
            f"{one.longest_ms / 1000:.1f}",
            one.input_count,
            one.output_count,
            one.error_count,
            ", ".join(one.error_types),
        )
        for one in found
    ]
    show_rows(f"Stages of {group}", COLUMNS, rows)


def _told(one: StageSummary) -> dict[str, Any]:
    return {**asdict(one), "stage": str(one.stage), "started_at": iso(one.started_at)}
