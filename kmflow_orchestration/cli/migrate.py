"""`kmflow migrate`: evidence into a group's Volume, and back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

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
from kmflow_orchestration.cli.output import JsonOption
from kmflow_orchestration.cli.report_files import ReportOption, SourceOption, checked_source

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
        with file_progress("Migrating") as told:
            done = migrate_to_volume(
                config.group_id,
                source,
                caller=caller,
                **context.group(config.group_id).migrating(),
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
    tell_migration(done, report, as_json=as_json)
