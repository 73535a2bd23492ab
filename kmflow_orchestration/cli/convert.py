"""`kmflow convert`: one file into Parquet, CSV, JSON lines or text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.conversion_options import (
    QuietOption,
    VerboseOption,
    with_conversion_options,
)
from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_text
from kmflow_orchestration.cli.volume_options import (
    CheckOption,
    GroupOption,
    MaxSizeOption,
    open_volumes,
)

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.convert_file import Conversion


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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the file and tell what would be made.")
    ] = False,
    group: GroupOption = "",
    max_size_mb: MaxSizeOption = None,
    check: CheckOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Convert a file, all of it or nothing; only a Volume needs a group and the database.

    Exit 1 also when something of the source is not in the result, unless --allow-skip.
    """
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    import_arrow()
    from kmflow_orchestration.cli.conversion_progress import conversion_progress
    from kmflow_orchestration.operations.convert.convert_file import convert_file
    from kmflow_orchestration.operations.convert.options import conversion_options

    with ending_cleanly(verbose=verbose):
        options = conversion_options(given)
        with (
            open_volumes(source, output, group=group, max_size_mb=max_size_mb) as volumes,
            conversion_progress(quiet=quiet or as_json) as tell,
        ):
            if volumes is None:
                done = convert_file(source, output, options, tell=tell, dry_run=dry_run)
            else:
                from kmflow_orchestration.operations.volume_conversion import convert_volume_file

                done = convert_volume_file.convert_volume_file(
                    source,
                    output,
                    options,
                    volumes=volumes,
                    tell=tell,
                    dry_run=dry_run,
                    check=check,
                )
    if as_json:
        show_json(done.as_dict())
    elif not quiet:
        _tell(done)
    if done.missed and not options.allow_skip:
        for one in done.missed:
            complain(f"not in the result: {one}")
        complain("the result lacks something of the source", hint="--allow-skip accepts that")
        raise typer.Exit(1)


def _tell(done: Conversion) -> None:
    made = "would be made" if done.is_dry_run else "made"
    for path, one in zip(done.outputs, done.manifest.outputs, strict=True):
        what = "pieces of text" if one.is_document else "rows"
        columns = f", {len(one.columns)} columns" if one.columns else ""
        show_text(f"{path}: {one.rows} {what}{columns}\n")
    for warning in done.manifest.warnings:
        where = f" ({warning.location})" if warning.location else ""
        say(f"{warning.code}{where}: {warning.message}")
    for part in done.manifest.left_out:
        say(f"left out, as it was not asked for: {part}")
    say(f"{len(done.outputs)} file(s) {made}; {done.manifest_path} tells all about them")
