"""`kmflow verify`: is everything where it should be?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.connection_options import Connecting, with_connection_options
from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.conversion_options import VerboseOption
from kmflow_orchestration.cli.given_password import (
    PasswordEnvOption,
    PasswordOption,
    PasswordStdinOption,
    given_password,
)
from kmflow_orchestration.cli.migration_options import (
    CatalogOption,
    EngagementOption,
    GroupOption,
    SchemaOption,
    VolumeOption,
    WorkersOption,
    check_place,
)
from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows, show_text
from kmflow_orchestration.cli.report_files import ReportOption, checked_source, write_report
from kmflow_orchestration.cli.volume_options import GroupOption as VolumeGroupOption
from kmflow_orchestration.cli.volume_options import (
    MaxSizeOption,
    open_tables,
    open_volumes,
    tell_without_effect,
)
from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.names import is_elsewhere

if TYPE_CHECKING:
    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.operations.convert.verify_folder import FolderVerification
    from kmflow_orchestration.operations.convert.verify_output import OutputVerification
    from kmflow_orchestration.operations.verify_migration import Verification

app = typer.Typer(help="Whether everything is where it should be.", no_args_is_help=True)

# Differences of each kind that are printed; a report has them all.
_SHOWN = 20


@app.callback()
def _family() -> None:
    """Whether everything is where it should be."""


@app.command()
def migration(
    *,
    group: GroupOption,
    source_dir: Annotated[
        Path | None, typer.Option("--source-dir", help="Folder that holds a folder per engagement.")
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(help="Instead of a folder: a list of it, ours or of sha256sum or find."),
    ] = None,
    catalog: CatalogOption = None,
    schema: SchemaOption = None,
    volume: VolumeOption = None,
    engagement: EngagementOption = None,
    workers: WorkersOption = 4,
    quick: Annotated[
        bool, typer.Option("--quick", help="By size and id; read no stored file back.")
    ] = False,
    keep_names: Annotated[
        bool, typer.Option("--keep-names", help="As for the migration: no prefix was stripped.")
    ] = False,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a tree with the group's Volume: missing, extra and different files; 0 if equal."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.progress import file_progress
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.verify_migration import verify_migration

    if (source_dir is None) is (inventory is None):
        raise typer.BadParameter(
            "name a --source-dir, or an --inventory", param_hint="--source-dir"
        )
    if source_dir is not None:
        checked_source(source_dir)
    caller = operator(group)
    with open_context() as context:
        config = known_group(group, context.group_configs)
        check_place(config, catalog, schema, volume)
        with file_progress("Comparing") as told:
            found = verify_migration(
                config.group_id,
                caller=caller,
                **context.group(config.group_id).migrating(),
                source_dir=source_dir,
                inventory=inventory,
                engagement=engagement,
                workers=workers,
                keep_names=keep_names,
                read_back=not quick,
                on_progress=told,
            )
    if report is not None:
        write_report(report, found.as_dict())
    if as_json:
        show_json(found.as_dict())
    else:
        _show(found)
    if not found.is_equal:
        raise typer.Exit(1)


@app.command("output")
@with_connection_options
def verify_output(
    out: Annotated[
        str | None,
        typer.Argument(
            help="A file or folder that a conversion made, also in a Volume; or a batch's folder."
        ),
    ] = None,
    *,
    connecting: Connecting,
    source: Annotated[
        str | None,
        typer.Option("--source", help="The file or folder it was made from, if that has moved."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="Instead of OUT: CATALOG.SCHEMA.TABLE that was made of it."),
    ] = None,
    group: VolumeGroupOption = "",
    max_size_mb: MaxSizeOption = None,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    password_env: PasswordEnvOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read source and result of conversions again and compare every cell; 0 only if all are equal.

    A folder of a batch is compared result by result; one that cannot be compared stops no other.
    Of a table the group's warehouse compares columns, rows, NULLs and sums of hashes.
    """
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    if (out is None) is (table is None):
        raise typer.BadParameter("name what a conversion made: OUT, or --table")
    import_arrow()
    from kmflow_orchestration.operations.convert.verify_output import OutputVerification

    with ending_cleanly(verbose=verbose):
        connecting.check_stdin(password_stdin=password_stdin)
        secret = given_password(password, from_stdin=password_stdin, variable=password_env)
        reaching = {"group": group, "max_size_mb": max_size_mb, "connecting": connecting}
        if table is not None:
            found: FolderVerification | OutputVerification = _of_table(
                table, source, secret, **reaching
            )
        else:
            found = _of_files(out or "", source, secret, **reaching)
    if as_json:
        show_json(found.as_dict())
    elif isinstance(found, OutputVerification):
        _show_output(found)
    else:
        _show_batch(found)
    if not found.is_equal:
        raise typer.Exit(1)


