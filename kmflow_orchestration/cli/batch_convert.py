"""`kmflow batch-convert`: every file of a folder, side by side, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.batch_progress import batch_progress
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
    write_reports,
)
from kmflow_orchestration.cli.interactive import may_ask
from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_rows
from kmflow_orchestration.cli.spark import ForcePysparkOption, on_spark
from kmflow_orchestration.cli.volume_options import (
    CheckOption,
    GroupOption,
    MaxSizeOption,
    VolumePathOption,
    check_places_of_tables,
    open_tables,
    open_volumes,
)
from kmflow_orchestration.errors import InvalidOptions

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.convert_folder import Carrier
    from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, FolderOutcome
    from kmflow_orchestration.operations.convert.folder_plan import FolderPlan
    from kmflow_orchestration.operations.convert.options import ConversionOptions
    from kmflow_orchestration.operations.convert.stale_results import StaleResult

_USAGE = 2


class OnError(StrEnum):
    """What a file that fails means for the others."""

    CONTINUE = "continue"
    STOP = "stop"


@with_connection_options
@with_conversion_options
def batch_convert(
    source: Annotated[
        str, typer.Argument(metavar="IN_DIR", help="The folder, here or in a Volume: /Volumes/….")
    ],
    output: Annotated[
        str | None,
        typer.Argument(metavar="[OUT_DIR]", help="Default: IN_DIR_converted beside it."),
    ] = None,
    *,
    given: Mapping[str, Any],
    connecting: Connecting,
    pattern: Annotated[
        list[str] | None, typer.Option("--pattern", help="Only files named so; repeated.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Folders within, too; mirrored in OUT_DIR.")
    ] = False,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=32, help="Files side by side.")
    ] = 4,
    force_pyspark: ForcePysparkOption = False,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="After a file that fails.")
    ] = OnError.CONTINUE,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Leave alone what was converted before."),
    ] = True,
    max_files: Annotated[
        int | None, typer.Option("--max-files", min=1, help="Only the first so many by path.")
    ] = None,
    output_dir: OutputDirOption = None,
    temp_dir: TempDirOption = None,
    timeout: TimeoutOption = 3600,
    max_memory: MaxMemoryOption = 2048,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit 0 although no file matches.")
    ] = False,
    group: GroupOption = "",
    max_size_mb: MaxSizeOption = None,
    volume_path: VolumePathOption = False,  # noqa: ARG001 (others' scripts give it)
    check: CheckOption = True,
    report: ReportsOption = None,
    summary: SummaryOption = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove earlier results whose source is gone or that have another name now; "
            "see them first with --dry-run.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the files and tell what would be made.")
    ] = False,
    interactive: InteractiveOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Convert a folder's files; one that fails stops no other, and exit 1 tells of it.

    What was interrupted goes on where it stopped when it is called again.
    """
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    import_arrow()
    from kmflow_orchestration.operations.convert.convert_folder import convert_folder
    from kmflow_orchestration.operations.convert.forecast import with_forecast
    from kmflow_orchestration.operations.convert.layout import check_named
    from kmflow_orchestration.operations.convert.one_process import Limits
    from kmflow_orchestration.operations.convert.option_table import TABLE
    from kmflow_orchestration.operations.convert.options import conversion_options
    from kmflow_orchestration.operations.convert.summary import summary_place, write_summary
    from kmflow_orchestration.operations.convert.temporary_files import temporary_files_in

    with ending_cleanly(verbose=verbose):
        options = conversion_options(given, ambient=ambient_options())
        looking: dict[str, Any] = {
            "patterns": pattern or ("*",),
            "recursive": recursive,
            "max_files": max_files,
        }
        is_table = options.format_type == TABLE
        only_files = {"prune": prune, "force_pyspark": force_pyspark, "summary": summary}
        check_places_of_tables(output, is_table=is_table, **only_files)
        output = output_dir if output is None else output
        check_named(source, "IN_DIR")
        check_named(output, "OUT_DIR")
        check_asked(report, summary=summary, output=output)
        reaching = {"group": group, "max_size_mb": max_size_mb, "connecting": connecting}
        looking |= {"check": check and not dry_run, "prune": prune, "quiet": quiet}
        with _planned(source, output, options, looking, reaching) as (plan, options, carrier):
            check_asked(None, summary=summary, output=str(plan.output))
            place = summary_place(plan.output) if summary and not dry_run else None
            settings: dict[str, Any] = {
                "resume": resume,
                "stop_on_error": on_error is OnError.STOP,
                "dry_run": dry_run,
                "limits": Limits(timeout, max_memory << 20),
                "carrier": carrier,
            }
            by_spark = on_spark(plan, options, **settings) if force_pyspark else None
            with (
                temporary_files_in(temp_dir),
                batch_progress(len(plan.files), quiet=quiet or as_json) as told,
            ):
                done = by_spark or convert_folder(
                    plan, options, parallel=parallel, **settings, **told
                )
            if carrier is None:
                # A folder without a file may be one that is not mounted.
                is_removing = prune and not dry_run and bool(done.files or allow_empty)
                done = _with_stale(done, plan, remove=is_removing, interactive=interactive)
            if dry_run:
                done = with_forecast(done, plan, parallel)
        # Once: of many files it takes a while.
        told_all = done.as_dict() if report or place is not None or as_json else {}
        write_reports(report, told_all)
        if place is not None:
            write_summary(place, told_all)
    if as_json:
        show_json(told_all)
    else:
        _tell(done, quiet=quiet)
        if any(one.missed for one in done.files) and not options.allow_skip:
            complain("results lack something of their sources", hint="--allow-skip accepts that")
    if not done.files and not allow_empty:
        complain(f"no file of {source} matches", hint="--allow-empty accepts that")
        raise typer.Exit(_USAGE)
    if not done.is_whole(allow_skip=options.allow_skip):
        raise typer.Exit(1)


