"""`kmflow convert`: one file into Parquet, CSV, JSON lines or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.conversion_options import (
    QuietOption,
    VerboseOption,
    with_conversion_options,
)
from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_text

if TYPE_CHECKING:
    from kmflow_orchestration.operations.convert.contained_files import ContainedOutcome
    from kmflow_orchestration.operations.convert.convert_file import Conversion


@with_conversion_options
def convert(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The file.")],
    output: Annotated[
        str | None,
        typer.Argument(help="A file, or a folder: no suffix, or / at its end. Default: beside it."),
    ] = None,
    *,
    given: Mapping[str, Any],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the file and tell what would be made.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Convert a file, all of it or nothing; needs no group and no database.

    Exit 1 also when something of the source is not in the result, unless --allow-skip.
    """
    from kmflow_orchestration.operations.convert.lean_arrow import import_arrow

    import_arrow()
    from kmflow_orchestration.cli.conversion_progress import conversion_progress
    from kmflow_orchestration.operations.convert.contained_files import convert_contained
    from kmflow_orchestration.operations.convert.convert_file import convert_file
    from kmflow_orchestration.operations.convert.options import conversion_options

    with ending_cleanly(verbose=verbose):
        options = conversion_options(given)
        with conversion_progress(quiet=quiet or as_json) as tell:
            done = convert_file(source, output, options, tell=tell, dry_run=dry_run)
            inner = convert_contained(done, options)
    if as_json:
        show_json({**done.as_dict(), "contained": [asdict(one) for one in inner]})
    elif not quiet:
        _tell(done)
        _tell_contained(inner)
    missed = [*done.missed, *filter(None, (one.problem for one in inner))]
    if missed and not options.allow_skip:
        for one in missed:
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


def _tell_contained(inner: Sequence[ContainedOutcome]) -> None:
    for one in inner:
        show_text(f"{one.path}: taken out\n")
        for output in one.outputs:
            show_text(f"{output}: made of it\n")
        if one.message and not one.problem:
            say(f"{one.path} stays as it is: {one.message}")