def _of_table(
    table: str, source: str | None, password: Secret | None, **reaching: Any
) -> OutputVerification:
    from kmflow_orchestration.operations.table_conversion.verify_table import verify_table

    with open_tables(source or "", **reaching) as tables:
        return verify_table(table, source, tables=tables, password=password)


def _of_files(
    out: str, source: str | None, password: Secret | None, **reaching: Any
) -> FolderVerification | OutputVerification:
    if is_elsewhere(out):
        from kmflow_orchestration.operations.volume_conversion import verify_volume_output

        with open_volumes(out, source, **reaching) as volumes:
            if volumes is None:
                raise InvalidOptions(f"{out} lies in no Volume")
            in_volume = verify_volume_output.verify_volume_output
            return in_volume(out, source, volumes=volumes, password=password)
    from kmflow_orchestration.operations.convert import verify_folder
    from kmflow_orchestration.operations.convert import verify_output as operation

    if source is not None and is_elsewhere(source):
        raise InvalidOptions(
            f"{source} lies in a Volume, and {out} here", hint="download one of them first"
        )
    tell_without_effect(reaching["group"], reaching["connecting"])
    origin = Path(source) if source is not None else None
    if verify_folder.is_batch(Path(out)):
        return verify_folder.verify_folder(Path(out), origin, password=password)
    return operation.verify_output(Path(out), origin, password=password)


def _show_batch(found: FolderVerification) -> None:
    for one in found.results:
        if one.found is None:
            say(f"{one.manifest_path}: {one.code}: {one.message}")
        else:
            _show_output(one.found, f"{one.manifest_path}: ")
    show_text(f"{len(found.results)} result(s), {found.unequal} not equal\n")


def _show_output(found: OutputVerification, name: str = "") -> None:
    for one in found.differences[:_SHOWN]:
        say(f"{name}{one}")
    if len(found.differences) > _SHOWN:
        say(f"{name}and {len(found.differences) - _SHOWN} more")
    for note in found.notes:
        say(f"{name}{note}")
    said = "equal" if found.is_equal else f"not equal: {len(found.differences)} differences"
    counts = f"{found.files} file(s), {found.rows} rows, {found.columns} columns"
    show_text(f"{name}{counts}: {said}\n")


def _show(found: Verification) -> None:
    names = sorted({*found.source_files, *found.stored_files})
    rows = [
        (name, found.source_files.get(name, 0), found.stored_files.get(name, 0)) for name in names
    ]
    show_rows(
        f"{found.source} and {found.target}", ("engagement", "files there", "files stored"), rows
    )
    say(
        f"engagement folders one level down, which are no files: {found.source_folders} there, "
        f"{found.stored_folders} stored"
    )
    kinds = {
        "missing": found.missing,
        "extra": found.extra,
        "different": [f"{one.path}: {one.why} ({one.stored_path})" for one in found.different],
        "without a row": found.without_row,
        "cannot be compared": [f"{one.path}: {one.message}" for one in found.problems],
    }
    for kind, paths in kinds.items():
        for path in paths[:_SHOWN]:
            say(f"{kind}: {path}")
        if len(paths) > _SHOWN:
            say(f"{kind}: and {len(paths) - _SHOWN} more")
    say("equal" if found.is_equal else "not equal")
