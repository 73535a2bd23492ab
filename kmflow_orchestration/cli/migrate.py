"""`kmflow migrate`: evidence into a group's Volume, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.migration_options import (
    CatalogOption,
    DryRunOption,
    EngagementOption,
    GroupOption,
    ResumeOption,
    SchemaOption,
    VolumeOption,
    WorkersOption,
    check_place,
    tell_migration,
)
from kmflow_orchestration.cli.output import JsonOption, say
from kmflow_orchestration.cli.report_files import ReportOption, SourceOption, checked_source

if TYPE_CHECKING:
    from kmflow_orchestration.context import Context
    from kmflow_orchestration.names import GroupId

app = typer.Typer(help="Evidence into a group's Volume, and back.", no_args_is_help=True)


class Verify(StrEnum):
    """How it is made sure that what was sent is there."""

    SIZE = "size"
    HASH = "hash"


@app.command("to-databricks")
def to_databricks(
    *,
    group: GroupOption,
    source_dir: SourceOption,
    catalog: CatalogOption = None,
    schema: SchemaOption = None,
    volume: VolumeOption = None,
    engagement: EngagementOption = None,
    workers: WorkersOption = 4,
    dry_run: DryRunOption = False,
    report: ReportOption = None,
    resume: ResumeOption = False,
    verify: Annotated[
        Verify, typer.Option("--verify", help="Confirm by size, or read every file back.")
    ] = Verify.SIZE,
    keep_names: Annotated[
        bool,
        typer.Option("--keep-names", help="Take names as they are: strip no foreign prefix."),
    ] = False,
    backfill_metadata: Annotated[
        bool,
        typer.Option(
            "--backfill-metadata",
            help="Then write the missing rows of all other files in the Volume, too.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring every file of a tree into the group's Volume, with its row; a repeat sends nothing."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.progress import file_progress
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.names import short_hash
    from kmflow_orchestration.operations.migrate_to_volume import migrate_to_volume

    caller, source = operator(group), checked_source(source_dir)
    with open_context() as context:
        config = known_group(group, context.group_configs)
        check_place(config, catalog, schema, volume)
        key = short_hash(f"{source.resolve()}\n{config.volume.text}", 12)
        place = context.group(config.group_id).migrating()
        with file_progress("Migrating") as told:
            done = migrate_to_volume(
                config.group_id,
                source,
                caller=caller,
                **place,
                moved=context.moved_evidence,
                clock=context.clock,
                manifest=context.settings.migrations_root(config.group_id)
                / f"to-databricks-{key}.jsonl",
                engagement=engagement,
                workers=workers,
                dry_run=dry_run,
                resume=resume,
                verify=verify.value,
                keep_names=keep_names,
                on_progress=told,
            )
        if backfill_metadata:
            _backfill(config.group_id, context, place, workers=workers, dry_run=dry_run)
    tell_migration(done, report, as_json=as_json)


def _backfill(
    group: GroupId, context: Context, place: Mapping[str, Any], *, workers: int, dry_run: bool
) -> None:
    """Rows of files that are in the Volume without one, wherever they came from."""
    from kmflow_orchestration.operations.backfill_metadata import backfill_metadata

    done = backfill_metadata(
        group, ledger=context.ledger, **place, verify="size", workers=workers, dry_run=dry_run
    )
    would = "would be " if dry_run else ""
    say(f"{len(done.inserted)} rows of other files in the Volume {would}inserted")
    if done.problems:
        say(f"{done.problems} things are not in order: kmflow backfill-metadata --group {group}")


@app.command("from-databricks")
def from_databricks(
    *,
    group: GroupOption,
    target_dir: Annotated[
        Path | None,
        typer.Option(
            "--target-dir",
            help="Folder to hold a folder per engagement (default: the group's own local store).",
        ),
    ] = None,
    catalog: CatalogOption = None,
    schema: SchemaOption = None,
    volume: VolumeOption = None,
    engagement: EngagementOption = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help="Only files stored from this time on (UTC unless it says otherwise).",
        ),
    ] = None,
    workers: WorkersOption = 4,
    dry_run: DryRunOption = False,
    report: ReportOption = None,
    resume: ResumeOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace local files that differ.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the group's files to this machine, each checked; nothing in the workspace changes."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.progress import file_progress
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.migrate_from_volume import migrate_from_volume
    from kmflow_orchestration.storage.evidence_paths import FOLDER

    caller = operator(group)
    with open_context() as context:
        config = known_group(group, context.group_configs)
        check_place(config, catalog, schema, volume)
        own_store = context.group(config.group_id).local_store()
        target = target_dir or own_store.local_path(f"{FOLDER}/x").parent
        with file_progress("Fetching") as told:
            done = migrate_from_volume(
                config.group_id,
                target,
                caller=caller,
                **context.group(config.group_id).migrating(),
                moved=context.moved_evidence,
                clock=context.clock,
                own_store=own_store,
                engagement=engagement,
                since=None if since is None else since.replace(tzinfo=since.tzinfo or UTC),
                workers=workers,
                dry_run=dry_run,
                resume=resume,
                overwrite=overwrite,
                on_progress=told,
            )
    tell_migration(done, report, as_json=as_json)
