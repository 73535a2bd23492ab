"""`kmflow convert`: one file into Parquet, CSV, JSON lines or text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.connection_options import Connecting, with_connection_options
from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.conversion_options import (
    InteractiveOption,
    MaxMemoryOption,
    OutputDirOption,
    QuietOption,
    TempDirOption,
    TimeoutOption,
    VerboseOption,
    ambient_options,
    with_conversion_options,
)
from kmflow_orchestration.cli.conversion_reports import (
    ReportsOption,
    SummaryOption,
    check_asked,
    failure_reported,
    one_file_told,
    write_reports,
)
from kmflow_orchestration.cli.given_password import (
    PasswordOption,
    PasswordStdinOption,
    given_password,
)
from kmflow_orchestration.cli.interactive import deciding
from kmflow_orchestration.cli.output import (
    JsonOption,
    complain,
    say,
    show_json,
    show_rows,
    show_text,
)
from kmflow_orchestration.cli.spark import ForcePysparkOption, warn_of_one_file
from kmflow_orchestration.cli.volume_options import (
    CheckOption,
    GroupOption,
    MaxSizeOption,
    VolumePathOption,
    check_places_of_tables,
    open_tables,
    open_volumes,
)

if TYPE_CHECKING:
    from kmflow_orchestration.config.secret_refs import Secret
    from kmflow_orchestration.operations.convert.options import ConversionOptions


@with_connection_options
@with_conversion_options
def convert(
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="The file, here or in a Volume: /Volumes/….")
    ],
    output: Annotated[
        str | None,
        typer.Argument(help="A file, or a folder: no suffix, or / at its end. Default: beside it."),
    ] = None,
    *,
    given: Mapping[str, Any],
    connecting: Connecting,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the file and tell what would be made.")
    ] = False,
    output_dir: OutputDirOption = None,
    temp_dir: TempDirOption = None,
    timeout: TimeoutOption = 3600,
    max_memory: MaxMemoryOption = 2048,
    preview_schema: Annotated[
        bool,
        typer.Option("--preview-schema", help="Show tables, columns and types, and make nothing."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --preview-schema: show them and go on.")
    ] = False,
    password: PasswordOption = None,
    password_stdin: PasswordStdinOption = False,
    group: GroupOption = "",
    max_size_mb: MaxSizeOption = None,
    volume_path: VolumePathOption = False,  # noqa: ARG001 (others' scripts give it)
    check: CheckOption = False,
    force_pyspark: ForcePysparkOption = False,
    report: ReportsOption = None,
    summary: SummaryOption = False,
    interactive: InteractiveOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Convert a file, all of it or nothing; only Volumes and tables need a group and the database.

    Exit 1 also when something of the source is not in the result, unless --allow-skip.
    """
    from kmflow_orchestration.cli.conversion_progress import conversion_progress
    from kmflow_orchestration.operations.convert.apart import convert_apart
    from kmflow_orchestration.operations.convert.idle_process import kept_process
    from kmflow_orchestration.operations.convert.one_process import Limits
    from kmflow_orchestration.operations.convert.option_table import TABLE
    from kmflow_orchestration.operations.convert.options import conversion_options
    from kmflow_orchestration.operations.convert.temporary_files import temporary_files_in

    stops = preview_schema and not yes
    with ending_cleanly(verbose=verbose):
        warn_of_one_file(is_asked=force_pyspark)
        options = conversion_options(given, ambient=ambient_options())
        connecting.check_stdin(password_stdin=password_stdin)
        variable = options.password_env
        secret = given_password(password, from_stdin=password_stdin, variable=variable)
        is_table = options.format_type == TABLE
        check_places_of_tables(output, is_table=is_table, summary=summary)
        output = _place(output, output_dir)
        check_asked(report, summary=summary, output=source if output is None else output)
        if stops:
            # A look takes no offence at what lies where a result would go.
            options = replace(options, force=True)

        reaching = {"group": group, "max_size_mb": max_size_mb, "connecting": connecting}
        opening = partial(_opened, is_table=is_table, check=check, quiet=quiet)

        def attempt(options: ConversionOptions, secret: Secret | None) -> dict[str, Any]:
            # The process first: it is begun in no time as long as nothing is displayed.
            with (
                temporary_files_in(temp_dir),
                kept_process(Limits(timeout, max_memory << 20)) as process,
                opening(source, output, reaching) as act,
                conversion_progress(quiet=quiet or as_json) as tell,
            ):
                return act(
                    options,
                    run=partial(convert_apart, process),
                    tell=tell,
                    dry_run=dry_run or stops,
                    password=secret,
                )

        begun = time.monotonic()
        with failure_reported(report, source):
            done = deciding(attempt, options, secret, interactive=interactive)
        _write_down(done, time.monotonic() - begun, report, summary=summary)
    if as_json:
        show_json(done)
    elif not quiet:
        if preview_schema:
            _show_schema(done)
        _tell(done)
    # What was accepted beforehand is told to people all the same.
    if not (options.allow_skip and (quiet or as_json)):
        for one in done["missed"]:
            complain(f"not in the result: {one}")
    if done["missed"] and not options.allow_skip:
        complain("the result lacks something of the source", hint="--allow-skip accepts that")
        raise typer.Exit(1)


