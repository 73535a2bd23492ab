"""`kmflow verify`: is everything where it should be?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
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
def verify_output(
    out: Annotated[
        Path, typer.Argument(help="A file or folder that a conversion made, or a batch's folder.")
    ],
    *,
    source: Annotated[
        Path | None,
        typer.Option("--source", help="The file or folder it was made from, if that has moved."),
    ] = None,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    password_env: PasswordEnvOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read source and result of conversions again and compare every cell; 0 only if all are equal.

    A folder of a batch is compared result by result; one that cannot be compared stops no other.
    """
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    import_arrow()
    from kmflow_orchestration.operations.convert import verify_folder
    from kmflow_orchestration.operations.convert import verify_output as operation

    found: FolderVerification | OutputVerification
    with ending_cleanly(verbose=verbose):
        secret = given_password(password, from_stdin=password_stdin, variable=password_env)
        if verify_folder.is_batch(out):
            found = verify_folder.verify_folder(out, source, password=secret)
        else:
            found = operation.verify_output(out, source, password=secret)
    if as_json:
        show_json(found.as_dict())
    elif isinstance(found, operation.OutputVerification):
        _show_output(found)
    else:
        _show_batch(found)
    if not found.is_equal:
        raise typer.Exit(1)


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