@contextmanager
def _planned(
    source: str,
    output: str | None,
    options: ConversionOptions,
    looking: Mapping[str, Any],
    reaching: Mapping[str, Any],
) -> Iterator[tuple[FolderPlan, ConversionOptions, Carrier | None]]:
    """The plan, the options for each of its files, and who carries them where they lie or go."""
    from kmflow_orchestration.operations.convert.folder_plan import plan_folder
    from kmflow_orchestration.operations.convert.option_table import TABLE

    own = {name: looking[name] for name in ("patterns", "recursive", "max_files")}
    if options.format_type == TABLE:
        from kmflow_orchestration.operations.table_conversion.carrier import plan_tables

        with open_tables(source, **reaching) as tables:
            yield plan_tables(source, options, tables=tables, **own)
        return
    with open_volumes(source, output, **reaching, quiet=looking["quiet"]) as volumes:
        if volumes is None:
            target = None if output is None else Path(output)
            yield plan_folder(Path(source), target, **own), options, None
            return
        if looking["prune"]:
            raise InvalidOptions(
                "--prune removes nothing of Volumes",
                hint="leave it out, or name folders of this machine",
            )
        from kmflow_orchestration.operations.volume_conversion.carrier import plan_carried

        more = {"options": options, "check": looking["check"]}
        plan, carrier = plan_carried(source, output, volumes=volumes, **own, **more)
        yield plan, options, carrier


def _tell(done: FolderOutcome, *, quiet: bool) -> None:
    if not quiet:
        if done.files:
            _tell_all(done)
        for path, drift in ((one.path, told) for one in done.files for told in one.drift):
            say(f"{path}: drift: {drift}")
    for one in done.files:
        if one.code:
            complain(f"{one.path}: {one.code}: {one.message}", hint=one.hint)
        for missed in one.missed:
            complain(f"{one.path}: not in the result: {missed}")


def _tell_all(done: FolderOutcome) -> None:
    rows = [
        (
            *(one.path, one.status, one.size_bytes or "", one.rows or ""),
            *(f"{one.seconds:.1f}", _what(one)),
        )
        for one in done.files
    ]
    columns = ("file", "", "bytes", "rows", "s", "what")
    show_rows(f"{done.source} → {done.output}", columns, rows)
    for path in done.clashes:
        say(f"{path}: its results keep the suffix, as another file has the same name")
    if len(done.files) < done.matched:
        say(f"--max-files left out {done.matched - len(done.files)} files")
    if done.estimated_s:
        say(f"it would take about {done.estimated_s:.0f} s")
    for grant in done.grants:
        say(f"needs {grant}")
    for stale in done.stale:
        say(f"stale: {stale.manifest_path} of {stale.source}: {_fate(stale)}")
    say(", ".join(f"{count} {status}" for status, count in done.counts.items()))


def _with_stale(
    done: FolderOutcome, plan: FolderPlan, *, remove: bool, interactive: bool
) -> FolderOutcome:
    from kmflow_orchestration.operations.convert.stale_results import find_stale, remove_stale

    stale = find_stale(plan, done.with_result)
    if remove and _is_wanted(stale, interactive=interactive):
        stale = remove_stale(stale)
    return replace(done, stale=stale)


def _is_wanted(stale: Sequence[StaleResult], *, interactive: bool) -> bool:
    """Whether they are to be removed, which was asked for; a person may want to see them first."""
    if not stale or not may_ask(interactive=interactive):
        return True
    for one in stale:
        say(f"stale: {one.manifest_path} of {one.source}: {one.why}")
    return typer.confirm(f"Remove these {len(stale)} results?", err=True)


def _fate(stale: StaleResult) -> str:
    if stale.removed:
        return f"{stale.why}; removed"
    return f"{stale.why}; {stale.kept_because or '--prune removes it'}"


def _what(one: FileOutcome) -> str:
    if one.code:
        return one.code
    names = [Path(output).name for output in one.outputs]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