@contextmanager
def _opened(
    source: str,
    output: str | None,
    reaching: Mapping[str, Any],
    *,
    is_table: bool,
    check: bool,
    quiet: bool,
) -> Iterator[Callable[..., dict[str, Any]]]:
    """What converts this very file, with the places of the group open that it needs."""
    if is_table:
        from kmflow_orchestration.operations.table_conversion import convert_to_table

        with open_tables(source, **reaching) as tables:
            yield partial(convert_to_table.convert_to_table, source, tables=tables)
        return
    with open_volumes(source, output, **reaching, quiet=quiet) as volumes:
        if volumes is None:
            yield lambda options, run, **given: run(source, output, options, **given)
            return
        from kmflow_orchestration.operations.volume_conversion import convert_volume_file

        to_volume = convert_volume_file.convert_volume_file
        yield partial(to_volume, source, output, volumes=volumes, check=check)


_MOVED = {"widen": "widened", "new-version": "longer by one version"}


def _write_down(
    done: Mapping[str, Any], seconds: float, report: Sequence[Path] | None, *, summary: bool
) -> None:
    is_made = summary and not done["dry_run"]
    if not report and not is_made:
        return
    told = one_file_told(done, seconds)
    write_reports(report, told)
    if is_made:
        from kmflow_orchestration.operations.convert.summary import summary_place, write_summary

        place = summary_place(Path(told["output"]), done["outputs"])
        write_summary(place, told)
        say(f"{place} is a summary for people")


def _place(output: str | None, output_dir: str | None) -> str | None:
    from kmflow_orchestration.operations.convert.layout import check_named

    check_named(output, "OUTPUT")
    # With its end it is a folder, whatever it is called.
    return f"{output_dir}/" if output is None and output_dir is not None else output


def _show_schema(done: Mapping[str, Any]) -> None:
    for one in done["manifest"]["outputs"]:
        if one["columns"]:
            title = f"{one['part'] or 'table'}: {one['rows']} rows"
            rows = [
                (column["name"], column["source_name"], column["type"]) for column in one["columns"]
            ]
            show_rows(title, ("column", "in the source", "type"), rows)


def _tell(done: Mapping[str, Any]) -> None:
    manifest = done["manifest"]
    for path, one in zip(done["outputs"], manifest["outputs"], strict=True):
        what = "pieces of text" if one["is_document"] else "rows"
        columns = f", {len(one['columns'])} columns" if one["columns"] else ""
        show_text(f"{path}: {one['rows']} {what}{columns}\n")
    for warning in manifest["warnings"]:
        where = f" ({warning['location']})" if warning["location"] else ""
        say(f"{warning['code']}{where}: {warning['message']}")
    lock = manifest["schema_lock"] or {"drift": ()}
    for one in lock["drift"]:
        say(f"drift: {one['text']}")
    if lock["drift"]:
        would = "would be" if done["dry_run"] else "is"
        say(f"the schema lock {would} {_MOVED[lock['on_drift']]}: {lock['path']}")
    for part in manifest["left_out"]:
        say(f"left out, as it was not asked for: {part}")
    made = "would be made" if done["dry_run"] else "made"
    count = len(done["outputs"])
    if "status" in done:
        say(f"{count} table(s): {done['status']}")
    else:
        say(f"{count} file(s) {made}; {done['manifest_path']} tells all about them")
    for one in done["contained"]:
        show_text(f"{one['path']}: taken out\n")
        for output in one["outputs"]:
            show_text(f"{output}: made of it\n")
        if one["message"] and not one["problem"]:
            say(f"{one['path']} stays as it is: {one['message']}")
