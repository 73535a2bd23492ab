"""One file into tables of a group in Unity Catalog (rows D12, CD-S20)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.names import TableName
from kmflow_orchestration.operations.convert.contained_files import convert_whole
from kmflow_orchestration.operations.convert.file_outcomes import Status
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import Progress, Tell
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables
from kmflow_orchestration.operations.table_conversion.loading import Loading, loads_of
from kmflow_orchestration.operations.table_conversion.targets import parquet_options, target_of
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    OUT,
    Run,
    all_but_the_end,
    copied,
    recorded,
    source_size,
)


def convert_to_table(
    source: str,
    options: ConversionOptions,
    *,
    tables: GroupTables,
    run: Run = convert_whole,
    tell: Tell | None = None,
    dry_run: bool = False,
    password: Secret | None = None,
) -> dict[str, Any]:
    """Convert one file into the table that `--table` names; several of them are `TABLE__part`.

    What is told is as of `convert_whole`, with tables for `outputs`; its `status` is `unchanged`
    where all of them were there already as they would be made.

    Raises:
        InvalidOptions: as `parquet_options` and `target_of`.
        GroupMismatch, PlaceNotAllowed: as `target_of`; nothing was read yet.
        UnsupportedFormatError, OutputExistsError, RemoteFault: and others as `Loading.carry_out`.
        DatabricksConversionError: or one of its kinds, as `convert_file`.
    """
    named, chosen = parquet_options(options)
    target, progress = target_of(named, tables.places), Progress(tell)
    volumes = tables.volumes
    origin = volumes.source(source)
    size = source_size(volumes, origin)
    with volumes.work(size) as work:
        copy = copied(volumes, origin, size, work / "in", progress)
        done = run(
            copy,
            f"{work / OUT}/",
            chosen,
            tell=all_but_the_end(progress),
            dry_run=dry_run,
            password=password,
            recorded_source=recorded(origin),
        )
        loads = loads_of(done["manifest"], [Path(one) for one in done["outputs"]], target)
        loading = Loading(tables, loads, force=chosen.force, rewrites=chosen.force)
        if dry_run:
            loading.check()
            status = Status.PLANNED
        else:
            status = Status.CONVERTED if loading.carry_out(progress) else Status.UNCHANGED
        progress.at("clean", 1, 1, "files", copy.name)
        return told(done, str(origin), target, [one.table for one in loads], status)


def told(
    done: dict[str, Any], source: str, target: TableName, made: list[TableName], status: Status
) -> dict[str, Any]:
    """What a conversion told, by the tables of its rows."""
    return {
        **done,
        "source": source,
        "table": target.text,
        "outputs": [table.text for table in made],
        "manifest_path": "",
        "status": status.value,
    }
