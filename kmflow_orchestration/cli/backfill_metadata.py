"""`kmflow backfill-metadata`: rows for stored files that have none; what else is not in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows

if TYPE_CHECKING:
    from kmflow_orchestration.operations.backfill_metadata import BackfilledMetadata

_EVERY = 10_000


def backfill_metadata(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be written, change nothing.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove rows that have neither file nor item.")
    ] = False,
    verify: Annotated[
        Literal["size", "hash"] | None,
        typer.Option(help="Compare sizes only, or read every file (KMFLOW_RECONCILE_VERIFY)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Insert metadata rows of stored files that have none; a second call inserts none."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.operations.backfill_metadata import backfill_metadata as backfill

    with open_context() as context:
        own = context.group(known_group(group, context.group_configs).group_id)
        arguments = own.reconciling()
        done = backfill(
            own.id,
            **{**arguments, "verify": verify or arguments["verify"]},
            dry_run=dry_run,
            prune=prune,
            on_progress=_tell_progress,
        )
    if as_json:
        show_json(_told(done))
    else:
        _show(done)
    if done.problems:
        raise typer.Exit(1)


def _tell_progress(stage: str, count: int) -> None:
    if count % _EVERY == 0:
        say(f"{count} files {stage}")


def _told(done: BackfilledMetadata) -> dict[str, object]:
    return {
        "group": done.found.group,
        "dry_run": done.is_dry_run,
        **_counts(done),
        "problems": done.problems,
        "rows": [
            {
                "id": row.id,
                "path": row.file.file.path,
                "content_hash": row.content_hash,
                "size_bytes": row.file.file.size_bytes,
            }
            for row in done.inserted
        ],
        "details": _details(done),
    }


def _counts(done: BackfilledMetadata) -> dict[str, int]:
    counts = done.found.counts()
    return {
        "files": counts.pop("files"),
        "rows_before": counts.pop("rows"),
        **counts,
        "hash_differences": len(done.differences),
        "duplicates": counts["duplicates"] + len(done.second_copies),
        "inserted": len(done.inserted),
        "pruned": len(done.pruned),
        "kept": len(done.kept),
    }


def _details(done: BackfilledMetadata) -> dict[str, list[str]]:
    from kmflow_orchestration.operations.reconcile_metadata import shown, shown_difference

    details = dict(shown(done.found))
    details["hash_differences"] += [shown_difference(one) for one in done.damaged]
    details["duplicates"] += [f"second copy {path}" for path in done.second_copies]
    return details


def _show(done: BackfilledMetadata) -> None:
    would = "would be " if done.is_dry_run else ""
    show_rows(f"Metadata of {done.found.group}", ("what", "count"), _counts(done).items())
    rows = [(what, entry) for what, entries in _details(done).items() for entry in entries]
    if rows:
        show_rows("In detail", ("what", "where"), rows)
    say(f"{len(done.inserted)} rows {would}inserted, {len(done.pruned)} {would}removed")
    if done.kept:
        say(
            f"{len(done.kept)} rows without a file stay: the ledger counts their items as evidence."
            f" Restore the files, or: kmflow evidence delete ID --group {done.found.group}"
        )
    if done.found.surplus:
        say(f"duplicate rows go with: kmflow dedupe-metadata --group {done.found.group} --apply")
    if done.problems:
        say(f"{done.problems} things are not in order")
